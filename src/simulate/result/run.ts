/**
 * One run: builds the world, warms up, measures a window.
 *
 * Promise: a pure function of scenario, costs, seed, policy, captures and version. Busy time and idle time of a CPU add
 * up to the window.
 */
import { createHash } from 'node:crypto';
import { UserError } from '../../errors.js';
import { portablePolicy } from '../../policy/named-file.js';
import type { Costs } from '../costs/schema.js';
import { buildDisks } from '../disk/build.js';
import type { Disk } from '../disk/disk.js';
import { type CounterValues, since } from '../machine/counters.js';
import { ps } from '../machine/sim.js';
import { type Built, buildWorld } from '../model/build.js';
import { buildLoads } from '../model/build-loads.js';
import { Changes } from '../model/changes.js';
import type { CapturedPackets } from '../model/loads.js';
import type { Relaxed } from '../model/parts.js';
import { RunRecording } from '../record/recording.js';
import { portableScenario } from '../scenario/policies.js';
import type { Scenario } from '../scenario/schema.js';
import { MODEL_VERSION } from '../version.js';

/** What a run is given. */
export interface RunInput {
  readonly scenario: Scenario;
  readonly costs: Costs;
  readonly seed: number;
  readonly policy: string | object | null;
  readonly captures: ReadonlyMap<number, CapturedPackets>;
  readonly relaxed?: Relaxed;
  /** Share of the scenario's times that is run; default 1. */
  readonly part?: number;
  /** Where the policy stands in the scenario; null = it is given beside it. */
  readonly place?: string | null;
  /** The scenario's rebalancer must have something to move: nothing else is compared. */
  readonly mustRebalance?: boolean;
  /** Records CPUs over time and the way of a packet. Changes nothing else. */
  readonly record?: boolean;
}

/** What was measured. */
export interface Measured {
  readonly built: Built;
  /** Window in picoseconds. */
  readonly window: number;
  readonly counters: CounterValues;
  /** Picoseconds by class, for each CPU of the host. */
  readonly cpus: readonly Float64Array[];
  readonly locks: readonly {
    readonly name: string;
    readonly held: number;
    readonly taken: number;
    readonly waits: number;
    readonly waited: number;
  }[];
  readonly links: readonly { readonly name: string; readonly busy: number }[];
  readonly vcpus: readonly (readonly { readonly exits: number; readonly booked: Float64Array }[])[];
  readonly events: number;
  readonly trace: number;
  readonly digest: string;
  readonly disks: readonly Disk[];
  readonly changes: Changes;
  readonly recording: RunRecording | null;
}

/** Settles what is under way, so that sums are those of this moment. */
function settle(built: Built): void {
  const { now } = built.world.sim;
  for (const lock of built.world.locks) lock.settle(now);
}

interface Snapshot {
  readonly counters: CounterValues;
  readonly cpus: readonly Float64Array[];
  readonly locks: Measured['locks'];
  readonly links: Measured['links'];
  readonly vcpus: Measured['vcpus'];
}

function snapshot(built: Built): Snapshot {
  settle(built);
  const { world, side, guests, parts } = built;
  return {
    counters: parts.counters.snapshot(),
    cpus: side.host.cpus.map((cpu) => cpu.settled()),
    locks: world.locks.map(({ name, held, taken, waits, waited }) => ({ name, held, taken, waits, waited })),
    links: world.links.map((link) => ({ name: link.name, busy: link.busy - link.ahead })),
    vcpus: guests.map(({ vcpus }) =>
      vcpus.map(({ exits, inner }) => ({ exits, booked: Float64Array.from(inner.booked) })),
    ),
  };
}

const minus = (a: Float64Array, b: Float64Array) => a.map((value, i) => value - b[i]!);

/** Runs a scenario under one policy. @throws UserError for what the scenario asks for and does not have */
export function run(input: RunInput): Measured {
  const { scenario, costs, seed, policy, captures, relaxed, part = 1 } = input;
  const built = buildWorld(scenario, {
    ...{ costs, seed, policy, relaxed: relaxed ?? null },
    place: input.place ?? null,
  });
  buildLoads(built, captures);
  const disks = buildDisks(built);
  const named = namedBy(input);
  const { world } = built;
  if (relaxed?.kind === 'lock') {
    for (const lock of world.locks) {
      if (relaxed.names?.includes(lock.name.replace(/^peer /, '')) === true)
        lock.slowness = 1 / relaxed.factor;
    }
  }
  const changes = new Changes(built);
  if (input.mustRebalance === true && !changes.isRebalancing) throw nothingToMove(built.policy.text);
  for (const starter of built.starters) starter.start();
  for (const guest of built.guests) for (const worker of guest.path.workers) worker.wake(null, null);
  const warmup = Math.round(ps(scenario.warmupMs * 1e6) * part);
  const window = Math.max(1, Math.round(ps(scenario.durationMs * 1e6) * part));
  changes.start(warmup + window);
  const recording =
    input.record === true
      ? new RunRecording(world.sim, world.packets, built.side.host.cpus, warmup, window)
      : null;
  world.sim.run(warmup);
  const before = snapshot(built);
  world.meter.open(world.sim.now, window);
  for (const disk of disks) disk.open();
  world.sim.run(warmup + window);
  const after = snapshot(built);
  world.check();
  const counters = since(after.counters, before.counters);
  return {
    ...{
      built,
      window,
      counters,
      events: world.sim.events,
      trace: world.sim.trace,
      disks,
      changes,
      recording,
    },
    cpus: after.cpus.map((cpu, i) => minus(cpu, before.cpus[i]!)),
    locks: after.locks.map((lock, i) => {
      const from = before.locks[i]!;
      return {
        name: lock.name,
        held: lock.held - from.held,
        taken: lock.taken - from.taken,
        waits: lock.waits - from.waits,
        waited: lock.waited - from.waited,
      };
    }),
    links: after.links.map((link, i) => ({ name: link.name, busy: link.busy - before.links[i]!.busy })),
    vcpus: after.vcpus.map((vcpus, g) =>
      vcpus.map(({ exits, booked: times }, v) => {
        const from = before.vcpus[g]![v]!;
        return { exits: exits - from.exits, booked: minus(times, from.booked) };
      }),
    ),
    digest: digestOf(named, built, counters),
  };
}

/** A rebalancer moves buckets of rss and owners of mac; other policies have neither. */
export function nothingToMove(policy: string): UserError {
  return new UserError(
    `rebalance: policy ${policy} has nothing that could be moved: expected rss or mac, or a NIC with several queues`,
  );
}

/** What goes in, as the digest has it. */
function namedBy({ scenario, costs, seed, policy }: RunInput): object {
  // What is given beside the scenario is not that of the scenario: costs, seed, policy.
  const { name: _, about: __, published: ___, costs: _c, seed: _s, policies: _p, ...given } = scenario;
  // Where files lie is none of it either; what is in a capture shows in what happened.
  const asked = portableScenario(given);
  const under = policy === null ? null : portablePolicy(policy);
  return { version: MODEL_VERSION, asked, costs, seed, policy: under };
}

/** A hash over what went in and what happened. */
function digestOf(named: object, built: Built, counters: CounterValues): string {
  const { sim, meter } = built.world;
  const hash = createHash('sha256');
  hash.update(JSON.stringify({ ...named, events: sim.events, trace: sim.trace }));
  const { arrived, delivered, operations, reordered, latency } = meter;
  hash.update(JSON.stringify({ counters, arrived, delivered, operations, reordered, latency: latency.sum }));
  hash.update(JSON.stringify(Object.entries(meter.dropped).sort(([a], [b]) => (a < b ? -1 : 1))));
  return `sha256:${hash.digest('hex')}`;
}
