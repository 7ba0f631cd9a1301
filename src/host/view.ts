/**
 * Questions that several checks ask of a host.
 *
 * Promise: pure; `null` and `Unknown` mean that nobody can tell, never "no".
 */
import { UserError } from '../errors.js';
import { pow2up } from '../linux/arith.js';
import { queueCounters } from '../nic/queue-counters.js';
import { type Fact, known, map, unknown, valueOr } from './fact.js';
import type { Device, Host } from './host.js';
import { common, unique, without } from './lists.js';
import type { Load, SoftnetLoad } from './load.js';
import { isolatedCpus, nodeOf } from './read/cpus.js';
import type { DeviceIrq } from './read/irqs.js';

/** Packets a second from which on a device counts as busy. */
export const BUSY_PPS = 1000;

/** NICs with hardware or a hypervisor behind them. */
export function nics(host: Host): Device[] {
  return host.devices.filter(({ kind }) => kind === 'nic');
}

/** A device by its name. */
export function deviceNamed(host: Host, name: string): Device | null {
  return host.devices.find((device) => device.name === name) ?? null;
}

/** Interrupts that announce received packets. */
export function rxIrqs(device: Device): DeviceIrq[] {
  return device.irqs.filter(({ role }) => role !== null && role.type !== 'tx');
}

/** Interrupts of queues, in either direction. */
export function dataIrqs(device: Device): DeviceIrq[] {
  return device.irqs.filter(({ role }) => role !== null);
}

/** The one CPU of an interrupt; null where it may be any of several. */
export function oneCpu(irq: DeviceIrq): number | null {
  return known(irq.cpus) && irq.cpus.length === 1 ? irq.cpus[0]! : null;
}

/** CPUs that the receive interrupts of a device go to; `Unknown` where one cannot be told. */
export function rxCpus(device: Device): Fact<number[]> {
  const irqs = rxIrqs(device);
  if (irqs.length === 0) return unknown(`${device.name}: no interrupt of a receive queue is known`, 'absent');
  const cpus: number[] = [];
  for (const irq of irqs) {
    if (!known(irq.cpus)) return irq.cpus;
    cpus.push(...irq.cpus);
  }
  return unique(cpus);
}

/** The CPU of a receive queue's interrupt; null where nobody can tell. */
export function cpuOfQueue(device: Device, queue: number): number | null {
  const irq = rxIrqs(device).find(({ role }) => role!.queue === queue);
  return irq === undefined ? null : oneCpu(irq);
}

/** Queues of a device with RPS, and their masks. */
export function rpsQueues(device: Device): { queue: number; cpus: readonly number[] }[] {
  return device.rx.flatMap(({ queue, rps }) => (known(rps) && rps.length > 0 ? [{ queue, cpus: rps }] : []));
}

/** Masks that could not be read; for checks of masks. */
export function unreadRps(device: Device): Fact<unknown>[] {
  return device.rx.map(({ rps }) => rps).filter((rps) => !known(rps));
}

/** Online CPUs near a device that work may be put on: its node's, without isolated ones. */
export function nearCpus(host: Host, device: Device): number[] {
  const { cpus } = host;
  const node = cpus.nodes.find(({ id }) => id === device.node);
  const near = node === undefined ? cpus.online : common(node.cpus, cpus.online);
  return without(near, valueOr(isolatedCpus(cpus), []));
}

/** Receive queues in use: channels where the driver tells, else queue folders. */
export function rxQueueCount(device: Device): number {
  const { channels } = device;
  if (known(channels) && channels.combined + channels.rx > 0) return channels.combined + channels.rx;
  return device.rx.length;
}

/** Packets a second that a device receives. */
export function receivedPps(host: Host, device: string): Fact<number> {
  return map(host.load, (load) => {
    const rate = load.devices.get(device)?.rx_packets;
    return rate ?? unknown(`${device}: no statistics`, 'absent');
  });
}

/** A CPU's share of time in softirqs; null where nobody can tell. */
export function softirqShare(host: Host, cpu: number): number | null {
  const { load } = host;
  if (!known(load) || !known(load.softirq)) return null;
  return load.softirq.get(cpu) ?? null;
}

/** A CPU's share of time without work. */
export function idleShare(host: Host, cpu: number): number | null {
  const { load } = host;
  if (!known(load) || !known(load.idle)) return null;
  return load.idle.get(cpu) ?? null;
}

/** softnet_stat between the readings, or why not. */
export function softnetLoad(host: Host): Fact<ReadonlyMap<number, SoftnetLoad>> {
  return map(host.load, (load) => load.softnet);
}

/** IPIs a second over all CPUs; null where nobody can tell. */
export function ipiRate(host: Host): number | null {
  const softnet = softnetLoad(host);
  if (!known(softnet)) return null;
  const rates = [...softnet.values()].map(({ ipis }) => ipis);
  return rates.includes(null) ? null : round((rates as number[]).reduce((a, b) => a + b, 0));
}

/** Packets that each receive queue got between the readings: the kernel's counters, else the driver's. */
export function queuePackets(host: Host, device: Device): Fact<ReadonlyMap<number, number>> {
  return map(host.load, (load) => queuesOf(load, device));
}

function queuesOf(load: Load, device: Device): Fact<ReadonlyMap<number, number>> {
  const told = device.ifindex === null ? undefined : load.queues.get(device.ifindex);
  if (told !== undefined && told.size > 0) return told;
  const statistics = load.statistics.get(device.name);
  if (statistics === undefined) return unknown(`${device.name}: nobody counts by queue`, 'absent');
  return map(statistics, (values) => {
    const text = Object.entries(values)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n');
    try {
      return new Map(queueCounters([text], device.name).map(({ id, packets }) => [id, packets]));
    } catch (error) {
      if (error instanceof UserError)
        return unknown(`${device.name}: the driver counts nothing by queue`, 'absent');
      throw error;
    }
  });
}

/** Fullest queue over the fair share, with the packets of each; null where it cannot be told or is too little. */
export function queueSkew(
  host: Host,
  device: Device,
): Fact<{ ratio: number; packets: number[]; queue: number } | null> {
  const queues = rxQueueCount(device);
  if (queues < 2) return null;
  const seconds = known(host.load) ? host.load.seconds : 1;
  return map(queuePackets(host, device), (counted) => {
    const packets = Array.from({ length: queues }, (_, queue) => counted.get(queue) ?? 0);
    const sum = packets.reduce((a, b) => a + b, 0);
    if (sum / seconds < BUSY_PPS) return null;
    const most = Math.max(...packets);
    return {
      ratio: round((most * queues) / sum),
      packets: packets.map(Math.round),
      queue: packets.indexOf(most),
    };
  });
}

/** Devices below one, down to the lowest. */
export function below(host: Host, device: Device): Device[] {
  const seen = new Set<string>([device.name]);
  const list: Device[] = [];
  const walk = (names: readonly string[]): void => {
    for (const name of names) {
      const lower = deviceNamed(host, name);
      if (seen.has(name) || lower === null) continue;
      seen.add(name);
      list.push(lower);
      walk(lower.lower);
    }
  };
  walk(device.lower);
  return list;
}

/** Node of a CPU. */
export function nodeOfCpu(host: Host, cpu: number): number | null {
  return nodeOf(host.cpus, cpu);
}

/** The nodes of CPUs, each once. */
export function nodesOf(host: Host, cpus: readonly number[]): number[] {
  return unique(cpus.flatMap((cpu) => nodeOf(host.cpus, cpu) ?? []));
}

/** Whether RFS is on: the global table and one queue's. */
export function rfsOn(host: Host): Fact<boolean> {
  const entries = host.sysctls['net.core.rps_sock_flow_entries'];
  if (!known(entries)) return entries;
  return (
    Number(entries) > 0 && host.devices.some(({ rx }) => rx.some(({ flows }) => known(flows) && flows > 0))
  );
}

/** What the kernel makes of an even share of the socket table for each of a device's queues. */
export function flowShare(entries: number, queues: number): number {
  return pow2up(Math.max(2, Math.ceil(entries / queues)));
}

/** Three digits are enough to blame by. */
export function round(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(3));
}

/** `37 %`. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
