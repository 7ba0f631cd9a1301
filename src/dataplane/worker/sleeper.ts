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
 *
 * Where many frames a second come a worker that has moved all of them neither spins nor waits for the next one: it naps, as a
 * NIC moderates its interrupts, and moves what has gathered meanwhile together. What a frame costs by itself (a wake-up, a
 * turn, a send call) is several times what it costs as one of many. A worker that may spin for milliseconds does not nap:
 * that is what such a spin is for.
 */

import type { Native } from '../../addon/native.js';
import { ClockTime, type ThreadClock } from '../memory/clock.js';
import { BURST_MAX } from '../../packet/burst.js';
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

/** Frames so close together (80,000 a second), of so many, and the worker lets them gather whenever it has moved all. */
const NAP_GAP_MS = 0.0125;
const NAP_FRAMES = 16;
/** How long: with what waking up takes some 50 us, in which rings of thousands of frames do not fill. */
const NAP_US = Number(process.env.X_NAP ?? 30);

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
  /** Frames since `countedAt`. */
  private frames = 0;
  private countedAt = 0;
  private gathering = false;
  /** Nothing has come since the last nap. */
  private napped = false;
  private readonly mayNap: boolean;

  constructor(
    private readonly native: Native | null,
    private readonly clock: ThreadClock,
    private readonly words: Int32Array,
    private readonly event: number,
    private readonly spinMaxMs: number,
  ) {
    this.mayNap = native !== null && spinMaxMs < FOLLOWS_MS && NAP_US > 0;
  }

  /** There was work, so many frames: the next idle pass starts a new spin. */
  busy(frames: number): void {
    if (this.mayNap) this.count(frames);
    if (this.asleepSince >= 0) {
      this.adapt(this.wokeAt - this.asleepSince);
      this.asleepSince = -1;
    }
    // A gap that is shorter than that needs no look at the clock at all.
    this.skip = this.spinMs > 0 ? this.passes() : 0;
    this.idleSince = -1;
  }

  /** Frames came: are they many a second? */
  private count(frames: number): void {
    this.napped = false;
    this.frames += frames;
    if (this.frames < NAP_FRAMES) return;
    const { clock } = this;
    clock.look();
    const now = clock.times[MS]!;
    this.gathering = now - this.countedAt <= this.frames * NAP_GAP_MS;
    this.countedAt = now;
    this.frames = 0;
  }

  /**
   * Asked behind each pass, after `busy`: true when there is nothing left, but more will come so soon that it is to be
   * waited for by a `nap`. Nothing came during the last one: then not any more.
   * @param frames that the pass has moved
   */
  gathers(frames: number): boolean {
    if (!this.gathering || frames >= BURST_MAX) return false;
    this.gathering = !this.napped;
    return this.gathering;
  }

  /** Lets frames gather for a moment, in which nobody can wake the worker. */
  nap(): void {
    const { clock } = this;
    clock.look();
    const start = clock.times[MS]!;
    this.native!.nap(NAP_US);
    clock.look();
    this.sleptMs += clock.times[MS]! - start;
    this.sleeps++;
    this.napped = true;
    this.idleSince = -1;
    this.skip = 0;
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
