/**
 * The lock of a transmit queue that several workers share.
 *
 * Promise: at most one worker sends on the queue at a time; whoever has to wait is counted, with the time it
 * waited, so that the cost of a single-queue transmit path is visible. Waiting is bounded (`LOCK_WAIT_MS`); a
 * worker that does not get the queue by then drops its frames as `txFull`, and from then on at once until that holder
 * has let go: a worker that stands still with the queue in its hands costs each other one a single wait. No worker holds
 * two of these locks, so there is no cycle.
 *
 * The word holds 0 or the holder's worker id + 1, so that the main thread can release what a dead worker held. The word
 * behind it counts releases, so that a waiter can tell one hold from the next; it changes before the lock is let go.
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

/** The word behind a lock's: releases so far, modulo 2^32. */
const RELEASES = 1;

/** What one worker knows of its waiting. */
export interface LockMeter {
  contended: number;
  waitedNs: number;
  /** Locks that it has waited for in vain: releases of each at that time. */
  readonly gaveUp: Map<number, number>;
}

/** A meter that has seen nothing yet. */
export function lockMeter(): LockMeter {
  return { contended: 0, waitedNs: 0, gaveUp: new Map() };
}

/**
 * Takes lock `index`; false when it stayed taken for `LOCK_WAIT_MS`, or the same hold has lasted so long before.
 * `yieldThread` lets the holder run.
 */
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
  if (meter.gaveUp.size > 0 && meter.gaveUp.get(index) === heldSince(words, word)) {
    meter.waitedNs += (performance.now() - start) * 1e6;
    return false;
  }
  for (;;) {
    for (let k = 0; k < SPINS; k++) {
      if (Atomics.load(words, word) === 0) {
        if (Atomics.compareExchange(words, word, 0, worker + 1) === 0) {
          meter.waitedNs += (performance.now() - start) * 1e6;
          meter.gaveUp.delete(index);
          return true;
        }
        meter.contended++;
      }
    }
    const waited = performance.now() - start;
    if (waited > LOCK_WAIT_MS) {
      meter.waitedNs += waited * 1e6;
      const hold = heldSince(words, word);
      if (hold !== undefined) meter.gaveUp.set(index, hold);
      return false;
    }
    const holder = Atomics.load(words, word);
    if (waited < SPIN_MS) yieldThread();
    // Nobody notifies.
    else if (holder !== 0) Atomics.wait(words, word, holder, 1);
  }
}

/** Which hold it is that lasts at this moment: releases before it; undefined while nobody has the lock. */
function heldSince(words: Int32Array, word: number): number | undefined {
  // In this order: who sees a later holder sees the release before it counted.
  return Atomics.load(words, word) === 0 ? undefined : Atomics.load(words, word + RELEASES);
}

/** By the holder. */
export function releaseLock(words: Int32Array, index: number): void {
  const word = index * LINE_WORDS;
  words[word + RELEASES] = words[word + RELEASES]! + 1;
  Atomics.store(words, word, 0);
}

/** Releases every lock that a dead worker holds. */
export function releaseLocksOf(words: Int32Array, worker: number): void {
  for (let word = 0; word < words.length; word += LINE_WORDS) {
    if (Atomics.load(words, word) === worker + 1) releaseLock(words, word / LINE_WORDS);
  }
}
