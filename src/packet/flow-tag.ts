/**
 * The flow tag: 32 bits that tell directed outer flows apart (`Burst.flow`).
 *
 * Promise: pure; never 0, which is kept for "not IP". Depends on eight keys, which lie in `Burst.words` behind all
 * fields (`KEYS`). An engine has secret ones, so that nobody can send a flow whose tag is another one's: without them
 * two tags are equal as often as two numbers of 32 bits drawn at random. Elsewhere they are `DEFAULT_KEYS`, the same
 * everywhere.
 *
 * Each word is multiplied by a key, which is odd, so that flows which differ in one word only never share a tag. The
 * products are turned by different amounts: unturned, the highest bits of two words would cancel out under any keys.
 * They do not wait for each other, so that their latencies overlap.
 *
 * A loop that uses these gives them a name in its module: V8 checks an imported binding at every call, a constant of the
 * module never.
 */
import { type Burst, KEYS, Kind } from './burst.js';

const K = KEYS;

/** The last steps of all tags. 0 is kept for "not IP". */
const finish = (sum: number): number => {
  const x = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
  const y = x ^ (x >>> 13);
  return y === 0 ? 1 : y;
};

/**
 * The flow tag of two address words, the ports word and the word of protocol and VLAN id.
 * @param words `Burst.words`
 */
export const flowTag = (
  words: Int32Array,
  source: number,
  destination: number,
  ports: number,
  rest: number,
): number => {
  const b = Math.imul(destination, words[K + 1]!);
  const c = Math.imul(ports, words[K + 2]!);
  const d = Math.imul(rest, words[K + 3]!);
  const sum =
    (Math.imul(source, words[K]!) ^ ((b << 9) | (b >>> 23))) +
    (((c << 17) | (c >>> 15)) ^ ((d << 25) | (d >>> 7)));
  return finish(sum);
};

/** Four words as one, by other keys than those of `flowTag`. */
const fold = (words: Int32Array, first: number, second: number, third: number, fourth: number): number => {
  const b = Math.imul(second, words[K + 5]!);
  const c = Math.imul(third, words[K + 6]!);
  const d = Math.imul(fourth, words[K + 7]!);
  return (
    (Math.imul(first, words[K + 4]!) ^ ((b << 9) | (b >>> 23))) +
    (((c << 17) | (c >>> 15)) ^ ((d << 25) | (d >>> 7)))
  );
};

/** 16 address bytes as one word, for `flowTag`. */
export const foldAddress = (words: Int32Array, view: DataView, at: number): number =>
  fold(words, view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12));

/** The tag of a frame that is not IP: both addresses, ethertype and VLAN id. */
export const plainTag = (
  words: Int32Array,
  dmacLo: number,
  smacLo: number,
  macs: number,
  rest: number,
): number => finish(fold(words, dmacLo, smacLo, macs, rest));

/** Protocol and VLAN id of frame i, the flow's last word: for `flowTag`. */
export function flowRest(burst: Burst, i: number): number {
  const tag = burst.vlan[i]!;
  const protocol = (burst.kind[i]! >>> Kind.protocolShift) & 0xff;
  return (protocol << 12) | (tag < 0 ? 0 : tag & 0xfff);
}

/** The flow tag of a dissected frame of `burst` by the keys in `words`; not for the hot path. */
export function tagOf(words: Int32Array, burst: Burst, i: number): number {
  const { view } = burst;
  const kind = burst.kind[i]!;
  const ip = burst.l3[i]!;
  if ((kind & Kind.ipMask) === 0) return 0;
  if ((kind & Kind.addresses) === 0)
    return flowTag(words, 0, 0, kind & Kind.ipMask, flowRest(burst, i) & 0xfff);
  const ports = (kind & Kind.ports) === 0 ? 0 : view.getInt32(burst.l4[i]!);
  const rest = flowRest(burst, i);
  if ((kind & Kind.ipMask) === Kind.ipv4)
    return flowTag(words, view.getInt32(ip + 12), view.getInt32(ip + 16), ports, rest);
  return flowTag(words, foldAddress(words, view, ip + 8), foldAddress(words, view, ip + 24), ports, rest);
}
