/**
 * What a service manager wants to know (sd_notify(3)): ready, reloads, stops, lives.
 *
 * Promise: told in the order in which it happens, by this process itself, so that `NotifyAccess=main` suffices; the
 * variables that the manager set are removed, so that no program that is started from here speaks for it. Without
 * NOTIFY_SOCKET nothing is sent. What cannot be sent is one warning, and no reason to stop. The watchdog hears of the main
 * thread: a worker that dies is taken over or ends the run. Main thread only.
 */
import { loadNative, nativeProblem } from '../addon/native.js';

/** Sends one message. @throws Error */
export type SendNotice = (message: string) => void;

/** A service manager that waits for news. */
export class ServiceManager {
  #watchdog: NodeJS.Timeout | undefined;
  #failed = false;
  #reloads = 0;

  /** @param watchdogUs what it waits for a sign of life, in microseconds, or null */
  constructor(
    private readonly send: SendNotice,
    private readonly warn: (line: string) => void,
    private readonly watchdogUs: number | null,
  ) {}

  /** The start is done. */
  ready(status: string): void {
    this.#tell('READY=1', `STATUS=${status}`);
    if (this.watchdogUs === null || this.#watchdog !== undefined) return;
    // Twice as often as it must be, as sd_watchdog_enabled(3) says.
    const periodMs = Math.max(1, Math.floor(this.watchdogUs / 2000));
    this.#watchdog = setInterval(() => this.#tell('WATCHDOG=1'), periodMs);
    this.#watchdog.unref();
  }

  /** Runs a reload between the two messages that frame one; of reloads that overlap, the last that ends is the end. */
  async reload(run: () => Promise<void>): Promise<void> {
    this.#reloads++;
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      await run();
    } finally {
      this.#reloads--;
      if (this.#reloads === 0) this.#tell('READY=1');
    }
  }

  /** The end has begun. The watchdog is still told, until the process ends. */
  stopping(): void {
    this.#tell('STOPPING=1', 'STATUS=sending what is under way');
  }

  #tell(...lines: readonly string[]): void {
    if (this.#failed) return;
    try {
      this.send(lines.join('\n'));
    } catch (error) {
      this.#failed = true;
      clearInterval(this.#watchdog);
      this.warn(`the service manager is not told any more: ${(error as Error).message}`);
    }
  }
}

/** The time that a manager waits for a sign of life, if it waits for one of this process. */
function watchdogOf({ WATCHDOG_USEC: time, WATCHDOG_PID: pid }: NodeJS.ProcessEnv): number | null {
  if (time === undefined || !/^[1-9]\d*$/.test(time)) return null;
  return pid === undefined || pid === '' || Number(pid) === process.pid ? Number(time) : null;
}

/** The service manager that started this process, or null; forgets what it set in the environment. */
export function serviceManager(
  environment: NodeJS.ProcessEnv,
  warn: (line: string) => void,
): ServiceManager | null {
  const address = environment.NOTIFY_SOCKET;
  const watchdog = watchdogOf(environment);
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
  if (address === undefined || address === '') return null;
  const native = loadNative();
  if (native === null) {
    warn(`the service manager (NOTIFY_SOCKET) is told nothing: ${nativeProblem()}`);
    return null;
  }
  return new ServiceManager((message) => native.notifyService(address, message), warn, watchdog);
}
