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

import type { LinkInfo, Native, ReceiveGuard } from '../../addon/native.js';
import { privilegesDropped } from '../../addon/privileges.js';
import { UserError } from '../../errors.js';
import { PORT_FDS, PortFd } from '../shared/words.js';
import type { DeviceCounters } from './packet/device-counters.js';
import { KernelDrops } from './packet/kernel-drops.js';
import { DEFAULT_RECEIVE_MIB, type ReceiveShare, receiveShare } from './packet/receive-memory.js';
import { TransmitSockets } from './packet/transmit-sockets.js';
import type { PacketPortSpec, TapPortSpec } from './port-spec.js';

export type LiveSpec = PacketPortSpec | TapPortSpec;

/** What changed at the last check: descriptors were replaced (workers must attach anew), or only the link's state. */
export type LinkChange = 'none' | 'state' | 'descriptors';

/** Descriptors that were replaced. `receive`: frames may lie there that no worker has taken. */
export interface OldDescriptors {
  readonly receive: readonly number[];
  readonly others: readonly number[];
}

const NONE: OldDescriptors = { receive: [], others: [] };

/** The interface of a packet port, which must be there and up. @throws UserError */
export function usableLink({ name, interface: device }: PacketPortSpec, link: LinkInfo | null): LinkInfo {
  if (link === null) {
    throw new UserError(`--port ${name}: there is no interface "${device}"`, { code: 'RXS_NO_INTERFACE' });
  }
  if (!link.up) {
    throw new UserError(`--port ${name}: interface ${device} is down (ip link set ${device} up)`, {
      code: 'RXS_INTERFACE_DOWN',
    });
  }
  return link;
}

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
  private lostBefore = '';
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
  /** The way out of an AF_PACKET port; null for a TAP. */
  private readonly out: TransmitSockets | null;
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
      const link = usableLink(spec, before);
      if (spec.fanout === 'qm' && spec.queues > link.rxQueues) {
        throw new UserError(
          `--port ${spec.name}: queues=${spec.queues}: ${spec.interface} has ${link.rxQueues} receive queue(s), and fanout=qm follows them`,
        );
      }
      this.out = new TransmitSockets(native, spec, warn, link);
    } else this.out = null;
    this.txQueues = this.out?.queues ?? spec.queues;
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
      throw new UserError(`--port ${this.spec.name}: ${(error as Error).message}`, { code: 'RXS_OPEN' });
    }
  }

  private openPacket(spec: PacketPortSpec, link: LinkInfo): void {
    for (let q = 0; q < spec.queues; q++) this.receiveFds.push(this.openReceive(spec, link));
    this.index = link.index;
    if (spec.queues > 1 && (spec.fanout === 'lb' || spec.fanout === 'rnd' || spec.fanout === 'cpu')) {
      this.lostBefore = `fanout=${spec.fanout} splits flows before they reach the program`;
    }
    this.out!.open(link);
  }

  /** Why a flow's order is lost before frames reach us or on their way out, now; empty where it is kept. */
  get orderLost(): string {
    return this.lostBefore || (this.out?.orderLost ?? '');
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

  /** Staging memory of the AF_XDP sockets, by transmit queue; empty where there are none. */
  get staging(): readonly SharedArrayBuffer[] {
    return this.out?.staging ?? [];
  }

  /** Workers had sent so many frames when nothing was known of a change, at that time of `performance.now()`. */
  assure(sent: number, at: number): void {
    this.out?.assure(sent, at);
  }

  /** See `PortSummary.detail`. */
  get risk(): { readonly queueChanges: number; readonly mayBeLate: number } {
    return this.out?.risk ?? { queueChanges: 0, mayBeLate: 0 };
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

  /**
   * Tells senders what the last look at the device means for them: the way out, its offloads. Then does what order needs
   * beside that; `sent` says how many frames they have sent.
   */
  tell(portFds: Int32Array, port: number, sent: () => number): void {
    this.out?.tell(portFds, port * PORT_FDS);
    this.out?.keepOrder(sent);
  }

  /** Writes the descriptors to the port's words of `portFds` (-1 = none). */
  publish(portFds: Int32Array, port: number): void {
    const base = port * PORT_FDS;
    // Descriptors only: senders read the words behind them with every call.
    portFds.fill(-1, base, base + PortFd.ifindex);
    portFds.set(this.receiveFds, base + PortFd.receive);
    if (this.out === null) portFds.set(this.receiveFds, base + PortFd.send);
    portFds[base + PortFd.ifindex] = this.index;
    this.out?.publish(portFds, base);
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
    this.out?.follow(link);
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
      throw new UserError(`--port ${this.spec.name}: ${(error as Error).message}`, { code: 'RXS_OPEN' });
    }
  }

  /** Lets a TAP show the carrier of what it is wired to, so that its guest notices a dead link. */
  showCarrier(on: boolean): void {
    const fd = this.receiveFds[0];
    if (this.spec.kind !== 'tap' || fd === undefined || on === this.carrierShown) return;
    if (this.native.setTapCarrier(fd, on)) this.carrierShown = on;
  }

  private forget(): OldDescriptors {
    const others = this.out?.forget() ?? [];
    const old = { receive: this.receiveFds, others };
    this.receiveFds = [];
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
