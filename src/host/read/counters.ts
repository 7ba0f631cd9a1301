/**
 * Everything that counts: read twice, its difference is the load.
 *
 * Promise: one pass over few files; a file that cannot be read is an `Unknown`, a row that is missing is missing. The
 * kernel's counters are 32 or 64 bits wide and wrap; differences are taken in `load.ts`.
 */
import { parseSoftnetStat, type SoftnetRow } from '../../linux/softnet-stat.js';
import type { Statistics } from '../ask/ethtool-facts.js';
import type { NetdevCounters } from '../ask/netdev.js';
import { type Fact, known, map, type Unknown, unknown } from '../fact.js';
import type { Source } from '../source/source.js';
import { type Interrupts, readInterrupts } from './interrupts.js';

/** Time of a CPU in ticks, since boot. */
export interface CpuTime {
  readonly softirq: number;
  readonly idle: number;
  readonly total: number;
}

/** One reading. */
export interface Counters {
  /** Milliseconds of a clock that does not jump. */
  readonly atMs: number;
  readonly softnet: Fact<ReadonlyMap<number, SoftnetRow>>;
  /** NET_RX softirqs by CPU. */
  readonly netRx: Fact<ReadonlyMap<number, number>>;
  readonly cpuTimes: Fact<ReadonlyMap<number, CpuTime>>;
  /** Interrupts of each line, all CPUs together. */
  readonly irqs: Fact<ReadonlyMap<number, number>>;
  /** sysfs statistics by device. */
  readonly devices: ReadonlyMap<string, Readonly<Record<string, number>>>;
  /** Why sysfs statistics of a device could not be read. */
  readonly unreadDevices: ReadonlyMap<string, Unknown>;
  /** Driver's counters by device. */
  readonly statistics: ReadonlyMap<string, Fact<Statistics>>;
  readonly queues: Fact<readonly NetdevCounters[]>;
  /** `Udp.InDatagrams`, `Ip.ReasmReqds`, … */
  readonly snmp: Fact<ReadonlyMap<string, number>>;
  /** Where the interrupts of devices are asked to go. */
  readonly affinity: ReadonlyMap<number, string>;
}

/** What to read counters of. */
export interface CounterTargets {
  readonly devices: readonly string[];
  /** Devices with drivers that may count per queue. */
  readonly nics: readonly string[];
  readonly irqs: ReadonlySet<number>;
  readonly online: readonly number[];
}

/** Statistics of sysfs that anything looks at. */
const STATISTICS = [
  'rx_packets',
  'rx_bytes',
  'rx_dropped',
  'rx_missed_errors',
  'rx_fifo_errors',
  'rx_over_errors',
  'tx_packets',
  'tx_dropped',
];

/** The file of any kernel; rows without a CPU's number belong to the online CPUs in order. */
export function softnetByCpu(text: string, online: readonly number[]): Fact<ReadonlyMap<number, SoftnetRow>> {
  let rows: SoftnetRow[];
  try {
    rows = parseSoftnetStat(text);
  } catch (error) {
    return unknown((error as Error).message);
  }
  if (rows.some((row) => row.cpu === null) && rows.length !== online.length) {
    return unknown(`softnet_stat: ${rows.length} rows without CPU numbers, ${online.length} CPUs online`);
  }
  return new Map(rows.map((row, i) => [row.cpu ?? online[i]!, row]));
}

/** NET_RX by CPU: the columns are all possible CPUs. */
export function netRxByCpu(text: string): Fact<ReadonlyMap<number, number>> {
  const cpus = [...text.split('\n', 1)[0]!.matchAll(/CPU(\d+)/g)].map(([, cpu]) => Number(cpu));
  const row = /^\s*NET_RX:(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/).map(Number);
  if (row === undefined || cpus.length === 0) return unknown('/proc/softirqs: no row NET_RX');
  return new Map(cpus.map((cpu, i) => [cpu, row[i] ?? 0]));
}

/** Times of each CPU. */
export function cpuTimes(text: string): Fact<ReadonlyMap<number, CpuTime>> {
  const found = new Map<number, CpuTime>();
  for (const [, cpu, cells] of text.matchAll(/^cpu(\d+) (.*)$/gm)) {
    const ticks = cells!.trim().split(/\s+/).map(Number);
    // user nice system idle iowait irq softirq steal; guest time is part of user's.
    const total = ticks.slice(0, 8).reduce((a, b) => a + b, 0);
    found.set(Number(cpu), { softirq: ticks[6] ?? 0, idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), total });
  }
  return found.size > 0 ? found : unknown('/proc/stat: no CPUs');
}

/** Pairs of lines `Udp: names` and `Udp: values`. */
export function parseSnmp(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const lines = text.split('\n');
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [proto, ...names] = lines[at]!.split(/\s+/);
    const values = lines[at + 1]!.split(/\s+/).slice(1);
    names.forEach((name, i) => {
      found.set(`${proto!.replace(':', '')}.${name}`, Number(values[i]));
    });
  }
  return found;
}

function totals(interrupts: Interrupts): ReadonlyMap<number, number> {
  return new Map(interrupts.rows.map(({ irq, total }) => [irq, total]));
}

function deviceStatistics(
  source: Source,
  device: string,
  unread: Map<string, Unknown>,
): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const name of STATISTICS) {
    const text = source.read(`/sys/class/net/${device}/statistics/${name}`);
    if (known(text)) found[name] = Number(text.trim());
    else if (name === STATISTICS[0]) {
      unread.set(device, text as Unknown);
      break;
    }
  }
  return found;
}

/** Reads them all. @param now milliseconds */
export function readCounters(
  source: Source,
  { devices, nics, irqs, online }: CounterTargets,
  now: number,
): Counters {
  const netdev = source.netdev();
  const unreadDevices = new Map<string, Unknown>();
  return {
    unreadDevices,
    atMs: now,
    softnet: map(source.read('/proc/net/softnet_stat'), (text) => softnetByCpu(text, online)),
    netRx: map(source.read('/proc/softirqs'), netRxByCpu),
    cpuTimes: map(source.read('/proc/stat'), cpuTimes),
    irqs: map(
      readInterrupts(source, (irq) => irqs.has(irq)),
      totals,
    ),
    devices: new Map(devices.map((device) => [device, deviceStatistics(source, device, unreadDevices)])),
    statistics: new Map(nics.map((device) => [device, source.statistics(device)])),
    queues: map(netdev, ({ counters }) => counters),
    snmp: map(source.read('/proc/net/snmp'), parseSnmp),
    affinity: new Map(
      [...irqs].flatMap((irq) => {
        const text = source.read(`/proc/irq/${irq}/smp_affinity_list`);
        return known(text) ? [[irq, text.trim()]] : [];
      }),
    ),
  };
}
