/**
 * A worker of a queue: takes cells, computes them in threads, gives the results back.
 *
 * Promise: while cells are computed this thread does nothing but wait, so it renews their locks; what a worker had in hand
 * when it died, or stood still for longer than its lock, is done by others. A result that comes too late is dropped: it
 * is the same. Trouble with the server is waited out. Cells that this worker cannot do go back for others.
 */
import type { Job, Worker } from 'bullmq';
import { type Failure, failureOf } from '../lanes.js';
import type { ScenarioAnswer } from '../scenario-worker.js';
import type { SweepPool } from '../sweep.js';
import type { SweepAnswer } from '../worker.js';
import { type Connected, PREFIX, persist, type Troubles } from './connect.js';
import { Refusal, type WorkerFiles } from './files.js';
import { type CellAnswer, type CellJob, parseJob } from './job.js';
import { localCell, localTask } from './localize.js';
import type { ThreadTask } from './thread.js';

export interface QueueWorkerOptions {
  readonly queue: string;
  /** How others see it: `host/pid`, then `/threads`. */
  readonly name: string;
  readonly threads: number;
  /** Milliseconds after which cells of a worker that is not heard of go to others. */
  readonly lockMs: number;
  /** Ends when nothing is left to do. */
  readonly untilEmpty: boolean;
  readonly files: WorkerFiles;
  readonly pool: SweepPool<ThreadTask, SweepAnswer | ScenarioAnswer>;
  readonly troubles: Troubles;
  readonly note: (text: string) => void;
}

/** A cell in hand. */
interface InHand {
  readonly job: Job;
  readonly token: string;
  readonly data: CellJob;
}

/** Cells that share a pass at most; one thread takes no more at once. */
const BATCH_MOST = 16;
/** Times that a cell may take its worker down before it is given up. */
const STALLED_MOST = 3;
/** Until a refused cell is offered again; this worker asks later than that, so that others come first. */
const REFUSED_MS = 1000;
const AFTER_REFUSAL_MS = 2500;
/** For how long the number of other workers is believed. */
const CROWD_MS = 5000;

/** Errors of BullMQ's scripts are numbers: the job is gone, in another state, or another worker's by now. */
const isLost = (error: unknown) => Number((error as { code?: unknown }).code) < 0;

const pause = (ms: number, until: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    until.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });

export class QueueWorker {
  /** Cells that were finished here, and those that others finished first. */
  done = 0;
  late = 0;
  readonly #worker: Worker;
  readonly #inHand = new Map<string, InHand>();
  readonly #stop = new AbortController();
  readonly #refused = new Set<string>();
  readonly #renewing: NodeJS.Timeout;
  #taking: Promise<unknown> = Promise.resolve();
  #crowd = { threads: 1, at: Number.NEGATIVE_INFINITY };
  #tokens = 0;

  constructor(
    private readonly connected: Connected,
    private readonly options: QueueWorkerOptions,
  ) {
    const { bullmq, options: connection } = connected;
    const { queue, name, threads, lockMs } = options;
    this.#worker = new bullmq.Worker(queue, null, {
      ...{ connection, prefix: PREFIX, name: `${name}/${threads}`, autorun: false },
      ...{ lockDuration: lockMs, stalledInterval: lockMs, maxStalledCount: STALLED_MOST },
      drainDelay: options.untilEmpty ? 1 : 5,
    });
    this.#worker.on('error', (error) => {
      if (!this.#stop.signal.aborted) options.troubles.add(error);
    });
    this.#renewing = setInterval(() => void this.#renew(), Math.max(50, lockMs / 3));
  }

  /** Works until it is stopped, or with `untilEmpty` until nothing is left. */
  async run(onReady: () => void): Promise<void> {
    try {
      await this.#worker.waitUntilReady();
      await this.#worker.startStalledCheckTimer();
      onReady();
      await Promise.all(Array.from({ length: this.options.threads }, () => this.#lane()));
    } finally {
      clearInterval(this.#renewing);
      await Promise.race([
        this.#worker.close(true).catch(() => {}),
        pause(1000, new AbortController().signal),
      ]);
    }
  }

  /** Takes no further cells; `run` ends when those in hand are finished. */
  stop(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    // Whoever waits for a cell waits no longer.
    if (this.#inHand.size === 0) void this.#worker.close(true).catch(() => {});
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #renew(): Promise<void> {
    const held = [...this.#inHand.values()];
    if (held.length === 0) return;
    const ids = held.map(({ job }) => job.id!);
    const tokens = held.map(({ token }) => token);
    // What cannot be renewed is another worker's by then; its result is dropped when it is there.
    await this.#worker.extendJobLocks(ids, tokens, this.options.lockMs).catch(() => {});
  }

  async #lane(): Promise<void> {
    while (!this.#stopped) {
      // One at a time: it waits for the next cell for all of them.
      const taking = this.#taking.then(() => this.#take());
      this.#taking = taking.catch(() => {});
      const batch = await taking;
      if (batch === 'empty') return;
      for (const group of grouped(batch)) await this.#compute(group);
    }
  }

  async #next(block: boolean): Promise<InHand | null> {
    const token = `${this.#worker.id}:${this.#tokens++}`;
    const job = await persist(
      () => this.#worker.getNextJob(token, { block }),
      this.options.troubles,
      () => this.#stopped,
    );
    if (!job) return null;
    const data = parseJob(job.data);
    if (data === null) {
      await this.#settle({ job, token }, () =>
        job.moveToFailed(new this.connected.bullmq.UnrecoverableError('is no cell of a sweep'), token),
      );
      return null;
    }
    const held = { job, token, data };
    this.#inHand.set(job.id!, held);
    return held;
  }

  /** Cells for one thread: fewer when fewer are left, so that all threads of all workers end together. */
  async #take(): Promise<InHand[] | 'empty'> {
    const first = this.#stopped ? null : await this.#next(true);
    if (first === null) {
      if (this.options.untilEmpty && !this.#stopped && (await this.#isEmpty())) return 'empty';
      return [];
    }
    const batch = [first];
    if (first.data.kind === 'scenarios') return batch;
    const share = await this.#share();
    while (batch.length < share) {
      const more = await this.#next(false);
      if (more === null) break;
      batch.push(more);
    }
    return batch;
  }

  /** What is left, over twice the threads of all workers. */
  async #share(): Promise<number> {
    const { redis } = this.connected;
    const waiting = await redis.llen(this.#worker.toKey('wait')).catch(() => 0);
    const now = performance.now();
    if (now - this.#crowd.at > CROWD_MS) {
      const names = await workerNames(this.connected, this.options.queue).catch(() => []);
      const threads = names.reduce((sum, name) => sum + (Number(name.split('/').at(-1)) || 1), 0);
      this.#crowd = { threads: Math.max(threads, this.options.threads), at: now };
    }
    return Math.min(BATCH_MOST, Math.ceil((waiting + 1) / (2 * this.#crowd.threads)));
  }

  async #isEmpty(): Promise<boolean> {
    const { redis } = this.connected;
    const key = (name: string) => this.#worker.toKey(name);
    const counts = await Promise.all([
      redis.llen(key('wait')),
      redis.llen(key('active')),
      redis.zcard(key('delayed')),
    ]).catch(() => [1]);
    return counts.every((count) => count === 0);
  }

  /** Gives a cell back in some way, however long the server takes. */
  async #settle(held: Pick<InHand, 'job' | 'token'>, call: () => Promise<unknown>): Promise<boolean> {
    try {
      // Also when it was stopped: a result that is there is not thrown away.
      await persist(call, this.options.troubles, () => false, isLost);
      return true;
    } catch {
      this.late++;
      return false;
    } finally {
      this.#inHand.delete(held.job.id!);
    }
  }

  async #compute(group: readonly InHand[]): Promise<void> {
    let answers: (CellAnswer | Failure)[];
    try {
      answers = await this.#answers(group);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await this.#refuse(group, error.message);
      return;
    }
    const failed = answers.some((answer) => 'isUserError' in answer);
    if (failed && group.length > 1) {
      // Which of them it is shows when each is alone.
      for (const one of group) await this.#compute([one]);
      return;
    }
    for (const [i, answer] of answers.entries()) await this.#give(group[i]!, answer);
  }

  /** Answers of cells of one batch; a failure is the answer of all of them. @throws Refusal */
  async #answers(group: readonly InHand[]): Promise<(CellAnswer | Failure)[]> {
    const { files, pool, name: worker } = this.options;
    const given = await this.#task(group, files);
    const answer = await pool.run(given).catch((error: unknown) => failureOf(error));
    if ('isUserError' in answer) return group.map(() => answer);
    if ('line' in answer) return [{ worker, line: answer.line }];
    const { capture } = (given as Extract<ThreadTask, { task: unknown }>).task;
    return answer.measures.map((measures) => ({ worker, measures, capture }));
  }

  async #task(group: readonly InHand[], files: WorkerFiles): Promise<ThreadTask> {
    const [{ data }] = group as [InHand];
    if (data.kind === 'scenarios') return { cell: await localCell(data, files) };
    const jobs = group.map((one) => one.data as CellJob & { kind: 'captures' });
    return { task: await localTask(jobs, files) };
  }

  async #give({ job, token }: InHand, answer: CellAnswer | Failure): Promise<void> {
    const held = { job, token };
    if (!('isUserError' in answer)) {
      if (await this.#settle(held, () => job.moveToCompleted(answer, token, false))) this.done++;
      return;
    }
    const { UnrecoverableError } = this.connected.bullmq;
    // What is wrong in itself is so everywhere; anything else is tried again.
    const error = answer.isUserError ? new UnrecoverableError(answer.message) : new Error(answer.message);
    await this.#settle(held, () => job.moveToFailed(error, token, false));
  }

  /** Cells that this worker cannot do go back, and it stands behind the others for them. */
  async #refuse(group: readonly InHand[], reason: string): Promise<void> {
    const { name, note } = this.options;
    if (!this.#refused.has(reason)) note(`refused: ${reason}`);
    this.#refused.add(reason);
    for (const { job, token } of group) {
      await this.#settle({ job, token }, async () => {
        await job.updateProgress({ worker: name, refused: reason });
        await job.moveToDelayed(Date.now() + REFUSED_MS, token);
      });
    }
    await pause(AFTER_REFUSAL_MS, this.#stop.signal);
  }
}

/** Cells by batch: what can share a pass. */
function grouped(batch: readonly InHand[]): InHand[][] {
  const groups = new Map<string, InHand[]>();
  for (const one of batch) {
    const name = one.data.kind === 'captures' ? one.data.batch : one.job.id!;
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return [...groups.values()];
}

/** Names of the workers that are connected: `host/pid/threads`. */
export async function workerNames({ redis }: Connected, queue: string): Promise<string[]> {
  // As BullMQ names its workers' connections.
  const mark = `${PREFIX}:${Buffer.from(queue).toString('base64')}:w:`;
  const list = (await redis.client('LIST')) as string;
  const names = list.split('\n').flatMap((line) => {
    const name = / name=(\S*)/.exec(line)?.[1] ?? '';
    return name.startsWith(mark) ? [name.slice(mark.length)] : [];
  });
  return [...new Set(names)];
}
