/**
 * Latency through the engine: time stamps that a memory source writes into its frames, and the histogram in which
 * a memory sink counts how old they are.
 *
 * Promise: counting is one increment in shared memory with one writer (the worker that sends); anyone may read at any
 * time. Buckets are log-linear as in an HDR histogram: 128 to a power of two, so a value is known to better than 1 %.
 *
 * Beside the sum of all time the last `SLICES` slices of 5 ms are kept apart: what an engine does always shows in most of
 * them, what the machine does now and then (a CPU that is taken away for a millisecond) in a few.
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

/** Time slices kept, and how long one is. */
const SLICES = 64;
export const SLICE_NS = 5e6;
/** Words of a sender: the sums, the number of each slice's time, and the slices. */
const SLICES_AT = BUCKETS + SLICES;
const SENDER_WORDS = SLICES_AT + SLICES * BUCKETS;

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
  return workers * SENDER_WORDS * 8;
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

/** One sender's counts. */
export class LatencyCounts {
  private readonly counts: Float64Array;

  constructor(shared: SharedArrayBuffer, worker: number) {
    this.counts = new Float64Array(shared, worker * SENDER_WORDS * 8, SENDER_WORDS);
  }

  /**
   * Counts the frames at `off` (from … to - 1) that carry a stamp, as seen at `times` (see `ClockTime`): an array, since
   * a number of that size would be allocated for the call.
   */
  record(words: Int32Array, off: Int32Array, from: number, to: number, times: Float64Array): void {
    const { counts } = this;
    const now = times[NS]!;
    const slice = this.sliceOf(times);
    for (let k = from; k < to; k++) {
      const at = off[k]! >> 2;
      const high = words[at + STAMP_HIGH_WORD]!;
      if (high === 0) continue;
      const age = now - ((high - 1) * HALF + (words[at + STAMP_LOW_WORD]! >>> 0));
      // Limited here: `bucketOf` gets a small integer, nothing that must be allocated where it is not inlined.
      const bucket = bucketOf((age < 0 ? 0 : Math.min(age, VALUE_MAX)) | 0);
      counts[bucket] = counts[bucket]! + 1;
      counts[slice + bucket] = counts[slice + bucket]! + 1;
    }
  }

  /** Where the slice of this moment is; emptied if it was another's. The array again: see `record`. */
  private sliceOf(times: Float64Array): number {
    const { counts } = this;
    const number = Math.floor(times[NS]! / SLICE_NS);
    const place = (number % SLICES) | 0;
    const at = SLICES_AT + place * BUCKETS;
    if (counts[BUCKETS + place] !== number) {
      counts.fill(0, at, at + BUCKETS);
      counts[BUCKETS + place] = number;
    }
    return at;
  }
}

/** The counts of each sender. */
function senders(shared: SharedArrayBuffer): Float64Array[] {
  const count = shared.byteLength / (SENDER_WORDS * 8);
  return Array.from(
    { length: count },
    (_, w) => new Float64Array(shared, w * SENDER_WORDS * 8, SENDER_WORDS),
  );
}

/** Adds `BUCKETS` counts from `at` on. */
function add(sums: Float64Array, counts: Float64Array, at: number): void {
  for (let i = 0; i < BUCKETS; i++) sums[i]! += counts[at + i]!;
}

/** The sums of all senders since `before` (a former result): frames by bucket. */
export function readLatency(shared: SharedArrayBuffer, before?: Float64Array): Float64Array {
  const sums = new Float64Array(BUCKETS);
  for (const counts of senders(shared)) add(sums, counts, 0);
  if (before !== undefined) for (let i = 0; i < BUCKETS; i++) sums[i]! -= before[i]!;
  return sums;
}

/**
 * The slices that lie between two moments of CLOCK_MONOTONIC (nanoseconds) as a whole, in order; all senders together.
 * What is older than `SLICES` slices is gone.
 */
export function readLatencySlices(shared: SharedArrayBuffer, from: number, to: number): Float64Array[] {
  const all = senders(shared);
  const slices: Float64Array[] = [];
  const end = Math.floor(to / SLICE_NS);
  for (let number = Math.max(Math.ceil(from / SLICE_NS), end - SLICES + 1); number < end; number++) {
    const place = number % SLICES;
    const sums = new Float64Array(BUCKETS);
    for (const counts of all) {
      if (counts[BUCKETS + place] === number) add(sums, counts, SLICES_AT + place * BUCKETS);
    }
    slices.push(sums);
  }
  return slices;
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
