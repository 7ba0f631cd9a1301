/**
 * Latency through the engine: time stamps that a memory source writes into its frames, and the histogram in which
 * a memory sink counts how old they are.
 *
 * Promise: counting is one increment in shared memory with one writer (the worker that sends); anyone may read at any
 * time. Buckets are log-linear as in an HDR histogram: 128 to a power of two, so a value is known to better than 1 %.
 *
 * A stamp is the moment at which the frame was due, not the moment at which a busy source got round to making it:
 * otherwise a stalled engine would look fast (coordinated omission). Both ends read one clock, CLOCK_MONOTONIC: see `ThreadClock`.
 */
import { ClockTime } from './clock.js';

/** Where a stamp lies in a frame, in 32-bit words from its start: low and high half of nanoseconds. */
export const STAMP_LOW_WORD = 13;
export const STAMP_HIGH_WORD = 14;
const HALF = 0x1_0000_0000;
const NS = ClockTime.ns;

const SUB_BITS = 7;
const SUB = 1 << SUB_BITS;
/** Values of 31 bits: up to 2.1 s; what is longer is counted as that. */
const BUCKETS = (31 - SUB_BITS + 1) * SUB;
const VALUE_MAX = 0x7fff_ffff;

/** Low half of a stamp, for `STAMP_LOW_WORD`. */
export function stampLow(ns: number): number {
  return (ns % HALF) | 0;
}

/** High half of a stamp; 0 stands for "not stamped", so it is one more than the quotient. */
export function stampHigh(ns: number): number {
  return 1 + Math.floor(ns / HALF);
}

/** Bytes of the histograms of `workers` senders. */
export function latencyBytes(workers: number): number {
  return workers * BUCKETS * 8;
}

/** The bucket that a value falls into. */
export function bucketOf(ns: number): number {
  const value = ns < 0 ? 0 : ns > VALUE_MAX ? VALUE_MAX : ns | 0;
  if (value < SUB) return value;
  const shift = 31 - Math.clz32(value) - SUB_BITS;
  return ((shift + 1) << SUB_BITS) | ((value >> shift) & (SUB - 1));
}

/** The value in the middle of a bucket, nanoseconds. */
export function bucketValue(bucket: number): number {
  if (bucket < 2 * SUB) return bucket;
  const shift = (bucket >> SUB_BITS) - 1;
  return ((SUB | (bucket & (SUB - 1))) + 0.5) * 2 ** shift;
}

/** One sender's counts, or a reader's view of them. */
export class LatencyCounts {
  private readonly counts: Float64Array;

  constructor(shared: SharedArrayBuffer, worker: number) {
    this.counts = new Float64Array(shared, worker * BUCKETS * 8, BUCKETS);
  }

  /**
   * Counts the frames at `off` (from … to - 1) that carry a stamp, as seen at `times` (see `ClockTime`): an array, since
   * a number of that size would be allocated for the call.
   */
  record(words: Int32Array, off: Int32Array, from: number, to: number, times: Float64Array): void {
    const { counts } = this;
    const now = times[NS]!;
    for (let k = from; k < to; k++) {
      const at = off[k]! >> 2;
      const high = words[at + STAMP_HIGH_WORD]!;
      if (high === 0) continue;
      const age = now - ((high - 1) * HALF + (words[at + STAMP_LOW_WORD]! >>> 0));
      // Limited here: `bucketOf` gets a small integer, nothing that must be allocated where it is not inlined.
      const bucket = bucketOf((age < 0 ? 0 : Math.min(age, VALUE_MAX)) | 0);
      counts[bucket] = counts[bucket]! + 1;
    }
  }
}

/** The sums of all senders since `before` (a former result): pairs of nanoseconds and frames. */
export function readLatency(shared: SharedArrayBuffer, before?: Float64Array): Float64Array {
  const all = new Float64Array(shared);
  const sums = new Float64Array(BUCKETS);
  for (let i = 0; i < all.length; i++) sums[i % BUCKETS]! += all[i]!;
  if (before !== undefined) for (let i = 0; i < BUCKETS; i++) sums[i]! -= before[i]!;
  return sums;
}

/** Nanoseconds that a share `p` (0 to 1) of the counted frames took at most; NaN where none was counted. */
export function latencyPercentile(counts: Float64Array, p: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let left = p * total;
  for (let i = 0; i < counts.length; i++) {
    left -= counts[i]!;
    if (counts[i]! > 0 && left <= 0) return bucketValue(i);
  }
  return Number.NaN;
}
