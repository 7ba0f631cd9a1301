/**
 * Policies in threads of their own (Piscina), fed with the chunks that the reading thread fills.
 *
 * Promise: every group gets every chunk, in order; a chunk is released when all groups have walked it. Groups are
 * dealt round-robin, so that expensive policies of one kind do not meet in one thread.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { UserError } from '../errors.js';
import type { PolicySpec } from '../policy/spec.js';
import type { Chunk } from './chunk.js';
import type { FlowRecords } from './flow-table.js';
import type { RunOptions } from './policy-run.js';
import type { PolicyAnswer, PolicyOrder } from './policy-thread.js';
import type { RunCounts } from './tally.js';

export class PolicyPool {
  readonly #pool: Piscina;
  readonly #ports: MessagePort[] = [];
  readonly #answers: Promise<PolicyAnswer>[] = [];
  /** By chunk: groups that have not walked it, and what to do then. */
  readonly #left: number[] = [];
  readonly #done: (() => void)[] = [];
  #fail: (error: Error) => void = () => {};
  /** Rejects when a group fails. */
  readonly failure: Promise<never>;

  constructor(
    groups: readonly (readonly PolicySpec[])[],
    workers: number | null,
    options: RunOptions,
    chunks: readonly Chunk[],
  ) {
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // Whoever runs awaits it; until then nobody does.
    this.failure.catch(() => {});
    this.#pool = new Piscina({
      filename: new URL('./policy-thread.js', import.meta.url).href,
      minThreads: groups.length,
      maxThreads: groups.length,
      idleTimeout: 60_000,
    });
    const memories = chunks.map(({ memory }) => memory);
    for (const specs of groups) {
      const { port1, port2 } = new MessageChannel();
      const order: PolicyOrder = { specs, workers, options, chunks: memories, port: port2 };
      const answer = this.#pool.run(order, { transferList: [port2] }) as Promise<PolicyAnswer>;
      answer.then(
        (value) => {
          if ('message' in value) {
            this.#fail(
              value.isUserError
                ? new UserError(value.message, { code: value.code })
                : new Error(value.message),
            );
          }
        },
        (error) => this.#fail(error as Error),
      );
      port1.on('message', (index: number) => this.#walked(index));
      this.#ports.push(port1);
      this.#answers.push(answer);
    }
  }

  /** Gives the chunk to all groups; resolves when they have walked it. */
  take(chunk: Chunk, index: number): Promise<void> {
    const note = chunk.note(index);
    return new Promise((resolve) => {
      this.#left[index] = this.#ports.length;
      this.#done[index] = resolve;
      for (const port of this.#ports) port.postMessage(note);
    });
  }

  #walked(index: number): void {
    this.#left[index]!--;
    if (this.#left[index] === 0) this.#done[index]!();
  }

  /** The counts of all groups, in their order. `flows` are those of the whole capture. */
  async finish(flows: FlowRecords): Promise<RunCounts[][]> {
    for (const port of this.#ports) port.postMessage(flows);
    const answers = await Promise.race([Promise.all(this.#answers), this.failure]);
    return answers.map((answer) => ('counts' in answer ? answer.counts : []));
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    for (const port of this.#ports) port.close();
    await this.#pool.destroy();
  }
}
