/**
 * What a sweep shows while it runs, and how an interrupt ends it.
 *
 * Promise: the bar is on a terminal only. After an interrupt nothing is waited for: what was finished is there.
 */
import { SingleBar } from 'cli-progress';

/** `42 s`, `3 min`; before anything is finished nobody knows. */
function timeLeft(seconds: number): string {
  if (!(seconds > 0)) return '?';
  return seconds < 100 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** The bar, on a terminal only; time left is estimated by the work that is still to be done. */
export class Bar {
  readonly #bar: SingleBar | null;
  #cells = 0;

  /** @param work of all tasks together, in any unit; @param done cells that were done before, of so many */
  constructor(work: number, done: number, all: number) {
    const isTerminal = process.stderr.isTTY === true && work > 0;
    this.#cells = done;
    this.#bar = isTerminal
      ? new SingleBar({
          format: 'sweep [{bar}] {percentage} %  {cells} of {all} cells{by}  {eta_formatted} left',
          stream: process.stderr,
          barsize: 30,
          hideCursor: false,
          clearOnComplete: true,
          etaBuffer: 50,
          formatTime: timeLeft,
        })
      : null;
    this.#bar?.start(work, 0, { cells: done, all, by: '' });
  }

  add(work: number, cells: number): void {
    this.#cells += cells;
    this.#bar?.increment(work, { cells: this.#cells });
  }

  /** Workers elsewhere that share the work. */
  workers(count: number): void {
    this.#bar?.update({ by: `, ${count} worker${count === 1 ? '' : 's'}` });
  }

  stop(): void {
    this.#bar?.stop();
  }
}

/** Runs until it ends, or until an interrupt: true then. */
export async function untilInterrupted(start: (isStopped: () => boolean) => Promise<void>): Promise<boolean> {
  let interrupted = false;
  let stop: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = () => {
      interrupted = true;
      resolve();
    };
  });
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const running = start(() => interrupted);
    // What is torn down while it runs fails, and nobody waits for it.
    running.catch(() => {});
    await Promise.race([running, stopped]);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
  return interrupted;
}
