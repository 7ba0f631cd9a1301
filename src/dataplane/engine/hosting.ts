/**
 * Hosts the workers: starts their threads, starts a dead one again, tells when one cannot be kept running.
 *
 * Promise: `start` resolves when the worker runs its loop, or throws what kept it from that. A worker that dies later
 * is buried (`reclaimWorker`) and started again with the newest configuration; one that keeps dying is given up, which
 * ends the engine (`onFailure`). A worker that dies for want of descriptors, threads or memory is never given up: it is
 * tried again until there are some. Main thread only.
 */
import { FixedQueue, Piscina } from 'piscina';
import { threadModule } from '../../thread-modules.js';
import type { WorkerTask } from '../shared/config.js';
import { Global, Phase, WorkerState, WorkerWord } from '../shared/words.js';
import { delay, type EngineCore } from './core.js';
import { Guard } from './guarded.js';
import { patience } from './patience.js';
import { reclaimWorker } from './reclaim.js';

/** The start ends when so long no further worker has reported (many workers on few CPUs take their turns). */
const START_TIMEOUT_MS = patience(20_000);
const START_POLL_MS = 2;
/**
 * A worker that dies so often in a row, each time within `SHORT_LIFE_MS` of its last death, is not started again. A
 * streak rather than a rate: on a busy machine a doomed worker dies as surely, but slowly.
 */
const DEATHS_IN_A_ROW = 10;
const SHORT_LIFE_MS = 5000;

/** Pauses before a worker is started again where something was short: the first and the longest, in milliseconds. */
const SHORT_OF_MS = { first: 100, longest: 2000 } as const;

/** Interval of trying again to clean up after a worker, where another one holds what is needed. */
const RETRY_MS = 50;

/** Something that others may give back: descriptors, threads, memory. Errors of a worker come as texts. */
function isShortage(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (
    ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'ERR_WORKER_INIT_FAILED'].includes(code ?? '') ||
    /Too many open files|Cannot allocate memory|No buffer space|EMFILE|ENFILE|ENOMEM|allocation failed/i.test(
      error.message,
    )
  );
}

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
  /** Tasks that no thread may have taken yet. */
  private readonly waiting = new Map<number, AbortController>();
  /** Why the last thread could not be made. */
  private threadError: Error | null = null;
  private destroying = false;
  private readonly guard: Guard;

  constructor(
    private readonly core: EngineCore,
    private readonly onFailure: () => void,
  ) {
    const { plan } = core;
    this.guard = new Guard(core.warn);
    this.pool = new Piscina({
      filename: threadModule(new URL('../worker/thread.js', import.meta.url), Object.values(plan.attachers)),
      // Each task makes its thread: what fails there is that task's error.
      minThreads: 0,
      maxThreads: plan.workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      taskQueue: new FixedQueue(),
    });
    // A thread that ended without a task, or could not begin; its task would wait for another thread for ever.
    this.pool.on('error', (error: Error) => {
      this.threadError = error;
      for (const task of this.waiting.values()) task.abort();
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

  /** Hosts workers 0 … count-1; resolves when all run their loops. Throws what kept one from that. */
  async start(count: number): Promise<void> {
    const starting = Array.from({ length: count }, (_, w) => w);
    const { global } = this.core.views;
    Atomics.store(global, Global.warming, this.core.plan.warmUp ? count : 0);
    for (const w of starting) this.host(w);
    let most = Number.NEGATIVE_INFINITY;
    let deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const missing = starting.filter((w) => !this.running(w));
      if (missing.length === 0) return;
      // Many workers on few CPUs take their turns: any of them that has begun, warmed up or reported is progress.
      const steps =
        Atomics.load(global, Global.begun) - Atomics.load(global, Global.warming) - missing.length;
      if (steps > most) {
        most = steps;
        deadline = performance.now() + START_TIMEOUT_MS;
      }
      if (performance.now() > deadline) {
        const names = missing.length > 8 ? `${missing.slice(0, 8).join(', ')} …` : missing.join(', ');
        throw new Error(`worker ${names} did not report within ${Math.round(START_TIMEOUT_MS / 1000)} s`);
      }
      await delay(START_POLL_MS);
    }
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

  /** Resolves when all workers have ended, or when none of them has for the time: many on few CPUs take their turns. */
  async allEnded(timeoutMs: number): Promise<void> {
    let over = 0;
    const runs = [...this.runs.values()].map((run) =>
      run.then(() => {
        over++;
      }),
    );
    for (let before = -1; over > before && over < runs.length; ) {
      before = over;
      await within(Promise.all(runs), timeoutMs);
    }
  }

  /** Ends the threads, those too that have not ended by themselves. */
  async destroy(): Promise<void> {
    this.destroying = true;
    await this.pool.destroy();
  }

  /** Runs a worker until it ends; starts it again after each death. Never throws. */
  private async run(worker: number): Promise<void> {
    const words = this.core.views.workers[worker]!;
    let diedAt = Number.NEGATIVE_INFINITY;
    let deaths = 0;
    let shortMs: number = SHORT_OF_MS.first;
    let told = '';
    for (;;) {
      const error = await this.once(worker);
      if (error === null) return;
      const ran = Atomics.load(words, WorkerWord.state) === WorkerState.running;
      if (!ran && !this.begun.has(worker)) {
        this.startErrors.set(worker, error);
        return;
      }
      // The same want again says nothing new.
      const isNews = ran || error.message !== told;
      told = error.message;
      if (!(await this.reclaim(worker, error, isNews))) {
        Atomics.store(words, WorkerWord.state, WorkerState.ended);
        return;
      }
      const now = performance.now();
      const isShort = isShortage(error);
      deaths = now - diedAt >= SHORT_LIFE_MS || isShort ? 1 : deaths + 1;
      diedAt = now;
      if (deaths > DEATHS_IN_A_ROW) {
        this.failure = new Error(`worker ${worker} keeps dying: ${error.message}`);
        this.onFailure();
        return;
      }
      shortMs = isShort && !ran ? Math.min(2 * shortMs, SHORT_OF_MS.longest) : SHORT_OF_MS.first;
      if (isShort) await this.core.pause(shortMs);
    }
  }

  /** One life of a worker: null when it has ended in order, else what it died of. */
  private async once(worker: number): Promise<Error | null> {
    const { core } = this;
    const waiting = new AbortController();
    this.threadError = null;
    try {
      const port = core.connect(worker);
      this.waiting.set(worker, waiting);
      const task: WorkerTask = { config: core.config, worker, port };
      const { signal } = waiting;
      const complaints = (await this.pool.run(task, { transferList: [port], signal })) as string[];
      for (const line of complaints) core.warn(line);
      return null;
    } catch (error) {
      return waiting.signal.aborted && this.threadError !== null ? this.threadError : (error as Error);
    } finally {
      this.waiting.delete(worker);
    }
  }

  /** Nothing of a dead worker stays behind; true when it is to be started again. */
  private async reclaim(worker: number, error: Error, isNews: boolean): Promise<boolean> {
    const { core } = this;
    let swept = 0;
    const what = `cleaning up after worker ${worker}`;
    const reclaim = () => {
      swept = reclaimWorker(core.plan, core.views, core.memory, worker);
    };
    while (!this.guard.run(what, reclaim) && !this.destroying) await delay(RETRY_MS);
    const leaves =
      Atomics.load(core.views.global, Global.phase) === Phase.exit ||
      Atomics.load(core.views.workers[worker]!, WorkerWord.leave) === 1;
    // Ended by this thread because it did not end by itself: no death, but what it held is lost.
    const end = this.destroying ? 'was ended by force' : `died (${error.message})`;
    if ((isNews && !this.destroying) || swept > 0) {
      core.warn(
        `worker ${worker} ${end}: ${swept} frame(s) dropped as workerDied${leaves ? '' : ', starting it again'}`,
      );
    }
    return !leaves;
  }
}
