/**
 * Results of a sweep as JSON lines, and the file that an interrupted sweep goes on with.
 *
 * Promise: every line is a complete result, written at once; whatever kills a sweep leaves complete lines and at most
 * one torn at the end, which the next run cuts off. A file that is something else is never touched.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { fileProblem } from '../capture/format.js';
import { UserError } from '../errors.js';
import { z } from '../vendor/zod.js';
import { type ResultKind, readResultLines } from './result-lines.js';

/** One cell's result: a line of `rxsteer sweep --json`. */
export interface SweepLine {
  /** Names everything that the result depends on: 32 hex digits. */
  readonly key: string;
  readonly capture: string;
  /** As replay takes it, with what the axes set. */
  readonly policy: string;
  /** Values of the axes; null where one does not apply. */
  readonly nic: string | null;
  readonly queues: number | null;
  readonly hashKey: string | null;
  readonly seed: number | null;
  /** The policy as it was given, before any axis; its label, where it has one. */
  readonly base?: string | undefined;
  /** Options of the policy that the sweep set, by their keys. */
  readonly options?: Readonly<Record<string, string>> | undefined;
  readonly workers: number;
  readonly packets: number;
  readonly bytes: number;
  readonly flows: number;
  /** The fullest worker over its fair share, and the Gini coefficient, over packets. */
  readonly fullestOverFair: number;
  readonly gini: number;
  readonly handoffsPerPacket: number;
  readonly wakeupsPerPacket: number;
  readonly reorderedPackets: number;
  readonly reorderedRatio: number;
  readonly reorderedMaxExtent: number;
  /** Changes of worker with earlier packets in flight. */
  readonly movesInFlight: number;
  readonly backlogDrops: number;
  /** Busy time of the busiest worker over the capture's time, receiving included; above 1 it is overloaded. */
  readonly busiest: number;
  readonly elephants: number;
  /** Packets of each worker. */
  readonly loads: readonly number[];
  /** What could not be read of the capture, or was left out unasked. */
  readonly warnings: readonly string[];
}

const count = z.number();

const lineSchema: z.ZodType<SweepLine> = z.object({
  key: z.string().length(32),
  capture: z.string(),
  policy: z.string(),
  nic: z.string().nullable(),
  queues: z.number().nullable(),
  hashKey: z.string().nullable(),
  seed: z.number().nullable(),
  base: z.string().optional(),
  options: z.record(z.string(), z.string()).optional(),
  workers: count,
  packets: count,
  bytes: count,
  flows: count,
  fullestOverFair: count,
  gini: count,
  handoffsPerPacket: count,
  wakeupsPerPacket: count,
  reorderedPackets: count,
  reorderedRatio: count,
  reorderedMaxExtent: count,
  movesInFlight: count,
  backlogDrops: count,
  busiest: count,
  elephants: count,
  loads: z.array(count),
  warnings: z.array(z.string()),
});

/** Results of captures. */
export const captureResults: ResultKind<SweepLine> = {
  schema: lineSchema,
  // A warning begins with the capture's name.
  names: ['capture', 'policy', 'nic', 'queues', 'hashKey', 'seed', 'base', 'options', 'warnings'],
};

/** Where results are appended. */
export class ResultFile<L extends { readonly key: string } = SweepLine> {
  /** Results that were there, by key. */
  readonly done = new Map<string, L>();
  /** Bytes of a torn last line that were cut off. */
  torn = 0;
  readonly #fd: number;

  /**
   * Opens (or creates) the file and reads what is there.
   * @param schema of a line; default that of captures
   * @throws UserError where it is no result file
   */
  constructor(
    readonly path: string,
    private readonly schema: z.ZodType<L> = lineSchema as unknown as z.ZodType<L>,
  ) {
    try {
      this.#fd = openSync(path, 'a+', 0o644);
    } catch (error) {
      throw fileProblem(path, error, 'write');
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
    const { complete, torn } = readResultLines(
      this.#fd,
      this.path,
      () => this.schema,
      (_, line) => this.done.set(line.key, line),
    );
    this.torn = torn;
    if (torn > 0) ftruncateSync(this.#fd, complete);
  }

  /** Appends a result. @throws UserError where it cannot be written */
  append(line: L): void {
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
