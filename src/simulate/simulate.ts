/**
 * `simulate`: a scenario under its policies, on virtual time.
 *
 * Promise: a pure function of scenario, costs, seed and version: the same digest on any machine, in any thread. Captures
 * that a scenario names are read before the clock starts.
 */
import { createHash } from 'node:crypto';
import type { Costs, PartialCosts } from './costs/schema.js';
import { completeCosts } from './costs/sets.js';
import { costsOf } from './model/build.js';
import type { CapturedPackets } from './model/loads.js';
import { findLimit } from './result/limit.js';
import type { Published, SimulationResult } from './result/result.js';
import { nothingToMove, type RunInput, run } from './result/run.js';
import { summarise } from './result/summary.js';
import { parseCosts, parseScenario } from './scenario/parse.js';
import type { Scenario, ScenarioInput } from './scenario/schema.js';

/** What may be given beside the scenario. */
export interface SimulateOptions {
  /** A set's name, costs in part, or all of them; default the scenario's own, else `modern`. */
  readonly costs?: string | PartialCosts | Costs;
  /** Default the scenario's. */
  readonly seed?: number;
  /** Compared instead of the scenario's policies. */
  readonly policies?: readonly (string | object)[];
  /** Milliseconds measured; default the scenario's. */
  readonly durationMs?: number;
  /** Finds out what limits, which takes several runs more. Default true. */
  readonly limit?: boolean;
  /** Records what each CPU does over time and the way of one packet (`recording`), for a page. Default false. */
  readonly record?: boolean;
  /** Called before each run, with what is run; for a progress line. */
  readonly onRun?: (what: string) => void;
  /** Packets of the scenario's captures, by number of the load (`readCaptures`). */
  readonly captures?: ReadonlyMap<number, CapturedPackets>;
}

/**
 * Simulates a scenario: hosts, NICs, guests, applications and load on virtual time, under the library's policies.
 *
 *     const result = simulate({ host: { cpus: { cores: 4 } }, load: [{ kind: 'open', rate: 500_000 }] });
 *     console.log(result.results[0].throughput, result.results[0].limit);
 *
 * @param scenario as `readScenario` gives it, or an object of the same form
 * @returns throughput with its confidence, CPU time by class, latencies, drops, what limits, a digest
 * @throws UserError for a scenario that contradicts itself, with the place in it
 */
export function simulate(
  scenario: ScenarioInput | Scenario,
  options: SimulateOptions = {},
): SimulationResult {
  const parsed = parseScenario(scenario);
  const asked: Scenario =
    options.durationMs === undefined ? parsed : { ...parsed, durationMs: options.durationMs };
  const costs = options.costs === undefined ? costsOf(asked) : costsFrom(options.costs);
  const seed = options.seed ?? asked.seed;
  const policies: readonly (string | object | null)[] = options.policies ?? asked.policies ?? [null];
  const captures = options.captures ?? new Map<number, CapturedPackets>();
  const mustRebalance = asked.rebalance !== undefined && policies.length === 1;
  // What is wrong with a policy of the scenario is told with its place there.
  const place = (i: number) =>
    options.policies === undefined && asked.policies !== undefined ? `policies[${i}]` : null;
  const results = policies.map((policy, i) => {
    const input: RunInput = {
      scenario: asked,
      costs,
      seed,
      policy,
      captures,
      mustRebalance,
      place: place(i),
    };
    const text = typeof policy === 'string' ? policy : '';
    options.onRun?.(text);
    const measured = run({ ...input, record: options.record === true });
    const limit =
      options.limit === false
        ? null
        : findLimit(input, measured, { onRun: (what) => options.onRun?.(`${text} ${what}`.trim()) });
    return summarise(
      measured,
      measured.built.policy.text,
      limit,
      // What was published is true of the scenario's own policies.
      options.policies === undefined ? publishedOf(asked, measured.built.policy.text) : undefined,
    );
  });
  if (asked.rebalance !== undefined && results.every(({ rebalanced }) => rebalanced === undefined)) {
    throw nothingToMove(results.map(({ policy }) => policy).join(', '));
  }
  const digest = createHash('sha256');
  for (const result of results) digest.update(result.digest);
  return {
    scenario: asked.name,
    seed,
    virtualMs: asked.durationMs,
    events: results.reduce((sum, { events }) => sum + events, 0),
    digest: `sha256:${digest.digest('hex')}`,
    results,
  };
}

function costsFrom(costs: string | PartialCosts | Costs): Costs {
  return typeof costs === 'string' ? completeCosts({ base: costs }) : parseCosts(costs);
}

/** The published figures of a policy: those by its text, or those for all. */
export function publishedOf({ published }: Scenario, policy: string): Published | undefined {
  if (published === undefined) return undefined;
  if (typeof (published as Published).source === 'string') return published as Published;
  return (published as Record<string, Published>)[policy];
}
