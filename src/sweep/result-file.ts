/**
 * Results of a sweep as JSON lines, and the file that an interrupted sweep goes on with.
 *
 * Promise: every line is a complete result, written at once; whatever kills a sweep leaves complete lines and at most
 * one torn at the end, which the next run cuts off. A file that is something else is never touched.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { fileProblem } from '../capture/format.js';
import { UserError } from '../errors.js';

const count = z.number();

/** One cell's result: one line. */
const lineSchema = z.object({
  key: z.string().length(32),
  capture: z.string(),
  policy: z.string(),
  nic: z.string().nullable(),
  queues: z.number().nullable(),
  hashKey: z.string().nullable(),
  seed: z.number().nullable(),
  workers: count,
  packets: count,
  bytes: count,
  flows: count,
  /** The fullest worker over its fair share, and the Gini coefficient, over packets. */
  fullestOverFair: count,
  gini: count,
  handoffsPerPacket: count,
  wakeupsPerPacket: count,
  reorderedPackets: count,
  reorderedRatio: count,
  reorderedMaxExtent: count,
  /** Changes of worker with earlier packets in flight. */
  movesInFlight: count,
  backlogDrops: count,
  /** Busy time of the busiest worker over the capture's time; above 1 it is overloaded. */
  busiest: count,
  elephants: count,
  /** Packets of each worker. */
  loads: z.array(count),
  /** What could not be read of the capture. */
  warnings: z.array(z.string()),
});

/** One cell's result. */
export type SweepLine = z.infer<typeof lineSchema>;

const READ_BYTES = 1 << 16;
/** Longest line that is believed: 1024 workers and many warnings. */
const LINE_MAX = 1 << 20;

/** Where results are appended. */
export class ResultFile {
  /** Results that were there, by key. */
  readonly done = new Map<string, SweepLine>();
  /** Bytes of a torn last line that were cut off. */
  torn = 0;
  readonly #fd: number;

  /** Opens (or creates) the file and reads what is there. @throws UserError where it is no result file */
  constructor(readonly path: string) {
    try {
      this.#fd = openSync(path, 'a+', 0o644);
    } catch (error) {
      throw fileProblem(path, error);
    }
    try {
      if (!fstatSync(this.#fd).isFile()) throw new UserError(`${path}: is not a regular file`);
      this.#load();
    } catch (error) {
      closeSync(this.#fd);
      throw error instanceof UserError ? error : fileProblem(path, error);
    }
  }

  #load(): void {
    const buffer = new Uint8Array(READ_BYTES);
    const decoder = new TextDecoder();
    let rest = '';
    let number = 0;
    let at = 0;
    let complete = 0;
    for (;;) {
      const count = readSync(this.#fd, buffer, 0, READ_BYTES, at);
      if (count === 0) break;
      const chunk = buffer.subarray(0, count);
      const last = chunk.lastIndexOf(0x0a);
      if (last >= 0) complete = at + last + 1;
      at += count;
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#take(line, ++number);
      if (rest.length > LINE_MAX) throw this.#foreign(number + 1);
    }
    this.torn = at - complete;
    if (this.torn === 0) return;
    // Only what this program could have begun is cut off; another file may just lack its last line feed.
    if (!'{"key":"'.startsWith(rest.slice(0, 8))) throw this.#foreign(number + 1);
    ftruncateSync(this.#fd, complete);
  }

  #take(text: string, number: number): void {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#foreign(number);
    }
    const result = lineSchema.safeParse(value);
    if (!result.success) throw this.#foreign(number);
    this.done.set(result.data.key, result.data);
  }

  #foreign(number: number): UserError {
    return new UserError(
      `${this.path}: line ${number} is no result of a sweep: give another file, or remove it`,
    );
  }

  /** Appends a result. @throws UserError where it cannot be written */
  append(line: SweepLine): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    try {
      const written = writeSync(this.#fd, bytes);
      if (written < bytes.length) throw Object.assign(new Error('disk full'), { code: 'ENOSPC' });
    } catch (error) {
      throw fileProblem(this.path, error);
    }
    this.done.set(line.key, line);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
