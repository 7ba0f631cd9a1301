/**
 * From what was measured to the result.
 *
 * Promise: pure. The confidence interval is Student's over the means of 20 parts of the window.
 */

import { CLASSES, Class } from '../machine/classes.js';
import type { CounterValues } from '../machine/counters.js';
import { PS, SECOND } from '../machine/sim.js';
import { BATCHES, Histogram } from '../model/meter.js';
import type {
  ClassShares,
  CpuResult,
  GuestResult,
  LatencyResult,
  Limit,
  Published,
  RunResult,
} from './result.js';
import type { Measured } from './run.js';

/** Student's t for 97.5 % with 19 degrees of freedom. */
const T_19 = 2.093;

function shares(times: Float64Array, all: number): ClassShares {
  return Object.fromEntries(CLASSES.map((name, c) => [name, times[c]! / all])) as ClassShares;
}

const sum = (values: Iterable<number>) => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** Operations a second with their interval. */
export function throughputOf({ built, window }: Measured): { value: number; ci95: [number, number] } {
  const { operations, batches } = built.world.meter;
  const value = (operations * SECOND) / window;
  const perBatch = Array.from(batches, (count) => (count * BATCHES * SECOND) / window);
  const variance = sum(perBatch.map((x) => (x - value) ** 2)) / (BATCHES - 1);
  const half = (T_19 * Math.sqrt(variance)) / Math.sqrt(BATCHES);
  return { value, ci95: [Math.max(0, value - half), value + half] };
}

/** What an operation is called. */
export function unitOf({ built }: Measured): string {
  const { load, host, guests } = built.parts.scenario;
  if (load.some(({ kind }) => kind === 'closed')) return 'transactions/s';
  const apps = [...(host.apps ?? []), ...Object.values(guests).flatMap((guest) => guest.apps ?? [])];
  if (apps.some(({ kind }) => kind === 'block') || built.parts.scenario.disks !== undefined)
    return 'requests/s';
  if (apps.some(({ kind }) => kind === 'ping')) return 'switches/s';
  if (apps.some(({ kind }) => kind === 'ipi')) return 'interrupts/s';
  return 'packets/s';
}

/** The result of a run; its limit is found by others. */
export function summarise(
  measured: Measured,
  policy: string,
  limit: Limit | null,
  published: Published | undefined,
): RunResult {
  const { built, window, counters, cpus, locks, changes, recording } = measured;
  const { meter, packets } = built.world;
  const { operations, latency } = meter;
  const { value, ci95 } = throughputOf(measured);
  const totals = new Float64Array(CLASSES.length);
  for (const times of cpus) for (let c = 0; c < totals.length; c++) totals[c]! += times[c]!;
  const all = window * cpus.length;
  const each = (count: number) => (operations === 0 ? 0 : count / operations);
  const orders = [...built.side.nics.values()].flatMap(({ policy }) =>
    policy?.isStrict === true ? [policy.order] : [],
  );
  const rate = (count: number) => (count * SECOND) / window;
  return {
    policy,
    throughput: { value, unit: unitOf(measured), ci95 },
    bitsPerSecond: (meter.bytes * 8 * SECOND) / window,
    cpu: {
      busyShare: sum(totals) / all,
      usPerOperation: each(sum(totals)) / (1000 * PS),
      classes: shares(totals, all),
    },
    latencyUs: latencyOf(latency),
    perPacket: {
      ...events(counters, each),
      lockWaitNs: each(totals[Class.lockWait]!) / PS,
      copiedBytes: each(counters.copiedBytes),
    },
    perSecond: {
      ipis: rate(counters.ipis),
      guestIpis: rate(counters.guestIpis),
      exits: rate(counters.exits),
      polls: rate(counters.polls),
    },
    limit,
    cpus: cpus.map(
      (times, id): CpuResult => ({ id, busyShare: sum(times) / window, classes: shares(times, window) }),
    ),
    guests: guestResults(measured),
    locks: locks
      .filter(({ taken, name }) => taken > 0 && !name.startsWith('peer '))
      .map(({ name, held, taken, waits, waited }) => ({
        ...{ name, taken, waits },
        utilisation: held / window,
        meanWaitNs: waits === 0 ? 0 : waited / waits / PS,
      })),
    dropped: { ...meter.droppedInWindow },
    reordered: meter.reordered,
    packets: {
      arrived: meter.arrived,
      delivered: meter.delivered,
      dropped: sum(Object.values(meter.dropped)),
      underWay: packets.live,
    },
    ...(orders.length === 0
      ? {}
      : {
          order: {
            moves: sum(orders.map(({ moves }) => moves)),
            postponed: sum(orders.map(({ postponed }) => postponed)),
          },
        }),
    ...(measured.disks.length === 0 ? {} : { disks: measured.disks.map((disk) => disk.result()) }),
    ...(published === undefined ? {} : { published }),
    ...(changes.done.length === 0 ? {} : { changes: changes.done }),
    ...(changes.isRebalancing ? { rebalanced: changes.moves } : {}),
    ...(recording === null ? {} : { recording: recording.shown((flow) => guestOf(measured, flow)) }),
    digest: measured.digest,
    events: measured.events,
  };
}

const NO_LATENCY = new Histogram();

/** Microseconds; 0 without any operation. */
function latencyOf(latency: Histogram): LatencyResult {
  return {
    mean: latency.mean / 1000,
    p50: latency.percentile(0.5) / 1000,
    p90: latency.percentile(0.9) / 1000,
    p99: latency.percentile(0.99) / 1000,
    p999: latency.percentile(0.999) / 1000,
  };
}

/** Name of a flow's guest; null for the host. */
function guestOf({ built }: Measured, flow: number): string | null {
  return built.guests[built.world.flows.guest[flow]!]?.name ?? null;
}

function events(counters: CounterValues, each: (count: number) => number) {
  const names = [
    ...(['handOffs', 'ipis', 'guestIpis', 'interrupts', 'wakeups', 'exits', 'userExits', 'kicks'] as const),
    ...(['contextSwitches', 'remoteLines'] as const),
  ];
  return Object.fromEntries(names.map((name) => [name, each(counters[name])])) as Record<
    (typeof names)[number],
    number
  >;
}

function guestResults({ built, window, vcpus }: Measured): GuestResult[] {
  const { meter } = built.world;
  return built.guests.map((guest, g) => {
    const own = vcpus[g]!;
    const all = window * own.length;
    const share = (cls: number) => sum(own.map(({ booked }) => booked[cls]!)) / all;
    const workers = guest.path.workers.map(({ context }) => context.id);
    return {
      name: guest.name,
      packets: meter.byGuest[g + 1]!,
      latencyUs: latencyOf(meter.latencies[g] ?? NO_LATENCY),
      cpus: new Set([...guest.cpus, ...workers]).size,
      exits: (sum(own.map(({ exits }) => exits)) * SECOND) / window,
      classes: { irq: share(Class.irq), softirq: share(Class.softirq), app: share(Class.app) },
      vcpus: own.map(({ exits, booked }, id) => ({
        id,
        exits: (exits * SECOND) / window,
        busyShare: sum(booked) / window,
      })),
    };
  });
}
