/**
 * A lock in shared memory that tells its holder: the one kind of lock that there is (tables of addresses, transmit
 * queues).
 *
 * Promise: at most one user holds it. Every wait is bounded, and of two kinds: a worker that can do without it looks
 * for about a microsecond (`take`); all others wait for at most as long as they say (`takeWithin`), asleep after the
 * first millisecond at the latest, and their waiting is counted. Nobody but its holder gives it back, except that
 * `takeFrom` and `releaseLocksOf` take it from a user that is known to be dead: never by a guess about time, since a
 * holder that was descheduled goes on later where it stopped.
 *
 * The word is 0, or the holder's user id + 1. The word behind it counts releases, so that a waiter can tell one hold
 * from the next; it changes before the lock is let go. Taking is a compare-and-swap, releasing a store, both
 * sequentially consistent. Any thread that has a user id; ids are not shared between threads.
 */
import { performance } from 'node:perf_hooks';

/** Words of a lock. */
export const LOCK_WORDS = 2;

/** Looks at the word before a worker gives up, at about 7 ns each. */
const LOOKS = 128;
/** Looks at the word between two looks at the clock. */
const SPINS = 64;
/** After so long waiters sleep, a millisecond at a time: the CPU that they spin on may be what the holder waits for. */
const SPIN_MS = 1;
const SLEEP_MS = 1;

/** The word behind a lock's: releases so far, modulo 2^32. */
const RELEASES = 1;

export class SharedLock {
  /** How often `takeWithin` and `takeUnlessStuck` met another holder, and how long they waited, since 0 was written here. */
  contended = 0;
  waitedNs = 0;
  /** Releases that had been counted when a hold was waited for in vain; null where the last wait was not in vain. */
  private stuck: number | null = null;

  /**
   * @param words where the lock's `LOCK_WORDS` lie
   * @param at index of the first
   * @param user this thread's id among the users of the lock, from 0
   */
  constructor(
    private readonly words: Int32Array,
    private readonly at: number,
    private readonly user: number,
  ) {}

  /** User id of the holder, or -1. */
  get holder(): number {
    return Atomics.load(this.words, this.at) - 1;
  }

  /** One try. */
  tryTake(): boolean {
    return Atomics.compareExchange(this.words, this.at, 0, this.user + 1) === 0;
  }

  /** Tries for about a microsecond: longer than a change of a table takes. */
  take(): boolean {
    for (let k = 0; k < LOOKS; k++) {
      if (Atomics.load(this.words, this.at) === 0 && this.tryTake()) return true;
    }
    return false;
  }

  /**
   * Waits for it at most so many milliseconds.
   * @param yieldThread lets the holder run, during the first millisecond; absent = the waiter sleeps from the start
   */
  takeWithin(ms: number, yieldThread?: () => void): boolean {
    return this.tryTake() || this.wait(ms, yieldThread);
  }

  /** As `takeWithin`, but a hold that was waited for in vain is not waited for again: it costs one wait, however long. */
  takeUnlessStuck(ms: number, yieldThread?: () => void): boolean {
    if (this.tryTake()) return true;
    if (this.stuck === null) return this.wait(ms, yieldThread);
    const start = performance.now();
    if (this.stuck !== this.heldSince()) return this.wait(ms, yieldThread);
    this.contended++;
    this.waitedNs += (performance.now() - start) * 1e6;
    return false;
  }

  private wait(ms: number, yieldThread: (() => void) | undefined): boolean {
    const start = performance.now();
    this.contended++;
    for (;;) {
      for (let k = 0; k < SPINS; k++) {
        if (Atomics.load(this.words, this.at) !== 0) continue;
        if (this.tryTake()) {
          this.waitedNs += (performance.now() - start) * 1e6;
          this.stuck = null;
          return true;
        }
        this.contended++;
      }
      const waited = performance.now() - start;
      if (waited > ms) {
        this.waitedNs += waited * 1e6;
        this.stuck = this.heldSince();
        return false;
      }
      const word = Atomics.load(this.words, this.at);
      if (yieldThread !== undefined && waited < SPIN_MS) yieldThread();
      // Nobody notifies: this is a sleep that the change of the word cuts short only before it begins.
      else if (word !== 0) Atomics.wait(this.words, this.at, word, Math.min(SLEEP_MS, ms));
    }
  }

  /** Which hold it is that lasts at this moment: releases before it; null while nobody has the lock. */
  private heldSince(): number | null {
    // In this order: who sees a later holder sees the release before it counted.
    return Atomics.load(this.words, this.at) === 0 ? null : Atomics.load(this.words, this.at + RELEASES);
  }

  /** Takes it from a user that has ended while it held it; false where that user does not hold it. */
  takeFrom(user: number): boolean {
    return Atomics.compareExchange(this.words, this.at, user + 1, this.user + 1) === user + 1;
  }

  /** Gives it back. Its holder only. */
  release(): void {
    letGo(this.words, this.at);
  }
}

/** Releases every lock that a dead user holds. The locks lie `step` words apart from word 0 on, and guard nothing that it may have left half done. */
export function releaseLocksOf(words: Int32Array, step: number, user: number): void {
  for (let at = 0; at < words.length; at += step) {
    if (Atomics.load(words, at) === user + 1) letGo(words, at);
  }
}

function letGo(words: Int32Array, at: number): void {
  words[at + RELEASES] = words[at + RELEASES]! + 1;
  Atomics.store(words, at, 0);
}
