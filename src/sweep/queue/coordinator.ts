/**
 * The coordinator of a sweep with a queue: puts cells into it and takes their results out.
 *
 * Promise: every cell is answered once, by its result or by the reason why there is none, whatever happens to workers,
 * to the server, or to an earlier coordinator: what events do not tell is looked up, what has vanished is put in again.
 * Only so many cells lie in the queue at a time. Results are checked before they are believed.
 */
import type { Job, Queue, QueueEvents } from 'bullmq';
import type { z } from '../../vendor/zod.js';
import { type Connected, PREFIX, persist, type Troubles } from './connect.js';
import type { CellAnswer, CellJob } from './job.js';
import { workerNames } from './worker.js';

/** A cell, its job, and how an answer becomes its line. */
export interface QueuedCell<L> {
  readonly key: string;
  /** Made when its turn comes. */
  readonly job: () => Promise<CellJob>;
  readonly lineOf: (answer: CellAnswer) => L | null;
}

export interface CoordinatorOptions<L> {
  readonly queue: string;
  readonly schema: z.ZodType<L>;
  readonly troubles: Troubles;
  readonly note: (text: string) => void;
  readonly onLine: (line: L, worker: string) => void;
  /** How many workers are connected, from time to time. */
  readonly onWorkers: (names: readonly string[]) => void;
  readonly signal: AbortSignal;
}

/** Cells in the queue at a time: what Redis must hold. */
const WINDOW = 1000;
const CHUNK = 100;
/** Without news for so long, the server is asked. */
const QUIET_MS = 2000;
const LOOK_MS = 1000;
/** Results stay for other coordinators that want the same cells, and for one that died before it wrote them. */
const KEPT = { age: 3600, count: 20_000 };
const JOB_OPTIONS = {
  attempts: 3,
  backoff: { type: 'fixed', delay: 500 },
  removeOnComplete: KEPT,
  removeOnFail: KEPT,
};
/** After an interrupt nothing is waited for longer. */
const LEAVE_MS = 2000;

export class Coordinator<L extends { readonly key: string }> {
  /** Cells without a result, and why. */
  readonly failures = new Map<string, string>();
  readonly #queue: Queue;
  readonly #events: QueueEvents;
  /** In the queue. */
  readonly #open = new Map<string, QueuedCell<L>>();
  readonly #refusals = new Set<string>();
  #next = 0;
  #filling: Promise<void> | null = null;
  #problem: unknown = null;
  #heard = performance.now();
  #wake: () => void = () => {};

  constructor(
    private readonly cells: readonly QueuedCell<L>[],
    private readonly connected: Connected,
    private readonly options: CoordinatorOptions<L>,
  ) {
    const { bullmq, options: connection, redis } = connected;
    const common = { prefix: PREFIX };
    this.#queue = new bullmq.Queue(options.queue, { ...common, connection: redis });
    this.#events = new bullmq.QueueEvents(options.queue, { ...common, connection });
    const onError = (error: Error) => {
      if (!options.signal.aborted) options.troubles.add(error);
    };
    this.#queue.on('error', onError);
    this.#events.on('error', onError);
    redis.on('ready', () => {
      // Events of the time between are lost.
      this.#heard = Number.NEGATIVE_INFINITY;
      options.troubles.clear();
      this.#wake();
    });
    this.#events.on('completed', ({ jobId, returnvalue }) => this.#completed(jobId, returnvalue));
    this.#events.on('failed', ({ jobId, failedReason }) => this.#failed(jobId, failedReason));
    this.#events.on('progress', ({ jobId, data }) => this.#refused(jobId, data));
  }

  /** Runs until every cell is answered; true where it was interrupted. @throws what a cell's job cannot be made of */
  async run(): Promise<boolean> {
    const { signal } = this.options;
    const onAbort = () => this.#wake();
    signal.addEventListener('abort', onAbort);
    const looking = setInterval(() => void this.#look(), LOOK_MS);
    try {
      // Before the first cell is put in: none of its events may be missed.
      await Promise.race([this.#events.waitUntilReady(), this.#aborted()]);
      void this.#look();
      while (!signal.aborted && this.#problem === null && this.#left() > 0) {
        this.#fill();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (signal.aborted || this.#problem !== null || this.#left() === 0) resolve();
        });
      }
      if (this.#problem !== null) throw this.#problem;
      return this.#left() > 0;
    } finally {
      clearInterval(looking);
      signal.removeEventListener('abort', onAbort);
      await this.#leave();
    }
  }

  #left(): number {
    return this.cells.length - this.#next + this.#open.size;
  }

  #aborted(): Promise<void> {
    const { signal } = this.options;
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve());
    });
  }

  #stopped = (): boolean => this.options.signal.aborted || this.#problem !== null;

  /** Keeps the queue full. */
  #fill(): void {
    if (this.#filling !== null || this.#open.size > WINDOW - CHUNK || this.#next === this.cells.length)
      return;
    const some = this.cells.slice(this.#next, this.#next + CHUNK);
    this.#filling = this.#put(some)
      .catch((error: unknown) => {
        this.#problem ??= error;
      })
      .then(() => {
        this.#filling = null;
        this.#wake();
      });
    this.#next += some.length;
    for (const cell of some) this.#open.set(cell.key, cell);
  }

  async #put(cells: readonly QueuedCell<L>[], isFirst = true): Promise<void> {
    const jobs = await this.#jobs(cells);
    const absent: QueuedCell<L>[] = [];
    for (const [i, cell] of cells.entries()) {
      const job = jobs?.[i];
      if (job?.failedReason !== undefined && job.finishedOn !== undefined && isFirst) {
        // An earlier sweep's failure: this one tries again.
        await this.#try(() => job.remove());
        absent.push(cell);
      } else if (job === undefined) absent.push(cell);
      else this.#take(cell.key, job);
    }
    if (absent.length === 0 || this.#stopped()) return;
    const made = await Promise.all(
      absent.map(async ({ key, job }) => ({
        name: 'cell',
        data: await job(),
        opts: { jobId: key, ...JOB_OPTIONS },
      })),
    );
    await this.#try(() => this.#queue.addBulk(made));
  }

  #try<T>(call: () => Promise<T>): Promise<T | null> {
    return persist(call, this.options.troubles, this.#stopped);
  }

  async #jobs(cells: readonly QueuedCell<L>[]): Promise<(Job | undefined)[] | null> {
    return this.#try(() => Promise.all(cells.map(({ key }) => this.#queue.getJob(key))));
  }

  /** What a job says of its end, if it has one. */
  #take(key: string, { finishedOn, failedReason, returnvalue }: Job): void {
    if (finishedOn === undefined) return;
    if (failedReason !== undefined && returnvalue === null) this.#failed(key, failedReason);
    else this.#completed(key, returnvalue);
  }

  #completed(key: string, returned: unknown): void {
    const cell = this.#open.get(key);
    if (cell === undefined) return;
    this.#heard = performance.now();
    const answer = typeof returned === 'string' ? parsed(returned) : returned;
    const line = lineFrom(cell, answer);
    const result = line === null ? null : this.options.schema.safeParse(line);
    if (line === null || result?.success !== true || line.key !== key) {
      this.#failed(key, 'what a worker gave back is no result');
      return;
    }
    this.#open.delete(key);
    try {
      this.options.onLine(line, String((answer as CellAnswer).worker));
    } catch (error) {
      // The disk is full, for example.
      this.#problem ??= error;
    }
    this.#wake();
  }

  #failed(key: string, reason: string): void {
    if (!this.#open.delete(key)) return;
    this.#heard = performance.now();
    this.failures.set(key, reason);
    this.#wake();
  }

  #refused(key: string, data: unknown): void {
    const { worker, refused } = (data ?? {}) as Record<string, unknown>;
    if (!this.#open.has(key) || typeof refused !== 'string') return;
    const text = `worker ${String(worker)} refuses cells: ${refused}`;
    if (this.#refusals.has(text)) return;
    this.#refusals.add(text);
    this.options.note(text);
  }

  /** Counts workers; asks for cells that nothing was heard of. */
  async #look(): Promise<void> {
    try {
      this.options.onWorkers(await workerNames(this.connected, this.options.queue));
      if (performance.now() - this.#heard < QUIET_MS || this.#open.size === 0) return;
      this.#heard = performance.now();
      const open = [...this.#open.values()];
      for (let at = 0; at < open.length && !this.#stopped(); at += CHUNK) {
        // Those that are being put in at this moment are not there yet, and are no harm twice.
        const some = open.slice(at, at + CHUNK).filter(({ key }) => this.#open.has(key));
        if (this.#filling === null) await this.#put(some, false);
      }
    } catch (error) {
      if (!this.#stopped()) this.options.troubles.add(error);
    }
  }

  /** Takes out what no worker has begun, after an interrupt, and closes. */
  async #leave(): Promise<void> {
    const open = [...this.#open.keys()];
    const late = new Promise<void>((resolve) => setTimeout(resolve, LEAVE_MS).unref());
    const leaving = Promise.allSettled(open.map((key) => this.#queue.remove(key))).then(() =>
      Promise.allSettled([this.#queue.close(), this.#events.close()]),
    );
    await Promise.race([leaving, late]);
    await Promise.race([Promise.allSettled([this.#events.disconnect(), this.#queue.disconnect()]), late]);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function lineFrom<L>(cell: QueuedCell<L>, answer: unknown): L | null {
  if (typeof answer !== 'object' || answer === null) return null;
  try {
    return cell.lineOf(answer as CellAnswer);
  } catch {
    // Not of the form that answers have.
    return null;
  }
}
