/**
 * A thread of a sweep over scenarios: runs one cell.
 *
 * Promise: never throws: what goes wrong is in the answer.
 */
import { readCaptures } from '../simulate/scenario/captures.js';
import { parseScenario } from '../simulate/scenario/parse.js';
import { simulate } from '../simulate/simulate.js';
import { type Failure, failureOf } from './lanes.js';
import type { ScenarioCell } from './scenario-grid.js';
import type { ScenarioLine } from './scenario-line.js';

/** What a run finds out, or why there is nothing. */
export type ScenarioAnswer = { readonly line: ScenarioLine } | Failure;

/** Runs a cell. */
export default async function runCell(cell: ScenarioCell): Promise<ScenarioAnswer> {
  try {
    const { limit } = cell;
    const scenario = parseScenario(cell.input, cell.scenario);
    const captures = await readCaptures(scenario);
    const policies = cell.policy === null ? {} : { policies: [cell.policy] };
    const [result] = simulate(scenario, { captures, limit, ...policies }).results;
    const { throughput, cpu, latencyUs, perPacket, dropped, reordered, digest } = result!;
    const { key, text, costs, seed, options } = cell;
    const line: ScenarioLine = {
      ...{ key, scenario: cell.scenario, policy: text, costs, seed, options },
      ...{ throughput: throughput.value, unit: throughput.unit, ci95: [...throughput.ci95] },
      ...{ busyShare: cpu.busyShare, usPerOperation: cpu.usPerOperation, classes: cpu.classes },
      ...{ p50Us: latencyUs.p50, p99Us: latencyUs.p99, perPacket },
      dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
      reordered,
      limit: result!.limit?.name ?? null,
      digest,
    };
    return { line };
  } catch (error) {
    return failureOf(error);
  }
}
