/**
 * The sockets of the way out of an AF_PACKET port (see `transmit-path.ts`): opened, replaced, published to the workers.
 *
 * Promise: the path is decided when the port is opened, and once more when its device is back after it had vanished.
 * Only one change happens in between: a `direct` port whose device gets a queueing discipline, or further transmit
 * queues, turns to `queued`. What was sent so far is in the device already, so going through the queue from then on
 * keeps order; not the other way round, what waits in the queue would be overtaken.
 *
 * Main thread only. Descriptors are this object's until `forget` gives them away.
 */
import { PORT_FDS, PortFd } from '../engine-memory.js';
import type { LinkInfo, Native } from '../native.js';
import type { PacketPortSpec } from './port-spec.js';
import { chooseTransmit, queues, readXps, TRANSMIT_PATHS, type TransmitPath } from './transmit-path.js';

/** Longest MTU whose frames fit into a chunk of an AF_XDP socket: 2048 bytes less the Ethernet header. */
const XSK_MTU_MAX = 2034;

export class TransmitSockets {
  /** Transmit queues as workers see them: the device's, but where one AF_XDP queue is the only way out. */
  readonly queues: number;
  path: TransmitPath = 'direct';
  /** Why a flow's order is lost on the way out; empty where it is kept. */
  orderLost = '';
  /** Staging memory of the AF_XDP sockets, by transmit queue; empty where there are none. */
  staging: SharedArrayBuffer[] = [];
  /** Sockets past the queueing discipline, and through it. */
  private bypassing: number[] = [];
  private queueing: number[] = [];
  private xsk: number[] = [];
  /** The sockets through the queue are open, and workers are about to have them: see `turn`. */
  private turning = false;
  /** MTU that the AF_XDP sockets know of. */
  private mtu = 0;
  private opened = false;

  constructor(
    private readonly native: Native,
    private readonly spec: PacketPortSpec,
    private readonly warn: (message: string) => void,
    link: LinkInfo,
  ) {
    const own = spec.txQueues > 0 ? spec.txQueues : Math.max(1, link.txQueues);
    this.queues = this.choose(link).path === 'af_xdp' ? 1 : own;
  }

  private choose(link: LinkInfo) {
    // Chunks of an AF_XDP socket hold ordinary frames only.
    const xsk = this.spec.xsk && this.staging.length === 0 && link.mtu <= XSK_MTU_MAX;
    return chooseTransmit({ link, xps: readXps(link), bypass: this.spec.bypass, xsk });
  }

  /** Decides on the way out and opens its sockets. @throws Error; what was opened is there for `forget` */
  open(link: LinkInfo): void {
    const { spec } = this;
    let choice = this.choose(link);
    if (choice.path === 'af_xdp' && (this.queues > 1 || !this.openXsk(link, 1))) {
      choice = chooseTransmit({ link, xps: readXps(link), bypass: spec.bypass, xsk: false });
    }
    this.path = choice.path;
    this.mtu = link.mtu;
    this.orderLost = choice.orderLost;
    if (choice.warning !== '') this.warn(`port ${spec.name}: ${choice.warning}`);
    // At the start the order is settled by it, see `settleOrder`.
    if (this.opened && choice.orderLost !== '') {
      this.warn(`port ${spec.name}: ${choice.orderLost}; order is not kept there`);
    }
    this.opened = true;
    if (choice.path === 'queued') this.openQueueing(link);
    if (choice.path !== 'direct' && choice.path !== 'bypass') return;
    for (let q = 0; q < this.queues; q++) {
      this.bypassing.push(this.native.openPacketSend({ ifindex: link.index, bypass: true }));
    }
    // Beside a socket that takes another queue than its own an AF_XDP socket would break order.
    if (spec.xsk && link.txQueues <= 1) this.openXsk(link, this.queues);
  }

  /**
   * AF_XDP sockets, one per transmit queue of the device: a kernel, a device or another program in the way is no error,
   * then the answer is false. Staging memory belongs to one socket for good (workers may still use the old one's), so a
   * device that comes back after it vanished is sent to through packet sockets only.
   */
  private openXsk(link: LinkInfo, count: number): boolean {
    if (this.staging.length > 0) return false;
    const staging: SharedArrayBuffer[] = [];
    try {
      for (let q = 0; q < Math.min(count, Math.max(1, link.txQueues)); q++) {
        const memory = new SharedArrayBuffer(this.native.xskStagingBytes);
        this.xsk.push(this.native.openXskSend(link.index, q, new Uint8Array(memory)));
        staging.push(memory);
      }
      this.staging = staging;
      return true;
    } catch {
      for (const fd of this.xsk.splice(0)) this.native.closeDescriptor(fd);
      return false;
    }
  }

  private openQueueing(link: LinkInfo): void {
    for (let q = 0; q < this.queues; q++) {
      this.queueing.push(this.native.openPacketSend({ ifindex: link.index, bypass: false }));
    }
  }

  /**
   * Follows the device: its MTU, and whether it has a queue now that a `direct` port goes past. True when sockets were
   * opened that workers are to have before `turn`: a flow that moved to a worker which still goes past the queue would
   * overtake itself.
   */
  follow(link: LinkInfo): boolean {
    if (this.mtu !== link.mtu) {
      for (const memory of this.staging) this.native.setXskMtu(new Uint8Array(memory), link.mtu);
      this.mtu = link.mtu;
    }
    if (this.path !== 'direct' || this.turning || (!queues(link.qdisc) && link.txQueues <= 1)) return false;
    this.openQueueing(link);
    this.turning = true;
    this.warn(
      `${link.name} (port ${this.spec.name}) has ${link.txQueues} transmit queue(s) and the queueing discipline ${link.qdisc} now: its frames go through that`,
    );
    return true;
  }

  /** All workers have the sockets of the queue: from now on they send through it, all at once. */
  turn(portFds: Int32Array, port: number): void {
    if (!this.turning) return;
    this.turning = false;
    this.path = 'queued';
    Atomics.store(portFds, port * PORT_FDS + PortFd.path, TRANSMIT_PATHS.indexOf(this.path));
  }

  /** Writes descriptors and path to the port's words of `portFds`, whose first is at `base`. */
  publish(portFds: Int32Array, base: number): void {
    portFds.set(this.bypassing, base + PortFd.send);
    portFds.set(this.queueing, base + PortFd.sendQueued);
    portFds.set(this.xsk, base + PortFd.sendXsk);
    portFds[base + PortFd.path] = TRANSMIT_PATHS.indexOf(this.path);
  }

  /** Gives all descriptors away. */
  forget(): number[] {
    const all = [...this.bypassing, ...this.queueing, ...this.xsk];
    this.bypassing = [];
    this.queueing = [];
    this.xsk = [];
    this.turning = false;
    return all;
  }
}
