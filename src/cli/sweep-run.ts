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
import { divide, parseShard, type Shard, shardText } from '../sweep/shard.js';
import { wholeNumber } from './numbers.js';
import { noteLine, printJsonLine } from './output.js';
import type { Sweep } from './sweep-kind.js';
import type { SweepFlags } from './sweep-options.js';

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

const REASONS_SHOWN = 10;

/** Cells that failed on workers: the reasons, each once, and an error for the end. */
function failedCells(failed: ReadonlyMap<string, string>, all: number): Error {
  const reasons = new Map<string, number>();
  for (const reason of failed.values()) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  for (const [reason, count] of [...reasons].slice(0, REASONS_SHOWN))
    noteLine(`rxsteer: ${count} cell${count === 1 ? '' : 's'} failed: ${reason}`);
  const error = new Error(
    `${failed.size} of ${all} cells have no result; the others are done, and the same command tries these again`,
  );
  return Object.assign(error, { code: 'RXS_SWEEP_INCOMPLETE' });
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
  if (flags.queue !== undefined && flags.jobs !== undefined) {
    throw new UserError('--jobs: with --queue it is the workers that compute: rxsteer worker --jobs', {
      code: 'RXS_OPTION',
    });
  }
  // Whether there is such a queue is known before a file is touched.
  const queue =
    flags.queue === undefined ? null : await (await import('./sweep-queue.js')).openQueue(flags.queue);
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
      const compute = () =>
        queue === null
          ? sweep.compute(missing, run)
          : queue.compute(missing.map(sweep.queued), sweep.results, run);
      const interrupted = missing.length > 0 && (await compute());
      if (interrupted) throw new Error(`interrupted after ${count} of ${cells.length} cells`);
    } catch (error) {
      if (file === null || error instanceof UserError) throw error;
      throw new Error(`${(error as Error).message}; the same command goes on with ${file.path}`);
    }
  } finally {
    queue?.close();
    file?.close();
  }
  const lines = cells.flatMap((cell) => {
    const line = done.get(cell.key);
    return line === undefined ? [] : [sweep.named(line, cell)];
  });
  await sweep.tell(lines, { ...flags, top });
  const failed = queue?.failures ?? new Map<string, string>();
  if (failed.size > 0) throw failedCells(failed, cells.length);
}
