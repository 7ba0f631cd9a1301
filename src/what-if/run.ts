/**
 * What the fixes of a host would bring: its findings, run by the simulator.
 *
 * Promise: the host as it is and as the fix leaves it, under the same load and costs, both by `simulate`: the files of
 * `scenarioFiles` give the same figures and digests. What the simulator refuses is a reason, never an exception: a
 * diagnosis does not depend on it. It computes for some tenths of a second. Main thread.
 */
import { printable, UserError } from '../errors.js';
import type { Curable, Finding } from '../host/doctor.js';
import type { Host } from '../host/host.js';
import { DEFAULT_COSTS } from '../simulate/costs/sets.js';
import { LEAST_GAIN } from '../simulate/result/limit.js';
import type { Limit } from '../simulate/result/result.js';
import type { ScenarioInput } from '../simulate/scenario/schema.js';
import { simulate } from '../simulate/simulate.js';
import { type Experiment, type Plan, planned } from './plan.js';
import type { Part } from './scenario.js';
import type { Expectation, SimulatedLoad, SimulatedRun } from './simulated.js';

/** What things cost. */
export interface CostsUsed {
  /** As it is told. */
  readonly name: string;
  /** A set's name, or all of them. */
  readonly costs: ScenarioInput['costs'];
}

/** A set. It was measured elsewhere. */
export function setOfCosts(name: string = DEFAULT_COSTS): CostsUsed {
  return { name: `set ${name}, not measured on this host`, costs: name };
}

/** What is expected of fixes, and from what. */
export interface Expected {
  readonly of: ReadonlyMap<Finding, Expectation>;
  /** Name and content of each scenario that was run. */
  readonly scenarios: readonly (readonly [string, Part])[];
}

/**
 * Simulates what fixes would bring.
 * @param onRun called before each run
 */
export function expectedOf(
  host: Host,
  curable: readonly Curable[],
  { name, costs }: CostsUsed,
  onRun: (what: string) => void = () => {},
): Expected {
  const { experiments, left }: Plan = planned(host, curable);
  const of = new Map<Finding, Expectation>();
  for (const { finding, why } of left) of.set(finding, { notSimulated: why });
  const scenarios: (readonly [string, Part])[] = [];
  experiments.forEach((experiment, i) => {
    const { finding, assumed } = experiment;
    const priced = pricedOf(experiment, costs);
    for (const { load, before, after } of priced) {
      const stem = `${i + 1}-${finding.id}-${load}`;
      scenarios.push([`${stem}-before`, before], [`${stem}-after`, after]);
    }
    try {
      const loads = priced.map((one) => {
        onRun(`${finding.id}, ${one.load}`);
        return loadOf(one);
      });
      of.set(finding, { simulated: { costs: name, loads, assumed } });
    } catch (error) {
      // Facts of a tree may be such as no machine has.
      const said = error instanceof Error ? error.message : String(error);
      of.set(finding, {
        notSimulated: `${error instanceof UserError ? '' : 'the simulator failed: '}${printable(said)}`,
      });
    }
  });
  return { of, scenarios };
}

function pricedOf({ planned: loads }: Experiment, costs: CostsUsed['costs']) {
  return loads.map(({ load, before, after }) => ({
    load,
    before: { ...before, costs },
    after: { ...after, costs },
  }));
}

function loadOf({ load, before, after }: ReturnType<typeof pricedOf>[number]): SimulatedLoad {
  const isLimit = load === 'limit';
  const then = runOf(before, isLimit);
  const now = runOf(after, isLimit);
  const isChance = then.run.ci95[0] <= now.run.ci95[1] && now.run.ci95[0] <= then.run.ci95[1];
  return {
    load,
    unit: then.unit,
    before: then.run,
    after: now.run,
    gain: !isLimit || isChance || then.run.perSecond === 0 ? null : now.run.perSecond / then.run.perSecond,
  };
}

function runOf(scenario: Part, limit: boolean): { run: SimulatedRun; unit: string } {
  const { results, digest } = simulate(scenario as ScenarioInput, { limit });
  const { throughput, cpu, perPacket, latencyUs, dropped, limit: found } = results[0]!;
  return {
    unit: throughput.unit,
    run: {
      perSecond: throughput.value,
      ci95: throughput.ci95,
      cpuUs: cpu.usPerOperation,
      ipis: perPacket.ipis,
      wakeups: perPacket.wakeups,
      lockWaitNs: perPacket.lockWaitNs,
      p99Us: latencyUs.p99,
      dropped: Object.values(dropped).reduce((a, b) => a + b, 0),
      limit: limitOf(found),
      digest,
    },
  };
}

/** A part of the host that limits by itself. */
function limitOf(found: Limit | null): SimulatedRun['limit'] {
  if (found === null || found.kind === 'clients') return null;
  const { kind, name, tried } = found;
  return tried.some((one) => one.name === name && one.gain >= LEAST_GAIN) ? { kind, name } : null;
}
