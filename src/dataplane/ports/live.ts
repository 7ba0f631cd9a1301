/**
 * The main thread's side of a live port (AF_PACKET or TAP): opens the descriptors that the workers duplicate,
 * watches the interface, reads the kernel's drop counters.
 *
 * Promise: opening either succeeds completely or throws one UserError line and leaves nothing open. A device that
 * goes down, vanishes or comes back is noticed by `check`, reported once per change, and picked up again; the
 * descriptors of a vanished device are replaced, never reused.
 *
 * Descriptors are opened by the main thread, not by the workers: the order in which sockets join a fanout group
 * is then the order of the queues, frames wait in the kernel while a dead worker is restarted, and a TAP's queue
 * does not come and go with a thread.
 */
import { UserError } from '../../errors.js';
import { PORT_FDS, PortFd } from '../engine-memory.js';
import type { LinkInfo, Native, ReceiveGuard } from '../native.js';
import { privilegesDropped } from '../privileges.js';
import type { DeviceCounters } from './device-counters.js';
import { KernelDrops } from './kernel-drops.js';
import type { PacketPortSpec, TapPortSpec } from './port-spec.js';
import { DEFAULT_RECEIVE_MIB, type ReceiveShare, receiveShare } from './receive-memory.js';
import { chooseTransmit, queues, readXps, TRANSMIT_PATHS, type TransmitPath } from './transmit-path.js';

/** Longest MTU whose frames fit into a chunk of an AF_XDP socket: 2048 bytes less the Ethernet header. */
const XSK_MTU_MAX = 2034;

export type LiveSpec = PacketPortSpec | TapPortSpec;

/** What changed at the last check: descriptors were replaced (workers must attach anew), or only the link's state. */
export type LinkChange = 'none' | 'state' | 'descriptors';

/** Descriptors that were replaced. `receive`: frames may lie there that no worker has taken. */
export interface OldDescriptors {
  readonly receive: readonly number[];
  readonly others: readonly number[];
}

const NONE: OldDescriptors = { receive: [], others: [] };

/** `ring=` was given. */
function ringGiven({ text }: PacketPortSpec): boolean {
  return /,ring=/.test(text);
}

export class LivePort {
  /** Receive and transmit queues, fixed when the port is first opened. */
  readonly rxQueues: number;
  readonly txQueues: number;
  /** This program made the interface: it goes away with the last descriptor. */
  readonly created: boolean;
  /** Order of a flow's frames is lost before they reach us, and why; empty where it is kept. */
  orderLost = '';
  /** Why `order=strict` cannot be promised; empty where it can. */
  strictRefused = '';
  state: 'up' | 'down' | 'gone' = 'up';
  /** The link is up and (unless it is a TAP) has carrier, at the last look. */
  carrier = true;
  private carrierShown = true;
  private carrierNoted = true;
  private saidLost = false;
  private index: number;
  private receiveFds: number[] = [];
  /** Sockets past the queueing discipline, and through it. */
  private sendFds: number[] = [];
  private queuedFds: number[] = [];
  private xskFds: number[] = [];
  /** The way out of an AF_PACKET port; null for a TAP. */
  path: TransmitPath | null = null;
  /** The sockets through the queue are open, and workers are about to have them: see `turn`. */
  turning = false;
  /**
   * Kinds of super-frames (bits of the addon) that the kernel shall not segment for us: those that a device made of
   * software does not take. Segments made by the kernel have lost their socket, all but the last, and the GRO of a veth's
   * far end does not keep them in one order with frames that have it.
   */
  private withheld = 0;
  /** What carries a flow's tagged frames to one queue; null where it is not needed or cannot be had. */
  private tagMover: number | null = null;
  private saidTags = false;
  private saidXps = false;
  /** MTU that the AF_XDP sockets know of. */
  private mtuKnown = 0;
  /** Staging memory of the AF_XDP sockets, by transmit queue; empty where there are none. */
  staging: SharedArrayBuffer[] = [];
  /** Before all receive rings of the port, for as long as it is open; null where the kernel does not allow one. */
  private readonly guard: ReceiveGuard | null;
  private readonly drops: KernelDrops;
  /** Receive sockets that were replaced because the kernel had given up their ring. */
  ringResets = 0;

  constructor(
    private readonly native: Native,
    readonly spec: LiveSpec,
    private readonly devices: DeviceCounters,
    private readonly warn: (message: string) => void,
    private share: ReceiveShare = receiveShare(DEFAULT_RECEIVE_MIB, spec.queues),
  ) {
    const before = native.linkInfo(spec.interface);
    if (spec.kind === 'af_packet') {
      const link = this.requireLink(before);
      if (spec.fanout === 'qm' && spec.queues > link.rxQueues) {
        throw new UserError(
          `--port ${spec.name}: queues=${spec.queues}: ${spec.interface} has ${link.rxQueues} receive queue(s), and fanout=qm follows them`,
        );
      }
      this.txQueues = this.packetQueues(spec, link);
    } else {
      this.txQueues = spec.queues;
    }
    this.rxQueues = spec.queues;
    this.created = spec.kind === 'tap' && before === null;
    this.index = -1;
    this.guard = spec.kind === 'af_packet' ? native.openReceiveGuard() : null;
    this.drops = new KernelDrops(native, spec.interface, this.guard, devices);
    try {
      this.open(before);
      this.warnings();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private requireLink(link: LinkInfo | null): LinkInfo {
    const { name, interface: device } = this.spec;
    if (link === null) throw new UserError(`--port ${name}: there is no interface "${device}"`);
    if (!link.up) {
      throw new UserError(`--port ${name}: interface ${device} is down (ip link set ${device} up)`);
    }
    return link;
  }

  /** Transmit queues as workers see them: the device's, but where one AF_XDP queue is the only way out. */
  private packetQueues(spec: PacketPortSpec, link: LinkInfo): number {
    const { path } = this.choose(spec, link);
    if (path === 'af_xdp') return 1;
    return spec.txQueues > 0 ? spec.txQueues : Math.max(1, link.txQueues);
  }

  private choose(spec: PacketPortSpec, link: LinkInfo) {
    // Chunks of an AF_XDP socket hold ordinary frames only.
    const xsk = spec.xsk && this.staging.length === 0 && link.mtu <= XSK_MTU_MAX;
    return chooseTransmit({ link, xps: readXps(link), bypass: spec.bypass, xsk });
  }

  /** Opens all descriptors; on failure closes what was opened. */
  private open(link: LinkInfo | null): void {
    try {
      if (this.spec.kind === 'tap') this.openTap(this.spec);
      else this.openPacket(this.spec, link!);
      this.devices.refresh();
      this.drops.begin(this.spec.kind === 'tap' ? 'own-tap' : link!.kind === 'tun' ? 'held-tap' : 'device');
    } catch (error) {
      this.closeDescriptors();
      if (error instanceof UserError) throw error;
      throw new UserError(`--port ${this.spec.name}: ${(error as Error).message}`);
    }
  }

  private openPacket(spec: PacketPortSpec, link: LinkInfo): void {
    for (let q = 0; q < spec.queues; q++) this.receiveFds.push(this.openReceive(spec, link));
    this.index = link.index;
    if (spec.queues > 1 && (spec.fanout === 'lb' || spec.fanout === 'rnd' || spec.fanout === 'cpu')) {
      this.orderLost = `fanout=${spec.fanout} splits flows before they reach the program`;
    }
    this.openSend(spec, link);
  }

  /** Decides on the way out (see `transmit-path.ts`) and opens its sockets. */
  private openSend(spec: PacketPortSpec, link: LinkInfo): void {
    const { native } = this;
    let choice = this.choose(spec, link);
    if (choice.path === 'af_xdp' && (this.txQueues > 1 || !this.openXsk(link, 1))) {
      choice = chooseTransmit({ link, xps: readXps(link), bypass: spec.bypass, xsk: false });
    }
    const { path } = choice;
    this.path = path;
    this.mtuKnown = link.mtu;
    this.learnOffloads(link);
    if (choice.orderLost !== '' && this.orderLost === '') this.orderLost = choice.orderLost;
    if (choice.warning !== '') this.warn(`port ${spec.name}: ${choice.warning}`);
    if (path === 'af_xdp') return;
    if (path === 'queued') {
      this.openQueued(link);
      return;
    }
    for (let q = 0; q < this.sockets(link); q++) {
      this.sendFds.push(native.openPacketSend({ ifindex: link.index, bypass: true }));
    }
    // Beside a socket that takes another queue than its own an AF_XDP socket would break order.
    if (spec.xsk && link.txQueues <= 1) this.openXsk(link, this.txQueues);
  }

  /** The group of the sockets that are there. The first one makes it: the kernel gives it a number that nobody has. */
  private fanoutGroup(): number {
    const [first] = this.receiveFds;
    return first === undefined ? -1 : this.native.fanoutGroup(first);
  }

  private openReceive(spec: PacketPortSpec, link: LinkInfo): number {
    return this.native.openPacketReceive({
      ifindex: link.index,
      slots: ringGiven(spec) ? spec.ring : this.share.slots,
      bufferBytes: this.share.bufferBytes,
      promiscuous: true,
      ...(spec.queues > 1 ? { fanout: { group: this.fanoutGroup(), mode: spec.fanout } } : {}),
      ...(this.guard === null ? {} : { guard: this.guard.program }),
    });
  }

  /**
   * Puts another socket in the place of one whose ring the kernel has given up; returns the old descriptor. Workers must
   * attach anew. In a fanout group the new member takes the old one's number when that is closed. Takes the kernel tens
   * of milliseconds. @throws Error where the kernel refuses; nothing has changed then
   */
  replaceReceive(queue: number): OldDescriptors {
    const { native, spec } = this;
    const old = this.receiveFds[queue];
    const link = native.linkInfo(spec.interface);
    if (spec.kind !== 'af_packet' || old === undefined || link === null || link.index !== this.index)
      return NONE;
    const fd = this.openReceive(spec, link);
    if (spec.queues === 1) {
      // Both have met the same frames since the new one was there: none of them is lost.
      native.shutReceive(old);
      const both = native.packetStatistics(fd);
      this.drops.addRing(Math.max(0, native.packetStatistics(old).drops - both.packets) + both.drops);
    } else {
      this.drops.addRing(native.packetStatistics(old).drops);
    }
    this.receiveFds[queue] = fd;
    this.ringResets++;
    // What is left in the dead ring: nothing, or what the new one has too.
    return { receive: [], others: [old] };
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
        this.xskFds.push(this.native.openXskSend(link.index, q, new Uint8Array(memory)));
        staging.push(memory);
      }
      this.staging = staging;
      return true;
    } catch {
      for (const fd of this.xskFds.splice(0)) this.native.closeDescriptor(fd);
      return false;
    }
  }

  /**
   * The device has changed under a path that goes past its queue: a queueing discipline was added, or transmit queues.
   * What was sent so far is in the device already, so going through the queue from now on keeps order (not the other way
   * round: what waits in the queue would be overtaken). Opens the sockets; the switch is `turn`, once all workers have
   * them: a flow that moved to a worker which still goes past the queue would overtake itself.
   */
  private reconsider(spec: PacketPortSpec, link: LinkInfo): boolean {
    if (this.mtuKnown !== link.mtu) {
      for (const memory of this.staging) this.native.setXskMtu(new Uint8Array(memory), link.mtu);
      this.mtuKnown = link.mtu;
    }
    this.learnOffloads(link);
    if (this.path === 'queued') this.mindQueues(spec, link);
    if (this.path !== 'direct' || this.turning || (!queues(link.qdisc) && link.txQueues <= 1)) return false;
    this.openQueued(link);
    this.turning = true;
    this.warn(
      `${spec.interface} (port ${spec.name}) has ${link.txQueues} transmit queue(s) and the queueing discipline ${link.qdisc} now: its frames go through that`,
    );
    return true;
  }

  /**
   * How many packet sockets send: one per transmit queue, so that workers do not share a send buffer. One for a device made
   * of software: where its far end merges frames (GRO), those of two sockets have no order.
   */
  private sockets({ kind }: LinkInfo): number {
    return kind === null ? this.txQueues : 1;
  }

  private learnOffloads(link: LinkInfo): void {
    this.withheld = link.kind === null ? 0 : this.native.deviceLacks(link.index);
  }

  /** Looks after the order of a port with several queues behind its queueing discipline. */
  private mindQueues(spec: PacketPortSpec, link: LinkInfo): void {
    if (link.txQueues <= 1) return;
    this.moveTags(link);
    if (this.saidXps || this.orderLost !== '') return;
    const { orderLost } = chooseTransmit({ link, xps: readXps(link), bypass: false, xsk: false });
    if (orderLost === '') return;
    this.saidXps = true;
    this.warn(`port ${spec.name}: order is lost from now on: ${orderLost}`);
  }

  /** See `native.openTagMover`. Again after each time that the device was made anew. */
  private moveTags(link: LinkInfo): void {
    if (this.tagMover !== null || this.saidTags) return;
    this.tagMover = this.native.openTagMover(link.index);
    if (this.tagMover !== null) return;
    this.saidTags = true;
    this.warn(
      `${link.name} (port ${this.spec.name}) has ${link.txQueues} transmit queues, and the kernel refuses what keeps a flow's VLAN-tagged frames in one of them (BPF_TCX_EGRESS, Linux 6.6, CAP_BPF): they may overtake each other; ethtool -L ${link.name} combined 1 prevents it`,
    );
  }

  private openQueued(link: LinkInfo): void {
    if (link.txQueues > 1) this.moveTags(link);
    for (let q = 0; q < this.sockets(link); q++) {
      this.queuedFds.push(this.native.openPacketSend({ ifindex: link.index, bypass: false }));
    }
  }

  /** All workers have the sockets of the queue: from now on they send through it, all at once. */
  turn(portFds: Int32Array, port: number): void {
    if (!this.turning) return;
    this.turning = false;
    this.path = 'queued';
    Atomics.store(portFds, port * PORT_FDS + PortFd.path, TRANSMIT_PATHS.indexOf(this.path));
  }

  /** Writes what the last look at the device's offloads means for senders. */
  tellOffloads(portFds: Int32Array, port: number): void {
    Atomics.store(portFds, port * PORT_FDS + PortFd.withheld, this.withheld);
  }

  private openTap(spec: TapPortSpec): void {
    const { native } = this;
    const tap = native.openTap({ name: spec.interface, queues: spec.queues, offload: spec.offload });
    this.receiveFds = tap.fds;
    this.index = tap.index;
    if (tap.created) native.setLinkUp(spec.interface);
    if (spec.queues > 1 && !native.setTapSteering(tap.fds[0]!, spec.queues)) {
      this.strictRefused = `the kernel refuses a steering program on ${spec.interface} (TUNSETSTEERINGEBPF), and its own choice moves a flow's queue when we write`;
    }
  }

  private warnings(): void {
    const { spec, native } = this;
    const link = native.linkInfo(spec.interface);
    if (link === null || spec.kind === 'tap') return;
    if (link.addresses > 0) {
      this.warn(
        `${spec.interface} has an address: the kernel handles its frames too (ip addr flush dev ${spec.interface})`,
      );
    }
    if (link.master !== null) {
      this.warn(
        `${spec.interface} belongs to ${link.master}: the kernel handles its frames too (ip link set ${spec.interface} nomaster)`,
      );
    }
  }

  /** Writes the descriptors to the port's words of `portFds` (-1 = none). */
  publish(portFds: Int32Array, port: number): void {
    const base = port * PORT_FDS;
    portFds.fill(-1, base, base + PORT_FDS);
    const send = this.spec.kind === 'tap' ? this.receiveFds : this.sendFds;
    this.receiveFds.forEach((fd, q) => {
      portFds[base + PortFd.receive + q] = fd;
    });
    for (let q = 0; q < this.txQueues && send.length > 0; q++) {
      portFds[base + PortFd.send + q] = send[q % send.length]!;
    }
    portFds[base + PortFd.ifindex] = this.index;
    if (this.path !== null) portFds[base + PortFd.path] = TRANSMIT_PATHS.indexOf(this.path);
    this.tellOffloads(portFds, port);
    const { queuedFds } = this;
    for (let q = 0; q < this.txQueues && queuedFds.length > 0; q++) {
      portFds[base + PortFd.sendQueued + q] = queuedFds[q % queuedFds.length]!;
    }
    this.xskFds.forEach((fd, q) => {
      portFds[base + PortFd.sendXsk + q] = fd;
    });
  }

  /** Looks at the interface; when it returns 'descriptors', call `publish`, tell the workers, then close the old ones. */
  check(): { change: LinkChange; old: OldDescriptors } {
    const { spec } = this;
    const link = this.native.linkInfo(spec.interface);
    // A TAP's own carrier is what we show, not what we see: two wired TAPs would keep each other down.
    this.carrier = link?.up === true && (spec.kind === 'tap' || link.running);
    if (link === null || (this.state !== 'gone' && !this.attachedTo(link))) {
      if (this.attachedElsewhere()) return { change: 'none', old: NONE };
      if (this.state === 'gone') return { change: 'none', old: NONE };
      this.readDrops();
      const old = this.forget();
      this.state = 'gone';
      this.warn(
        `${spec.interface} (port ${spec.name}) has vanished: its frames are dropped as portDown until it is back`,
      );
      return { change: 'descriptors', old };
    }
    if (this.state === 'gone') {
      if (spec.kind === 'af_packet' && !link.up) return { change: 'none', old: NONE };
      try {
        this.open(link);
      } catch {
        if (privilegesDropped() && !this.saidLost) {
          this.saidLost = true;
          this.warn(
            `${spec.interface} (port ${spec.name}) is back, but what opening it needs was given up (--drop): restart the forwarder`,
          );
        }
        return { change: 'none', old: NONE };
      }
      this.state = 'up';
      this.warn(`${spec.interface} (port ${spec.name}) is back`);
      return { change: 'descriptors', old: NONE };
    }
    if (spec.kind === 'af_packet' && this.reconsider(spec, link)) return { change: 'descriptors', old: NONE };
    this.noteCarrier(link);
    const state = link.up ? 'up' : 'down';
    if (state === this.state) return { change: 'none', old: NONE };
    this.state = state;
    this.warn(
      state === 'down'
        ? `${spec.interface} (port ${spec.name}) is down: frames to it are dropped as portDown`
        : `${spec.interface} (port ${spec.name}) is up again`,
    );
    return { change: 'state', old: NONE };
  }

  /** Warns where a link that is up loses its carrier (the far end is down), and when it has it again. */
  private noteCarrier(link: LinkInfo): void {
    const { spec, carrier } = this;
    if (!link.up || carrier === this.carrierNoted) return;
    this.carrierNoted = carrier;
    const device = `${spec.interface} (port ${spec.name})`;
    this.warn(
      carrier
        ? `${device} has carrier again`
        : `${device} has no carrier: frames to it are dropped as portDown`,
    );
  }

  /** Frames that the kernel dropped before this program could have them, as far as the main thread has read of them. */
  get kernelDrops(): number {
    return this.drops.total;
  }

  /** Those of them that were super-frames of a type that virtio-net has not. */
  get inexpressible(): number {
    return this.drops.refused;
  }

  /** Sets what the sockets may hold beside their rings, now and when they are opened again; rings that are open stay. */
  shareReceive(share: ReceiveShare): void {
    this.share = share;
    if (this.spec.kind === 'tap') return;
    for (const fd of this.receiveFds) this.native.setReceiveBuffer(fd, share.bufferBytes);
  }

  /** Brings `inexpressible` up to date, and returns it. */
  readRefused(): number {
    return this.drops.readRefused();
  }

  /** Those of them that lay in a queue of this port when it was closed. */
  get unread(): number {
    return this.drops.unread;
  }

  /**
   * The last look at ports before they are closed, when no worker receives from them any more: nothing is taken in from
   * now on, what lies in their queues is counted, and what was dropped meanwhile.
   */
  static finish(ports: readonly LivePort[]): void {
    const [first] = ports;
    if (first === undefined) return;
    const { devices, native } = first;
    devices.refresh();
    for (const port of ports) port.readDrops();
    // One wait for the kernel serves all of them.
    native.stopReceiving(ports.filter(({ spec }) => spec.kind !== 'tap').flatMap((port) => port.receiveFds));
    for (const port of ports) port.countUnread(port.receiveFds);
    // What a TAP refused until its queue was read.
    devices.refresh();
    for (const port of ports) if (port.spec.kind === 'tap') port.readDrops();
  }

  /** Counts what lies in receive queues that take in nothing more, and what they had no room for since the last look. */
  private countUnread(fds: readonly number[]): void {
    const { native, drops } = this;
    for (const fd of fds) {
      if (this.spec.kind === 'tap') drops.addUnread(native.tapUnread(fd));
      else {
        drops.addUnread(native.packetUnread(fd));
        drops.addRing(native.packetStatistics(fd).drops);
      }
    }
  }

  /** Closes descriptors that were replaced, when every worker has let go of them. */
  closeOld(old: OldDescriptors): void {
    this.countUnread(old.receive);
    for (const fd of [...old.receive, ...old.others]) this.native.closeDescriptor(fd);
  }

  /** Brings `kernelDrops` up to what `devices` last read. */
  readDrops(): void {
    if (this.state === 'gone') return;
    this.drops.read(this.spec.kind === 'tap' ? [] : this.receiveFds);
  }

  /**
   * The descriptors are those of this interface, not of one that had its name (perhaps its index, too) at the last look.
   */
  private attachedTo(link: LinkInfo): boolean {
    if (link.index !== this.index) return false;
    const { native, spec } = this;
    const fd = this.receiveFds[0]!;
    return spec.kind === 'tap' ? native.tapAttached(fd) : native.packetAttached(fd);
  }

  /** A TAP that was renamed or moved to another network namespace (a guest's, say) goes on working there. */
  private attachedElsewhere(): boolean {
    const fd = this.receiveFds[0];
    if (this.spec.kind !== 'tap' || fd === undefined || !this.native.tapAttached(fd)) return false;
    this.carrier = true;
    return true;
  }

  /** MTU of the interface, or null when it is gone. */
  get mtu(): number | null {
    return this.native.linkInfo(this.spec.interface)?.mtu ?? null;
  }

  /** Sets the MTU of a TAP: as its option says, or, where this program made it, to `others`. */
  applyMtu(others: number): void {
    if (this.spec.kind !== 'tap') return;
    const wanted = this.spec.mtu > 0 ? this.spec.mtu : this.created ? others : 0;
    if (wanted === 0 || wanted === this.mtu) return;
    try {
      this.native.setMtu(this.spec.interface, wanted);
    } catch (error) {
      throw new UserError(`--port ${this.spec.name}: ${(error as Error).message}`);
    }
  }

  /** Lets a TAP show the carrier of what it is wired to, so that its guest notices a dead link. */
  showCarrier(on: boolean): void {
    const fd = this.receiveFds[0];
    if (this.spec.kind !== 'tap' || fd === undefined || on === this.carrierShown) return;
    if (this.native.setTapCarrier(fd, on)) this.carrierShown = on;
  }

  private forget(): OldDescriptors {
    const others = [...this.sendFds, ...this.queuedFds, ...this.xskFds];
    if (this.tagMover !== null) others.push(this.tagMover);
    this.tagMover = null;
    const old = { receive: this.receiveFds, others };
    this.receiveFds = [];
    this.sendFds = [];
    this.queuedFds = [];
    this.turning = false;
    this.xskFds = [];
    return old;
  }

  private closeDescriptors(): void {
    const { receive, others } = this.forget();
    for (const fd of [...receive, ...others]) this.native.closeDescriptor(fd);
  }

  close(): void {
    this.closeDescriptors();
    if (this.guard === null) return;
    this.native.closeDescriptor(this.guard.program);
    this.native.closeDescriptor(this.guard.counters);
  }
}
