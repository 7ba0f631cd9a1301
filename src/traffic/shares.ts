/**
 * How many packets each flow gets, and which flow packet i belongs to.
 *
 * Promise: counts are exact, not drawn: they add up to the total, follow the weights to within one packet, and every
 * flow has at least one packet where there are enough. `Schedule.flowOf(i)` visits each flow exactly that often, in
 * a seeded random order, in constant time and with memory for the flows only.
 */
import { Permutation } from './permutation.js';

/** Whole numbers that add up to `total`, in proportion to the weights; each at least 1 where total >= their number. */
export function apportion(weights: Float64Array, total: number): Float64Array {
  const n = weights.length;
  const counts = new Float64Array(n);
  if (n === 0) return counts;
  // Who would get less than one gets one, and the others share the rest. That makes their parts smaller, so somebody
  // else may fall below one: again, until nobody does.
  let rest = total;
  let sum = weights.reduce((a, b) => a + b, 0);
  for (let isStable = total < n; !isStable; ) {
    isStable = true;
    const scale = rest / sum;
    for (let i = 0; i < n; i++) {
      if (counts[i] !== 0 || weights[i]! * scale >= 1) continue;
      counts[i] = 1;
      rest--;
      sum -= weights[i]!;
      isStable = false;
    }
  }
  // Differences of the rounded running sum: exact in total, and no sort.
  let running = 0;
  let before = 0;
  let last = -1;
  for (let i = 0; i < n; i++) {
    if (counts[i] !== 0) continue;
    running += weights[i]!;
    const upTo = Math.min(rest, Math.round((running / sum) * rest));
    counts[i] = upTo - before;
    before = upTo;
    last = i;
  }
  // What rounding of the sums left over.
  if (last >= 0) counts[last]! += rest - before;
  return counts;
}

/**
 * Weights of n flows by rank: Zipf (1 / rank^skew), of which the first `elephants` share `elephantShare` of all
 * equally instead.
 */
export function flowWeights(n: number, skew: number, elephants: number, elephantShare: number): Float64Array {
  const weights = new Float64Array(n);
  let sum = 0;
  for (let i = elephants; i < n; i++) {
    weights[i] = skew === 0 ? 1 : Math.exp(-skew * Math.log(i - elephants + 1));
    sum += weights[i]!;
  }
  // All are elephants: nobody is left for the rest.
  const scale = sum > 0 ? (elephants > 0 ? 1 - elephantShare : 1) / sum : 0;
  for (let i = elephants; i < n; i++) weights[i]! *= scale;
  for (let i = 0; i < elephants; i++) weights[i] = elephantShare / elephants;
  return weights;
}

/**
 * Counts by weights where the marked items shall have `share` of the total, whatever their weights say; inside the
 * two groups the weights hold.
 */
export function apportionGroups(
  weights: Float64Array,
  marked: Uint8Array,
  share: number,
  total: number,
): Float64Array {
  const counts = new Float64Array(weights.length);
  const wanted = Math.round(share * total);
  for (const mark of [1, 0]) {
    const members: number[] = [];
    for (let i = 0; i < marked.length; i++) if (marked[i] === mark) members.push(i);
    const group = Float64Array.from(members, (i) => weights[i]!);
    const part = apportion(group, mark === 1 ? wanted : total - wanted);
    for (let k = 0; k < members.length; k++) counts[members[k]!] = part[k]!;
  }
  return counts;
}

/** Which flow item i (packet or datagram) belongs to. */
export class Schedule {
  readonly total: number;
  readonly #order: Permutation;
  /** Numbers below `#upTo[f]` (and not below that of f - 1) belong to flow f. */
  readonly #upTo: Float64Array;
  /** The first flow that may own a number, by the number's slot. */
  readonly #guide: Int32Array;
  readonly #slots: number;

  constructor(counts: Float64Array, seed: number) {
    const n = counts.length;
    const upTo = new Float64Array(n);
    let sum = 0;
    for (let f = 0; f < n; f++) {
      sum += counts[f]!;
      upTo[f] = sum;
    }
    this.total = sum;
    this.#upTo = upTo;
    this.#order = new Permutation(Math.max(1, sum), seed);
    this.#slots = n / Math.max(1, sum);
    this.#guide = new Int32Array(n + 1);
    let flow = 0;
    for (let slot = 0; slot <= n; slot++) {
      while (flow < n - 1 && upTo[flow]! <= Math.floor(slot / this.#slots) - 1) flow++;
      this.#guide[slot] = flow;
    }
  }

  /** Flow of item `index` (0 … total-1). */
  flowOf(index: number): number {
    const upTo = this.#upTo;
    const number = this.#order.at(index);
    let flow = this.#guide[Math.floor(number * this.#slots)]!;
    while (upTo[flow]! <= number) flow++;
    return flow;
  }
}
