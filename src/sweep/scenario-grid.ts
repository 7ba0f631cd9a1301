/**
 * The grid of a sweep over scenarios of the simulator: scenarios x policies x values in the scenario x costs x seeds.
 *
 * Promise: every cell is checked before the first run, with the place of what is wrong. A cell's key names everything
 * that its result depends on (the scenario with its values, the policy, the costs, the seed, the model's version): the
 * same cell of another run, or machine, has the same key.
 */
import { createHash } from 'node:crypto';
import { UserError } from '../errors.js';
import { type GivenPolicy, portablePolicy } from '../policy/named-file.js';
import { parsePolicy } from '../policy/parse.js';
import { costsOf } from '../simulate/model/build.js';
import { parseCosts, parseScenario } from '../simulate/scenario/parse.js';
import { portableScenario } from '../simulate/scenario/policies.js';
import type { Scenario, ScenarioInput } from '../simulate/scenario/schema.js';
import { MODEL_VERSION } from '../simulate/version.js';
import { CELLS_MAX, fingerprint } from './grid.js';

/** A scenario that is swept, as it was written, and what it is called. */
export interface NamedScenario {
  readonly name: string;
  readonly scenario: ScenarioInput;
}

/** Costs that are swept: a set by its name, or one of a file. */
export interface NamedCosts {
  readonly name: string;
  readonly costs: string | object;
}

/** What is swept; an empty axis is left to the scenarios. */
export interface ScenarioGrid {
  readonly scenarios: readonly NamedScenario[];
  readonly policies: readonly (string | object)[];
  /** Values by their path in the scenario: `nics.eth0.rps.cpus`. */
  readonly vary: Readonly<Record<string, readonly unknown[]>>;
  readonly costs: readonly NamedCosts[];
  readonly seeds: readonly number[];
  /** Milliseconds measured; null: the scenario's. */
  readonly durationMs: number | null;
  /** Each cell finds out what limits it, by several runs more. */
  readonly limit: boolean;
}

/** One run. */
export interface ScenarioCell {
  /** Stable name: 32 hex digits. */
  readonly key: string;
  readonly scenario: string;
  /** Null: the scenario has none. */
  readonly policy: string | object | null;
  /** The same for people. */
  readonly text: string;
  readonly costs: string;
  readonly seed: number;
  /** Values that the sweep set, as they are written. */
  readonly options: Readonly<Record<string, string>>;
  /** What is run: plain data. */
  readonly input: ScenarioInput;
  readonly limit: boolean;
  /** What it is expected to cost: milliseconds of virtual time, for each CPU. */
  readonly cost: number;
}

/** A value as people write it. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * A copy with a value at a path. Parts that are missing are made; a list is entered by a number.
 * @throws UserError where the path goes through something that has no parts
 */
export function withValue(scenario: ScenarioInput, path: string, value: unknown): ScenarioInput {
  const copy = structuredClone(scenario) as Record<string, unknown>;
  const parts = path.split('.');
  let at: Record<string, unknown> = copy;
  for (const [i, part] of parts.slice(0, -1).entries()) {
    const inner = at[part] ?? {};
    if (typeof inner !== 'object') {
      throw new UserError(`vary: ${path}: ${parts.slice(0, i + 1).join('.')} is no object`);
    }
    at[part] = inner;
    at = inner as Record<string, unknown>;
  }
  at[parts.at(-1)!] = value;
  return copy as ScenarioInput;
}

/** A scenario with all values of an axis. */
function varied(
  from: readonly { input: ScenarioInput; options: Record<string, string> }[],
  path: string,
  values: readonly unknown[],
) {
  return from.flatMap(({ input, options }) =>
    values.map((value) => ({
      input: withValue(input, path, value),
      options: { ...options, [path]: textOf(value) },
    })),
  );
}

function keyOf(
  scenario: Scenario,
  costs: object,
  policy: GivenPolicy | null,
  seed: number,
  limit: boolean,
): string {
  const {
    name: _,
    about: __,
    published: ___,
    costs: ____,
    policies: _____,
    seed: ______,
    ...given
  } = scenario;
  // Captures and what policies name are known by their content, wherever they lie.
  const asked = portableScenario(given);
  const under = policy === null ? null : portablePolicy(policy);
  const captures = scenario.load.flatMap(({ file }) =>
    file === undefined ? [] : [fingerprint(file).digest],
  );
  const named = JSON.stringify([MODEL_VERSION, asked, costs, under, seed, captures, limit]);
  return createHash('sha256').update(named).digest('hex').slice(0, 32);
}

/** Axes that have a place of their own. */
const OWN = ['seed', 'policies', 'costs', 'name'];

/** @throws UserError where nothing is left to run, or what was given is wrong */
export function planScenarios(grid: ScenarioGrid): ScenarioCell[] {
  const { scenarios, policies, vary, costs, seeds, durationMs, limit } = grid;
  if (scenarios.length === 0) throw new UserError('no scenario: at least one is needed');
  for (const [path, values] of Object.entries(vary)) {
    if (OWN.includes(path)) throw new UserError(`vary: ${path} has an axis of its own`);
    if (values.length === 0) throw new UserError(`vary: ${path}: no value`);
  }
  const cells = new Map<string, ScenarioCell>();
  for (const { name, scenario } of scenarios) {
    let variants = [{ input: scenario, options: {} as Record<string, string> }];
    for (const [path, values] of Object.entries(vary)) variants = varied(variants, path, values);
    for (const { input, options } of variants) {
      const timed = durationMs === null ? input : { ...input, durationMs };
      const place = Object.keys(options).length === 0 ? name : `${name} (${optionsText(options)})`;
      const parsed = parseScenario(timed, place);
      const { sockets, cores, threads } = parsed.host.cpus;
      const cost = (parsed.durationMs + parsed.warmupMs) * sockets * cores * threads;
      for (const policy of policies) parsePolicy(policy);
      const under = policies.length > 0 ? policies : (parsed.policies ?? [null]);
      const sets = costs.length > 0 ? costs : [{ name: costsName(parsed), costs: parsed.costs ?? {} }];
      for (const policy of under) {
        for (const set of sets) {
          const complete =
            typeof set.costs === 'string'
              ? costsOf({ ...parsed, costs: set.costs })
              : parseCosts(set.costs, set.name);
          for (const seed of seeds.length > 0 ? seeds : [parsed.seed]) {
            const key = keyOf(parsed, complete, policy, seed, limit);
            const run = { ...timed, seed, costs: complete, policies: undefined } as ScenarioInput;
            const text = policy === null ? 'none' : textOf(policy);
            cells.set(key, {
              key,
              scenario: name,
              policy,
              text,
              costs: set.name,
              seed,
              options,
              input: run,
              limit,
              cost,
            });
          }
          if (cells.size > CELLS_MAX) throw new UserError(`the grid has more than ${CELLS_MAX} cells`);
        }
      }
    }
  }
  return [...cells.values()];
}

function optionsText(options: Readonly<Record<string, string>>): string {
  return Object.entries(options)
    .map(([path, value]) => `${path}=${value}`)
    .join(', ');
}

function costsName({ costs }: Scenario): string {
  if (costs === undefined) return 'modern';
  return typeof costs === 'string' ? costs : `${costs.base ?? 'modern'}, changed`;
}
