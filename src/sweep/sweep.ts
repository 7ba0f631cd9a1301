/**
 * A sweep as a function: captures through a grid of policies, NICs, queue counts, keys, options and seeds.
 *
 * Promise: the lines are those of `rxsteer sweep --json`; everything is checked before the first replay; the order of
 * `lines` is that of the grid, whatever the threads do. Memory grows with cells.
 */
import { UserError } from '../errors.js';
import { parseApps } from '../replay/apps.js';
import type { PacketChoice } from '../replay/choice.js';
import { parseModel } from '../replay/model.js';
import { planSweep, type SweepGrid } from './grid.js';
import type { SweepLine } from './result-file.js';
import { planPasses, runPasses, type TaskRunner } from './run.js';
import { type AxisRow, axisRows, type SweepSection, sweepSections } from './summary.js';
import runTask, { type SweepAnswer, type SweepTask } from './worker.js';

/** What is swept; every axis but captures and policies may be left out. */
export interface SweepInput {
  /** Files; not standard input, since they are read several times. */
  readonly captures: readonly string[];
  /** Policy strings, `@FILE` or objects. */
  readonly policies: readonly (string | object)[];
  /** `nic` of rss and pools. */
  readonly nics?: readonly string[];
  /** `queues`; CPUs of rps and rfs, workers of mac, js and round-robin. */
  readonly queues?: readonly number[];
  /** Hash keys: names, hex, `random`. */
  readonly keys?: readonly string[];
  /** Of policies that draw something. */
  readonly seeds?: readonly number[];
  /** Any other option of the policies, by its key: `{ hash: ['linux', 'toeplitz'] }`. */
  readonly vary?: Readonly<Record<string, readonly (string | number)[]>>;
  /** Workers of every policy. Default: the policies' own, or the queue count. */
  readonly workers?: number;
  /** Which packets count. */
  readonly choice?: PacketChoice;
  /** How many times as fast as the capture. Default 1. */
  readonly speed?: number;
  /** Microseconds between packets, instead of the timestamps. */
  readonly gapUs?: number;
  /** Service times and applications, as `rxsteer replay` takes them: `packet=800`, `port`. */
  readonly model?: string;
  readonly apps?: string;
}

/** How a sweep is run; its results do not depend on it. */
export interface SweepOptions {
  /** Threads; default 1 = everything in this one. Results do not depend on it. */
  readonly threads?: number;
  /** Gets each result as soon as it is there. */
  readonly onLine?: (line: SweepLine) => void;
  /** When it aborts, no further pass begins, and `lines` has what was finished. */
  readonly signal?: AbortSignal;
}

/** What a sweep found out. */
export interface SweepResult {
  /** One result a cell, in the order of the grid. */
  readonly lines: readonly SweepLine[];
  /** Cells that a NIC cannot have: why, one line each. */
  readonly skipped: readonly string[];
  /** Policies over their seeds, ranked within each capture and number of workers. */
  readonly sections: readonly SweepSection<SweepLine>[];
  /** What each value of each axis makes of the load. */
  readonly axes: readonly AxisRow[];
}

/** The whole grid of what was given. */
export function fullGrid(input: SweepInput): SweepGrid {
  const { captures, policies, nics, queues, keys, seeds, vary = {}, workers, choice } = input;
  return {
    captures,
    policies,
    nics: nics ?? [],
    queues: queues ?? [],
    keys: keys ?? [],
    seeds: seeds ?? [],
    vary: Object.fromEntries(Object.entries(vary).map(([key, values]) => [key, values.map(String)])),
    workers: workers ?? null,
    speed: input.speed ?? 1,
    gapUs: input.gapUs ?? 0,
    model: input.model ?? null,
    apps: input.apps ?? null,
    ...(choice === undefined ? {} : { choice }),
  };
}

/**
 * Replays captures through a grid of policies.
 *
 *     const { sections } = await sweep({ captures: ['in.pcap'], policies: ['rss', 'rps'], queues: [4, 8], seeds: [1, 2, 3] });
 *     console.log(sections[0].places[0].name);
 *
 * @throws UserError for a policy or a capture that is wrong; what a NIC cannot have is left out (`skipped`).
 */
export async function sweep(input: SweepInput, options: SweepOptions = {}): Promise<SweepResult> {
  const grid = fullGrid(input);
  if (grid.model !== null) parseModel(grid.model);
  if (grid.apps !== null) parseApps(grid.apps);
  const { threads = 1, onLine, signal } = options;
  if (!Number.isInteger(threads) || threads < 1)
    throw new UserError(`threads: ${threads}: a whole number from 1`);
  const { cells, skipped } = planSweep(grid);
  const passes = planPasses(cells, grid, threads);
  const done = new Map<string, SweepLine>();
  const pool = threads > 1 ? await startPool(Math.min(threads, passes.length)) : null;
  const runner: TaskRunner = pool === null ? runTask : (task) => pool.run(task);
  try {
    await runPasses(
      passes,
      runner,
      threads,
      (some) => {
        for (const line of some) {
          done.set(line.key, line);
          onLine?.(line);
        }
      },
      () => signal?.aborted === true,
    );
  } finally {
    await pool?.destroy();
  }
  const lines = cells.flatMap(({ key }) => done.get(key) ?? []);
  return { lines, skipped, sections: sweepSections(lines), axes: axisRows(lines) };
}

/** Threads that run passes. Its type is ours: what it is made of is no business of the library's users. */
export interface SweepPool<T = SweepTask, A = SweepAnswer> {
  run(task: T): Promise<A>;
  destroy(): Promise<void>;
}

/** Starts so many threads. @param program what they run, beside this file */
export async function startPool<T = SweepTask, A = SweepAnswer>(
  threads: number,
  program = 'worker.js',
): Promise<SweepPool<T, A>> {
  const { Piscina } = await import('piscina');
  return new Piscina({
    filename: new URL(program, import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    idleTimeout: 60_000,
  });
}
