/**
 * Hosts the workers: starts their threads, starts a dead one again, tells when one cannot be kept running.
 *
 * Promise: `start` resolves when the worker runs its loop, or throws what kept it from that. A worker that dies later
 * is buried (`buryWorker`) and started again with the newest configuration; one that keeps dying is given up, which
 * ends the engine (`onFailure`). Main thread only.
 */
import { fileURLToPath } from 'node:url';
import { FixedQueue, Piscina } from 'piscina';
import type { EngineCore } from './core.js';
import { Global, Phase, WorkerState, WorkerWord } from './engine-memory.js';
import type { WorkerTask } from './live-config.js';
import { buryWorker } from './supervisor.js';

/**
 * A worker that dies so often in a row, each time within `SHORT_LIFE_MS` of its last death, is not started again. A
 * streak rather than a rate: on a busy machine a doomed worker dies as surely, but slowly.
 */
const DEATHS_IN_A_ROW = 10;
const SHORT_LIFE_MS = 5000;

/** Waits for a promise, but no longer than so; leaves no timer behind that would keep the process alive. */
async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

export class Hosting {
  /** Set when a worker could not be kept running. */
  failure: Error | null = null;
  private readonly pool: Piscina;
  private readonly runs = new Map<number, Promise<void>>();
  /** Workers that have run their loop once; the others' first error is a failed start, not a death. */
  private readonly begun = new Set<number>();
  private readonly startErrors = new Map<number, Error>();

  constructor(
    private readonly core: EngineCore,
    private readonly onFailure: () => void,
  ) {
    const { plan } = core;
    this.pool = new Piscina({
      filename: fileURLToPath(new URL('./worker.js', import.meta.url)),
      minThreads: plan.active,
      maxThreads: plan.workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      taskQueue: new FixedQueue(),
    });
  }

  /** Begins to host a worker. */
  host(worker: number): void {
    const { views } = this.core;
    this.begun.delete(worker);
    this.startErrors.delete(worker);
    Atomics.store(views.workers[worker]!, WorkerWord.leave, 0);
    Atomics.store(views.workers[worker]!, WorkerWord.state, WorkerState.absent);
    this.runs.set(
      worker,
      this.run(worker).finally(() => this.core.disconnect(worker)),
    );
  }

  /** True when the worker runs its loop. Throws what it failed of before. */
  running(worker: number): boolean {
    const words = this.core.views.workers[worker]!;
    if (Atomics.load(words, WorkerWord.state) === WorkerState.running) {
      this.begun.add(worker);
      return true;
    }
    const error = this.startErrors.get(worker) ?? this.failure;
    if (error !== null && error !== undefined) throw error;
    return false;
  }

  /** Resolves when the worker has ended; it must have been told to. */
  async ended(worker: number, timeoutMs: number): Promise<void> {
    await within(this.runs.get(worker) ?? Promise.resolve(), timeoutMs);
  }

  /** Resolves when all workers have ended, or after the time. */
  async allEnded(timeoutMs: number): Promise<void> {
    await within(Promise.all(this.runs.values()), timeoutMs);
  }

  async destroy(): Promise<void> {
    await this.pool.destroy();
  }

  /** Runs a worker until it ends; starts it again after each death. */
  private async run(worker: number): Promise<void> {
    const { core } = this;
    const words = core.views.workers[worker]!;
    let diedAt = Number.NEGATIVE_INFINITY;
    let deaths = 0;
    for (;;) {
      const port = core.connect(worker);
      const task: WorkerTask = { config: core.config, worker, port };
      try {
        const complaints = (await this.pool.run(task, { transferList: [port] })) as string[];
        for (const line of complaints) core.warn(line);
        return;
      } catch (error) {
        const ran = Atomics.load(words, WorkerWord.state) === WorkerState.running;
        if (!ran && !this.begun.has(worker)) {
          this.startErrors.set(worker, error as Error);
          return;
        }
        const leaves =
          Atomics.load(core.views.global, Global.phase) === Phase.exit ||
          Atomics.load(words, WorkerWord.leave) === 1;
        const swept = buryWorker(core.plan, core.views, core.memory, worker);
        core.warn(
          `worker ${worker} died (${(error as Error).message}): ${swept} frame(s) dropped as workerDied${leaves ? '' : ', starting it again'}`,
        );
        if (leaves) {
          Atomics.store(words, WorkerWord.state, WorkerState.ended);
          return;
        }
        const now = performance.now();
        deaths = now - diedAt < SHORT_LIFE_MS ? deaths + 1 : 1;
        diedAt = now;
        if (deaths > DEATHS_IN_A_ROW) {
          this.failure = new Error(`worker ${worker} keeps dying: ${(error as Error).message}`);
          this.onFailure();
          return;
        }
      }
    }
  }
}
