/**
 * Received packets by queue, from the output of `ethtool -S`: what to hold a prediction against.
 *
 * Promise: knows the names that drivers of Linux give to per-queue counters (below), adds up what one queue counts in
 * several lines (unicast, multicast, broadcast), and takes the difference of two outputs, of one file or of two. What
 * has no counter of a queue in it is a UserError. Pure.
 *
 * Sources: the `get_strings` and `get_ethtool_stats` functions of the drivers in drivers/net of Linux 6.12.
 */
import { UserError } from '../errors.js';

/** What one receive queue has counted; bytes are null where the driver does not count them. */
export interface QueueCounter {
  readonly id: number;
  readonly packets: number;
  readonly bytes: number | null;
}

interface Form {
  readonly name: RegExp;
  readonly what: 'packets' | 'bytes';
}

const packets = (name: RegExp): Form => ({ name, what: 'packets' });
const bytes = (name: RegExp): Form => ({ name, what: 'bytes' });

/** Names of counters, the queue in brackets. */
const FORMS: readonly Form[] = [
  // ixgbe, igb, igc, ice, virtio_net until 6.8, hv_netvsc, nfp's successors.
  packets(/^rx_queue_(\d+)_packets$/),
  bytes(/^rx_queue_(\d+)_bytes$/),
  // mlx5_core, mlx4_en, virtio_net from 6.9.
  packets(/^rx_?(\d+)_packets$/),
  bytes(/^rx_?(\d+)_bytes$/),
  // i40e, iavf; older ones with rx_ before the name.
  packets(/^rx-(\d+)\.(?:rx_)?packets$/),
  bytes(/^rx-(\d+)\.(?:rx_)?bytes$/),
  // ena.
  packets(/^queue_(\d+)_rx_cnt$/),
  bytes(/^queue_(\d+)_rx_bytes$/),
  // bnxt_en, tg3, qede.
  packets(/^\[(\d+)\]: ?rx_(?:ucast|mcast|bcast)_packets$/),
  bytes(/^\[(\d+)\]: ?rx_(?:ucast|mcast|bcast)_bytes$/),
  packets(/^(\d+): ?rcv_pkts$/),
  // gve, cxgb4's kind.
  packets(/^rx_packets\[(\d+)\]$/),
  bytes(/^rx_bytes\[(\d+)\]$/),
  // atlantic, nfp, stmmac, mvneta's kind.
  packets(/^Queue\[(\d+)\] InPackets$/),
  packets(/^rvec_(\d+)_rx_pkts$/),
  packets(/^q(\d+)_rx_pkt_n$/),
];

/** Lines of one output that say what a queue received. */
const LINE = /^\s*(\[?\d*\]?:? ?\S.*?):\s*(\d+)\s*$/;
/** The line that each output begins with. */
const HEADER = /^(?:NIC|Interface) statistics.*:\s*$/i;

interface Sums {
  packets: number;
  bytes: number | null;
}

function countersOf(lines: readonly string[]): Map<number, Sums> {
  const found = new Map<number, Sums>();
  for (const line of lines) {
    const match = LINE.exec(line);
    if (match === null) continue;
    for (const { name, what } of FORMS) {
      const queue = name.exec(match[1]!);
      if (queue === null) continue;
      const id = Number(queue[1]);
      const sums = found.get(id) ?? { packets: 0, bytes: null };
      sums[what] = (sums[what] ?? 0) + Number(match[2]);
      found.set(id, sums);
      break;
    }
  }
  return found;
}

/** The outputs that a text holds: each begins with its header; a text without one is one output. */
function outputs(text: string): string[][] {
  const parts: string[][] = [[]];
  for (const line of text.split('\n')) {
    if (HEADER.test(line) && parts.at(-1)!.length > 0) parts.push([]);
    if (line.trim() !== '') parts.at(-1)!.push(line);
  }
  return parts.filter((lines) => lines.length > 0);
}

/**
 * What each queue received: the counters of one output (since the driver started), or what was added between two.
 *
 * @param texts one or two outputs of `ethtool -S DEV`, before and after, in one text or in two
 * @param place for messages
 * @throws UserError where there is no counter of a queue, or one that fell
 */
export function queueCounters(texts: readonly string[], place: string): QueueCounter[] {
  const all = texts.flatMap(outputs).map(countersOf);
  if (all.length === 0 || all.some((counters) => counters.size === 0)) {
    throw new UserError(
      `${place}: no counter of a receive queue (rx_queue_0_packets, rx0_packets, rx-0.packets, queue_0_rx_cnt …): the output of ethtool -S DEV is expected`,
    );
  }
  if (all.length > 2)
    throw new UserError(`${place}: ${all.length} outputs of ethtool -S; one, or two (before and after)`);
  const last = all.at(-1)!;
  const first = all.length === 2 ? all[0]! : new Map<number, Sums>();
  return [...last]
    .sort(([a], [b]) => a - b)
    .map(([id, now]) => {
      const then = first.get(id);
      const added = now.packets - (then?.packets ?? 0);
      if (added < 0) {
        throw new UserError(
          `${place}: queue ${id} has fewer packets after than before: the outputs are exchanged, or the driver was reset`,
        );
      }
      return {
        id,
        packets: added,
        bytes: now.bytes === null ? null : Math.max(0, now.bytes - (then?.bytes ?? 0)),
      };
    });
}
