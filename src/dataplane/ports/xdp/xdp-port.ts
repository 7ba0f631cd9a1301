/**
 * The main thread's side of an AF_XDP port: its sockets, the state of its device, what the kernel has dropped.
 *
 * Promise: see `DevicePort`. The sockets are opened when the port knows the engine whose pool they receive into. Sockets of
 * a device that has vanished are closed when no worker has them; their slots go back then.
 */
import type { LinkInfo, XskCounts } from '../../../addon/native.js';
import { loadProgram } from '../../../addon/native.js';
import type { Program } from '../../../bpf/assembler.js';
import { UserError } from '../../../errors.js';
import { xskProgram } from '../../../programs/xsk-program.js';
import { SMALL_FRAME_MAX } from '../../memory/layout.js';
import type { LentSlots } from '../../memory/lent.js';
import { type DeviceParts, DevicePort } from '../device/device-port.js';
import { type DropSource, KernelDrops } from '../device/kernel-drops.js';
import { usableLink } from '../device/usable-link.js';
import { INTERFACE_QUEUES_MAX } from '../kind.js';
import type { CountedWarning, OldDescriptors, PortHost } from '../live-port.js';
import { QueueSteering, type ReadyProgram } from '../queue-steering.js';
import { XDP_WORDS, XdpWord } from './data.js';
import type { XdpDetail, XdpPortSpec } from './kind.js';
import { refuseOthers } from './program.js';
import { copiesAtOnce, ringsFor, slotsFor, XdpSockets } from './sockets.js';

/** Ethernet header and a VLAN tag. */
const HEADER_BYTES = 18;

/** Frames with a partial checksum that are a TCP stack's traffic, no longer a few datagrams. */
const MANY_SEGMENTS = 100_000;

type Sums = Record<'dropped' | 'ringFull' | 'fillEmpty' | 'partial', number>;

export class XdpPort extends DevicePort<XdpPortSpec> {
  /** Receive queues of the device that are served, fixed when the port is first opened. */
  readonly queues: number;
  /** Sockets of each: one, or one for each worker that there can be. */
  readonly each: number;
  /** Slots of the pool that it takes. */
  readonly lends: number;
  override readonly fixesMtu = true;
  /** `XdpWord`s, shared with the workers. */
  readonly words = new Int32Array(new SharedArrayBuffer(XDP_WORDS * Int32Array.BYTES_PER_ELEMENT)).fill(-1);
  protected readonly drops: KernelDrops;
  private lent: LentSlots | null = null;
  override readonly steering: QueueSteering | null;
  /** The program of a port whose workers choose. */
  private readonly plain: ReadyProgram | null;
  private xsk: XdpSockets | null = null;
  /** Those that workers may still have, by their first descriptor. */
  private readonly leaving = new Map<number, XdpSockets>();
  /** What sockets have counted: those that are closed, and each that is open, when it was last read. */
  private readonly past: Sums = { dropped: 0, ringFull: 0, fillEmpty: 0, partial: 0 };
  private readonly counts = new Map<number, XskCounts>();
  /** Drops of theirs that `drops` knows of. */
  private told = 0;
  private mtuSeen = 0;
  private deviceQueues: number;

  /** @param workers that there can be */
  constructor(parts: DeviceParts<XdpPortSpec>, workers: number) {
    super(parts);
    const { native, spec, devices } = parts;
    const link = usableLink(spec, native);
    refuseOthers(native, spec, link);
    if (spec.queues > link.rxQueues) {
      throw new UserError(
        `--port ${spec.name}: queues=${spec.queues}: ${spec.interface} has ${link.rxQueues} receive queue(s) (ethtool -L)`,
      );
    }
    this.queues = spec.queues > 0 ? spec.queues : link.rxQueues;
    this.each = spec.steer ? workers : 1;
    if (this.queues * this.each > INTERFACE_QUEUES_MAX) {
      throw new UserError(
        `--port ${spec.name}: steer=on: ${this.queues} receive queue(s) for ${workers} workers: ${INTERFACE_QUEUES_MAX} sockets at most (queues=, --max-workers)`,
      );
    }
    this.deviceQueues = link.rxQueues;
    this.lends = slotsFor(
      this.queues,
      this.each,
      spec.mode === 'copy' && copiesAtOnce(native, spec.interface),
    );
    this.drops = new KernelDrops(native, (column) => this.deviceDrops(column), null, devices);
    this.words[XdpWord.path] = 0;
    this.words[XdpWord.path + 1] = 0;
    this.steering = spec.steer ? this.steerSockets() : null;
    this.plain = spec.steer ? null : this.load(xskProgram(this.queues));
    this.begin(link);
  }

  private load(program: Program): ReadyProgram {
    return { program, loaded: loadProgram(this.native, program) };
  }

  /** The policy in front of the sockets. */
  private steerSockets(): QueueSteering {
    const { native, queues, each } = this;
    return new QueueSteering(native, {
      ...{ among: each, queues: queues * each, start: 'xdp', mayHandOver: true },
      attach: (ready) => this.xsk?.put(ready, this.index),
      waits: (queue) => {
        const fd = this.receiveFds[queue];
        return fd !== undefined && native.xskUnread(fd) > 0;
      },
      capacity: () => ringsFor(each).entries,
    });
  }

  /** What the device has counted and its sockets have not: a driver counts what it could not give them, too. */
  private deviceDrops(column: number): number {
    const all = this.devices.read(this.spec.interface, column);
    const isOfSoftware = this.native.linkInfo(this.spec.interface)?.kind !== null;
    return this.xsk?.attached?.xdp === 'driver' && isOfSoftware ? all - this.socketDrops() : all;
  }

  private socketDrops(): number {
    const { dropped, ringFull } = this.totals();
    return dropped + ringFull;
  }

  /** See `LivePort`. @throws UserError */
  override follow(host: PortHost): void {
    this.lent = host.lent;
    this.begin(usableLink(this.spec, this.native));
    this.publish();
  }

  protected override openDescriptors(link: LinkInfo): void {
    this.index = link.index;
    // The pool is not known yet.
    if (this.lent === null) return;
    const { native, spec, lent, queues, each } = this;
    refuseOthers(native, spec, link);
    const xsk = XdpSockets.open({ native, spec, lent, queues, each }, link);
    this.xsk = xsk;
    try {
      if (this.plain === null) this.steering!.again();
      else xsk.put(this.plain, link.index);
    } catch (error) {
      xsk.close();
      this.xsk = null;
      throw error;
    }
    this.receiveFds = [...xsk.receive];
    this.mtuSeen = link.mtu;
    this.deviceQueues = link.rxQueues;
  }

  protected override opened(): void {
    const link = this.lent === null ? null : this.native.linkInfo(this.spec.interface);
    if (link === null) return;
    const { attached } = this.xsk!;
    const { name, interface: device } = this.spec;
    const taken = `its frames are this program's, and the kernel does not see them`;
    if (attached?.xdp === 'generic') {
      this.warn(
        `port ${name}: XDP runs in the kernel's generic hook (${attached.why}): slower, and super-frames that come to ${device} are dropped`,
      );
    }
    if (link.addresses > 0) this.warn(`${device} has an address: ${taken} (ip addr flush dev ${device})`);
    if (link.master !== null) this.warn(`${device} belongs to ${link.master}: ${taken}`);
    this.checkMtu(link);
    this.checkQueues(link);
  }

  private checkMtu(link: LinkInfo): void {
    if (link.mtu + HEADER_BYTES <= SMALL_FRAME_MAX) return;
    this.warn(
      `${this.title} has an MTU of ${link.mtu}: frames longer than ${SMALL_FRAME_MAX} bytes do not fit into AF_XDP's memory and are dropped (kernelDrops)`,
    );
  }

  private checkQueues({ rxQueues }: LinkInfo): void {
    if (rxQueues <= this.queues) return;
    this.warn(
      `${this.title} has ${rxQueues} receive queues, of which ${this.queues} are served: frames of the others go to the kernel (ethtool -L ${this.spec.interface}, or queues=)`,
    );
  }

  protected override followLink(link: LinkInfo): void {
    if (link.mtu !== this.mtuSeen && this.xsk !== null) {
      this.mtuSeen = link.mtu;
      this.native.setXskMtu(this.xsk.send, link.mtu);
      this.checkMtu(link);
    }
    if (link.rxQueues !== this.deviceQueues) {
      this.deviceQueues = link.rxQueues;
      this.checkQueues(link);
    }
  }

  override publish(): void {
    const { words, xsk } = this;
    words.fill(-1, 0, XdpWord.path);
    words[XdpWord.ifindex] = this.index;
    if (xsk === null) return;
    words.set(xsk.receive, XdpWord.receive);
    words[XdpWord.send] = xsk.send;
    words[XdpWord.tag] = xsk.tag;
  }

  protected override dropSource(): DropSource {
    return { column: 'received', isHeld: false };
  }

  protected override canReopen(link: LinkInfo): boolean {
    return link.up;
  }

  protected override isAttached(fd: number | undefined): boolean {
    return fd === undefined || this.native.xskBound(fd);
  }

  /** A peer's stack makes segments for us: worth a word where there are many. */
  override counted(): readonly CountedWarning[] {
    const { partial } = this.summed();
    return [
      {
        kind: 'segmented',
        count: partial < MANY_SEGMENTS ? 0 : partial,
        text: `a stack behind ${this.spec.interface} sends segments with checksums left to the device, since AF_XDP takes no super-frames: bulk TCP is cheaper through af_packet:${this.spec.interface}`,
      },
    ];
  }

  /** What all sockets of the port have counted so far. */
  private totals(): Sums {
    for (const fd of this.receiveFds) this.counts.set(fd, this.native.xskCounts(fd));
    return this.summed();
  }

  /** The same as of the last look. */
  private summed(): Sums {
    const sum = { ...this.past };
    for (const one of this.counts.values()) add(sum, one);
    return sum;
  }

  override readDrops(): void {
    if (this.state === 'gone') return;
    this.noteSocketDrops();
    super.readDrops();
  }

  private noteSocketDrops(): void {
    const drops = this.socketDrops();
    this.drops.addRing(drops - this.told);
    this.told = drops;
  }

  override detail(): XdpDetail {
    const { xsk, lent } = this;
    const { dropped, ringFull, partial } = this.totals();
    const [first] = this.receiveFds;
    const busyPoll = first !== undefined && this.native.xskCounts(first).busyPolls;
    return {
      xdp: xsk?.attached?.xdp ?? 'driver',
      why: xsk?.attached?.why ?? '',
      mode: xsk?.zeroCopy === true ? 'zerocopy' : 'copy',
      steers: this.steering?.policy ?? null,
      queues: this.queues,
      deviceQueues: this.deviceQueues,
      sendsInPlace: xsk?.inPlace ?? false,
      busyPoll,
      longest: SMALL_FRAME_MAX,
      lent: lent === null || xsk === null ? 0 : lent.count(xsk.tag),
      partialChecksums: partial,
      ...{ dropped, ringFull },
    };
  }

  /** The sockets leave as a whole, when no worker has them any more: see `closeOld`. */
  protected override forgetOthers(): number[] {
    const { xsk } = this;
    this.xsk = null;
    if (xsk === null) return [];
    xsk.shut();
    this.leaving.set(this.receiveFds[0] ?? -1, xsk);
    return [];
  }

  protected override countUnread(fds: readonly number[]): void {
    for (const fd of fds) {
      this.counts.set(fd, this.native.xskCounts(fd));
      this.drops.addUnread(this.native.xskUnread(fd));
    }
    this.noteSocketDrops();
  }

  override closeOld(old: OldDescriptors): void {
    this.countUnread(old.receive);
    for (const fd of old.receive) {
      const counts = this.counts.get(fd);
      if (counts !== undefined) add(this.past, counts);
      // The number may be another descriptor's from now on.
      this.counts.delete(fd);
    }
    const first = old.receive[0] ?? -1;
    this.leaving.get(first)?.close();
    this.leaving.delete(first);
  }

  override close(): void {
    this.receiveFds = [];
    this.xsk?.close();
    this.xsk = null;
    for (const sockets of this.leaving.values()) sockets.close();
    this.leaving.clear();
    this.steering?.close();
    this.plain?.loaded.close();
  }

  /** See `PortOpener.finish`. */
  static finish(ports: readonly XdpPort[]): void {
    const [first] = ports;
    if (first === undefined) return;
    for (const port of ports) port.xsk?.shut();
    first.devices.refresh();
    for (const port of ports) port.readDrops();
    for (const port of ports) port.countUnread(port.receiveFds);
  }
}

function add(sum: Sums, one: XskCounts): void {
  sum.dropped += one.dropped;
  sum.ringFull += one.ringFull;
  sum.fillEmpty += one.fillEmpty;
  sum.partial += one.partial;
}
