/**
 * `rxsteer sweep CAPTURE…`: captures through a grid of policies, NICs, queue counts, keys and seeds.
 *
 * Promise: everything is checked before the first replay; what a NIC cannot have is left out, with the reason.
 */
import { parseApps } from '../replay/apps.js';
import { parseModel } from '../replay/model.js';
import { planSweep, type SweepCell } from '../sweep/grid.js';
import { cacheFolder, fetchCapture, isAddress } from '../sweep/queue/download.js';
import { captureLine, JobMaker } from '../sweep/queue/job.js';
import { captureResults, type SweepLine } from '../sweep/result-file.js';
import { capturePortions, type Pass, passWeight, planPasses, runPasses } from '../sweep/run.js';
import { startPool } from '../sweep/sweep.js';
import runTask, { type SweepAnswer, type SweepTask } from '../sweep/worker.js';
import { noteLine } from './output.js';
import { checkOutput } from './outputs.js';
import type { LocalRun, Sweep } from './sweep-kind.js';
import { type SweepFlags, sweepGrid } from './sweep-options.js';
import { Bar, untilInterrupted } from './sweep-progress.js';
import { tellCaptures } from './sweep-report.js';

/** Reasons of left-out cells that are shown one by one. */
const REASONS_SHOWN = 3;

/** Bytes of captures, times cells, from which threads pay: each loads all modules first. */
const THREAD_WEIGHT = 32 << 20;

function noteSkipped(skipped: readonly string[]): void {
  const reasons = new Map<string, number>();
  for (const reason of skipped) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  for (const [reason, times] of [...reasons].slice(0, REASONS_SHOWN)) {
    noteLine(`rxsteer: left out: ${reason}${times > 1 ? ` (${times} policies)` : ''}`);
  }
  const more = reasons.size - REASONS_SHOWN;
  if (more > 0) noteLine(`rxsteer: left out: ${more} more reasons`);
}

function workOf(passes: readonly Pass[]): number {
  return passes.reduce((sum, pass) => sum + passWeight(pass), 0);
}

/** Runs passes, in threads where that pays; true where it was interrupted. */
async function compute(passes: readonly Pass[], run: LocalRun<SweepLine>): Promise<boolean> {
  const { threads, isAsked, done, all, onLine } = run;
  const isThreaded = threads > 1 && (isAsked || workOf(passes) >= THREAD_WEIGHT);
  const pool = isThreaded ? await startPool(Math.min(threads, passes.length)) : null;
  const bar = new Bar(workOf(passes), done, all);
  try {
    return await untilInterrupted((isStopped) =>
      runPasses(
        passes,
        pool === null ? runTask : (task: SweepTask) => pool.run(task) as Promise<SweepAnswer>,
        pool === null ? 1 : threads,
        (lines, pass) => {
          for (const line of lines) onLine(line);
          bar.add(passWeight(pass), pass.cells.length);
        },
        isStopped,
      ),
    );
  } finally {
    bar.stop();
    await pool?.destroy();
  }
}

/** Local copies of captures that are named by an address. @throws UserError */
async function fetched(captures: readonly string[], flags: SweepFlags): Promise<Record<string, string>> {
  const named = [...new Set(captures)].filter(isAddress);
  const files = named.map(async (name) => [name, await fetchCapture(name, cacheFolder(flags.cache))]);
  return Object.fromEntries(await Promise.all(files)) as Record<string, string>;
}

/** The sweep that flags and captures ask for. @throws UserError */
export async function captureSweep(
  captures: readonly string[],
  flags: SweepFlags,
): Promise<Sweep<SweepCell, SweepLine>> {
  const asked = sweepGrid(captures, flags);
  const grid = { ...asked, files: await fetched(asked.captures, flags) };
  if (grid.model !== null) parseModel(grid.model);
  if (grid.apps !== null) parseApps(grid.apps);
  if (flags.parquet !== undefined) checkOutput('--parquet', flags.parquet, grid.captures);
  if (flags.html !== undefined) checkOutput('--html', flags.html, grid.captures);
  const { cells, skipped } = planSweep(grid);
  const jobs = new JobMaker((name) => grid.files[name] ?? name);
  return {
    cells,
    results: captureResults,
    queued: (cell) => ({
      key: cell.key,
      job: () => jobs.ofCapture(cell, grid),
      lineOf: (answer) => captureLine(cell, answer),
    }),
    begin: () => noteSkipped(skipped),
    portions: (shards) => capturePortions(cells, shards),
    compute: (missing, run) => compute(planPasses(missing, grid, run.threads), run),
    named: (line, { capture, text }) => ({ ...line, capture, policy: text }),
    tell: (lines, telling) => tellCaptures(lines, grid.captures, telling),
  };
}
