/**
 * Wakes workers that sleep: the other side of `worker/sleeper.ts`, which has the handshake.
 *
 * Promise: at most one system call for each time that a worker went to sleep, however many threads wake it.
 */
import type { Native } from '../../addon/native.js';
import { WorkerWord } from './words.js';

/** Wakes the workers of one engine. Any thread. */
export interface Waker {
  /** Wakes worker w if it sleeps; true when it did. */
  wake(w: number): boolean;
}

/** The waking side, for workers and the main thread. */
export function makeWaker(
  native: Native | null,
  workers: readonly Int32Array[],
  events: readonly number[],
): Waker {
  return {
    wake(w: number): boolean {
      const words = workers[w]!;
      if (Atomics.load(words, WorkerWord.asleep) === 0) return false;
      if (Atomics.exchange(words, WorkerWord.asleep, 0) === 0) return false;
      if (native !== null) native.wake(events[w]!);
      else Atomics.notify(words, WorkerWord.asleep);
      return true;
    },
  };
}
