/**
 * The receive queues of one device, and which of them a packet's settings come from.
 *
 * Promise: pure; queues are looked up as `netif_get_rxqueue` does.
 */
import { RPS_NONE, type RpsQueue } from './rps.js';

/**
 * `queue_mapping` of a received packet holds the queue number plus 1; 0 means "not recorded". Returns the queue,
 * or -1. A veth pair without NAPI leaves the sender's transmit queue number there, so that its transmit queue k
 * uses the settings of receive queue k - 1 (and 0 those of queue 0).
 */
export function recordedRxQueue(queueMapping: number): number {
  return queueMapping - 1;
}

export class RpsDevice {
  /** Packets that named a queue beyond the last one (the kernel warns once). */
  badQueue = 0;

  /** @param queues one per `real_num_rx_queues`. */
  constructor(readonly queues: readonly RpsQueue[]) {}

  /** The queue whose map and flow table apply, or null when the recorded queue does not exist. */
  queueOf(recorded: number): RpsQueue | null {
    if (recorded < 0) return this.queues[0] ?? null;
    const queue = this.queues[recorded];
    if (queue !== undefined) return queue;
    this.badQueue++;
    return null;
  }

  /** The CPU for a packet, or `RPS_NONE`. `recorded` is -1 when no queue was recorded. */
  steer(recorded: number, hash: number, heads: Int32Array): number {
    return this.queueOf(recorded)?.steer(hash, heads) ?? RPS_NONE;
  }
}
