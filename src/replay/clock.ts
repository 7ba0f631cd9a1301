/**
 * Virtual time: the capture's clock, `speed` times as fast, or a fixed gap between packets.
 *
 * Promise: starts at 0, never goes back (a packet that was written late gets the time of the one before it), exact to
 * the nanosecond for 104 days. A file that begins before the last packet of the one before it is taken as its
 * continuation; a gap between files that follow each other in time stays. Packets without a timestamp (simple packet
 * blocks) get the time of the one before them.
 */
export interface ClockOptions {
  /** How many times faster than the capture. Default 1. */
  readonly speed?: number;
  /** Nanoseconds between packets, instead of the timestamps. */
  readonly gapNs?: number;
}

export class VirtualClock {
  /** Nanoseconds of the capture's clock since the first packet. */
  elapsed = 0;
  /** Packets whose timestamp lay before an earlier packet's. */
  backwards = 0;
  /** Packets so far. */
  #count = 0;
  readonly #gap: number;
  readonly #scale: number;
  #seconds = 0;
  #nanoseconds = 0;
  #base = 0;
  #unset = true;
  #newFile = false;

  constructor({ speed = 1, gapNs = 0 }: ClockOptions = {}) {
    this.#gap = gapNs;
    this.#scale = 1 / speed;
  }

  /** The next packets come from another file. */
  nextFile(): void {
    this.#newFile = true;
  }

  /** Virtual time of the next packet. */
  tick(seconds: number, nanoseconds: number): number {
    const count = this.#count++;
    if (this.#gap > 0) {
      this.elapsed = count * this.#gap;
      return this.elapsed;
    }
    if (seconds === 0 && nanoseconds === 0) return this.elapsed * this.#scale;
    if (this.#unset || this.#newFile) this.#start(seconds, nanoseconds);
    const now = (seconds - this.#seconds) * 1e9 + (nanoseconds - this.#nanoseconds) + this.#base;
    if (now >= this.elapsed) this.elapsed = now;
    else this.backwards++;
    return this.elapsed * this.#scale;
  }

  #start(seconds: number, nanoseconds: number): void {
    const now = (seconds - this.#seconds) * 1e9 + (nanoseconds - this.#nanoseconds) + this.#base;
    this.#newFile = false;
    // Files of one run, one after the other: the clock goes on.
    if (!this.#unset && now >= this.elapsed) return;
    this.#unset = false;
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    this.#base = this.elapsed;
  }
}
