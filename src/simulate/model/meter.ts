/**
 * What came of it: operations, latencies, drops, order, by guest.
 *
 * Promise: every packet that arrived is delivered, dropped under a reason, or still under way. Latencies are kept in
 * buckets of 1/64 of their size, so a percentile is right to 1.6 %; sums are exact.
 */
import { PS } from '../machine/sim.js';

const SUB_BITS = 6;
const SUB = 1 << SUB_BITS;

/** A histogram of times in nanoseconds, 64 buckets to a factor of two. */
export class Histogram {
  count = 0;
  /** Picoseconds. */
  sum = 0;
  readonly #buckets = new Float64Array(64 * SUB);

  add(time: number): void {
    this.addTo(bucketOf(time), time);
  }

  /** The same where the bucket is known: of another histogram, which got the same time. */
  addTo(bucket: number, time: number): void {
    this.count++;
    this.sum += time;
    this.#buckets[bucket]!++;
  }

  /** Nanoseconds that a share of all stay below; 0 without any. */
  percentile(share: number): number {
    if (this.count === 0) return 0;
    const wanted = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let at = 0; at < this.#buckets.length; at++) {
      seen += this.#buckets[at]!;
      if (seen >= wanted) return middleOf(at);
    }
    return 0;
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count / PS;
  }
}

/** Bucket of a time in picoseconds. */
function bucketOf(time: number): number {
  const ns = Math.floor(time / PS);
  if (ns < SUB) return ns;
  let shift = 0;
  let rest = ns;
  while (rest >= 2 * SUB) {
    rest = Math.floor(rest / 2);
    shift++;
  }
  return (shift + 1) * SUB + (rest - SUB);
}

function middleOf(at: number): number {
  if (at < SUB) return at;
  const shift = (at >> SUB_BITS) - 1;
  return ((at & (SUB - 1)) + SUB + 0.5) * 2 ** shift;
}

/** Batches that a window is cut into, for the confidence of its mean. */
export const BATCHES = 20;

export class Meter {
  /** Since the beginning. */
  arrived = 0;
  delivered = 0;
  readonly dropped: Record<string, number> = {};
  // In the window.
  isOpen = false;
  start = 0;
  length = 0;
  operations = 0;
  bytes = 0;
  reordered = 0;
  readonly batches = new Float64Array(BATCHES);
  readonly latency = new Histogram();
  readonly byGuest: Float64Array;
  /** Of guests that had operations. */
  readonly latencies: (Histogram | undefined)[];
  readonly droppedInWindow: Record<string, number> = {};
  arrivedInWindow = 0;

  constructor(guests: number) {
    this.byGuest = new Float64Array(guests + 1);
    this.latencies = new Array(guests).fill(undefined);
  }

  open(now: number, length: number): void {
    this.isOpen = true;
    this.start = now;
    this.length = length;
  }

  /** An operation is complete. `guest` -1 = the host. */
  complete(now: number, took: number, bytes: number, guest: number): void {
    if (!this.isOpen) return;
    this.operations++;
    this.bytes += bytes;
    this.byGuest[guest + 1]!++;
    const batch = Math.floor(((now - this.start) * BATCHES) / this.length);
    this.batches[batch < BATCHES ? batch : BATCHES - 1]!++;
    const bucket = bucketOf(took);
    this.latency.addTo(bucket, took);
    if (guest < 0) return;
    let own = this.latencies[guest];
    if (own === undefined) {
      own = new Histogram();
      this.latencies[guest] = own;
    }
    own.addTo(bucket, took);
  }

  drop(reason: string): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
    if (this.isOpen) this.droppedInWindow[reason] = (this.droppedInWindow[reason] ?? 0) + 1;
  }
}
