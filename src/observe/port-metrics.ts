/**
 * Metrics of ports and their receive queues.
 *
 * Promise: pure; a port's series are named after it, and count all that had its name; those of a port that was removed stand
 * still, as long as the summary lists it.
 */
import type { Summary } from '../dataplane/engine/summary.js';
import type { Exposition, Sample } from './exposition.js';
import { namedPorts } from './named-ports.js';

type Port = Summary['ports'][number];

/** @param down names of ports that are not up */
export function portMetrics(out: Exposition, ports: readonly Port[], down: ReadonlySet<string>): void {
  const named = namedPorts(ports);
  const there = named.flatMap((port) => port.there ?? []);
  const each = (read: (port: Port) => number): Sample[] =>
    named.map(({ name, all }) => [{ port: name }, read(all)]);
  const byQueue = (queue: 'packets' | 'bytes'): Sample[] =>
    named.flatMap(({ name, all }) => all.queues.map((q): Sample => [{ port: name, queue: q.id }, q[queue]]));
  const p = 'rxsteer_port';
  out.gauge(
    `${p}_up`,
    '1 where what is behind the port can be reached.',
    there.map(({ name, kind }) => [{ port: name, kind }, down.has(name) ? 0 : 1]),
  );
  out.gauge(
    `${p}_queue_info`,
    'The worker that polls each receive queue; always 1.',
    there.flatMap((port) =>
      port.queues.map((q): Sample => [{ port: port.name, queue: q.id, worker: q.worker }, 1]),
    ),
  );
  out.counter(`${p}_receive_packets_total`, 'Packets received.', byQueue('packets'));
  out.counter(`${p}_receive_bytes_total`, 'Bytes received.', byQueue('bytes'));
  out.counter(
    `${p}_kernel_drops_total`,
    'Packets that the kernel dropped before they could be received.',
    each(({ rx }) => rx.kernelDrops),
  );
  out.counter(
    `${p}_unread_packets_total`,
    'Of the kernel drops: those left in the queues of a closed port.',
    each(({ rx }) => rx.unread),
  );
  out.counter(
    `${p}_inexpressible_packets_total`,
    'Of the kernel drops: super-frames that virtio-net has no type for.',
    each(({ rx }) => rx.inexpressible),
  );
  out.counter(
    `${p}_ring_resets_total`,
    'Receive sockets replaced because the kernel gave up their ring.',
    each(({ rx }) => rx.ringResets),
  );
  out.counter(
    `${p}_absurd_packets_total`,
    'Packets dropped for an offload header that nobody sends.',
    each(({ rx }) => rx.absurd),
  );
  out.counter(
    `${p}_flood_limited_packets_total`,
    'Packets not flooded, to all or some ports, for want of budget.',
    each(({ rx }) => rx.floodLimited),
  );
  out.counter(
    `${p}_spoofed_packets_total`,
    "Packets dropped because they named addresses that are not the port's.",
    each(({ rx }) => rx.spoofed),
  );
  out.counter(
    `${p}_receive_too_long_packets_total`,
    'Packets received that exceed the largest slot.',
    each(({ rx }) => rx.tooLong),
  );
  out.counter(
    `${p}_transmit_packets_total`,
    'Packets sent.',
    each(({ tx }) => tx.packets),
  );
  out.counter(
    `${p}_transmit_bytes_total`,
    'Bytes sent.',
    each(({ tx }) => tx.bytes),
  );
  out.counter(
    `${p}_transmit_errors_total`,
    'Packets that could not be sent.',
    each(({ tx }) => tx.errors),
  );
  out.counter(
    `${p}_transmit_too_long_packets_total`,
    'Of the errors: packets that exceed the MTU.',
    each(({ tx }) => tx.tooLong),
  );
  out.counter(
    `${p}_transmit_unsegmentable_packets_total`,
    'Of the errors: super-frames that cannot be taken whole nor segmented.',
    each(({ tx }) => tx.unsegmentable),
  );
  out.counter(
    `${p}_delivered_packets_total`,
    'Packets that a sink or capture writer took.',
    each(({ delivered }) => delivered.packets),
  );
  out.counter(
    `${p}_delivered_bytes_total`,
    'Bytes that a sink or capture writer took.',
    each(({ delivered }) => delivered.bytes),
  );
  out.counter(
    `${p}_worker_transmit_packets_total`,
    'Packets that each worker sent or delivered to the port.',
    named.flatMap(({ name, all }) => all.txByWorker.map((n, worker): Sample => [{ port: name, worker }, n])),
  );
  out.counter(
    `${p}_consumer_moves_total`,
    'Times that the consumer behind the port was seen on another worker.',
    there.flatMap(({ name, consumer }): Sample[] =>
      consumer === null ? [] : [[{ port: name, rule: consumer.rule }, consumer.moves]],
    ),
  );
  out.gauge(
    `${p}_consumer_worker`,
    'The worker that the consumer behind the port runs on; absent where unknown.',
    there.flatMap(({ name, consumer }): Sample[] =>
      consumer === null ? [] : [[{ port: name, rule: consumer.rule }, consumer.worker]],
    ),
  );
}
