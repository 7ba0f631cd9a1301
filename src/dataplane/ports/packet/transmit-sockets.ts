/**
 * The sockets of the way out of an AF_PACKET port (see `transmit-path.ts`): opened, replaced, published to the workers.
 *
 * Promise: the path is decided when the port is opened, and once more when its device is back after it had vanished.
 * Only one change happens in between: a `direct` port whose device gets a queueing discipline, or further transmit
 * queues, turns to `queued`. What was sent so far is in the device already, so going through the queue from then on
 * keeps order; not the other way round, what waits in the queue would be overtaken. All workers have the sockets of both
 * ways, so they turn together, by one store: a flow that moved to a worker which still goes past the queue would overtake
 * itself.
 *
 * Behind a device made of software another stack may merge what we send (GRO at the far end of a veth), and it has no
 * order between the frames of two sockets (`skb->sk`). So one packet socket sends there for all workers, and super-frames
 * that the device does not take are not left to the kernel, whose segments but the last have lost their socket.
 *
 * Main thread only. Descriptors are this object's until `forget` gives them away.
 */

import type { LinkInfo, Native } from '../../../addon/native.js';
import { openTagMover } from '../../../programs/tag-mover.js';
import { PacketWord } from './data.js';
import type { PacketPortSpec } from './kind.js';
import { OrderRisk } from './order-risk.js';
import {
  chooseTransmit,
  PATH_MASK,
  queues,
  readXps,
  TRANSMIT_PATHS,
  type TransmitPath,
} from './transmit-path.js';

/** Longest MTU whose frames fit into a chunk of an AF_XDP socket: 2048 bytes less the Ethernet header. */
const XSK_MTU_MAX = 2034;
/** XPS is looked for again after this time at least. */
const WATCH_ORDER_MS = 1000;

export class TransmitSockets {
  /** Transmit queues as workers see them: the device's, but where one AF_XDP queue is the only way out. */
  readonly queues: number;
  path: TransmitPath = 'direct';
  /** Why a flow's order is lost on the way out, or was since the port came; empty where it is kept. */
  orderLost = '';
  /** Staging memory of the AF_XDP sockets, by transmit queue; empty where there are none. */
  staging: SharedArrayBuffer[] = [];
  readonly risk = new OrderRisk();
  /** Sockets past the queueing discipline, and through it. */
  private bypassing: number[] = [];
  private queueing: number[] = [];
  private xsk: number[] = [];
  /** The device as it was seen last. */
  private link: LinkInfo | null = null;
  /** It turned to the queue, and `keepOrder` has not followed yet. */
  private turned = false;
  private watchedAt = Number.NEGATIVE_INFINITY;
  /** MTU that the AF_XDP sockets know of. */
  private mtu = 0;
  private opened = false;
  /** Kinds of super-frames (bits of the addon) that the kernel shall not segment for us. */
  private withheld = 0;
  /** What keeps a flow's tagged frames in one queue; null where it is not needed or cannot be had. */
  private tagMover: number | null = null;
  private saidTags = false;

  constructor(
    private readonly native: Native,
    private readonly spec: PacketPortSpec,
    private readonly warn: (message: string) => unknown,
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
    this.risk.begin(link.txQueues);
    this.mtu = link.mtu;
    this.learnOffloads(link);
    this.orderLost ||= choice.orderLost;
    if (choice.warning !== '') this.warn(`port ${spec.name}: ${choice.warning}`);
    // At the start the order is settled by it, see `settleOrder`.
    if (this.opened && choice.orderLost !== '') {
      this.warn(`port ${spec.name}: ${choice.orderLost}; order is not kept there`);
    }
    this.opened = true;
    this.link = link;
    if (choice.path === 'queued' && link.txQueues > 1) this.moveTags(link);
    if (choice.path === 'queued' || choice.path === 'direct') this.openQueueing(link);
    if (choice.path !== 'direct' && choice.path !== 'bypass') return;
    for (let q = 0; q < this.sockets(link); q++) {
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

  /** One per transmit queue where that is safe: workers do not share a send buffer then. */
  private sockets({ kind }: LinkInfo): number {
    return kind === null ? this.queues : 1;
  }

  private learnOffloads({ kind, index }: LinkInfo): void {
    this.withheld = kind === null ? 0 : this.native.deviceLacks(index);
  }

  /**
   * Looks after order on a path that was chosen for what the device was then: XPS, or queues beside the one that is gone
   * past, may have come. What was lost stays so.
   */
  private watchOrder(link: LinkInfo): void {
    if (this.path === 'queued' && link.txQueues > 1) this.moveTags(link);
    // It names its queue.
    if (this.path === 'af_xdp' || this.orderLost !== '') return;
    const bypass = this.path === 'bypass';
    const { orderLost } = chooseTransmit({ link, xps: readXps(link), bypass, xsk: false });
    if (orderLost === '') return;
    this.orderLost = orderLost;
    this.warn(`port ${this.spec.name}: order is lost from now on: ${orderLost}`);
  }

  /** See `openTagMover`. */
  private moveTags({ name, index, txQueues }: LinkInfo): void {
    if (this.tagMover !== null || this.saidTags) return;
    this.tagMover = openTagMover(this.native, index);
    if (this.tagMover !== null) return;
    this.saidTags = true;
    this.warn(
      `${name} (port ${this.spec.name}) has ${txQueues} transmit queues, and the kernel refuses the program that keeps a flow's VLAN-tagged frames in one of them (Linux 6.6, CAP_BPF, CAP_NET_ADMIN): tagged frames may overtake each other, unless it has one (ethtool -L ${name})`,
    );
  }

  private openQueueing(link: LinkInfo): void {
    for (let q = 0; q < this.sockets(link); q++) {
      this.queueing.push(this.native.openPacketSend({ ifindex: link.index, bypass: false }));
    }
  }

  /** Follows the device: its MTU, its offloads, and whether it has a queue now that a `direct` port goes past. */
  follow(link: LinkInfo): void {
    this.link = link;
    if (this.mtu !== link.mtu) {
      for (const fd of this.xsk) this.native.setXskMtu(fd, link.mtu);
      this.mtu = link.mtu;
    }
    this.learnOffloads(link);
    this.risk.see(link.txQueues);
    if (this.path !== 'direct' || (!queues(link.qdisc) && link.txQueues <= 1)) return;
    this.path = 'queued';
    this.turned = true;
    this.warn(
      `${link.name} (port ${this.spec.name}) has ${link.txQueues} transmit queue(s) and the queueing discipline ${link.qdisc} now: its frames go through that`,
    );
  }

  /** See `LivePort.assure`. */
  assure(sent: number, at: number): void {
    if (!this.turned) this.risk.assure(sent, at);
  }

  /**
   * What order needs beyond the path, and may take the kernel some time: to be called when senders know of the path
   * (`tell`). `sent` says how many frames they have sent. Of XPS nobody tells: it is looked for once a second at most.
   */
  keepOrder(sent: () => number): void {
    const now = performance.now();
    if (this.link === null || (!this.turned && now - this.watchedAt < WATCH_ORDER_MS)) return;
    this.watchedAt = now;
    this.watchOrder(this.link);
    if (this.turned) this.risk.turned(sent());
    this.turned = false;
  }

  /** Writes descriptors and path to the port's words. */
  publish(words: Int32Array): void {
    const { bypassing, queueing } = this;
    for (let q = 0; q < this.queues; q++) {
      words[PacketWord.send + q] = bypassing[q % bypassing.length] ?? -1;
      words[PacketWord.sendQueued + q] = queueing[q % queueing.length] ?? -1;
    }
    words.set(this.xsk, PacketWord.sendXsk);
    this.tell(words);
  }

  /** Writes the path, and what the last look at the device's offloads means, for senders. */
  tell(words: Int32Array): void {
    // Where it stays the same, what senders have noted beside it stays, too.
    const path = TRANSMIT_PATHS.indexOf(this.path);
    if ((words[PacketWord.path]! & PATH_MASK) !== path) Atomics.store(words, PacketWord.path, path);
    Atomics.store(words, PacketWord.withheld, this.withheld);
  }

  /** Gives all descriptors away. */
  forget(): number[] {
    const all = [...this.bypassing, ...this.queueing, ...this.xsk];
    this.bypassing = [];
    this.queueing = [];
    this.xsk = [];
    this.link = null;
    if (this.tagMover !== null) all.push(this.tagMover);
    this.tagMover = null;
    return all;
  }
}
