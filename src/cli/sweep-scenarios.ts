/**
 * `rxsteer sweep --scenario`: scenarios of the simulator through a grid of policies, values, costs and seeds.
 *
 * Promise: results are appended to `--out` as they come, so an interrupted sweep goes on where it was; standard output
 * has the table, or with `--json` one line a result. Everything is checked before the first run.
 */
import { availableParallelism } from 'node:os';
import { parse } from 'yaml';
import { UserError } from '../errors.js';
import { ResultFile } from '../sweep/result-file.js';
import { planScenarios, type ScenarioCell } from '../sweep/scenario-grid.js';
import {
  axesOf,
  type ScenarioLine,
  type ScenarioRow,
  type ScenarioSection,
  scenarioLineSchema,
  scenarioSections,
} from '../sweep/scenario-line.js';
import { runCells } from '../sweep/scenario-sweep.js';
import { formatFitting } from './fitting.js';
import { wholeNumber } from './numbers.js';
import { origin } from './origin.js';
import { colour, formatCount, formatNanoseconds, noteLine, print, printJsonLine } from './output.js';
import { checkOutput, writePage } from './outputs.js';
import { costsOption, durationOption, scenarioOf } from './simulate-run.js';
import { parseRanges, type SweepFlags, varied, words } from './sweep-options.js';
import { Bar, untilInterrupted } from './sweep-progress.js';

/** Options that belong to captures. */
const OF_CAPTURES = [
  ...['grid', 'nics', 'queues', 'keys', 'direction', 'to', 'filter', 'workers', 'speed', 'gap'],
  ...['model', 'apps', 'parquet'],
] as const;
const SEED_MAX = 0xffffffff;
/** Rows of all sections where nobody says. */
const ROWS_SHOWN = 20;
const ROWS_LEAST = 3;

const right = (title: string) => ({ title, align: 'right' as const });

function planned(captures: readonly string[], flags: SweepFlags): ScenarioCell[] {
  if (captures.length > 0) throw new UserError(`--scenario takes no captures: leave out ${captures[0]}`);
  for (const name of OF_CAPTURES) {
    if (flags[name] === undefined) continue;
    throw new UserError(`--${name}: goes with captures, not with --scenario`, { code: 'RXS_OPTION' });
  }
  const vary = Object.entries(varied(flags.vary) ?? {}).map(([path, values]) => [
    path,
    values.map((value) => parse(value) as unknown),
  ]);
  return planScenarios({
    scenarios: flags.scenario!.map((name) => ({ name, scenario: scenarioOf(name) })),
    policies: flags.policy ?? [],
    vary: Object.fromEntries(vary) as Record<string, unknown[]>,
    costs: (words(flags.costs) ?? []).map((name) => ({ name, costs: costsOption(name)! })),
    seeds: flags.seeds === undefined ? [] : parseRanges(flags.seeds, 0, SEED_MAX, '--seeds'),
    durationMs: durationOption(flags.duration) ?? null,
    limit: flags.limit === true,
  });
}

function rateOf({ throughput, range, lines }: ScenarioRow): string {
  const [low, high] = range;
  return lines.length > 1
    ? `${formatCount(throughput)} (${formatCount(low)}-${formatCount(high)})`
    : formatCount(throughput);
}

function sectionOf({ scenario, rows }: ScenarioSection, all: readonly ScenarioLine[], top: number): string {
  const axes = axesOf(all);
  const hasSeeds = rows.some(({ lines }) => lines.length > 1);
  const hasLimit = all.some(({ limit }) => limit !== null);
  const shown = rows.slice(0, top).map((row): string[] => {
    const [first] = row.lines;
    const mean = (of: (line: ScenarioLine) => number) =>
      row.lines.reduce((sum, line) => sum + of(line), 0) / row.lines.length;
    return [
      ...axes.map(({ of }) => of(first!)),
      ...(hasSeeds ? [String(row.lines.length)] : []),
      rateOf(row),
      `${(100 * row.busyShare).toFixed(1)} %`,
      `${row.usPerOperation.toPrecision(3)} us`,
      formatNanoseconds(row.p99Us * 1000),
      mean(({ perPacket }) => perPacket.ipis! + perPacket.guestIpis!).toPrecision(3),
      formatCount(Math.round(mean(({ dropped }) => dropped))),
      ...(hasLimit ? [first!.limit ?? '-'] : []),
    ];
  });
  const unit = rows[0]?.lines[0]?.unit ?? 'operations/s';
  const columns = [
    ...axes.map(({ title }) => ({ title })),
    ...(hasSeeds ? [right('seeds')] : []),
    ...[right(unit), right('CPU busy'), right('CPU /op'), right('p99'), right('IPIs /op'), right('dropped')],
    ...(hasLimit ? [{ title: 'limit' }] : []),
  ];
  const more = rows.length > top ? `; the best ${top} of ${rows.length}, --top shows more` : '';
  return `${colour.bold(scenario)}${more}\n${formatFitting(columns, shown)}`;
}

/** Runs what is missing. @throws Error after an interrupt */
async function compute(
  cells: readonly ScenarioCell[],
  missing: readonly ScenarioCell[],
  threads: number,
  onLine: (line: ScenarioLine) => void,
): Promise<void> {
  const bar = new Bar(missing.length, cells.length - missing.length, cells.length);
  let count = cells.length - missing.length;
  try {
    const isInterrupted = await untilInterrupted((isStopped) =>
      runCells(missing, {
        ...{ threads, isStopped },
        onLine: (line) => {
          count++;
          onLine(line);
          bar.add(1, 1);
        },
      }),
    );
    if (isInterrupted) throw new Error(`interrupted after ${count} of ${cells.length} cells`);
  } finally {
    bar.stop();
  }
}

/** `rxsteer sweep --scenario …` */
export async function sweepScenarioFiles(captures: readonly string[], flags: SweepFlags): Promise<void> {
  const threads =
    flags.jobs === undefined ? availableParallelism() : wholeNumber(flags.jobs, 1, 256, '--jobs');
  const top = flags.top === undefined ? null : wholeNumber(flags.top, 1, 100_000, '--top');
  const cells = planned(captures, flags);
  if (flags.html !== undefined) checkOutput('--html', flags.html, flags.scenario!);
  const file = flags.out === undefined ? null : new ResultFile(flags.out, scenarioLineSchema);
  const done = file?.done ?? new Map<string, ScenarioLine>();
  try {
    const missing = cells.filter(({ key }) => !done.has(key));
    if (missing.length < cells.length)
      noteLine(`rxsteer: ${cells.length - missing.length} of ${cells.length} cells are done already`);
    if (flags.json === true) for (const { key } of cells) if (done.has(key)) printJsonLine(done.get(key));
    try {
      if (missing.length > 0)
        await compute(cells, missing, threads, (line) => {
          if (file !== null) file.append(line);
          else done.set(line.key, line);
          if (flags.json === true) printJsonLine(line);
        });
    } catch (error) {
      if (file === null || error instanceof UserError) throw error;
      throw new Error(`${(error as Error).message}; the same command goes on with ${file.path}`);
    }
  } finally {
    file?.close();
  }
  const lines = cells.map(({ key, scenario, text, costs }) => ({
    ...done.get(key)!,
    ...{ scenario, policy: text, costs },
  }));
  if (flags.html !== undefined) {
    const { renderScenarioSweep } = await import('../report/index.js');
    writePage(flags.html, renderScenarioSweep(lines, origin()));
  }
  if (flags.json === true) return;
  const sections = scenarioSections(lines);
  const most = top ?? Math.max(ROWS_LEAST, Math.floor(ROWS_SHOWN / sections.length));
  print(sections.map((section) => sectionOf(section, lines, most)).join('\n\n'));
}
