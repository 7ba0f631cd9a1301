/**
 * A sweep over scenarios as a function: scenarios of the simulator under a grid of policies, values, costs and seeds.
 *
 * Promise: the lines are those of `rxsteer sweep --scenario --json`; everything is checked before the first run; the
 * order of `lines` is that of the grid, whatever the threads do.
 */
import { UserError } from '../errors.js';
import type { PartialCosts } from '../simulate/costs/schema.js';
import type { ScenarioInput } from '../simulate/scenario/schema.js';
import { runLanes, succeeded } from './lanes.js';
import { type NamedCosts, planScenarios, type ScenarioCell } from './scenario-grid.js';
import { type ScenarioLine, type ScenarioSection, scenarioSections } from './scenario-line.js';
import runCell, { type ScenarioAnswer } from './scenario-worker.js';
import { startPool } from './sweep.js';

/** What is swept; every axis but scenarios may be left out. */
export interface ScenarioSweepInput {
  readonly scenarios: readonly ScenarioInput[];
  /** Default: each scenario's own. */
  readonly policies?: readonly (string | object)[];
  /** Values by their path in the scenario: `{ 'nics.eth0.rps.cpus': ['1-3', '1-7'] }`. */
  readonly vary?: Readonly<Record<string, readonly unknown[]>>;
  /** Names of sets, or costs over one. */
  readonly costs?: readonly (string | PartialCosts)[];
  readonly seeds?: readonly number[];
  /** Milliseconds measured; default: each scenario's. */
  readonly durationMs?: number;
}

/** How it is run; results do not depend on it. */
export interface ScenarioSweepOptions {
  /** Threads; default 1 = everything in this one. */
  readonly threads?: number;
  /** Finds out what limits each cell, which takes several runs more. Default false. */
  readonly limit?: boolean;
  /** Gets each result as soon as it is there. */
  readonly onLine?: (line: ScenarioLine) => void;
  /** When it aborts, no further run begins, and `lines` has what was finished. */
  readonly signal?: AbortSignal;
}

/** What a sweep over scenarios found out. */
export interface ScenarioSweepResult {
  /** One result a cell, in the order of the grid. */
  readonly lines: readonly ScenarioLine[];
  /** Rows over their seeds, ranked within each scenario. */
  readonly sections: readonly ScenarioSection[];
}

/** How cells are run. */
export interface CellRun {
  readonly threads: number;
  readonly onLine: (line: ScenarioLine, cell: ScenarioCell) => void;
  readonly isStopped: () => boolean;
}

/** Runs cells, in threads where several are asked for. @throws what the first failing one says */
export async function runCells(cells: readonly ScenarioCell[], options: CellRun): Promise<void> {
  const { threads, onLine, isStopped } = options;
  const count = Math.min(threads, cells.length);
  const pool = count > 1 ? await startPool<ScenarioCell, ScenarioAnswer>(count, 'scenario-worker.js') : null;
  try {
    await runLanes(
      cells,
      Math.max(1, count),
      async (cell) => {
        const { line } = succeeded(await (pool === null ? runCell(cell) : pool.run(cell)));
        if (!isStopped()) onLine(line, cell);
      },
      isStopped,
    );
  } finally {
    await pool?.destroy();
  }
}

/**
 * Simulates scenarios under a grid.
 *
 *     const { sections } = await sweepScenarios({ scenarios: [host], vary: { 'nics.eth0.rps.cpus': ['1-3', '1-7'] } });
 *     console.log(sections[0].rows[0].lines[0].options);
 *
 * @throws UserError for a scenario, value, policy or costs that are wrong, with the place
 */
export async function sweepScenarios(
  input: ScenarioSweepInput,
  options: ScenarioSweepOptions = {},
): Promise<ScenarioSweepResult> {
  const { threads = 1, limit = false, onLine, signal } = options;
  if (!Number.isInteger(threads) || threads < 1)
    throw new UserError(`threads: ${threads}: a whole number from 1`);
  const costs = (input.costs ?? []).map(
    (set, i): NamedCosts =>
      typeof set === 'string' ? { name: set, costs: set } : { name: `costs[${i}]`, costs: set },
  );
  const cells = planScenarios({
    scenarios: input.scenarios.map((scenario, i) => ({
      name: scenario.name ?? `scenarios[${i}]`,
      scenario,
    })),
    policies: input.policies ?? [],
    vary: input.vary ?? {},
    ...{ costs, seeds: input.seeds ?? [], durationMs: input.durationMs ?? null, limit },
  });
  const done = new Map<string, ScenarioLine>();
  await runCells(cells, {
    threads,
    onLine: (line) => {
      done.set(line.key, line);
      onLine?.(line);
    },
    isStopped: () => signal?.aborted === true,
  });
  const lines = cells.flatMap(({ key }) => done.get(key) ?? []);
  return { lines, sections: scenarioSections(lines) };
}
