/**
 * What stands between a timer or an event of the main thread and the end of the process.
 *
 * Promise: what a guarded function throws ends nothing. It is told in one line, once while it goes on failing the same
 * way and again after it has worked meanwhile; the next call tries anew. The guard itself never throws.
 *
 * Everything of the main thread that nobody awaits runs under one: periodic looks, statistics, streams, messages,
 * signals. Else the first system call that fails there (no descriptor left, no memory) cuts off every guest.
 */
/** A function that gets lines for people: what it throws concerns nobody who has one to say. */
export function guarded(warn: (line: string) => unknown): (line: string) => void {
  return (line) => {
    try {
      warn(line);
    } catch {
      // Nowhere left to say it.
    }
  };
}

export class Guard {
  /** By what failed: the line that was told. */
  private readonly told = new Map<string, string>();
  private readonly warn: (line: string) => void;

  /** @param warn gets the lines. */
  constructor(warn: (line: string) => unknown) {
    this.warn = guarded(warn);
  }

  /** Calls a function; true when it threw nothing. `what` names it in the line. */
  run(what: string, call: () => void): boolean {
    try {
      call();
      this.told.delete(what);
      return true;
    } catch (error) {
      this.tell(what, error);
      return false;
    }
  }

  private tell(what: string, error: unknown): void {
    const line = `${what}: ${String((error as Error)?.message ?? error).split('\n')[0]}`;
    if (this.told.get(what) === line) return;
    this.told.set(what, line);
    this.warn(line);
  }
}
