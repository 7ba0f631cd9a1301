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

/** Timestamps in, virtual times out; indices 0 … n-1. */
export interface Stamps {
  readonly n: number;
  readonly seconds: Float64Array;
  readonly nanoseconds: Int32Array;
  readonly time: Float64Array;
}

export class VirtualClock {
  /** Nanoseconds of the capture's clock since the first packet. */
  elapsed = 0;
  /** Packets whose timestamp lay before an earlier packet's. */
  backwards = 0;
  /** Milliseconds since 1970 of the first packet with a timestamp; null before there is one. */
  startMs: number | null = null;
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

  /** Virtual time of the packets of a chunk, from their timestamps. */
  stamp({ n, seconds, nanoseconds, time }: Stamps): void {
    const scale = this.#scale;
    if (this.#gap > 0) {
      if (this.startMs === null && n > 0 && (seconds[0] !== 0 || nanoseconds[0] !== 0))
        this.startMs = seconds[0]! * 1e3 + nanoseconds[0]! / 1e6;
      for (let i = 0; i < n; i++) time[i] = this.#count++ * this.#gap;
      if (this.#count > 0) this.elapsed = (this.#count - 1) * this.#gap;
      return;
    }
    for (let i = 0; i < n; i++) {
      const s = seconds[i]!;
      const ns = nanoseconds[i]!;
      if (s !== 0 || ns !== 0) {
        if (this.#unset || this.#newFile) this.#start(s, ns);
        const now = (s - this.#seconds) * 1e9 + (ns - this.#nanoseconds) + this.#base;
        if (now >= this.elapsed) this.elapsed = now;
        else this.backwards++;
      }
      time[i] = this.elapsed * scale;
    }
  }

  #start(seconds: number, nanoseconds: number): void {
    const now = (seconds - this.#seconds) * 1e9 + (nanoseconds - this.#nanoseconds) + this.#base;
    this.#newFile = false;
    this.startMs ??= seconds * 1e3 + nanoseconds / 1e6;
    // Files of one run, one after the other: the clock goes on.
    if (!this.#unset && now >= this.elapsed) return;
    this.#unset = false;
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    this.#base = this.elapsed;
  }
}
