/**
 * Runs the cells of a sweep over threads.
 *
 * Promise: cells of one capture and number of workers share passes over it; results are given as soon as a pass is
 * done; the first failure ends the sweep, and what was finished before it has been given. Results do not depend on
 * the number of threads.
 */
import type { SweepCell, SweepGrid } from './grid.js';
import { runLanes, succeeded } from './lanes.js';
import type { SweepLine } from './result-file.js';
import { inKeyOrder, type Portion } from './shard.js';
import type { Measures, SweepAnswer, SweepTask } from './worker.js';

/** Cells of one pass at most: a pass keeps the state of all its policies. */
const CELLS_AT_ONCE = 16;

/** Does a task; the command uses threads, tests what they like. */
export type TaskRunner = (task: SweepTask) => Promise<SweepAnswer>;

/** A task and the cells that its measures belong to. */
export interface Pass {
  readonly cells: readonly SweepCell[];
  readonly task: SweepTask;
}

/** Work of a pass: bytes that are read once, and steered for each cell. */
export function passWeight({ cells }: Pick<Pass, 'cells'>): number {
  return cells[0]!.size * (1 + cells.length);
}

/** A shard has so many portions at least where cells allow it: what it has too much is less than one. */
const PORTIONS_LEAST = 4;

/** What shards are made of: cells of one capture and number of workers, as many as one pass may have. */
export function capturePortions(cells: readonly SweepCell[], shards: number): Portion<SweepCell>[] {
  const work = cells.reduce((sum, { size }) => sum + size, 0) / (PORTIONS_LEAST * shards);
  const mostOf = (size: number) => Math.max(1, Math.floor(work / Math.max(1, size)) - 1);
  return grouped(inKeyOrder(cells), mostOf).map((own) => ({ cells: own, cost: passWeight({ cells: own }) }));
}

/** Cells by capture and number of workers, in pieces of so many cells at most for captures of a size. */
function grouped(cells: readonly SweepCell[], mostOf: (size: number) => number): SweepCell[][] {
  const groups = new Map<string, SweepCell[]>();
  for (const cell of cells) {
    const name = JSON.stringify([cell.capture, cell.workers]);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [cell]);
    else group.push(cell);
  }
  return [...groups.values()].flatMap((group) => {
    const most = Math.min(CELLS_AT_ONCE, mostOf(group[0]!.size));
    const count = Math.ceil(group.length / most);
    return Array.from({ length: count }, (_, n) => group.slice(n * most, (n + 1) * most));
  });
}

/** The task of cells of one capture and number of workers. */
export function taskOf(cells: readonly SweepCell[], grid: SweepGrid): SweepTask {
  const { speed, gapUs, model, apps, choice } = grid;
  const { file, workers } = cells[0]!;
  const policies = cells.map(({ policy }) => policy);
  return { capture: file, policies, workers, speed, gapUs, model, apps, choice: choice ?? {} };
}

/** The passes that compute these cells, balanced for so many threads; the largest captures first. */
export function planPasses(cells: readonly SweepCell[], grid: SweepGrid, threads: number): Pass[] {
  const most = Math.max(1, Math.ceil(cells.length / (2 * threads)));
  const passes = grouped(cells, () => most).map((own): Pass => ({ cells: own, task: taskOf(own, grid) }));
  return passes.sort((a, b) => b.cells[0]!.size - a.cells[0]!.size);
}

/** Runs passes, so many at a time. @throws what the first failing one says */
export async function runPasses(
  passes: readonly Pass[],
  runner: TaskRunner,
  threads: number,
  onLines: (lines: readonly SweepLine[], pass: Pass) => void,
  isStopped: () => boolean = () => false,
): Promise<void> {
  await runLanes(
    passes,
    threads,
    async (pass) => {
      const { measures } = succeeded(await runner(pass.task));
      if (!isStopped()) onLines(linesOf(pass, measures), pass);
    },
    isStopped,
  );
}

/** Results under the names of their cells; a warning names the file that was read. */
function linesOf({ cells, task }: Pass, measures: readonly Measures[]): SweepLine[] {
  return cells.map((cell, i) => lineOf(cell, measures[i]!, task.capture));
}

/** A result under the names of its cell. @param file that was read */
export function lineOf(cell: SweepCell, measures: Measures, file: string): SweepLine {
  const { key, capture, text, nic, queues, hashKey, seed, base, options } = cell;
  const names = { key, capture, policy: text, nic, queues, hashKey, seed, base, options };
  const warnings = measures.warnings.map((warning) =>
    warning.startsWith(`${file}: `) ? capture + warning.slice(file.length) : warning,
  );
  return { ...names, ...measures, warnings };
}
