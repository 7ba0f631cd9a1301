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
  /**
   * Present in an entry that stands for several ports that were removed, of one name or, in the last one, of those before
   * all that are listed: how many they are.
   */
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

/** Names of removed ports that keep an entry each. Those before share one: ports may come and go for months. */
const RETIRED_MAX = 64;

/**
 * Counters of ports that were removed. The sums over all of them stay right, and so do those over the ports of a name, those
 * that are there included: who watches a name never sees it count backwards while there is such a port.
 */
export class RetiredPorts {
  private earlier: PortSummary | null = null;
  private latest: PortSummary[] = [];

  /** @param isThere whether there is a port of this name by now */
  add(port: PortSummary, isThere: (name: string) => boolean = () => false): void {
    const known = this.latest.find(({ name }) => name === port.name);
    this.latest = this.latest.filter((one) => one !== known);
    this.latest.push({ ...(known === undefined ? port : joined(known, port)), removed: true });
    if (this.latest.length <= RETIRED_MAX) return;
    const oldest = this.latest.find(({ name }) => !isThere(name));
    if (oldest === undefined) return;
    this.latest = this.latest.filter((one) => one !== oldest);
    const ports = (this.earlier?.removedPorts ?? 0) + (oldest.removedPorts ?? 1);
    this.earlier = {
      ...(this.earlier === null ? oldest : joined(this.earlier, oldest)),
      ...{ name: `${ports} removed earlier`, kind: 'removed', removedPorts: ports },
      ...{ consumer: null, detail: null, queues: [] },
    };
  }

  /** The latest ones, and behind them what the earlier ones sum up to. */
  list(): PortSummary[] {
    return this.earlier === null ? [...this.latest] : [...this.latest, this.earlier];
  }
}

const added = <T extends Record<string, number>>(a: T, b: T) =>
  Object.fromEntries(Object.entries(b).map(([key, value]) => [key, value + (a[key] ?? 0)])) as T;

/** The sums of counters of two ports; all else is the second one's. */
export function summedPort(a: PortSummary, b: PortSummary): PortSummary {
  const longest = <T>(one: readonly T[], other: readonly T[]) => (one.length > other.length ? one : other);
  return {
    ...b,
    rx: added(a.rx, b.rx),
    tx: added(a.tx, b.tx),
    delivered: added(a.delivered, b.delivered),
    txByWorker: longest(a.txByWorker, b.txByWorker).map(
      (_, w) => (a.txByWorker[w] ?? 0) + (b.txByWorker[w] ?? 0),
    ),
    queues: longest(a.queues, b.queues).map((queue, q) => ({
      ...(b.queues[q] ?? queue),
      packets: (a.queues[q]?.packets ?? 0) + (b.queues[q]?.packets ?? 0),
      bytes: (a.queues[q]?.bytes ?? 0) + (b.queues[q]?.bytes ?? 0),
    })),
  };
}

/** Two removed ports as one, which is called as the second one was. */
function joined(earlier: PortSummary, port: PortSummary): PortSummary {
  return {
    ...summedPort(earlier, port),
    ...{ detail: null, removed: true, consumer: null },
    removedPorts: (earlier.removedPorts ?? 1) + (port.removedPorts ?? 1),
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
