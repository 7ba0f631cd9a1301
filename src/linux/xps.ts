/**
 * Transmit queue choice: XPS maps, the socket's cached queue, the hash (`netdev_core_pick_tx`, `netdev_pick_tx`,
 * `get_xps_queue`, `skb_tx_hash`, `__netif_set_xps_queue`).
 *
 * Promise: the queue that the kernel picks, with the reason. The maps remember the order in which they were
 * configured, because the kernel does: the same masks written in another order can give another queue.
 */
import { UserError } from '../errors.js';
import { rscale } from './arith.js';

/** XPS lists by CPU (`xps_cpus`) or by receive queue (`xps_rxqs`), per traffic class. */
export class XpsMap {
  private readonly lists: number[][];

  /** @param ids number of CPU ids or receive queues. */
  constructor(
    readonly ids: number,
    readonly classes = 1,
  ) {
    this.lists = Array.from({ length: ids * classes }, () => []);
  }

  /** Any list has an entry. */
  get used(): boolean {
    return this.lists.some((list) => list.length > 0);
  }

  /** Transmit queues of a key in map order. */
  list(key: number, trafficClass = 0): readonly number[] {
    return this.lists[key * this.classes + trafficClass] ?? [];
  }

  /**
   * Writes a queue's mask: the queue is appended to lists that lack it and taken out of the others, where the last
   * element moves into the hole.
   *
   * @param options.online only these keys are entered (CPUs that are offline are ignored); default all.
   */
  set(
    queue: number,
    keys: readonly number[],
    options: { online?: readonly number[]; tc?: number } = {},
  ): void {
    const tc = options.tc ?? 0;
    for (const key of keys)
      if (key < 0 || key >= this.ids) throw new UserError(`xps mask: ${key} is not in 0-${this.ids - 1}`);
    for (let key = 0; key < this.ids; key++) {
      const list = this.lists[key * this.classes + tc]!;
      const at = list.indexOf(queue);
      const wanted = keys.includes(key) && (options.online?.includes(key) ?? true);
      if (wanted && at < 0) list.push(queue);
      else if (!wanted && at >= 0) removeAt(list, at);
    }
  }

  /** The mask that reads back for a queue. */
  keysOf(queue: number, tc = 0): number[] {
    return Array.from({ length: this.ids }, (_, key) => key).filter((key) =>
      this.list(key, tc).includes(queue),
    );
  }

  /** The device has `queues` transmit queues from now on: higher ones leave all lists. */
  shrink(queues: number): void {
    for (const list of this.lists)
      for (let at = list.length - 1; at >= 0; at--) if (list[at]! >= queues) removeAt(list, at);
  }
}

function removeAt(list: number[], at: number): void {
  list[at] = list.at(-1)!;
  list.pop();
}

/** What of a packet matters. */
export interface TxPacket {
  /** For a local socket its random `sk_txhash`, not a hash of the headers. */
  readonly hash: number;
  /** CPU that sends (`sender_cpu`, or the current one). */
  readonly cpu: number;
  /** Receive queue of a forwarded packet; -1 for none. Default -1. */
  readonly rxQueue?: number;
  /** `skb->priority`, for the traffic class. Default 0. */
  readonly priority?: number;
  /** Nothing of this TCP flow is queued below the socket. Default false. */
  readonly oooOkay?: boolean;
}

/** What of a sending socket matters; `cachedQueue` is written. */
export interface TxSocket {
  /** -1 = none. */
  cachedQueue: number;
  /** Receive queue of its last received packet; -1 for none. */
  readonly rxQueue: number;
  /** The socket has a cached route (only then is the queue remembered). */
  readonly hasRoute: boolean;
}

/** Which rule chose the queue; `capped`: it was beyond the last, so queue 0. */
export type TxReason =
  | 'single'
  | 'driver'
  | 'cached'
  | 'xps-rxqs'
  | 'xps-cpus'
  | 'rx-queue'
  | 'hash'
  | 'capped';

/** Transmit queues `offset` … `offset + count - 1` of a traffic class. */
export interface TrafficClass {
  readonly offset: number;
  readonly count: number;
}

/** What of a device matters for the choice of a transmit queue. */
export interface TxDevice {
  realNumTxQueues: number;
  readonly cpus?: XpsMap;
  readonly rxqs?: XpsMap;
  readonly classes?: readonly TrafficClass[];
  /** Traffic class of a priority 0-15. Default: all 0. */
  readonly priorityToClass?: readonly number[];
  /** The driver's own choice (`ndo_select_queue`); tun has one. */
  readonly select?: (packet: TxPacket) => number;
}

/** Picks the transmit queue of a packet and remembers it in the socket where the kernel does. */
export function pickTxQueue(
  device: TxDevice,
  packet: TxPacket,
  socket: TxSocket | null = null,
): { queue: number; reason: TxReason } {
  if (device.realNumTxQueues === 1) return { queue: 0, reason: 'single' };
  const picked =
    device.select === undefined
      ? pickInKernel(device, packet, socket)
      : { queue: device.select(packet), reason: 'driver' as const };
  return picked.queue >= device.realNumTxQueues ? { queue: 0, reason: 'capped' } : picked;
}

function pickInKernel(
  device: TxDevice,
  packet: TxPacket,
  socket: TxSocket | null,
): { queue: number; reason: TxReason } {
  const cached = socket?.cachedQueue ?? -1;
  if (cached >= 0 && packet.oooOkay !== true && cached < device.realNumTxQueues)
    return { queue: cached, reason: 'cached' };
  const picked = xpsQueue(device, packet, socket) ?? txHash(device, packet);
  if (socket?.hasRoute === true) socket.cachedQueue = picked.queue;
  return picked;
}

function classOf(device: TxDevice, packet: TxPacket): number {
  return device.priorityToClass?.[(packet.priority ?? 0) & 15] ?? 0;
}

function xpsQueue(
  device: TxDevice,
  packet: TxPacket,
  socket: TxSocket | null,
): { queue: number; reason: TxReason } | null {
  const tc = classOf(device, packet);
  const lookup = (map: XpsMap | undefined, key: number): number => {
    if (map === undefined || tc >= map.classes || key < 0 || key >= map.ids) return -1;
    const list = map.list(key, tc);
    if (list.length === 0) return -1;
    const queue = list.length === 1 ? list[0]! : list[rscale(packet.hash, list.length)]!;
    return queue >= device.realNumTxQueues ? -1 : queue;
  };
  const byRx = lookup(device.rxqs, socket?.rxQueue ?? -1);
  if (byRx >= 0) return { queue: byRx, reason: 'xps-rxqs' };
  const byCpu = lookup(device.cpus, packet.cpu);
  return byCpu >= 0 ? { queue: byCpu, reason: 'xps-cpus' } : null;
}

/** `skb_tx_hash`: the receive queue of a forwarded packet, folded into range, else the hash. */
export function txHash(device: TxDevice, packet: TxPacket): { queue: number; reason: TxReason } {
  let offset = 0;
  let count = device.realNumTxQueues;
  const tc = device.classes?.[classOf(device, packet)];
  if (tc !== undefined && tc.count > 0) ({ offset, count } = tc);
  const rx = packet.rxQueue ?? -1;
  if (rx >= 0) return { queue: offset + ((rx >= offset ? rx - offset : rx) % count), reason: 'rx-queue' };
  return { queue: offset + rscale(packet.hash, count), reason: 'hash' };
}
