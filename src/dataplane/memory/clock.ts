/**
 * The clocks of a thread, read into an array.
 *
 * Promise: with the addon a look leaves no garbage: `performance.now()` and `Native.monotonic()` return numbers that V8
 * must allocate, and a worker that looks thousands of times a second collects them in pauses of a millisecond. Without
 * the addon the same numbers come from `performance`, and no CPU time.
 *
 * One object per thread that uses it.
 */
import { performance } from 'node:perf_hooks';
import type { Native } from '../../addon/native.js';

/** Entries of `ThreadClock.times`. */
export const ClockTime = {
  /** Milliseconds, as `performance.now()` of this thread counts them. */
  ms: 0,
  /**
   * Nanoseconds, the same in all threads: CLOCK_MONOTONIC; without the addon the clocks of two threads agree to about a
   * microsecond.
   */
  ns: 1,
  /** CPU time of this thread in nanoseconds; 0 without the addon. */
  cpuNs: 2,
} as const;
const CLOCK_TIMES = 3;

// What differs from thread to thread is small, so that nanoseconds stay exact.
const EPOCH_MS = 1.7e12;

export class ThreadClock {
  /** What the last look saw, see `ClockTime`. */
  readonly times = new Float64Array(CLOCK_TIMES);
  /** `cpuNs` is known. */
  readonly cpu: boolean;
  /** Reads the time: `ms` and `ns`. */
  readonly look: () => void;
  /** Reads `cpuNs` too, which is a system call. */
  readonly lookAll: () => void;

  constructor(native: Native | null) {
    const { times } = this;
    this.cpu = native !== null;
    if (native !== null) {
      const originNs = native.monotonic() - performance.now() * 1e6;
      this.look = native.bindClock(times, originNs, false);
      this.lookAll = native.bindClock(times, originNs, true);
      return;
    }
    const originMs = performance.timeOrigin - EPOCH_MS;
    this.look = () => {
      const now = performance.now();
      times[ClockTime.ms] = now;
      times[ClockTime.ns] = (originMs + now) * 1e6;
    };
    this.lookAll = this.look;
  }
}
