/**
 * `rxsteer sweep --scenario`: scenarios of the simulator through a grid of policies, values, costs and seeds.
 *
 * Promise: everything is checked before the first run.
 */
import { parse } from 'yaml';
import { UserError } from '../errors.js';
import { JobMaker, scenarioLine } from '../sweep/queue/job.js';
import { planScenarios, type ScenarioCell } from '../sweep/scenario-grid.js';
import { type ScenarioLine, scenarioResults } from '../sweep/scenario-line.js';
import { runCells } from '../sweep/scenario-sweep.js';
import { checkOutput } from './outputs.js';
import { costsOption, durationOption, scenarioOf } from './simulate-run.js';
import type { LocalRun, Sweep } from './sweep-kind.js';
import { parseRanges, type SweepFlags, varied, words } from './sweep-options.js';
import { Bar, untilInterrupted } from './sweep-progress.js';
import { tellScenarios } from './sweep-scenario-report.js';

/** Options that belong to captures. */
const OF_CAPTURES = [
  ...['grid', 'nics', 'queues', 'keys', 'direction', 'to', 'filter', 'workers', 'speed', 'gap'],
  ...['model', 'apps', 'parquet'],
] as const;
const SEED_MAX = 0xffffffff;

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

/** Runs cells; true where it was interrupted. */
async function compute(missing: readonly ScenarioCell[], run: LocalRun<ScenarioLine>): Promise<boolean> {
  const { threads, done, all } = run;
  const bar = new Bar(
    missing.reduce((sum, { cost }) => sum + cost, 0),
    done,
    all,
  );
  try {
    return await untilInterrupted((isStopped) =>
      runCells(missing, {
        ...{ threads, isStopped },
        onLine: (line, { cost }) => {
          run.onLine(line);
          bar.add(cost, 1);
        },
      }),
    );
  } finally {
    bar.stop();
  }
}

/** The sweep that flags ask for. @throws UserError */
export function scenarioSweep(
  captures: readonly string[],
  flags: SweepFlags,
): Sweep<ScenarioCell, ScenarioLine> {
  const cells = planned(captures, flags);
  if (flags.html !== undefined) checkOutput('--html', flags.html, flags.scenario!);
  const jobs = new JobMaker();
  return {
    cells,
    results: scenarioResults,
    queued: (cell) => ({
      key: cell.key,
      job: () => jobs.ofScenario(cell),
      lineOf: (answer) => scenarioLine(cell, answer),
    }),
    begin: () => {},
    portions: () => cells.map((cell) => ({ cells: [cell], cost: cell.cost })),
    compute,
    named: (line, { scenario, text, costs }) => ({ ...line, scenario, policy: text, costs }),
    tell: tellScenarios,
  };
}
