/**
 * What all sweeps have in common: what is done already, shards, the result file, interrupts, the end.
 *
 * Promise: results are appended to `--out` as they come; the same command goes on where an interrupted one was. Only
 * cells of the shard that is asked for are computed and told; its plan lies beside its results.
 */
import { availableParallelism } from 'node:os';
import { UserError } from '../errors.js';
import { writePlan } from '../sweep/plan-file.js';
import { ResultFile } from '../sweep/result-file.js';
import type { ResultKind } from '../sweep/result-lines.js';
import { divide, type Portion, parseShard, type Shard, shardText } from '../sweep/shard.js';
import { wholeNumber } from './numbers.js';
import { noteLine, printJsonLine } from './output.js';
import type { SweepFlags } from './sweep-options.js';
import type { Telling } from './sweep-report.js';

/** How cells are computed here. */
export interface LocalRun<L> {
  readonly threads: number;
  /** Whether the number of threads was asked for. */
  readonly isAsked: boolean;
  /** Cells that were done before, of so many. */
  readonly done: number;
  readonly all: number;
  readonly onLine: (line: L) => void;
}

/** A grid whose cells are checked. */
export interface Sweep<C extends { readonly key: string }, L extends { readonly key: string }> {
  readonly cells: readonly C[];
  readonly results: ResultKind<L>;
  /** Says what is to be said before the first cell. */
  begin(): void;
  /** The cells in pieces that belong together, for so many shards. */
  portions(shards: number): readonly Portion<C>[];
  /** Computes cells; true where it was interrupted. @throws what the first failing one says */
  compute(missing: readonly C[], run: LocalRun<L>): Promise<boolean>;
  /** A result under the names of this call: an earlier one may have called the cell otherwise. */
  named(line: L, cell: C): L;
  /** The end: all results, in the order of the grid. */
  tell(lines: readonly L[], telling: Telling): Promise<void>;
}

/** Rows of each table that are asked for. @throws UserError */
export function topOption(text: string | undefined): number | null {
  return text === undefined ? null : wholeNumber(text, 1, 100_000, '--top');
}

/** The cells of a shard, in the order of the grid. */
function cellsOf<C extends { readonly key: string }>(
  sweep: Pick<Sweep<C, never>, 'cells' | 'portions'>,
  shard: Shard,
): C[] {
  const own = divide(sweep.portions(shard.count), shard.count)[shard.index - 1]!;
  const keys = new Set(own.map(({ key }) => key));
  return sweep.cells.filter(({ key }) => keys.has(key));
}

/** Computes what is missing and tells the end. @throws UserError, Error after an interrupt */
export async function runSweep<C extends { readonly key: string }, L extends { readonly key: string }>(
  sweep: Sweep<C, L>,
  flags: SweepFlags,
): Promise<void> {
  const threads =
    flags.jobs === undefined ? availableParallelism() : wholeNumber(flags.jobs, 1, 256, '--jobs');
  const top = topOption(flags.top);
  const shard = flags.shard === undefined ? null : parseShard(flags.shard);
  const cells = shard === null ? sweep.cells : cellsOf(sweep, shard);
  const file = flags.out === undefined ? null : new ResultFile<L>(flags.out, sweep.results.schema);
  const done = file?.done ?? new Map<string, L>();
  try {
    if (shard !== null) {
      if (file !== null) {
        writePlan(
          file.path,
          shard,
          sweep.cells.map(({ key }) => key),
        );
      }
      noteLine(`rxsteer: shard ${shardText(shard)}: ${cells.length} of ${sweep.cells.length} cells`);
    }
    sweep.begin();
    if (file !== null && file.torn > 0) noteLine(`rxsteer: ${file.path}: a torn last line was cut off`);
    const missing = cells.filter(({ key }) => !done.has(key));
    const before = cells.length - missing.length;
    if (before > 0) noteLine(`rxsteer: ${before} of ${cells.length} cells are done already`);
    if (flags.json === true) for (const { key } of cells) if (done.has(key)) printJsonLine(done.get(key));
    let count = before;
    const onLine = (line: L) => {
      count++;
      if (file !== null) file.append(line);
      else done.set(line.key, line);
      if (flags.json === true) printJsonLine(line);
    };
    const run = { threads, isAsked: flags.jobs !== undefined, done: before, all: cells.length, onLine };
    try {
      const interrupted = missing.length > 0 && (await sweep.compute(missing, run));
      if (interrupted) throw new Error(`interrupted after ${count} of ${cells.length} cells`);
    } catch (error) {
      if (file === null || error instanceof UserError) throw error;
      throw new Error(`${(error as Error).message}; the same command goes on with ${file.path}`);
    }
  } finally {
    file?.close();
  }
  const lines = cells.map((cell) => sweep.named(done.get(cell.key)!, cell));
  await sweep.tell(lines, { ...flags, top });
}
