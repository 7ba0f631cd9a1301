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

/** The passes that compute these cells, balanced for so many threads; the largest captures first. */
export function planPasses(cells: readonly SweepCell[], grid: SweepGrid, threads: number): Pass[] {
  const groups = new Map<string, SweepCell[]>();
  for (const cell of cells) {
    const name = JSON.stringify([cell.capture, cell.workers]);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [cell]);
    else group.push(cell);
  }
  const most = Math.max(1, Math.min(CELLS_AT_ONCE, Math.ceil(cells.length / (2 * threads))));
  const { speed, gapUs, model, apps, choice } = grid;
  const passes = [...groups.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / most) }, (_, n): Pass => {
      const own = group.slice(n * most, (n + 1) * most);
      const { capture, workers } = own[0]!;
      const policies = own.map(({ policy }) => policy);
      return {
        cells: own,
        task: { capture, policies, workers, speed, gapUs, model, apps, choice: choice ?? {} },
      };
    }),
  );
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

function linesOf({ cells }: Pass, measures: readonly Measures[]): SweepLine[] {
  return cells.map(({ key, capture, text, nic, queues, hashKey, seed, base, options }, i) => ({
    key,
    capture,
    policy: text,
    nic,
    queues,
    hashKey,
    seed,
    base,
    options,
    ...measures[i]!,
  }));
}
