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

/** The receive queues of a device, chosen by the queue that was recorded in a packet. */
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

/** How a driver hands packets up; it decides what "not steered" means. */
export type ReceivePath = 'netif_rx' | 'netif_receive_skb' | 'netif_receive_skb_core';

/**
 * Where a packet is processed: on which CPU, and whether it passes that CPU's backlog. `netif_rx` (veth without
 * NAPI, loopback) always uses a backlog, the current CPU's when nothing is steered; `netif_receive_skb` (NAPI
 * drivers, tun) processes an unsteered packet on the spot, and a steered one through a backlog even when it is the
 * current CPU's; `netif_receive_skb_core` ignores RPS.
 *
 * @param cpu result of `steer`.
 * @param here the CPU that runs the receive path.
 */
export function receiveOn(path: ReceivePath, cpu: number, here: number): { cpu: number; backlog: boolean } {
  if (path === 'netif_receive_skb_core') return { cpu: here, backlog: false };
  if (cpu >= 0) return { cpu, backlog: true };
  return { cpu: here, backlog: path === 'netif_rx' };
}

/**
 * The order in which the current CPU deals with a list (`netif_receive_skb_list`): steered packets leave at once,
 * the others are processed as a batch after the last one. Returns indices.
 */
export function receiveListOrder(cpus: readonly number[]): number[] {
  const all = cpus.map((_, i) => i);
  return [...all.filter((i) => cpus[i]! >= 0), ...all.filter((i) => cpus[i]! < 0)];
}

/** RPS is asked at all when any queue of any device has a map, or the socket flow table exists (`rps_needed`). */
export function rpsNeeded(queues: Iterable<RpsQueue>, sockTable: boolean): boolean {
  if (sockTable) return true;
  for (const queue of queues) if (queue.map !== undefined) return true;
  return false;
}
