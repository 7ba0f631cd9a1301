/**
 * How a worker without work spins, sleeps and is woken.
 *
 * Promise: no lost wake-up, no sleep longer than `SLEEP_MAX_MS`, and almost no CPU time on an idle machine.
 *
 * The handshake, both sides sequentially consistent (Atomics):
 *   sleeper: store asleep = 1, then look at every ring tail and command word again, then sleep
 *   waker:   publish the tail (or the command), then load asleep; if 1, exchange it for 0 and wake
 * Either the sleeper sees the tail, or the waker sees asleep = 1: in the single total order of these four
 * operations not both can come too early. (Acquire/release would allow exactly that: store-load reordering.)
 * The exchange makes sure that many wakers cost one system call.
 *
 * With the addon, sleeping is poll(2) on an eventfd, the receive queues that are asked and the watch of the others
 * (`poll-list.ts`). Without it there are no descriptors, and Atomics.wait on the asleep word does; the two are never
 * mixed.
 *
 * Spinning adapts: it grows when work turns out to have come sooner than the longest spin ends, shrinks when it came
 * later, and never exceeds the configured maximum. Where nothing has come since the last sleep there is nothing to spin for:
 * an idle worker sleeps on, however long it may spin. A maximum of milliseconds (`LINGER_MS`) thus is busy polling while
 * traffic comes; then the spin follows the gaps of the traffic at once, twice as long.
 */

import type { Native } from '../../addon/native.js';
import { ClockTime, type ThreadClock } from '../memory/clock.js';
import { WorkerWord } from '../shared/words.js';

const MS = ClockTime.ms;

/** Longest sleep, so that a stop or a restarted device is noticed even if a wake-up were lost. */
export const SLEEP_MAX_MS = 250;
/** Longest spin with `--latency low`: nothing is polled a second after the last frame. */
export const LINGER_MS = 900;
/** From this maximum on the spin follows the gaps at once. */
const FOLLOWS_MS = 1;
/** Below this a spin isn't worth its clock reads. */
const SPIN_MIN_MS = 0.002;

/**
 * Passes without work between two looks at the clock while it spins: at 0.1-0.2 us a pass about half of the spin, but
 * no more than half a millisecond.
 */
const PASSES_PER_MS = 2500;
const PASSES_LEAST = 8;
const PASSES_MOST = 4096;

export class Sleeper {
  /** Milliseconds slept, times slept, and how often another worker (or the main thread) ended it. */
  sleptMs = 0;
  sleeps = 0;
  woken = 0;
  private spinMs = 0;
  private idleSince = -1;
  /** Start of the first sleep since there was work, and end of the last one; -1: it has not slept since. */
  private asleepSince = -1;
  private wokeAt = 0;
  /** Idle passes to come before the next look at the clock. */
  private skip = 0;

  constructor(
    private readonly native: Native | null,
    private readonly clock: ThreadClock,
    private readonly words: Int32Array,
    private readonly event: number,
    private readonly spinMaxMs: number,
  ) {}

  /** There was work: the next idle pass starts a new spin. */
  busy(): void {
    if (this.asleepSince >= 0) {
      this.adapt(this.wokeAt - this.asleepSince);
      this.asleepSince = -1;
    }
    // A gap that is shorter than that needs no look at the clock at all.
    this.skip = this.spinMs > 0 ? this.passes() : 0;
    this.idleSince = -1;
  }

  private passes(): number {
    return Math.max(PASSES_LEAST, Math.min(PASSES_MOST, Math.floor(this.spinMs * PASSES_PER_MS))) | 0;
  }

  /** True while a spin need not look at the clock yet: reading it costs as much as a pass that finds nothing. */
  spinning(): boolean {
    if (this.skip === 0) return false;
    this.skip--;
    return true;
  }

  /** Called for every pass without work, unless `spinning`: true when it has spun long enough and may `sleep`. */
  tired(): boolean {
    if (this.asleepSince >= 0) return true;
    const { clock } = this;
    clock.look();
    const now = clock.times[MS]!;
    if (this.idleSince < 0) {
      this.idleSince = now;
      if (this.spinMs > 0) {
        this.skip = this.passes();
        return false;
      }
    }
    if (now - this.idleSince < this.spinMs) {
      this.skip = this.passes();
      return false;
    }
    return true;
  }

  /**
   * Sleeps, when `tired`.
   *
   * @param fds descriptors to watch, the first `count`
   * @param dueMs milliseconds until a source of its own has something (Infinity = none)
   * @param ready looks at all rings and command words again: true cancels the sleep
   */
  sleep(fds: Int32Array, count: number, dueMs: number, ready: () => boolean): void {
    if (dueMs < 0.05) return;
    Atomics.store(this.words, WorkerWord.asleep, 1);
    if (ready()) {
      Atomics.store(this.words, WorkerWord.asleep, 0);
      return;
    }
    const { clock } = this;
    clock.look();
    const start = clock.times[MS]!;
    const timeout = Math.min(SLEEP_MAX_MS, Math.max(1, Math.floor(dueMs)));
    if (this.native !== null) this.native.wait(this.event, fds, count, timeout);
    else Atomics.wait(this.words, WorkerWord.asleep, 1, timeout);
    if (Atomics.exchange(this.words, WorkerWord.asleep, 0) === 0) this.woken++;
    clock.look();
    const slept = clock.times[MS]! - start;
    this.sleptMs += slept;
    this.sleeps++;
    this.idleSince = -1;
    this.skip = 0;
    this.wokeAt = start + slept;
    if (this.asleepSince < 0) this.asleepSince = start;
  }

  /** Work came after so long a sleep. */
  private adapt(slept: number): void {
    if (slept <= this.spinMaxMs) {
      const gap = this.spinMaxMs >= FOLLOWS_MS ? 2 * slept : 0;
      this.spinMs = Math.min(this.spinMaxMs, Math.max(SPIN_MIN_MS, this.spinMs * 2, gap));
    } else if (this.spinMs > 0) {
      this.spinMs = this.spinMs < SPIN_MIN_MS ? 0 : this.spinMs / 2;
    }
  }
}
