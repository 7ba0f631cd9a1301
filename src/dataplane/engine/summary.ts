/**
 * The state of an engine as plain data: the JSON that `rxsteer forward` prints, and what live statistics show.
 *
 * Promise: reads counters only; exact at rest, each counter at its own moment while workers run. `inFlight` and
 * `framesLeaked` are counted from the pool itself, never computed from the other totals.
 */

import { loadNative } from '../../addon/native.js';
import {
  type GuestSharing,
  guestSharing,
  type MoveSummary,
  moveSummary,
  type OrderFigures,
  orderFigures,
} from '../order/summary.js';
import {
  DROP_REASONS,
  type DropReason,
  HandoffCounter,
  handoffBase,
  WorkerCounter,
} from '../shared/counters.js';
import { Pause } from '../shared/words.js';
import type { Engine } from './engine.js';
import type { PortSummary } from './port-summary.js';

export type { PortSummary };

/** Counters of one worker. */
export interface WorkerSummary {
  id: number;
  cpu: number | null;
  received: number;
  processed: number;
  handedOff: number;
  wakeupsSent: number;
  wakeupsReceived: number;
  /** Part of the time since it started that it did not sleep. */
  busyRatio: number;
  /** The same in milliseconds: two summaries give how busy it was between them. */
  busyMs: number;
  /** CPU time of the worker's loop in milliseconds; null without the native layer. */
  cpuMs: number | null;
  sleeps: number;
  poolEmpty: number;
  deaths: number;
  /** Pauses of receiving for live changes, and milliseconds spent in them. */
  pauses: { count: number; ms: number };
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
  /** What is kept; `none` also where a port has lost it since the start (a warning said why). */
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
    /** Frames that the order ledger had no slot for: not watched (order=strict guards them all the same). */
    orderUnwatched: number;
    badHeaders: number;
    /** Frames handed to another worker, and sleeping workers woken, per frame received. */
    handoffsPerPacket: number;
    wakeupsPerPacket: number;
    /** Failed tries to take a shared transmit queue. */
    contendedTransmits: number;
    /** Addresses that the switch saw at another port than before. */
    macMoves: number;
  } & MoveSummary;
  /** Order per class of flows; classes without frames are left out. */
  orderByClass: OrderFigures[];
  /** Distinct workers that sent to each guest. */
  guestSharing: GuestSharing;
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
    busyMs: Math.round((busy * elapsed) / 1e3) / 1e3,
    cpuMs: loadNative() === null ? null : Math.round(c[WorkerCounter.cpuNs]! / 1e4) / 100,
    sleeps: c[WorkerCounter.sleeps]!,
    poolEmpty: c[WorkerCounter.poolEmpty]!,
    deaths: c[WorkerCounter.deaths]!,
    pauses: {
      count: engine.views.pauses[w]![Pause.count]!,
      ms: Math.round(engine.views.pauses[w]![Pause.ns]! / 1e3) / 1e3,
    },
    txLock: {
      contended: c[WorkerCounter.lockContended]!,
      waitedNs: Math.round(c[WorkerCounter.lockWaitNs]!),
    },
  };
}

/**
 * Reads everything. After `engine.stop()` the result is final and exact.
 * @param sharing who sent to which guest, where it is known: to find out takes longer than all else
 */
export function summarize(engine: Engine, sharing?: GuestSharing): Summary {
  const { plan, views } = engine;
  const { counters } = views;
  const total = (counter: number) => counters.worker.reduce((sum, c) => sum + c[counter]!, 0);
  const received = total(WorkerCounter.received);
  const perPacket = (n: number) => (received === 0 ? 0 : Math.round((n / received) * 10_000) / 10_000);
  const stopped = engine.stoppedAt > 0;
  const inFlight = views.pool.inFlight();
  const handoffs: Summary['handoffs'] = [];
  const workers = engine.workersEver;
  for (let from = 0; from < workers; from++) {
    for (let to = 0; to < workers; to++) {
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
    order: engine.order,
    ports: engine.portSummaries(),
    workers: Array.from({ length: workers }, (_, w) => workerSummary(engine, w)),
    handoffs,
    totals: {
      received,
      transmitted: total(WorkerCounter.transmitted),
      delivered: total(WorkerCounter.delivered),
      floodedCopies: total(WorkerCounter.floodedCopies),
      deliveredCopies: total(WorkerCounter.deliveredCopies),
      copiesDropped: total(WorkerCounter.copiesDropped),
      segmentCopies: total(WorkerCounter.segmentCopies),
      dropped,
      inFlight,
      // Only at rest can free lists be walked; while workers run nothing is known to be lost.
      framesLeaked: stopped
        ? views.pool.slots - views.pool.countFree() - views.pool.countLent() - inFlight
        : 0,
      reordered: total(WorkerCounter.reordered),
      orderUnwatched: total(WorkerCounter.unwatched),
      badHeaders: total(WorkerCounter.badHeaders),
      handoffsPerPacket: perPacket(total(WorkerCounter.handedOff)),
      wakeupsPerPacket: perPacket(total(WorkerCounter.wakeupsSent)),
      contendedTransmits: total(WorkerCounter.lockContended),
      macMoves: engine.macMoves,
      ...moveSummary(counters.worker, WorkerCounter.moves),
    },
    orderByClass: orderFigures(counters.order),
    guestSharing: sharing ?? guestSharing(counters.touch),
  };
}
