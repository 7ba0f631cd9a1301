/**
 * The thread that reads ahead, seen from the thread that started it.
 *
 * Promise: `run` gives every chunk, in order, to `each` and ends with the facts and the flows; a UserError of the
 * reader is one here too. A chunk is filled again only after `each` has resolved; `CHUNKS` of them bound how far the
 * thread reads ahead. It may be started before anybody knows what to do with the chunks: it needs neither policies nor
 * their modules, whose loading takes as long as reading a million packets. Keep the imports of this module few.
 */
import type { Worker } from 'node:worker_threads';
import { UserError } from '../errors.js';
import type { PacketChoice } from './choice.js';
import { Chunk } from './chunk.js';
import type { ClockOptions } from './clock.js';
import { type IngestEnd, type IngestMessage, type IngestOrder, STOP_READING } from './ingest-order.js';
import { readingThread } from './reading-thread.js';

/**
 * Chunks under way at most: some 80,000 small packets, read while the policies are still being loaded. Later a few of
 * them go round, since the one that was released last is filled first. More of them are more memory to touch first.
 */
export const CHUNKS = 16;

/** A thread that reads ahead. `run` once; `close` in any case. */
export class IngestThread {
  readonly chunks: readonly Chunk[] = Array.from({ length: CHUNKS }, () => new Chunk());
  readonly #worker: Worker;
  #waiting: IngestMessage[] = [];
  #onMessage: ((message: IngestMessage) => void) | null = null;
  #failure: Error | null = null;
  #onFailure: ((error: Error) => void) | null = null;

  constructor(paths: readonly string[], clock: ClockOptions, choice: PacketChoice = {}) {
    const order: IngestOrder = { paths, clock, choice, chunks: this.chunks.map(({ memory }) => memory) };
    this.#worker = readingThread();
    this.#worker.postMessage(order);
    this.#worker.on('message', (message: IngestMessage) => {
      if (this.#onMessage === null) this.#waiting.push(message);
      else this.#onMessage(message);
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the reading thread ended')));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#onFailure?.(this.#failure);
  }

  /** Gives every chunk to `each`, in order; it is reused when the result, or its promise, is there. */
  run(each: (chunk: Chunk, index: number) => Promise<void> | undefined): Promise<IngestEnd> {
    return new Promise((resolve, reject) => {
      this.#onFailure = reject;
      const release = (index: number) => this.#worker.postMessage(index);
      this.#onMessage = (message) => {
        if (message.end !== undefined) resolve(message.end);
        else if (message.note === undefined) {
          reject(
            message.isUserError
              ? new UserError(message.message, { code: message.code })
              : new Error(message.message),
          );
        } else {
          const { chunk: index } = message.note;
          const chunk = this.chunks[index]!;
          chunk.noted(message.note);
          try {
            const busy = each(chunk, index);
            if (busy === undefined) release(index);
            else busy.then(() => release(index), reject);
          } catch (error) {
            reject(error);
          }
        }
      };
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const message of waiting) this.#onMessage(message);
      if (this.#failure !== null) reject(this.#failure);
    });
  }

  /** Reads no further; `run` ends with what was read. */
  stop(): void {
    this.#worker.postMessage(STOP_READING);
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#onFailure = null;
    await this.#worker.terminate();
  }
}
