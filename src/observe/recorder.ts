/**
 * The memory of a running forwarder: one-second figures of the last ten minutes.
 *
 * Promise: the workers are not asked for anything; once a second the main thread reads their counters and enters what they
 * have counted since. Memory is laid out once and its size is told (`bytes`); what does not fit (ports, queues, guests beyond
 * the places there are) is left out and counted. Main thread only.
 */
import type { Engine } from '../dataplane/engine/engine.js';
import { type Summary, summarize } from '../dataplane/engine/summary.js';
import { hasGuest } from '../dataplane/order/guest-sharing.js';
import { type GuestSharing, guestSharing } from '../dataplane/order/summary.js';
import { DROP_REASONS } from '../dataplane/shared/counters.js';
import { EventLog } from './events.js';
import { type GuestCount, GuestRates } from './guest-rates.js';
import { namedPorts } from './named-ports.js';
import { ROWS, Series } from './series.js';

/** Ports and receive queues with figures of their own. */
const PORTS_MAX = 256;
const QUEUES_MAX = 512;

export const TOTAL_FIELDS = [
  'received',
  'transmitted',
  'delivered',
  'dropped',
  'kernelDrops',
  'reordered',
  'moves',
  'handedOff',
  'wakeups',
  'inFlight',
] as const;
export const WORKER_FIELDS = [
  'received',
  'processed',
  'handedOff',
  'wakeupsSent',
  'wakeupsReceived',
  'busyMs',
  'sleeps',
  'backlogHighWater',
  'lockWaits',
  'deaths',
] as const;
export const PORT_FIELDS = [
  'rxPackets',
  'rxBytes',
  'txPackets',
  'txBytes',
  'delivered',
  'kernelDrops',
  'txErrors',
] as const;
export const QUEUE_FIELDS = ['packets', 'bytes'] as const;

/** Looking who has sent to whom may take this part of the main thread's time. */
const SHARING_PART = 0.002;

export class Recorder {
  readonly totals = new Series(1, TOTAL_FIELDS);
  readonly drops = new Series(1, DROP_REASONS);
  readonly workers: Series<(typeof WORKER_FIELDS)[number]>;
  readonly ports = new Series(PORTS_MAX, PORT_FIELDS);
  readonly queues = new Series(QUEUES_MAX, QUEUE_FIELDS);
  readonly guests = new GuestRates();
  readonly events = new EventLog();
  /** Number of the row that comes next: rows since the start. */
  next = 0;
  /** When each row was taken (milliseconds since 1970), and the milliseconds that it is about. */
  readonly at = new Float64Array(ROWS);
  readonly ms = new Float32Array(ROWS);
  private lastAt: number;
  private sharing: GuestSharing;
  private sharingDue = 0;
  private highWater = new Float64Array(0);

  constructor(readonly engine: Engine) {
    this.workers = new Series(engine.plan.workers, WORKER_FIELDS);
    // The first row is about all that was before it.
    this.lastAt = engine.startedAt;
    this.sharing = this.lookAtSharing();
    engine.onSecond(() => this.turn());
  }

  /** Bytes of all that is kept. */
  get bytes(): number {
    const { totals, drops, workers, ports, queues, guests, at, ms } = this;
    const series = [totals, drops, workers, ports, queues, guests.series];
    return series.reduce((sum, { bytes }) => sum + bytes, at.byteLength + ms.byteLength);
  }

  /** Things of each kind that there was no place for. */
  get leftOut(): { ports: number; queues: number } {
    return { ports: this.ports.refused, queues: this.queues.refused };
  }

  /** The counters as they are now; who sent to which guest may be some seconds old. */
  summary(): Summary {
    if (this.engine.stoppedAt === 0) this.engine.refreshPortCounters();
    return summarize(this.engine, this.sharing);
  }

  /** Workers that have sent to a guest. */
  workersOf({ high, low }: GuestCount): number {
    return this.engine.views.counters.touch.filter((words) => hasGuest(words, high, low)).length;
  }

  close(): void {
    this.engine.onSecond(null);
  }

  /** One second has passed. */
  turn(): void {
    const now = performance.now();
    const row = this.next;
    this.at[row % ROWS] = Date.now();
    this.ms[row % ROWS] = now - this.lastAt;
    this.lastAt = now;
    if (now >= this.sharingDue) this.sharing = this.lookAtSharing();
    const summary = this.summary();
    this.enterTotals(summary, row);
    this.enterWorkers(summary, row);
    this.enterPorts(summary, row);
    this.guests.turn((visit) => this.engine.flowIncrements(visit), row);
    this.next = row + 1;
  }

  /** With thousands of guests it takes milliseconds: the more it takes, the rarer it is done. */
  private lookAtSharing(): GuestSharing {
    const start = performance.now();
    const sharing = guestSharing(this.engine.views.counters.touch);
    const end = performance.now();
    this.sharingDue = end + (end - start) / SHARING_PART;
    return sharing;
  }

  private enterTotals(summary: Summary, row: number): void {
    const { totals, drops } = this;
    const { totals: sums, ports, workers } = summary;
    const place = totals.open('all', row);
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const counters = [
      sums.received,
      sums.transmitted,
      sums.delivered,
      sum(Object.values(sums.dropped)),
      sum(ports.map((port) => port.rx.kernelDrops)),
      sums.reordered,
      sums.moves,
      sum(workers.map((worker) => worker.handedOff)),
      sum(workers.map((worker) => worker.wakeupsSent)),
    ];
    counters.forEach((value, field) => {
      totals.count(place, field, row, value);
    });
    totals.set(place, counters.length, row, sums.inFlight);
    drops.open('all', row);
    DROP_REASONS.forEach((reason, field) => {
      drops.count(0, field, row, sums.dropped[reason]);
    });
  }

  private enterWorkers({ workers, handoffs }: Summary, row: number): void {
    const series = this.workers;
    // The most that has ever waited only says something in the second in which it rose.
    const most = new Float64Array(workers.length);
    for (const { to, highWater } of handoffs) if (highWater > most[to]!) most[to] = highWater;
    for (const worker of workers) {
      const place = series.open(String(worker.id), row);
      if (place < 0) continue;
      const before = this.highWater[worker.id] ?? 0;
      series.count(place, 0, row, worker.received);
      series.count(place, 1, row, worker.processed);
      series.count(place, 2, row, worker.handedOff);
      series.count(place, 3, row, worker.wakeupsSent);
      series.count(place, 4, row, worker.wakeupsReceived);
      series.count(place, 5, row, worker.busyMs);
      series.count(place, 6, row, worker.sleeps);
      series.set(place, 7, row, most[worker.id]! > before ? most[worker.id]! : 0);
      series.count(place, 8, row, worker.txLock.contended);
      const died = series.count(place, 9, row, worker.deaths);
      if (died > 0) {
        this.events.add(
          'died',
          `worker ${worker.id} died${died > 1 ? ` ${died} times` : ''} and was started again`,
        );
      }
    }
    this.highWater = most;
  }

  private enterPorts({ ports }: Summary, row: number): void {
    for (const { name, there, all } of namedPorts(ports)) {
      if (there !== null) {
        enter(this.ports, name, row, [portFigures(all), portFigures(there)]);
        for (const [q, { id }] of there.queues.entries()) {
          const figures = ({ queues }: Port) => [queues[q]!.packets, queues[q]!.bytes];
          enter(this.queues, `${name}/${id}`, row, [figures(all), figures(there)]);
        }
      }
    }
  }
}

type Port = Summary['ports'][number];

/** In the order of `PORT_FIELDS`. */
function portFigures({ rx, tx, delivered }: Port): number[] {
  return [rx.packets, rx.bytes, tx.packets, tx.bytes, delivered.packets, rx.kernelDrops, tx.errors];
}

/** @param counted what all of that name have counted, and what the one has that is there */
function enter(
  series: Series<string>,
  key: string,
  row: number,
  [all, own]: readonly [all: readonly number[], own: readonly number[]],
): void {
  const isNew = series.placeOf(key) < 0;
  const place = series.open(key, row);
  if (place < 0) return;
  all.forEach((value, field) => {
    if (isNew) series.begin(place, field, value - own[field]!);
    series.count(place, field, row, value);
  });
}
