/**
 * The counters of one port as plain data, while it is there and after it was removed.
 *
 * Promise: reads counters only. Counters in shared memory belong to a port's place; what they said when the port came
 * is taken off, so a port that follows another one in its place begins at 0.
 */

import type { PortDetail } from '../ports/kinds.js';
import type { LivePort } from '../ports/live-port.js';
import { type Counters, PortCounter, portBase, QueueCounter, queueBase } from '../shared/counters.js';
import { pollerOf } from '../shared/deal.js';
import type { EnginePlan } from '../shared/plan.js';
import type { PortInfo } from '../shared/port-info.js';
import type { ConsumerSummary } from './consumers.js';

/** Counters of one port. */
export interface PortSummary {
  name: string;
  kind: string;
  /** Present, and true, for a port that was removed while the engine ran. */
  removed?: true;
  /** Present in the one entry that stands for the ports that were removed before those listed: how many they are. */
  removedPorts?: number;
  /**
   * `kernelDrops`: frames that the kernel dropped before the program could have them; `unread`: those of them that still
   * lay there when the port was closed; `inexpressible`: those that were super-frames of a type that virtio-net has not.
   * `ringResets`: receive sockets replaced after the kernel gave up their rings. `absurd`: frames dropped as malformed
   * because their offload header asks for what nobody sends. `floodLimited`: frames that were not flooded (all or some
   * copies) for want of budget. `spoofed`: frames dropped as filtered because they named addresses that are not among the
   * port's (`mac=`, `ip=`).
   */
  rx: {
    packets: number;
    bytes: number;
    kernelDrops: number;
    unread: number;
    inexpressible: number;
    ringResets: number;
    absurd: number;
    floodLimited: number;
    spoofed: number;
    tooLong: number;
  };
  /**
   * Of the errors: `tooLong` exceeded the device's MTU, `unsegmentable` are super-frames that the port cannot take whole
   * and that cannot be segmented.
   */
  tx: { packets: number; bytes: number; errors: number; tooLong: number; unsegmentable: number };
  /** Packets that each worker sent or delivered to the port: more than one contend for a single transmit queue. */
  txByWorker: number[];
  /** What a sink or a capture writer took. */
  delivered: { packets: number; bytes: number };
  /** Where the consumer behind the port runs; null where none was named. */
  consumer: ConsumerSummary | null;
  queues: { id: number; worker: number; packets: number; bytes: number }[];
  /** What the port can do and what was chosen for it, as far as its kind has something to tell; else null. */
  detail: PortDetail | null;
}

/** Where the counters are. */
export interface PortCounts {
  readonly plan: EnginePlan;
  readonly views: { readonly counters: Counters };
  /** Workers that have run at any time. */
  readonly ever: number;
  readonly consumers: { summary(port: number): ConsumerSummary | null } | null;
  readonly baselines: ReadonlyMap<number, PortSummary>;
  readonly ports: {
    readonly live: ReadonlyMap<
      number,
      Pick<LivePort, 'kernelDrops' | 'unread' | 'inexpressible' | 'ringResets' | 'detail'>
    >;
  };
}

/** Removed ports that keep an entry each. Those that were removed before share one: a port may come and go for months. */
const RETIRED_MAX = 64;

/** Counters of ports that were removed. The sums over all of them stay right. */
export class RetiredPorts {
  private earlier: PortSummary | null = null;
  private readonly latest: PortSummary[] = [];

  add(port: PortSummary): void {
    this.latest.push({ ...port, removed: true });
    if (this.latest.length > RETIRED_MAX) this.earlier = joined(this.earlier, this.latest.shift()!);
  }

  /** The latest ones, and behind them what the earlier ones sum up to. */
  list(): PortSummary[] {
    return this.earlier === null ? [...this.latest] : [...this.latest, this.earlier];
  }
}

function joined(earlier: PortSummary | null, port: PortSummary): PortSummary {
  const sum = <T extends Record<string, number>>(a: T | undefined, b: T) =>
    Object.fromEntries(Object.entries(b).map(([key, value]) => [key, value + (a?.[key] ?? 0)])) as T;
  const ports = (earlier?.removedPorts ?? 0) + 1;
  const byWorker = Math.max(earlier?.txByWorker.length ?? 0, port.txByWorker.length);
  return {
    name: `${ports} removed earlier`,
    kind: 'removed',
    detail: null,
    removed: true,
    removedPorts: ports,
    rx: sum(earlier?.rx, port.rx),
    tx: sum(earlier?.tx, port.tx),
    txByWorker: Array.from(
      { length: byWorker },
      (_, w) => (earlier?.txByWorker[w] ?? 0) + (port.txByWorker[w] ?? 0),
    ),
    delivered: sum(earlier?.delivered, port.delivered),
    consumer: null,
    queues: [],
  };
}

/** Counters of all ports: those that are there, those that a worker still has to let go of, those that were removed. */
export function portSummaries(
  counts: PortCounts & {
    readonly stuck: ReadonlyMap<number, { readonly info: PortInfo }>;
    readonly retired: RetiredPorts;
  },
): PortSummary[] {
  const there = counts.plan.ports.filter(({ removed }) => !removed);
  return [
    ...there.map((info) => portSummary(counts, info)),
    ...[...counts.stuck.values()].map(({ info }) => ({
      ...portSummary(counts, info),
      removed: true as const,
    })),
    ...counts.retired.list(),
  ];
}

/** The counters of the port's place as they are. */
export function rawPort({ plan, views, ever, consumers }: PortCounts, info: PortInfo): PortSummary {
  const { counters } = views;
  const base = portBase(info.index);
  const sum = (counter: number) => counters.port.reduce((total, c) => total + c[base + counter]!, 0);
  return {
    name: info.name,
    kind: info.kind,
    rx: {
      packets: sum(PortCounter.rxPackets),
      bytes: sum(PortCounter.rxBytes),
      kernelDrops: sum(PortCounter.kernelDrops),
      unread: 0,
      inexpressible: 0,
      ringResets: 0,
      absurd: sum(PortCounter.absurd),
      floodLimited: sum(PortCounter.floodLimited),
      spoofed: sum(PortCounter.spoofed),
      tooLong: sum(PortCounter.rxTooLong),
    },
    tx: {
      packets: sum(PortCounter.txPackets),
      bytes: sum(PortCounter.txBytes),
      errors: sum(PortCounter.txErrors),
      tooLong: sum(PortCounter.txTooLong),
      unsegmentable: sum(PortCounter.unsegmentable),
    },
    txByWorker: counters.port
      .slice(0, ever)
      .map((c) => c[base + PortCounter.txPackets]! + c[base + PortCounter.deliveredPackets]!),
    delivered: { packets: sum(PortCounter.deliveredPackets), bytes: sum(PortCounter.deliveredBytes) },
    consumer: consumers?.summary(info.index) ?? null,
    detail: null,
    queues: Array.from({ length: info.rxQueues }, (_, q) => {
      const at = queueBase(info.firstQueue + q);
      return {
        id: q,
        worker: pollerOf(plan, info, q),
        packets: counters.queue[at + QueueCounter.packets]!,
        bytes: counters.queue[at + QueueCounter.bytes]!,
      };
    }),
  };
}

/** The counters of a port since it came. */
export function portSummary(counts: PortCounts, info: PortInfo): PortSummary {
  const now = rawPort(counts, info);
  const live = counts.ports.live.get(info.index);
  if (live !== undefined) {
    now.rx.kernelDrops += live.kernelDrops;
    now.rx.unread = live.unread;
    now.rx.inexpressible = live.inexpressible;
    now.rx.ringResets = live.ringResets;
    now.detail = live.detail() as PortDetail | null;
  }
  const before = counts.baselines.get(info.index);
  return before === undefined ? now : { ...now, ...difference(now, before) };
}

function difference(
  now: PortSummary,
  before: PortSummary,
): Omit<PortSummary, 'name' | 'kind' | 'consumer' | 'detail'> {
  const less = <T extends Record<string, number>>(a: T, b: T) =>
    Object.fromEntries(Object.entries(a).map(([key, value]) => [key, value - (b[key] ?? 0)])) as T;
  return {
    rx: less(now.rx, before.rx),
    tx: less(now.tx, before.tx),
    delivered: less(now.delivered, before.delivered),
    txByWorker: now.txByWorker.map((packets, w) => packets - (before.txByWorker[w] ?? 0)),
    queues: now.queues.map((queue, q) => ({
      ...queue,
      packets: queue.packets - (before.queues[q]?.packets ?? 0),
      bytes: queue.bytes - (before.queues[q]?.bytes ?? 0),
    })),
  };
}
