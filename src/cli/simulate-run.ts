/**
 * `rxsteer simulate SCENARIO`: one scenario under one policy or several.
 *
 * Promise: a file is a scenario, anything else a preset's name. What is wrong in either is one line with the file and
 * the path in it.
 */
import { existsSync } from 'node:fs';
import { UserError } from '../errors.js';
import type { Costs } from '../simulate/costs/schema.js';
import { COST_SETS, costSet, DEFAULT_COSTS } from '../simulate/costs/sets.js';
import { isPresetName, presetNamed } from '../simulate/presets/index.js';
import type { SimulationResult } from '../simulate/result/result.js';
import { readCaptures } from '../simulate/scenario/captures.js';
import { parseScenario, readCosts, readScenario } from '../simulate/scenario/parse.js';
import type { Scenario } from '../simulate/scenario/schema.js';
import { simulate } from '../simulate/simulate.js';
import { wholeNumber } from './numbers.js';
import { origin } from './origin.js';
import { Progress, print, printJson } from './output.js';
import { checkOutput, writePage } from './outputs.js';
import type { SimulateFlags } from './simulate-flags.js';
import { simulationText } from './simulate-report.js';

const DURATION_MAX_MS = 1e6;

/** A name that may be a file's. */
const looksLikeFile = (text: string) => text === '-' || /\.(ya?ml|json)$/i.test(text) || existsSync(text);

/** The scenario of a file, or of a preset. @throws UserError */
export function scenarioOf(text: string): Scenario {
  if (isPresetName(text) || !looksLikeFile(text)) {
    const { name, scenario } = presetNamed(text);
    return parseScenario(scenario, name);
  }
  return readScenario(text);
}

/** `--costs`: a set by name, or a file. @throws UserError */
export function costsOption(text: string | undefined): string | Costs | undefined {
  if (text === undefined) return undefined;
  if (COST_SETS.some(({ name }) => name === text)) return text;
  if (!looksLikeFile(text)) costSet(text);
  return readCosts(text);
}

/** `--duration`. @throws UserError */
export function durationOption(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Number(text);
  if (text.trim() === '' || !(ms >= 0.001 && ms <= DURATION_MAX_MS)) {
    throw new UserError(`--duration ${text}: expected milliseconds from 0.001 to ${DURATION_MAX_MS}`);
  }
  return ms;
}

/** Files that the command reads. */
function inputsOf(text: string, { costs }: SimulateFlags, { load }: Scenario): string[] {
  const captures = load.flatMap((one) =>
    one.kind === 'capture' && one.file !== undefined ? [one.file] : [],
  );
  return [text, ...(costs === undefined ? [] : [costs]), ...captures];
}

/** What the costs are called. */
function costsName({ costs }: SimulateFlags, scenario: Scenario): string {
  if (costs !== undefined) return costs;
  const { costs: own = DEFAULT_COSTS } = scenario;
  return typeof own === 'string' ? own : `the scenario's own, over ${own.base ?? DEFAULT_COSTS}`;
}

async function writeReport(
  path: string,
  result: SimulationResult,
  scenario: Scenario,
  flags: SimulateFlags,
): Promise<void> {
  const { renderSimulationReport } = await import('../report/index.js');
  const { about } = scenario;
  const said = { costs: costsName(flags, scenario), ...(about === undefined ? {} : { about }) };
  writePage(path, renderSimulationReport(result, { ...said, ...origin() }));
}

/** As the contract has it: a recording is for the page. */
function withoutRecording({ results, ...whole }: SimulationResult): SimulationResult {
  return { ...whole, results: results.map(({ recording: _, ...result }) => result) };
}

/** What a policy's own errors begin with: they say by themselves whose they are. */
const OF_POLICY = /^(policy |unknown (policy|NIC|key)|js:|@)/;

/** Calls; what contradicts the scenario as a whole is told with its name, but for policies of the call. */
async function inScenario<T>(
  name: string,
  { policy }: SimulateFlags,
  call: () => T | Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (policy !== undefined && OF_POLICY.test(error.message)) throw error;
    throw new UserError(`${name}: ${error.message}`, { code: error.code, cause: error });
  }
}

/** Runs it, and prints the result. */
export async function runScenario(text: string, flags: SimulateFlags): Promise<SimulationResult> {
  const seed = flags.seed === undefined ? undefined : wholeNumber(flags.seed, 0, 0xffffffff, '--seed');
  const durationMs = durationOption(flags.duration);
  const costs = costsOption(flags.costs);
  const scenario = scenarioOf(text);
  const captures = await inScenario(text, flags, () => readCaptures(scenario));
  if (flags.html !== undefined) checkOutput('--html', flags.html, inputsOf(text, flags, scenario));
  const progress = new Progress(`simulating ${scenario.name}:`);
  const result = await inScenario(text, flags, () =>
    simulate(scenario, {
      captures,
      limit: flags.limit,
      onRun: (what) => progress.update(what),
      record: flags.html !== undefined,
      ...(flags.policy === undefined ? {} : { policies: flags.policy }),
      ...(seed === undefined ? {} : { seed }),
      ...(durationMs === undefined ? {} : { durationMs }),
      ...(costs === undefined ? {} : { costs }),
    }),
  );
  progress.done();
  if (flags.html !== undefined) await writeReport(flags.html, result, scenario, flags);
  if (flags.json === true) printJson(withoutRecording(result));
  else print(simulationText(scenario, result));
  return result;
}
