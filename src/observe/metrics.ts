/**
 * A forwarder's counters as Prometheus metrics.
 *
 * Promise: a pure function; everything that the summary counts is there, in base units (seconds, bytes, ratios), under one
 * prefix. Ratios of counters are not: Prometheus makes them for any interval. No label has values that traffic can make up
 * without bound: guests are those that are told apart, and "other". Ports that were removed are summed up.
 */
import type { Summary } from '../dataplane/engine/summary.js';
import { FLOW_CLASSES } from '../dataplane/order/flow-class.js';
import { Exposition, type Sample } from './exposition.js';
import { portMetrics } from './port-metrics.js';
import { workerMetrics } from './worker-metrics.js';

/** What the summary does not say. */
export interface MetricFacts {
  readonly version: string;
  /** Seconds since 1970. */
  readonly startTime: number;
  /** Ports that are not up, by name; absent ones are. */
  readonly down: ReadonlySet<string>;
  /** The fullest worker's share in the last second over a fair one; null where nothing was processed. */
  readonly imbalance: number | null;
  readonly guests: readonly {
    readonly mac: string;
    readonly toPackets: number;
    readonly fromPackets: number;
    readonly workers: number;
  }[];
  readonly otherGuests: { readonly toPackets: number; readonly fromPackets: number };
  readonly process: { readonly cpuSeconds: number; readonly residentBytes: number };
}

export function metricsText(summary: Summary, facts: MetricFacts): string {
  const out = new Exposition();
  const { policy, mode, order } = summary;
  out.gauge('rxsteer_info', 'What runs; always 1.', [[{ version: facts.version, policy, mode, order }, 1]]);
  out.single(
    'rxsteer_start_time_seconds',
    'gauge',
    'When the forwarder started, in seconds since 1970.',
    facts.startTime,
  );
  const process = facts.process;
  out.single('process_cpu_seconds_total', 'counter', 'CPU time of all threads.', process.cpuSeconds);
  out.single('process_resident_memory_bytes', 'gauge', 'Resident memory.', process.residentBytes);
  portMetrics(out, summary.ports, facts.down);
  workerMetrics(out, summary);
  totalMetrics(out, summary);
  orderMetrics(out, summary);
  out.single(
    'rxsteer_imbalance_ratio',
    'gauge',
    'Packets of the fullest worker over a fair share, in the last second; 1 is even.',
    facts.imbalance,
  );
  guestMetrics(out, summary, facts);
  return out.toString();
}

function totalMetrics(out: Exposition, { totals }: Summary): void {
  const counter = (name: string, help: string, value: number) =>
    out.single(`rxsteer_${name}`, 'counter', help, value);
  counter(
    'received_packets_total',
    'Packets received: transmitted + delivered + dropped + in flight.',
    totals.received,
  );
  counter('transmitted_packets_total', 'Packets transmitted.', totals.transmitted);
  counter('delivered_packets_total', 'Packets delivered to sinks and capture writers.', totals.delivered);
  counter('flooded_copies_total', 'Copies of flooded packets beyond the first.', totals.floodedCopies);
  counter('delivered_copies_total', 'Copies delivered beyond the first.', totals.deliveredCopies);
  counter('dropped_copies_total', 'Copies that failed while another arrived.', totals.copiesDropped);
  counter(
    'segment_copies_total',
    'Segments beyond the first of super-frames segmented in software.',
    totals.segmentCopies,
  );
  out.counter(
    'rxsteer_dropped_packets_total',
    'Packets dropped, by reason.',
    Object.entries(totals.dropped).map(([reason, n]) => [{ reason }, n]),
  );
  out.single(
    'rxsteer_in_flight_packets',
    'gauge',
    'Packets received that have not come to their end.',
    totals.inFlight,
  );
  out.single(
    'rxsteer_leaked_frames',
    'gauge',
    'Frames lost from the pool, as far as is known: at the end of the run.',
    totals.framesLeaked,
  );
  counter('unwatched_packets_total', 'Packets that the order ledger had no slot for.', totals.orderUnwatched);
  counter(
    'bad_headers_packets_total',
    'Packets whose headers contradict themselves; forwarded all the same.',
    totals.badHeaders,
  );
  counter('mac_moves_total', 'Addresses seen at another port than before.', totals.macMoves);
}

function orderMetrics(out: Exposition, { totals, orderByClass }: Summary): void {
  const figures = new Map(orderByClass.map((one) => [one.class, one]));
  type Figures = Summary['orderByClass'][number];
  const each = (read: (one: Figures) => number): Sample[] =>
    FLOW_CLASSES.map((name) => {
      const one = figures.get(name);
      return [{ class: name }, one === undefined ? 0 : read(one)];
    });
  out.counter(
    'rxsteer_watched_packets_total',
    'Packets whose order was watched, by class of flow.',
    each((one) => one.frames),
  );
  out.counter(
    'rxsteer_reordered_packets_total',
    'Packets that finished behind a later one of their flow.',
    each((one) => one.reordered),
  );
  out.gauge(
    'rxsteer_reordering_extent_max_packets',
    'The furthest that a packet was late (RFC 4737).',
    each((one) => one.extent.max),
  );
  out.counter(
    'rxsteer_n_reordered_packets_total',
    'Packets with n later ones right before them (RFC 4737).',
    orderByClass.flatMap((one) =>
      one.nReordered.map((count, i): Sample => [{ class: one.class, n: i + 1 }, count]),
    ),
  );
  out.counter('rxsteer_flow_moves_total', "Changes of a flow's worker: done, had to wait, held, given up.", [
    [{ outcome: 'done' }, totals.moves],
    [{ outcome: 'postponed' }, totals.movesPostponed],
    [{ outcome: 'held' }, totals.movesHeld],
    [{ outcome: 'cancelled' }, totals.movesCancelled],
  ]);
  out.counter(
    'rxsteer_flow_move_packets_total',
    'Packets of flows that waited to move: sent to the old worker, or held.',
    [
      [{ fate: 'postponed' }, totals.framesPostponed],
      [{ fate: 'held' }, totals.framesHeld],
    ],
  );
}

function guestMetrics(
  out: Exposition,
  { guestSharing }: Summary,
  { guests, otherGuests }: MetricFacts,
): void {
  out.single(
    'rxsteer_guests',
    'gauge',
    'Unicast destinations that were sent to lately.',
    guestSharing.guests,
  );
  out.single(
    'rxsteer_guests_complete',
    'gauge',
    '0 where there were more than are remembered.',
    guestSharing.complete ? 1 : 0,
  );
  out.single(
    'rxsteer_guest_workers_max',
    'gauge',
    'The most workers that have sent to one guest.',
    guestSharing.workers.max,
  );
  out.single(
    'rxsteer_guest_workers_mean',
    'gauge',
    'Workers that have sent to a guest, on average.',
    guestSharing.workers.mean,
  );
  out.gauge(
    'rxsteer_guest_workers',
    'Workers that have sent to each of the guests that are told apart.',
    guests.map(({ mac, workers }) => [{ mac }, workers]),
  );
  const others = { mac: 'other', ...otherGuests };
  out.counter(
    'rxsteer_guest_packets_total',
    'Packets to and from guests, as the flow census saw them: measured, not accounted.',
    [...guests, others].flatMap(({ mac, toPackets, fromPackets }): Sample[] => [
      [{ mac, direction: 'to' }, toPackets],
      [{ mac, direction: 'from' }, fromPackets],
    ]),
  );
}
