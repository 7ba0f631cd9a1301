/**
 * Metrics of workers, and of the frames that they hand to each other.
 *
 * Promise: pure.
 */
import type { Summary } from '../dataplane/engine/summary.js';
import type { Exposition, Sample } from './exposition.js';

/** With more workers only the pairs that have handed frames over are told. */
const PAIRS_OF_ALL = 16;

export function workerMetrics(out: Exposition, { workers, handoffs }: Summary): void {
  type Worker = Summary['workers'][number];
  const each = (read: (worker: Worker) => number | null): Sample[] =>
    workers.map((worker) => [{ worker: worker.id }, read(worker)]);
  const w = 'rxsteer_worker';
  out.gauge(
    `${w}_info`,
    'The CPU that each worker is pinned to; always 1.',
    workers.map(({ id, cpu }) => [{ worker: id, cpu: cpu ?? 'any' }, 1]),
  );
  out.counter(
    `${w}_received_packets_total`,
    'Packets received.',
    each((one) => one.received),
  );
  out.counter(
    `${w}_processed_packets_total`,
    'Packets processed, those handed over by others included.',
    each((one) => one.processed),
  );
  out.counter(
    `${w}_handed_off_packets_total`,
    'Packets handed to another worker.',
    each((one) => one.handedOff),
  );
  out.counter(
    `${w}_wakeups_total`,
    'Sleeping workers woken, and times woken.',
    workers.flatMap(({ id, wakeupsSent, wakeupsReceived }): Sample[] => [
      [{ worker: id, direction: 'sent' }, wakeupsSent],
      [{ worker: id, direction: 'received' }, wakeupsReceived],
    ]),
  );
  out.counter(
    `${w}_busy_seconds_total`,
    'Time that the worker did not sleep.',
    each((one) => one.busyMs / 1000),
  );
  out.counter(
    `${w}_cpu_seconds_total`,
    'CPU time of the worker.',
    each((one) => (one.cpuMs === null ? null : one.cpuMs / 1000)),
  );
  out.counter(
    `${w}_sleeps_total`,
    'Times it slept.',
    each((one) => one.sleeps),
  );
  out.counter(
    `${w}_pool_empty_total`,
    'Passes in which nothing could be received for want of free frames.',
    each((one) => one.poolEmpty),
  );
  out.counter(
    `${w}_deaths_total`,
    'Times it died and was started again.',
    each((one) => one.deaths),
  );
  out.counter(
    `${w}_pauses_total`,
    'Pauses of receiving for live changes.',
    each((one) => one.pauses.count),
  );
  out.counter(
    `${w}_pause_seconds_total`,
    'Time in these pauses.',
    each((one) => one.pauses.ms / 1000),
  );
  out.counter(
    'rxsteer_tx_lock_waits_total',
    'Failed tries to take a shared transmit queue.',
    each((one) => one.txLock.contended),
  );
  out.counter(
    'rxsteer_tx_lock_wait_seconds_total',
    'Time waited for shared transmit queues.',
    each((one) => one.txLock.waitedNs / 1e9),
  );
  const pairs = handoffs.filter(
    ({ packets, drops }) => workers.length <= PAIRS_OF_ALL || packets + drops > 0,
  );
  const h = 'rxsteer_handoff';
  out.counter(
    `${h}_packets_total`,
    'Packets handed from one worker to another.',
    pairs.map(({ from, to, packets }) => [{ from, to }, packets]),
  );
  out.counter(
    `${h}_drops_total`,
    "Packets dropped because the other worker's backlog was full.",
    pairs.map(({ from, to, drops }) => [{ from, to }, drops]),
  );
  out.gauge(
    `${h}_high_water_packets`,
    'The most packets that ever waited between the two.',
    pairs.map(({ from, to, highWater }) => [{ from, to }, highWater]),
  );
}
