/**
 * `rxsteer sweep`: a grid of captures, policies, NICs, queue counts, keys and seeds, each cell replayed.
 *
 * Promise: results are appended to `--out` as they come, so an interrupted sweep goes on where it was; standard output
 * has the table, or with `--json` one line a result. Everything is checked before the first replay.
 */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { UserError } from '../errors.js';
import { parseApps } from '../replay/apps.js';
import { parseModel } from '../replay/model.js';
import { busy } from '../replay/ranking.js';
import { planSweep, type SweepCell } from '../sweep/grid.js';
import { writeParquet } from '../sweep/parquet.js';
import { ResultFile, type SweepLine } from '../sweep/result-file.js';
import { type Pass, planPasses, runPasses } from '../sweep/run.js';
import {
  axisRows,
  type SweepPlace,
  type SweepSection,
  sweepSections,
  usedWorkers,
} from '../sweep/summary.js';
import { startPool } from '../sweep/sweep.js';
import runTask, { type SweepAnswer, type SweepTask } from '../sweep/worker.js';
import { formatFitting } from './fitting.js';
import { wholeNumber } from './numbers.js';
import { origin } from './origin.js';
import { colour, formatCount, formatTable, noteLine, print, printJsonLine } from './output.js';
import { checkOutput, writePage } from './outputs.js';
import { type SweepFlags, sweepGrid } from './sweep-options.js';
import { Bar, untilInterrupted } from './sweep-progress.js';

/** Reasons of left-out cells that are shown one by one. */
const REASONS_SHOWN = 3;

/** Bytes of captures, times cells, from which threads pay: each loads all modules first. */
const THREAD_WEIGHT = 32 << 20;

/** Work of a pass: reading once, steering for each cell. */
function weight({ cells }: Pass): number {
  return cells[0]!.size * (1 + cells.length);
}

/** Rows of a section where nobody says: all in all about as many. */
const ROWS_SHOWN = 20;
const ROWS_LEAST = 3;

const number = (title: string) => ({ title, align: 'right' as const });

/** `12.7 %`, or over several seeds `12.7 % (11.0 to 19.3 %)`. */
function busiestOf({ mean, range, lines }: SweepPlace<SweepLine>): string {
  if (mean.busiest === 0) return '-';
  const [low, high] = range.map(busy) as [string, string];
  return lines.length > 1 ? `${busy(mean.busiest)} (${low.replace(' %', '')}-${high})` : busy(mean.busiest);
}

/** Policies of one capture and one number of workers, best first. */
function sectionOf(
  { capture, workers, places }: SweepSection<SweepLine>,
  top: number,
  withCapture: boolean,
): string {
  const hasSeeds = places.some(({ lines }) => lines.length > 1);
  const columns = [
    { title: 'policy' },
    ...(hasSeeds ? [number('seeds')] : []),
    number('busiest CPU'),
    number('fullest/fair'),
    number('used'),
    number('gini'),
    number('hand-offs/pkt'),
    number('wake-ups/pkt'),
    number('reordered'),
  ];
  const rows = places.slice(0, top).map((place) => {
    const { name, lines, mean } = place;
    const average = (of: (line: SweepLine) => number) =>
      lines.reduce((sum, line) => sum + of(line), 0) / lines.length;
    return [
      name,
      ...(hasSeeds ? [lines.length > 1 ? String(lines.length) : '-'] : []),
      busiestOf(place),
      mean.fullestOverFair.toFixed(2),
      usedWorkers(mean).toFixed(2),
      average(({ gini }) => gini).toFixed(3),
      mean.handoffs.toFixed(2),
      mean.wakeups.toFixed(3),
      formatCount(Math.round(average(({ reorderedPackets }) => reorderedPackets))),
    ];
  });
  const left = places.length > top ? `; the best ${top} of ${places.length} policies, --top shows more` : '';
  const where = `${withCapture ? `${capture}, ` : ''}${workers} worker${workers === 1 ? '' : 's'}`;
  return `${colour.bold(where)}${left}\n${formatFitting(columns, rows)}`;
}

function tablesOf(lines: readonly SweepLine[], top: number | null): string {
  const sections = sweepSections(lines);
  const most = top ?? Math.max(ROWS_LEAST, Math.floor(ROWS_SHOWN / sections.length));
  const withCapture = new Set(lines.map(({ capture }) => capture)).size > 1;
  return sections.map((section) => sectionOf(section, most, withCapture)).join('\n\n');
}

function axesOf(lines: readonly SweepLine[]): string {
  const columns = [
    { title: 'axis' },
    { title: 'value' },
    number('cells'),
    number('fullest/fair mean'),
    number('best'),
    number('worst'),
  ];
  const rows = axisRows(lines).map(({ axis, value, cells, mean, least, most }) => [
    axis,
    value,
    String(cells),
    mean.toFixed(2),
    least.toFixed(2),
    most.toFixed(2),
  ]);
  return rows.length === 0 ? '' : `\n\n${formatTable(columns, rows)}`;
}

async function writeHtml(path: string, lines: readonly SweepLine[], files: readonly string[]): Promise<void> {
  const { renderSweepReport } = await import('../report/index.js');
  writePage(path, renderSweepReport(lines, { axes: axisRows(lines), files, ...origin() }));
}

function noteSkipped(skipped: readonly string[]): void {
  const reasons = new Map<string, number>();
  for (const reason of skipped) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  for (const [reason, times] of [...reasons].slice(0, REASONS_SHOWN)) {
    noteLine(`rxsteer: left out: ${reason}${times > 1 ? ` (${times} policies)` : ''}`);
  }
  const more = reasons.size - REASONS_SHOWN;
  if (more > 0) noteLine(`rxsteer: left out: ${more} more reasons`);
}

/** Runs what is missing, in threads where that pays; `onLine` gets each result. */
async function compute(
  cells: readonly SweepCell[],
  passes: readonly Pass[],
  threads: number,
  isThreaded: boolean,
  done: Map<string, SweepLine>,
  onLine: (line: SweepLine) => void,
): Promise<void> {
  const pool = isThreaded ? await startPool(Math.min(threads, passes.length)) : null;
  const missing = passes.reduce((sum, pass) => sum + pass.cells.length, 0);
  const bar = new Bar(
    passes.reduce((sum, pass) => sum + weight(pass), 0),
    cells.length - missing,
    cells.length,
  );
  let interrupted = false;
  try {
    interrupted = await untilInterrupted((isStopped) =>
      runPasses(
        passes,
        pool === null ? runTask : (task: SweepTask) => pool.run(task) as Promise<SweepAnswer>,
        pool === null ? 1 : threads,
        (lines, pass) => {
          for (const line of lines) onLine(line);
          bar.add(weight(pass), pass.cells.length);
        },
        isStopped,
      ),
    );
  } finally {
    bar.stop();
    await pool?.destroy();
  }
  if (interrupted) {
    const finished = cells.filter(({ key }) => done.has(key)).length;
    throw new Error(`interrupted after ${finished} of ${cells.length} cells`);
  }
}

/** Options that belong to scenarios. */
const OF_SCENARIOS = ['costs', 'duration', 'limit'] as const;

async function run(captures: string[], flags: SweepFlags): Promise<void> {
  if (flags.scenario !== undefined) {
    await (await import('./sweep-scenarios.js')).sweepScenarioFiles(captures, flags);
    return;
  }
  for (const name of OF_SCENARIOS) {
    if (flags[name] !== undefined)
      throw new UserError(`--${name}: goes with --scenario, not with captures`, { code: 'RXS_OPTION' });
  }
  const grid = sweepGrid(captures, flags);
  const threads =
    flags.jobs === undefined ? availableParallelism() : wholeNumber(flags.jobs, 1, 256, '--jobs');
  const top = flags.top === undefined ? null : wholeNumber(flags.top, 1, 100_000, '--top');
  if (grid.model !== null) parseModel(grid.model);
  if (grid.apps !== null) parseApps(grid.apps);
  if (flags.parquet !== undefined) checkOutput('--parquet', flags.parquet, grid.captures);
  if (flags.html !== undefined) checkOutput('--html', flags.html, grid.captures);
  const { cells, skipped } = planSweep(grid);
  const file = flags.out === undefined ? null : new ResultFile(flags.out);
  const done = file?.done ?? new Map<string, SweepLine>();
  try {
    noteSkipped(skipped);
    if (file !== null && file.torn > 0) noteLine(`rxsteer: ${file.path}: a torn last line was cut off`);
    const missing = cells.filter(({ key }) => !done.has(key));
    if (missing.length < cells.length) {
      noteLine(`rxsteer: ${cells.length - missing.length} of ${cells.length} cells are done already`);
    }
    if (flags.json === true) {
      for (const { key } of cells) if (done.has(key)) printJsonLine(done.get(key));
    }
    const passes = planPasses(missing, grid, threads);
    const onLine = (line: SweepLine) => {
      if (file !== null) file.append(line);
      else done.set(line.key, line);
      if (flags.json === true) printJsonLine(line);
    };
    try {
      const work = passes.reduce((sum, pass) => sum + weight(pass), 0);
      const isThreaded = threads > 1 && (flags.jobs !== undefined || work >= THREAD_WEIGHT);
      if (passes.length > 0) await compute(cells, passes, threads, isThreaded, done, onLine);
    } catch (error) {
      if (file === null || error instanceof UserError) throw error;
      throw new Error(`${(error as Error).message}; the same command goes on with ${file.path}`);
    }
  } finally {
    file?.close();
  }
  const lines = cells.map(({ key, capture, text }) => ({ ...done.get(key)!, capture, policy: text }));
  for (const warning of new Set(lines.flatMap(({ warnings }) => warnings)))
    noteLine(`rxsteer: warning: ${warning}`);
  if (flags.parquet !== undefined) await writeParquet(flags.parquet, lines);
  if (flags.html !== undefined) await writeHtml(flags.html, lines, grid.captures);
  if (flags.json === true) return;
  print(`${tablesOf(lines, top)}${axesOf(lines)}`);
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('sweep')
    .description('replay captures through a grid of policies, NICs, queue counts, keys and seeds')
    .argument('[capture...]', 'captures (or in the --grid file)')
    .option('--grid <file>', 'YAML: captures, policies, nics, queues, keys, seeds; flags replace its axes')
    .option('--policy <policy>', 'a policy; may be given several times', (text, all: string[] = []) => [
      ...all,
      text,
    ])
    .option('--nics <list>', 'NICs for rss and pools: ice-e810,mlx5')
    .option('--queues <list>', 'queue counts: 2,4-8; CPUs for rps and rfs, workers for the others')
    .option('--keys <list>', 'hash keys: names, hex, or random (from the seed)')
    .option(
      '--vary <key=list>',
      'any other option of the policies: hash=linux,toeplitz (several)',
      (text, all: string[] = []) => [...all, text],
    )
    .option('--seeds <list>', 'seeds, for policies that draw something: 1-10')
    .option(
      '--scenario <file|preset>',
      "instead of captures: scenarios of simulate (several); --vary's keys are paths in them",
      (text, all: string[] = []) => [...all, text],
    )
    .option('--costs <list>', 'of scenarios: sets of costs, files or names')
    .option('--duration <ms>', 'of scenarios: virtual time measured')
    .option('--limit', 'of scenarios: find what limits each: several times as long')
    .option('--direction <which>', 'packets that count: in, out or both, as in replay')
    .option('--to <list>', 'only packets to these addresses, as in replay')
    .option('--filter <expression>', 'only packets that a pcap-filter expression takes, as in replay')
    .option('--workers <n>', 'number of workers (default: from each policy)')
    .option('--speed <factor>', 'virtual time runs so many times as fast as the capture (default: 1)')
    .option('--gap <us>', 'so many microseconds between packets, for captures without useful times')
    .option('--model <costs>', 'service times, as in replay')
    .option('--apps <where>', 'where applications run, as in replay')
    .option('--out <file>', 'append results as JSON lines; a file that is there is gone on with')
    .option('--parquet <file>', 'write the results as Parquet')
    .option('--html <file>', 'write a report as one self-contained page')
    .option('--top <n>', 'rows of each table (default: 20 in all)')
    .option('--jobs <n>', 'threads (default: the processors)')
    .option('--json', 'one JSON document a line on standard output')
    .action(run);
}
