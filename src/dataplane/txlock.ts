/**
 * The lock of a transmit queue that several workers share.
 *
 * Promise: at most one worker sends on the queue at a time; whoever has to wait is counted, with the time it
 * waited, so that the cost of a single-queue transmit path is visible. Waiting is bounded (`LOCK_WAIT_MS`); a
 * worker that does not get the queue by then drops its frames as `txFull`. No worker holds two of these locks, so
 * there is no cycle.
 *
 * The word holds 0 or the holder's worker id + 1, so that the main thread can release what a dead worker held.
 * Taking is a compare-and-swap, releasing a store, both sequentially consistent.
 */
import { performance } from 'node:perf_hooks';
import { LINE_WORDS } from './layout.js';

/**
 * Longest wait. A holder that was descheduled in the middle of a send call is back within a few milliseconds, and on a
 * machine with many runnable threads within some tens.
 */
export const LOCK_WAIT_MS = 250;
/** After so long waiters sleep, a millisecond at a time: the CPU that they spin on may be what the holder waits for. */
const SPIN_MS = 1;
/** Looks at the word between two looks at the clock. */
const SPINS = 64;

export interface LockMeter {
  contended: number;
  waitedNs: number;
}

/** Takes lock `index`; false when it stayed taken for `LOCK_WAIT_MS`. `yieldThread` lets the holder run. */
export function takeLock(
  words: Int32Array,
  index: number,
  worker: number,
  meter: LockMeter,
  yieldThread: () => void,
): boolean {
  const word = index * LINE_WORDS;
  if (Atomics.compareExchange(words, word, 0, worker + 1) === 0) return true;
  const start = performance.now();
  meter.contended++;
  for (;;) {
    for (let k = 0; k < SPINS; k++) {
      if (Atomics.load(words, word) === 0) {
        if (Atomics.compareExchange(words, word, 0, worker + 1) === 0) {
          meter.waitedNs += (performance.now() - start) * 1e6;
          return true;
        }
        meter.contended++;
      }
    }
    const waited = performance.now() - start;
    if (waited > LOCK_WAIT_MS) {
      meter.waitedNs += waited * 1e6;
      return false;
    }
    const holder = Atomics.load(words, word);
    if (waited < SPIN_MS) yieldThread();
    // Nobody notifies.
    else if (holder !== 0) Atomics.wait(words, word, holder, 1);
  }
}

export function releaseLock(words: Int32Array, index: number): void {
  Atomics.store(words, index * LINE_WORDS, 0);
}

/** Releases every lock that a dead worker holds. */
export function releaseLocksOf(words: Int32Array, worker: number): void {
  for (let word = 0; word < words.length; word += LINE_WORDS) {
    Atomics.compareExchange(words, word, worker + 1, 0);
  }
}
