/**
 * What moves on a host: the difference of two readings.
 *
 * Promise: rates are per second; 32-bit counters that wrapped are right, those that fell otherwise (a driver was reset)
 * are left out. With one reading the rates are averages since boot (`since: 'boot'`), and whoever blames by them says so.
 * Pure.
 */
import type { Statistics } from './ask/ethtool-facts.js';
import { type Fact, known, type Unknown, unknown } from './fact.js';
import type { Counters } from './read/counters.js';

/** softnet_stat of a CPU: rates, except that `total` is what was added. */
export interface SoftnetLoad {
  readonly processed: number;
  readonly dropped: number;
  readonly squeezed: number;
  readonly ipis: number | null;
  readonly flowLimit: number | null;
  readonly added: { readonly dropped: number; readonly squeezed: number; readonly flowLimit: number };
}

/** Rates between two readings. */
export interface Load {
  readonly since: 'sample' | 'boot';
  readonly seconds: number;
  readonly softnet: Fact<ReadonlyMap<number, SoftnetLoad>>;
  /** NET_RX softirqs a second by CPU. */
  readonly netRx: Fact<ReadonlyMap<number, number>>;
  /** Share of a CPU's time in softirqs, 0 … 1. */
  readonly softirq: Fact<ReadonlyMap<number, number>>;
  /** Share of a CPU's time without work, 0 … 1. */
  readonly idle: Fact<ReadonlyMap<number, number>>;
  readonly irqs: Fact<ReadonlyMap<number, number>>;
  /** sysfs statistics a second, by device. */
  readonly devices: ReadonlyMap<string, Readonly<Record<string, number>>>;
  /** Driver's counters: what was added, by device. */
  readonly statistics: ReadonlyMap<string, Fact<Readonly<Record<string, number>>>>;
  /** Packets of each receive queue that were added, by device index; empty where the kernel does not tell. */
  readonly queues: ReadonlyMap<number, ReadonlyMap<number, number>>;
  /** Transmit queues likewise. */
  readonly txQueues: ReadonlyMap<number, ReadonlyMap<number, number>>;
  readonly hwDrops: ReadonlyMap<number, number>;
  readonly snmp: Fact<ReadonlyMap<string, number>>;
  /** Interrupts whose affinity changed between the readings: before and after. */
  readonly moved: ReadonlyMap<number, readonly [string, string]>;
}

const WRAP = 2 ** 32;

/** What a counter gained; one that fell by nearly its whole width has wrapped, any other was reset. */
function gained(before: number, after: number): number | null {
  if (after >= before) return after - before;
  const wrapped = after + WRAP - before;
  return before < WRAP && wrapped < WRAP / 2 ? wrapped : null;
}

/** Two maps by the same keys; what the first lacks began at zero. */
function both<K, V, R>(
  before: Fact<ReadonlyMap<K, V>>,
  after: Fact<ReadonlyMap<K, V>>,
  zero: V,
  read: (before: V, after: V) => R | null,
): Fact<ReadonlyMap<K, R>> {
  if (!known(before)) return before as Unknown;
  if (!known(after)) return after as Unknown;
  const found = new Map<K, R>();
  for (const [key, value] of after) {
    const result = read(before.get(key) ?? zero, value);
    if (result !== null) found.set(key, result);
  }
  return found;
}

const NO_ROW = {
  processed: 0,
  dropped: 0,
  timeSqueeze: 0,
  receivedRps: 0,
  flowLimitCount: 0,
  backlogLength: null,
  cpu: null,
  inputLength: null,
  processLength: null,
};
const NO_TIME = { softirq: 0, idle: 0, total: 0 };

const EMPTY = new Map<never, never>();
/** A reading of a machine that has just been switched on. */
function boot(now: Counters): Counters {
  return {
    atMs: 0,
    softnet: EMPTY,
    netRx: EMPTY,
    cpuTimes: EMPTY,
    irqs: EMPTY,
    devices: EMPTY,
    unreadDevices: EMPTY,
    statistics: EMPTY,
    queues: [],
    snmp: EMPTY,
    affinity: now.affinity,
  };
}

/**
 * Rates between two readings, or since boot.
 * @param before null: since boot
 * @param uptime seconds; what one reading is divided by
 */
export function loadOf(before: Counters | null, now: Counters, uptime: Fact<number>): Fact<Load> {
  if (before === null && !known(uptime)) return unknown('one reading, and no /proc/uptime to divide it by');
  const first = before ?? boot(now);
  const seconds = before === null ? (uptime as number) : (now.atMs - before.atMs) / 1000;
  if (!(seconds > 0)) return unknown('two readings at the same time');
  const rate = (a: number, b: number) => {
    const more = gained(a, b);
    return more === null ? null : more / seconds;
  };
  const share = (part: 'softirq' | 'idle') =>
    both(first.cpuTimes, now.cpuTimes, NO_TIME, (a, b) => {
      const total = b.total - a.total;
      return total > 0 ? (b[part] - a[part]) / total : null;
    });
  return {
    since: before === null ? 'boot' : 'sample',
    seconds,
    softnet: both(first.softnet, now.softnet, NO_ROW, (a, b): SoftnetLoad => {
      const dropped = gained(a.dropped, b.dropped) ?? 0;
      const squeezed = gained(a.timeSqueeze, b.timeSqueeze) ?? 0;
      const flowLimit = b.flowLimitCount === null ? null : gained(a.flowLimitCount ?? 0, b.flowLimitCount);
      return {
        processed: rate(a.processed, b.processed) ?? 0,
        dropped: dropped / seconds,
        squeezed: squeezed / seconds,
        ipis: b.receivedRps === null ? null : rate(a.receivedRps ?? 0, b.receivedRps),
        flowLimit: flowLimit === null ? null : flowLimit / seconds,
        added: { dropped, squeezed, flowLimit: flowLimit ?? 0 },
      };
    }),
    netRx: both(first.netRx, now.netRx, 0, rate),
    softirq: share('softirq'),
    idle: share('idle'),
    irqs: both(first.irqs, now.irqs, 0, rate),
    devices: devicesLoad(first, now, rate),
    statistics: statisticsLoad(first, now),
    queues: queuesLoad(first, now, 'rx', 'packets'),
    txQueues: queuesLoad(first, now, 'tx', 'packets'),
    hwDrops: new Map(
      [...queuesLoad(first, now, 'rx', 'hwDrops')].map(([device, queues]) => [
        device,
        [...queues.values()].reduce((a, b) => a + b, 0),
      ]),
    ),
    snmp: both(first.snmp, now.snmp, 0, rate),
    moved: new Map(
      [...now.affinity].flatMap(([irq, list]) => {
        const was = first.affinity.get(irq);
        return was === undefined || was === list ? [] : [[irq, [was, list] as const] as const];
      }),
    ),
  };
}

function devicesLoad(
  first: Counters,
  now: Counters,
  rate: (a: number, b: number) => number | null,
): Load['devices'] {
  return new Map(
    [...now.devices].map(([device, values]) => [
      device,
      Object.fromEntries(
        Object.entries(values).flatMap(([name, value]) => {
          const result = rate(first.devices.get(device)?.[name] ?? 0, value);
          return result === null ? [] : [[name, result]];
        }),
      ),
    ]),
  );
}

function statisticsLoad(first: Counters, now: Counters): Load['statistics'] {
  const difference = (device: string, values: Fact<Statistics>) => {
    if (!known(values)) return values as Unknown;
    const old = first.statistics.get(device);
    return Object.fromEntries(
      Object.entries(values).flatMap(([name, value]) => {
        const more = gained((old !== undefined && known(old) ? old[name] : 0) ?? 0, value);
        return more === null ? [] : [[name, more]];
      }),
    );
  };
  return new Map([...now.statistics].map(([device, values]) => [device, difference(device, values)]));
}

function queuesLoad(
  first: Counters,
  now: Counters,
  type: 'rx' | 'tx',
  what: 'packets' | 'hwDrops',
): Map<number, Map<number, number>> {
  const found = new Map<number, Map<number, number>>();
  if (!known(now.queues)) return found;
  const old = known(first.queues) ? first.queues : [];
  const key = (ifindex: number, id: number) => ifindex * 65536 + id;
  const before = new Map(old.filter((q) => q.type === type).map((q) => [key(q.ifindex, q.id), q[what]]));
  for (const queue of now.queues) {
    const value = queue[what];
    if (queue.type !== type || value === null) continue;
    const more = gained(before.get(key(queue.ifindex, queue.id)) ?? 0, value);
    if (more === null) continue;
    const queues = found.get(queue.ifindex) ?? new Map<number, number>();
    queues.set(queue.id, more);
    found.set(queue.ifindex, queues);
  }
  return found;
}
