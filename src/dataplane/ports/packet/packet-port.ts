/**
 * The main thread's side of an AF_PACKET port: its receive sockets, the way out, the guard before its rings.
 *
 * Promise: see `DevicePort`.
 */
import type { LinkInfo } from '../../../addon/native.js';
import { UserError } from '../../../errors.js';
import { openReceiveGuard, type ReceiveGuard } from '../../../programs/receive-guard.js';
import { type DeviceParts, DevicePort } from '../device/device-port.js';
import { type DropSource, KernelDrops } from '../device/kernel-drops.js';
import { usableLink } from '../device/usable-link.js';
import { type CountedWarning, NO_DESCRIPTORS, type OldDescriptors } from '../live-port.js';
import { QueueSteering } from '../queue-steering.js';
import { PACKET_WORDS, PacketWord } from './data.js';
import type { PacketDetail, PacketPortSpec } from './kind.js';
import type { ReceiveShare } from './receive-memory.js';
import { TransmitSockets } from './transmit-sockets.js';

/** `ring=` was given. */
function ringGiven({ text }: PacketPortSpec): boolean {
  return /,ring=/.test(text);
}

export class PacketPort extends DevicePort<PacketPortSpec> {
  /** Transmit queues, fixed when the port is first opened. */
  readonly txQueues: number;
  override readonly fixesMtu = true;
  /** `PacketWord`s, shared with the workers. */
  readonly words = new Int32Array(new SharedArrayBuffer(PACKET_WORDS * Int32Array.BYTES_PER_ELEMENT)).fill(
    -1,
  );
  protected readonly drops: KernelDrops;
  /** Order of a flow's frames is lost before they reach us, and why; empty where it is kept. */
  private lostBefore = '';
  private readonly out: TransmitSockets;
  /** Before all receive rings of the port, for as long as it is open; null where the kernel does not allow one. */
  private readonly guard: ReceiveGuard | null;
  override readonly steering: QueueSteering | null;

  /** @param share what each receive queue may hold */
  constructor(
    parts: DeviceParts<PacketPortSpec>,
    private share: ReceiveShare,
  ) {
    super(parts);
    const { native, spec, devices, warn } = parts;
    const link = usableLink(spec, native);
    if (spec.fanout === 'qm' && spec.queues > link.rxQueues) {
      throw new UserError(
        `--port ${spec.name}: queues=${spec.queues}: ${spec.interface} has ${link.rxQueues} receive queue(s), and fanout=qm follows them`,
      );
    }
    this.out = new TransmitSockets(native, spec, warn, link);
    this.txQueues = this.out.queues;
    this.guard = openReceiveGuard(native);
    this.steering = spec.fanout === 'policy' ? this.steerGroup() : null;
    this.drops = new KernelDrops(
      native,
      (column) => devices.read(spec.interface, column),
      this.guard,
      devices,
    );
    this.begin(link);
    this.publish();
  }

  /** Staging memory of the AF_XDP sockets, by transmit queue; empty where there are none. */
  get staging(): readonly SharedArrayBuffer[] {
    return this.out.staging;
  }

  protected override openDescriptors(link: LinkInfo): void {
    const { spec } = this;
    for (let q = 0; q < spec.queues; q++) this.receiveFds.push(this.openReceive(link));
    if (this.steering !== null) {
      // They take in nothing before the program chooses among all of them.
      this.steering.again();
      for (const fd of this.receiveFds) this.native.setReceiveFilter(fd, this.guard?.program ?? -1);
    }
    this.index = link.index;
    if (spec.queues > 1 && (spec.fanout === 'lb' || spec.fanout === 'rnd' || spec.fanout === 'cpu')) {
      this.lostBefore = `fanout=${spec.fanout} splits flows before they reach the program`;
    }
    this.out.open(link);
  }

  protected override dropSource(link: LinkInfo): DropSource {
    return { column: 'received', isHeld: link.kind === 'tun' };
  }

  /** Why a flow's order is lost before frames reach us or on their way out, now; empty where it is kept. */
  override get orderLost(): string {
    return this.lostBefore || this.out.orderLost;
  }

  override detail(): PacketDetail {
    const { path: transmit, risk } = this.out;
    return { transmit, queueChanges: risk.queueChanges, mayBeLate: risk.mayBeLate };
  }

  override counted(): readonly CountedWarning[] {
    return [
      {
        kind: 'inexpressible',
        count: this.drops.readRefused() + this.ringResets,
        text: 'the kernel cannot pass on super-frames that virtio-net does not express (UFO, SCTP); they are dropped (kernelDrops). UDP super-frames before Linux 6.2: on the sender, ethtool -K IFACE tx-udp-segmentation off',
      },
    ];
  }

  /** The group of the sockets that are there. The first one makes it: the kernel gives it a number that nobody has. */
  private fanoutGroup(): number {
    const [first] = this.receiveFds;
    return first === undefined ? -1 : this.native.fanoutGroup(first);
  }

  /** The policy in the kernel, for the fanout group. A fanout program sees frames from the network header on. */
  private steerGroup(): QueueSteering {
    const { native, spec } = this;
    return new QueueSteering(native, {
      ...{ among: spec.queues, queues: spec.queues, start: 'mac', mayHandOver: false },
      attach: ({ loaded }) => {
        const [first] = this.receiveFds;
        if (first !== undefined) native.setFanoutProgram(first, loaded.program);
      },
      waits: (queue) => {
        const fd = this.receiveFds[queue];
        return fd !== undefined && native.readable(fd);
      },
      // Beside the ring wait frames that are longer than its slots.
      capacity: () => (ringGiven(spec) ? spec.ring : this.share.slots) + this.share.bufferBytes / 1024,
    });
  }

  private openReceive(link: LinkInfo): number {
    const { spec } = this;
    const mode = spec.fanout === 'policy' ? 'ebpf' : spec.fanout;
    return this.native.openPacketReceive({
      ifindex: link.index,
      slots: ringGiven(spec) ? spec.ring : this.share.slots,
      bufferBytes: this.share.bufferBytes,
      promiscuous: true,
      ...(spec.queues > 1 ? { fanout: { group: this.fanoutGroup(), mode } } : {}),
      ...(this.guard === null ? {} : { guard: this.guard.program }),
      shut: this.steering !== null,
    });
  }

  /**
   * See `LivePort`. In a fanout group the new member takes the old one's number when that is closed. Takes the kernel
   * tens of milliseconds.
   */
  override replaceReceive(queue: number): OldDescriptors {
    const { native, spec } = this;
    const old = this.receiveFds[queue];
    const link = native.linkInfo(spec.interface);
    if (old === undefined || link === null || link.index !== this.index) return NO_DESCRIPTORS;
    const fd = this.openReceive(link);
    if (this.steering !== null) native.setReceiveFilter(fd, this.guard?.program ?? -1);
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

  /** The kernel handles an interface's frames too, unless it has neither address nor master. */
  protected override opened(): void {
    const { spec, native } = this;
    const link = native.linkInfo(spec.interface);
    if (link === null) return;
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

  override assure(sent: number, at: number): void {
    this.out.assure(sent, at);
  }

  /** Tells of the way out and the device's offloads, then does what order needs beside that. */
  override tellSenders(sent: () => number): void {
    this.out.tell(this.words);
    this.out.keepOrder(sent);
  }

  override publish(): void {
    const { words } = this;
    // Descriptors only: senders read the words behind them with every call.
    words.fill(-1, 0, PacketWord.ifindex);
    words.set(this.receiveFds, PacketWord.receive);
    words[PacketWord.ifindex] = this.index;
    this.out.publish(words);
  }

  protected override canReopen(link: LinkInfo): boolean {
    return link.up;
  }

  protected override followLink(link: LinkInfo): void {
    this.out.follow(link);
  }

  /** Sets what the sockets may hold beside their rings, now and when they are opened again; rings that are open stay. */
  shareReceive(share: ReceiveShare): void {
    this.share = share;
    for (const fd of this.receiveFds) this.native.setReceiveBuffer(fd, share.bufferBytes);
  }

  protected override isAttached(fd: number): boolean {
    return this.native.packetAttached(fd);
  }

  protected override sockets(): readonly number[] {
    return this.receiveFds;
  }

  protected override forgetOthers(): number[] {
    return this.out.forget();
  }

  protected override countUnread(fds: readonly number[]): void {
    const { native, drops } = this;
    for (const fd of fds) {
      drops.addUnread(native.packetUnread(fd));
      drops.addRing(native.packetStatistics(fd).drops);
    }
  }

  override close(): void {
    super.close();
    this.steering?.close();
    if (this.guard === null) return;
    this.native.closeDescriptor(this.guard.program);
    this.native.closeDescriptor(this.guard.counters);
  }

  /** See `PortOpener.finish`. One wait for the kernel serves all of them. */
  static finish(ports: readonly PacketPort[]): void {
    const [first] = ports;
    if (first === undefined) return;
    first.devices.refresh();
    for (const port of ports) port.readDrops();
    first.native.stopReceiving(ports.flatMap((port) => port.receiveFds));
    for (const port of ports) port.countUnread(port.receiveFds);
  }
}
