/**
 * Load over time in a fixed number of intervals, however long the capture is.
 *
 * Promise: at most `INTERVALS` intervals of equal length; when time runs out of them their length doubles and
 * neighbours are added up. Time must not go back.
 */

import { Place } from './places.js';

const WORKER_MASK = Place.workerMask;
const WORKER_SHIFT = Place.workerShift;

/** Intervals at most: columns of a heat map. */
export const INTERVALS = 128;
/** First length, nanoseconds. */
const SHORTEST = 1000;

export class LoadSeries {
  intervalNs = SHORTEST;
  readonly #counts: Float64Array;
  #last = 0;

  constructor(readonly workers: number) {
    this.#counts = new Float64Array(INTERVALS * workers);
  }

  /** Adds a packet of each worker named in `words[at …]`, at the times from `from` on. */
  addBurst(words: Int32Array, at: number, n: number, time: Float64Array, from: number): void {
    const { workers } = this;
    const counts = this.#counts;
    let scale = 1 / this.intervalNs;
    let interval = this.#last;
    for (let i = 0; i < n; i++) {
      interval = Math.floor(time[from + i]! * scale);
      while (interval >= INTERVALS) {
        this.#double();
        scale = 1 / this.intervalNs;
        interval = Math.floor(time[from + i]! * scale);
      }
      counts[interval * workers + words[at + i]!]! += 1;
    }
    this.#last = interval;
  }

  /** Adds packets `from` … `to - 1` of flows whose worker the first of two words in `places` says; see `Place`. */
  addFlows(flows: Int32Array, places: Int32Array, from: number, to: number, time: Float64Array): void {
    const { workers } = this;
    const counts = this.#counts;
    let scale = 1 / this.intervalNs;
    let interval = this.#last;
    for (let i = from; i < to; i++) {
      let at = time[i]! * scale;
      while (at >= INTERVALS) {
        this.#double();
        scale = 1 / this.intervalNs;
        at = time[i]! * scale;
      }
      interval = at | 0;
      counts[interval * workers + ((places[2 * flows[i]!]! & WORKER_MASK) >> WORKER_SHIFT)]! += 1;
    }
    this.#last = interval;
  }

  /** `rows[i][w]`: packets of worker w in interval i; up to the last interval that has any. */
  rows(): number[][] {
    const { workers } = this;
    return Array.from({ length: this.#last + 1 }, (_, i) =>
      Array.from(this.#counts.subarray(i * workers, (i + 1) * workers)),
    );
  }

  #double(): void {
    const counts = this.#counts;
    const { workers } = this;
    const half = INTERVALS / 2;
    for (let i = 0; i < half; i++) {
      for (let w = 0; w < workers; w++) {
        counts[i * workers + w] = counts[2 * i * workers + w]! + counts[(2 * i + 1) * workers + w]!;
      }
    }
    counts.fill(0, half * workers);
    this.#last >>= 1;
    this.intervalNs *= 2;
  }
}
