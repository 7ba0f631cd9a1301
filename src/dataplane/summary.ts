/**
 * The state of an engine as plain data: the JSON that `rxsteer forward` prints, and what live statistics show.
 *
 * Promise: reads counters only; exact at rest, each counter at its own moment while workers run. `inFlight` and
 * `framesLeaked` are counted from the pool itself, never computed from the other totals.
 */
import {
  DROP_REASONS,
  type DropReason,
  HandoffCounter,
  handoffBase,
  MoveCounter,
  PortCounter,
  portBase,
  QueueCounter,
  queueBase,
  WorkerCounter,
} from './counters.js';
import type { Engine } from './engine.js';
import { firstQueue } from './engine-memory.js';
import { loadNative } from './native.js';

/** Counters of one port. */
export interface PortSummary {
  name: string;
  kind: string;
  /** `kernelDrops`: frames that found no room in the kernel. `ringResets`: receive rings replaced after the kernel gave them up. */
  rx: { packets: number; bytes: number; kernelDrops: number; ringResets: number };
  tx: { packets: number; bytes: number; errors: number };
  /** Packets that each worker sent or delivered to the port: more than one contend for a single transmit queue. */
  txByWorker: number[];
  /** What a sink or a capture writer took. */
  delivered: { packets: number; bytes: number };
  queues: { id: number; worker: number; packets: number; bytes: number }[];
}

/** Counters of one worker. */
export interface WorkerSummary {
  id: number;
  cpu: number | null;
  received: number;
  processed: number;
  handedOff: number;
  wakeupsSent: number;
  wakeupsReceived: number;
  busyRatio: number;
  /** CPU time of the worker's loop in milliseconds; null without the native layer. */
  cpuMs: number | null;
  sleeps: number;
  poolEmpty: number;
  deaths: number;
  /** Shared transmit queues: failed tries to take the lock, and the time waited for it. */
  txLock: { contended: number; waitedNs: number };
}

/**
 * Counters of an engine: the JSON of `rxsteer forward`. `received = transmitted + delivered + sum(dropped) +
 * inFlight`.
 */
export interface Summary {
  durationMs: number;
  policy: string;
  mode: 'wire' | 'switch';
  order: 'strict' | 'linux' | 'none';
  ports: PortSummary[];
  workers: WorkerSummary[];
  handoffs: { from: number; to: number; packets: number; drops: number; highWater: number }[];
  totals: {
    received: number;
    transmitted: number;
    delivered: number;
    floodedCopies: number;
    deliveredCopies: number;
    copiesDropped: number;
    segmentCopies: number;
    dropped: Record<DropReason, number>;
    inFlight: number;
    framesLeaked: number;
    reordered: number;
    orderUnwatched: number;
    movesPostponed: number;
    badHeaders: number;
  };
}

function portSummary(engine: Engine, index: number): PortSummary {
  const { plan, views } = engine;
  const info = plan.ports[index]!;
  const base = portBase(index);
  const sum = (counter: number) => views.counters.port.reduce((total, c) => total + c[base + counter]!, 0);
  const first = firstQueue(plan, index);
  return {
    name: info.name,
    kind: info.kind,
    rx: {
      packets: sum(PortCounter.rxPackets),
      bytes: sum(PortCounter.rxBytes),
      kernelDrops: (engine.live(index)?.kernelDrops ?? 0) + sum(PortCounter.kernelDrops),
      ringResets: sum(PortCounter.ringResets),
    },
    tx: {
      packets: sum(PortCounter.txPackets),
      bytes: sum(PortCounter.txBytes),
      errors: sum(PortCounter.txErrors),
    },
    txByWorker: views.counters.port.map(
      (c) => c[base + PortCounter.txPackets]! + c[base + PortCounter.deliveredPackets]!,
    ),
    delivered: { packets: sum(PortCounter.deliveredPackets), bytes: sum(PortCounter.deliveredBytes) },
    queues: Array.from({ length: info.rxQueues }, (_, q) => {
      const at = queueBase(first + q);
      return {
        id: q,
        worker: q % plan.workers,
        packets: views.counters.queue[at + QueueCounter.packets]!,
        bytes: views.counters.queue[at + QueueCounter.bytes]!,
      };
    }),
  };
}

function workerSummary(engine: Engine, w: number): WorkerSummary {
  const c = engine.views.counters.worker[w]!;
  const cpu = engine.plan.cpus[w]!;
  const elapsed = c[WorkerCounter.elapsedNs]!;
  const busy = elapsed > 0 ? Math.max(0, 1 - c[WorkerCounter.sleptNs]! / elapsed) : 0;
  return {
    id: w,
    cpu: cpu >= 0 ? cpu : null,
    received: c[WorkerCounter.received]!,
    processed: c[WorkerCounter.processed]!,
    handedOff: c[WorkerCounter.handedOff]!,
    wakeupsSent: c[WorkerCounter.wakeupsSent]!,
    wakeupsReceived: c[WorkerCounter.wakeupsReceived]!,
    busyRatio: Math.round(busy * 10_000) / 10_000,
    cpuMs: loadNative() === null ? null : Math.round(c[WorkerCounter.cpuNs]! / 1e4) / 100,
    sleeps: c[WorkerCounter.sleeps]!,
    poolEmpty: c[WorkerCounter.poolEmpty]!,
    deaths: c[WorkerCounter.deaths]!,
    txLock: {
      contended: c[WorkerCounter.lockContended]!,
      waitedNs: Math.round(c[WorkerCounter.lockWaitNs]!),
    },
  };
}

/** Reads everything. After `engine.stop()` the result is final and exact. */
export function summarize(engine: Engine): Summary {
  const { plan, views } = engine;
  const { counters } = views;
  const total = (counter: number) => counters.worker.reduce((sum, c) => sum + c[counter]!, 0);
  const stopped = engine.stoppedAt > 0;
  const inFlight = views.pool.inFlight();
  const handoffs: Summary['handoffs'] = [];
  for (let from = 0; from < plan.workers; from++) {
    for (let to = 0; to < plan.workers; to++) {
      if (from === to) continue;
      const at = handoffBase(plan.workers, from, to);
      handoffs.push({
        from,
        to,
        packets: counters.handoff[at + HandoffCounter.packets]!,
        drops: counters.handoff[at + HandoffCounter.drops]!,
        highWater: counters.handoff[at + HandoffCounter.highWater]!,
      });
    }
  }
  const dropped = Object.fromEntries(
    DROP_REASONS.map((reason, i) => [reason, total(WorkerCounter.dropped + i)]),
  ) as Record<DropReason, number>;
  return {
    durationMs: Math.round((stopped ? engine.stoppedAt : performance.now()) - engine.startedAt),
    policy: plan.policyText,
    mode: plan.mode,
    order: plan.order,
    ports: plan.ports.map((_, index) => portSummary(engine, index)),
    workers: plan.cpus.map((_, w) => workerSummary(engine, w)),
    handoffs,
    totals: {
      received: total(WorkerCounter.received),
      transmitted: total(WorkerCounter.transmitted),
      delivered: total(WorkerCounter.delivered),
      floodedCopies: total(WorkerCounter.floodedCopies),
      deliveredCopies: total(WorkerCounter.deliveredCopies),
      copiesDropped: total(WorkerCounter.copiesDropped),
      segmentCopies: total(WorkerCounter.segmentCopies),
      dropped,
      inFlight,
      // Only at rest can free lists be walked; while workers run nothing is known to be lost.
      framesLeaked: stopped ? views.pool.slots - views.pool.countFree() - inFlight : 0,
      reordered: total(WorkerCounter.reordered),
      orderUnwatched: total(WorkerCounter.unwatched),
      movesPostponed: total(WorkerCounter.moves + MoveCounter.postponed),
      badHeaders: total(WorkerCounter.badHeaders),
    },
  };
}
