/**
 * When packets arrive: the time stamps of made captures.
 *
 * Promise: times never go back; the mean rate is the one asked for; seeded. Times are nanoseconds from the first
 * packet, as numbers (exact to a nanosecond for 104 days).
 */
import { SeededRandom } from '../hash/random.js';

/** Evenly spaced, exponential gaps (a Poisson process), or groups back to back with pauses between. */
export const ARRIVALS = ['constant', 'poisson', 'bursts'] as const;
/** One of `ARRIVALS`. */
export type Arrival = (typeof ARRIVALS)[number];

/** Inside a burst packets follow each other this many times faster than on average. */
const BURST_SPEED = 10;

export class ArrivalClock {
  readonly #gap: number;
  readonly #random: SeededRandom;
  #time = 0;
  #inBurst = 0;
  #index = 0;

  constructor(
    readonly arrival: Arrival,
    /** Packets a second. */
    readonly rate: number,
    /** Packets of one burst. */
    readonly burst: number,
    seed: number,
  ) {
    this.#gap = 1e9 / rate;
    this.#random = new SeededRandom(seed);
  }

  /** Nanoseconds from the first packet to the next one; whole. */
  next(): number {
    const index = this.#index++;
    // By multiplication, so that no error adds up over millions of packets.
    if (this.arrival === 'constant') return Math.floor(index * this.#gap);
    if (index === 0) return 0;
    if (this.arrival === 'poisson') {
      // 1 - u lies in (0, 1], whose logarithm exists.
      const u = this.#random.next() / 0x1_0000_0000;
      this.#time -= Math.log(1 - u) * this.#gap;
      return Math.floor(this.#time);
    }
    this.#inBurst++;
    if (this.#inBurst < this.burst) {
      this.#time += this.#gap / BURST_SPEED;
    } else {
      this.#inBurst = 0;
      // A burst of b packets fills the time of b mean gaps.
      this.#time += this.#gap * (this.burst - (this.burst - 1) / BURST_SPEED);
    }
    return Math.floor(this.#time);
  }
}
