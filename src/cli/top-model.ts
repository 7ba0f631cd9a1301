/**
 * What `rxsteer top` shows, as figures: rates between two readings of a forwarder, and its history.
 *
 * Promise: pure. What came between the two readings began at 0; a counter that says less than before began anew.
 */
import type { Summary } from '../dataplane/engine/summary.js';
import type { History } from '../observe/history.js';
import { fullestOverFair } from '../policy/spread.js';
import { perSecond } from './ctl-history.js';

/** Two readings of a forwarder, the second of which may be the first. */
export interface Reading {
  readonly before: Summary;
  readonly now: Summary;
  readonly history: History;
}

export interface WorkerRow {
  readonly id: number;
  readonly cpu: string;
  /** Part of the time, 0 to 1, and that of the last ten minutes. */
  readonly busy: number;
  readonly past: readonly number[];
  readonly received: number;
  readonly processed: number;
  readonly handedOff: number;
  readonly woken: number;
  readonly wakes: number;
  /** The most frames that ever waited for it. */
  readonly highWater: number;
  readonly lockWaits: number;
  readonly deaths: number;
}

export interface PortRow {
  /** `port` or `port/queue`. */
  readonly name: string;
  readonly kind: string;
  /** Who polls the queue; empty for a port as a whole. */
  readonly worker: string;
  readonly received: number;
  readonly bytes: number;
  readonly sent: number;
  readonly kernelDrops: number;
  readonly errors: number;
  readonly past: readonly number[];
  readonly isQueue: boolean;
}

export interface GuestRow {
  readonly mac: string;
  readonly to: number;
  readonly from: number;
  readonly owner: string;
  readonly port: string;
  readonly workers: number;
  readonly past: readonly number[];
}

export interface TopModel {
  readonly seconds: number;
  readonly policy: string;
  readonly mode: string;
  readonly order: string;
  /** Per second. */
  readonly received: number;
  readonly out: number;
  readonly dropped: number;
  readonly kernelDrops: number;
  readonly reordered: number;
  /** Since the start. */
  readonly totals: Summary['totals'];
  readonly droppedInAll: number;
  readonly imbalance: number;
  readonly past: readonly number[];
  readonly workers: readonly WorkerRow[];
  readonly ports: readonly PortRow[];
  readonly guests: readonly GuestRow[];
  /** Frames a second from each worker (row) to each other. */
  readonly handoffs: readonly (readonly number[])[];
  readonly dropReasons: readonly { readonly reason: string; readonly rate: number; readonly all: number }[];
  readonly classes: Summary['orderByClass'];
  readonly events: History['events'];
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

export function topModel({ before, now, history }: Reading): TopModel {
  const ms = now.durationMs - before.durationMs;
  const rate = (after: number, earlier: number | undefined) => {
    const since = earlier === undefined || after < earlier ? after : after - earlier;
    return ms > 0 ? (since * 1000) / ms : 0;
  };
  const rows = history.rows.ms;
  const workersBefore = new Map(before.workers.map((worker) => [worker.id, worker]));
  const workersPast = new Map(history.workers.map((worker) => [worker.id, worker]));
  const highWater = new Map<number, number>();
  for (const { to, highWater: most } of now.handoffs)
    highWater.set(to, Math.max(most, highWater.get(to) ?? 0));
  const workers = now.workers.map((worker): WorkerRow => {
    const old = workersBefore.get(worker.id);
    return {
      id: worker.id,
      cpu: worker.cpu === null ? 'any' : String(worker.cpu),
      busy: Math.min(1, rate(worker.busyMs, old?.busyMs) / 1000),
      past: perSecond(workersPast.get(worker.id)?.busyMs ?? [], rows).map((busy) => Math.min(1, busy / 1000)),
      received: rate(worker.received, old?.received),
      processed: rate(worker.processed, old?.processed),
      handedOff: rate(worker.handedOff, old?.handedOff),
      woken: rate(worker.wakeupsReceived, old?.wakeupsReceived),
      wakes: rate(worker.wakeupsSent, old?.wakeupsSent),
      highWater: highWater.get(worker.id) ?? 0,
      lockWaits: rate(worker.txLock.contended, old?.txLock.contended),
      deaths: worker.deaths,
    };
  });
  const pairs = new Map(before.handoffs.map(({ from, to, packets }) => [`${from} ${to}`, packets]));
  const handoffs = workers.map(() => new Array<number>(workers.length).fill(0));
  for (const { from, to, packets } of now.handoffs) {
    if (handoffs[from] !== undefined) handoffs[from][to] = rate(packets, pairs.get(`${from} ${to}`));
  }
  const allDropped = (summary: Summary) => sum(Object.values(summary.totals.dropped));
  const allKernel = (summary: Summary) => sum(summary.ports.map((port) => port.rx.kernelDrops));
  const { totals } = now;
  const old = before.totals;
  return {
    seconds: now.durationMs / 1000,
    policy: now.policy,
    mode: now.mode,
    order: now.order,
    received: rate(totals.received, old.received),
    out: rate(totals.transmitted + totals.delivered, old.transmitted + old.delivered),
    dropped: rate(allDropped(now), allDropped(before)),
    kernelDrops: rate(allKernel(now), allKernel(before)),
    reordered: rate(totals.reordered, old.reordered),
    totals,
    droppedInAll: allDropped(now),
    imbalance: fullestOverFair(workers.map(({ processed }) => processed)),
    past: perSecond(history.totals.received ?? [], rows),
    workers,
    ports: portRows(before, now, history, rate),
    guests: guestRows(history),
    handoffs,
    dropReasons: Object.entries(totals.dropped).map(([reason, all]) => ({
      reason,
      all,
      rate: rate(all, old.dropped[reason as keyof typeof old.dropped]),
    })),
    classes: now.orderByClass,
    events: history.events,
  };
}

function portRows(
  before: Summary,
  now: Summary,
  history: History,
  rate: (after: number, earlier: number | undefined) => number,
): PortRow[] {
  const known = new Map(
    before.ports.filter(({ removed }) => removed !== true).map((port) => [port.name, port]),
  );
  const past = new Map(history.ports.map(({ name, rxPackets }) => [name, rxPackets]));
  const queuesPast = new Map(history.queues.map(({ port, id, packets }) => [`${port}/${id}`, packets]));
  return now.ports
    .filter(({ removed }) => removed !== true)
    .flatMap((port): PortRow[] => {
      const old = known.get(port.name);
      const whole: PortRow = {
        name: port.name,
        kind: port.kind,
        worker: '',
        received: rate(port.rx.packets, old?.rx.packets),
        bytes: rate(port.rx.bytes, old?.rx.bytes),
        sent: rate(port.tx.packets + port.delivered.packets, old && old.tx.packets + old.delivered.packets),
        kernelDrops: port.rx.kernelDrops,
        errors: port.tx.errors,
        past: perSecond(past.get(port.name) ?? [], history.rows.ms),
        isQueue: false,
      };
      const queues = port.queues.map((queue): PortRow => {
        const name = `${port.name}/${queue.id}`;
        const earlier = old?.queues[queue.id];
        return {
          ...{ name, kind: '', worker: String(queue.worker) },
          received: rate(queue.packets, earlier?.packets),
          bytes: rate(queue.bytes, earlier?.bytes),
          ...{ sent: 0, kernelDrops: 0, errors: 0, isQueue: true },
          past: perSecond(queuesPast.get(name) ?? [], history.rows.ms),
        };
      });
      return [whole, ...queues];
    });
}

/** Of guests the last second, as the census saw it. */
function guestRows(history: History): GuestRow[] {
  const { ms } = history.rows;
  return history.guests.map((guest) => {
    const to = perSecond(guest.toPackets, ms);
    return {
      mac: guest.mac,
      to: to.at(-1) ?? 0,
      from: perSecond(guest.fromPackets, ms).at(-1) ?? 0,
      owner: guest.owner === null ? '-' : String(guest.owner),
      port: guest.port ?? '-',
      workers: guest.workers,
      past: to,
    };
  });
}
