/**
 * What the two threads of a calibration share: words far apart, so that each has its line to itself.
 *
 * Promise: one writer for each word but the lock's; commands are given through `COMMAND` and answered through `DONE`.
 */

/** Words of the shared array. */
export const Word = {
  command: 0,
  done: 32,
  ping: 64,
  pong: 96,
  /** The next ticket, and the one being served. */
  next: 128,
  serving: 160,
  stop: 192,
} as const;
/** Words in all. */
export const WORDS = 224;

/** What the partner is told to do. */
export const Command = { line: 1, sleep: 2, lock: 3, echo: 4, quit: 5 } as const;

/** What a thread is given. */
export interface ThreadPlan {
  readonly role: 'measurer' | 'partner';
  readonly cpu: number;
  readonly words: Int32Array;
  /** Monotonic nanoseconds at which the partner woke. */
  readonly times: Float64Array;
  /** Events of measurer and partner. */
  readonly events: readonly [measurer: number, partner: number];
  /** The partner runs on the same CPU: nobody may spin. */
  readonly isSame: boolean;
}

/** Takes the ticket lock and gives it back; the shortest section there is. */
export function passLock(words: Int32Array): void {
  const mine = Atomics.add(words, Word.next, 1);
  while (Atomics.load(words, Word.serving) !== mine) {
    // Spins.
  }
  Atomics.store(words, Word.serving, (mine + 1) | 0);
}
