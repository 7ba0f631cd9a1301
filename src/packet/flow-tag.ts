/**
 * The flow tag: 32 bits that tell directed outer flows apart (`Burst.flow`).
 *
 * Promise: pure; never 0, which is kept for "not IP". Who uses these in a loop gives them a name of its own: V8 checks an
 * imported binding at every call, a constant of the module never.
 */

/**
 * The flow tag of two address words, the ports word and the word of protocol and VLAN id. The products do not wait
 * for each other, so that their latencies overlap; odd factors keep flows apart that differ in one word only.
 */
export const flowTag = (source: number, destination: number, ports: number, rest: number): number => {
  const sum =
    (Math.imul(source, 0x9e3779b1) ^ Math.imul(destination, 0x85ebca6b)) +
    (Math.imul(ports, 0xc2b2ae35) ^ Math.imul(rest, 0x27d4eb2f));
  const x = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
  const y = x ^ (x >>> 13);
  // 0 is kept for "not IP".
  return y === 0 ? 1 : y;
};

/** 16 address bytes as one word, for `flowTag`. */
export const foldAddress = (view: DataView, at: number): number => {
  return (
    (Math.imul(view.getInt32(at), 0x165667b1) ^ Math.imul(view.getInt32(at + 4), 0x61c88647)) +
    (Math.imul(view.getInt32(at + 8), 0x5bd1e995) ^ Math.imul(view.getInt32(at + 12), 0x1b873593))
  );
};
