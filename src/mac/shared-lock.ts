/**
 * A lock in shared memory that tells its holder.
 *
 * Promise: at most one user holds it. A worker tries for about a microsecond and goes on without it; the main thread
 * waits asleep, and never longer than it says. Nobody but its holder gives it back, except that `takeFrom` takes it
 * from a user that is known to be dead: never by a guess about time, since a holder that was descheduled goes on
 * later where it stopped.
 *
 * The word is 0, or the holder's user id + 1. Any thread that has a user id; ids are not shared between threads.
 */

/** Looks at the word before a worker gives up, at about 7 ns each. */
const LOOKS = 128;

export class SharedLock {
  /**
   * @param words where the word lies
   * @param at its index
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

  /** Tries for about a microsecond: longer than a change takes. For workers. */
  take(): boolean {
    for (let k = 0; k < LOOKS; k++) {
      if (Atomics.load(this.words, this.at) === 0 && this.tryTake()) return true;
    }
    return false;
  }

  /** Waits for it at most so many milliseconds, asleep. For the main thread. */
  takeWithin(ms: number): boolean {
    if (this.tryTake()) return true;
    const deadline = performance.now() + ms;
    do {
      const word = Atomics.load(this.words, this.at);
      // Nobody notifies: this is a sleep that the change of the word cuts short only before it begins.
      if (word !== 0) Atomics.wait(this.words, this.at, word, Math.min(1, ms));
      if (this.tryTake()) return true;
    } while (performance.now() < deadline);
    return false;
  }

  /** Takes it from a user that has ended while it held it; false where that user does not hold it. */
  takeFrom(user: number): boolean {
    return Atomics.compareExchange(this.words, this.at, user + 1, this.user + 1) === user + 1;
  }

  /** Gives it back. Its holder only. */
  release(): void {
    Atomics.store(this.words, this.at, 0);
  }
}
