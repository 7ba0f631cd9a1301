/**
 * Interrupts of commands that read or compute for long.
 *
 * Promise: the first SIGINT or SIGTERM aborts the signal, so that the command ends with what it has; the second ends
 * the process at once with exit code 130. `release` gives both back to the process. Main thread only.
 */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #on = () => {
    // process.exit() would wait for worker threads; reallyExit runs no hook.
    if (this.#controller.signal.aborted)
      (process as unknown as { reallyExit(code: number): never }).reallyExit(130);
    this.#onFirst();
    this.#controller.abort();
  };
  readonly #onFirst: () => void;

  /** @param onFirst called at the first one, before the signal aborts */
  constructor(onFirst: () => void = () => {}) {
    this.#onFirst = onFirst;
    process.on('SIGINT', this.#on);
    process.on('SIGTERM', this.#on);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#controller.signal.aborted;
  }

  release(): void {
    process.off('SIGINT', this.#on);
    process.off('SIGTERM', this.#on);
  }
}
