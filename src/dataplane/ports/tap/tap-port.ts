/**
 * The main thread's side of a TAP: its queues, its MTU, the carrier that it shows.
 *
 * Promise: see `DevicePort`. One that this program made goes away with the last descriptor. One that was renamed, or moved
 * to another network namespace (a guest's, say), goes on working there, and its state and its drops are told from there.
 */
import { readFileSync } from 'node:fs';
import type { LinkInfo, TapPlace } from '../../../addon/native.js';
import { UserError } from '../../../errors.js';
import { flowProgram } from '../../../programs/flow-program.js';
import { steerTap } from '../../../programs/steer-tap.js';
import { type DeviceParts, DevicePort } from '../device/device-port.js';
import { type DropSource, KernelDrops } from '../device/kernel-drops.js';
import { QueueSteering } from '../queue-steering.js';
import { stateOf } from '../state.js';
import { spareLength, tapStateBytes } from './data.js';
import type { TapPortSpec } from './kind.js';

/** Frames that a TAP's queue can have where nobody tells how long it is. */
const QUEUE_LENGTH_MAX = 1 << 16;

/** Frames that wait in a queue of an interface at most. */
function queueLength(name: string, index: number): number {
  try {
    const read = (file: string) => Number(readFileSync(`/sys/class/net/${name}/${file}`, 'latin1'));
    return read('ifindex') === index ? read('tx_queue_len') : QUEUE_LENGTH_MAX;
  } catch {
    return QUEUE_LENGTH_MAX;
  }
}

export class TapPort extends DevicePort<TapPortSpec> {
  /** Descriptors by queue, shared with the workers; -1 = none. */
  readonly fds: Int32Array;
  protected readonly drops: KernelDrops;
  /** This program made the interface. */
  private readonly created: boolean;
  /** See `TapData.state`. */
  readonly queueState: SharedArrayBuffer;
  override readonly steering: QueueSteering | null;
  private carrierShown = true;
  /** Where the interface was at the last look, unless it was here under its name. */
  private place: TapPlace | null = null;

  constructor(parts: DeviceParts<TapPortSpec>) {
    super(parts);
    const { native, spec, devices } = parts;
    this.fds = new Int32Array(new SharedArrayBuffer(spec.queues * Int32Array.BYTES_PER_ELEMENT)).fill(-1);
    const before = native.linkInfo(spec.interface);
    this.created = before === null;
    this.drops = new KernelDrops(native, (column) => this.deviceCount(column), null, devices);
    this.queueState = new SharedArrayBuffer(tapStateBytes(spec.queues));
    this.steering = spec.steer === 'policy' ? this.steerQueues() : null;
    this.begin(before);
    this.publish();
  }

  protected override openDescriptors(): void {
    const { native, spec } = this;
    const tap = native.openTap({ name: spec.interface, queues: spec.queues, offload: spec.offload });
    this.receiveFds = tap.fds;
    this.index = tap.index;
    this.steering?.again();
    if (tap.created) native.setLinkUp(spec.interface);
    if (this.steering === null && spec.queues > 1 && !steerTap(native, tap.fds[0]!, flowProgram())) {
      this.strictRefused = `the kernel refuses a steering program on ${spec.interface} (TUNSETSTEERINGEBPF), and its own choice moves a flow's queue when we write`;
    }
  }

  /** The policy in the kernel, for the queues of the interface. */
  private steerQueues(): QueueSteering {
    const { native, spec } = this;
    return new QueueSteering(native, {
      ...{ among: spec.queues, queues: spec.queues, start: 'data', mayHandOver: false },
      attach: ({ loaded }) => {
        const [first] = this.receiveFds;
        if (first === undefined || native.setTapSteering(first, loaded.program)) return;
        throw new Error(`the kernel refuses a steering program on ${spec.interface} (TUNSETSTEERINGEBPF)`);
      },
      waits: (queue) => {
        const fd = this.receiveFds[queue];
        return fd !== undefined && (native.readable(fd) || spareLength(stateOf(this.queueState, queue)) > 0);
      },
      capacity: () => queueLength(spec.interface, this.index),
    });
  }

  protected override dropSource(): DropSource {
    return { column: 'sent', isHeld: false };
  }

  override close(): void {
    super.close();
    this.steering?.close();
  }

  override publish(): void {
    this.fds.fill(-1);
    this.fds.set(this.receiveFds);
  }

  /** A TAP's own carrier is what we show, not what we see: two wired TAPs would keep each other down. */
  protected override carrierOf(link: LinkInfo | null): boolean {
    return link?.up === true;
  }

  protected override isAttached(fd: number): boolean {
    return this.native.tapAttached(fd);
  }

  protected override atHome(): void {
    this.place = null;
  }

  protected override away(): LinkInfo | 'untold' | null {
    const fd = this.receiveFds[0];
    if (fd === undefined || !this.native.tapAttached(fd)) return null;
    const place = this.native.tapPlace(fd);
    if (place === null) return 'untold';
    this.place = place;
    // Back from elsewhere, where its index was taken meanwhile.
    if (!place.elsewhere && place.name === this.spec.interface) {
      this.index = place.index;
      this.place = null;
    }
    return place;
  }

  override get leftNamespace(): boolean {
    return this.place?.elsewhere === true;
  }

  protected override get title(): string {
    const { place, spec } = this;
    if (place === null) return super.title;
    const named = place.name === spec.interface ? '' : ` ${place.name}`;
    return `${spec.interface} (port ${spec.name}, now${named}${place.elsewhere ? ' in another network namespace' : ''})`;
  }

  /** What the interface has counted: where it is, not at what has its name here. */
  private deviceCount(column: number): number {
    if (this.place === null) return this.devices.read(this.spec.interface, column);
    this.place = this.native.tapPlace(this.receiveFds[0]!) ?? this.place;
    return this.place.txDropped;
  }

  protected override forgetOthers(): number[] {
    this.place = null;
    return [];
  }

  override get mtu(): number | null {
    return this.place === null ? super.mtu : this.place.mtu;
  }

  protected override countUnread(fds: readonly number[]): void {
    for (const fd of fds) this.drops.addUnread(this.native.tapUnread(fd));
  }

  /** Sets the MTU as its option says, or, where this program made the TAP, to `others`. What is not here keeps its own. */
  override applyMtu(others: number): void {
    if (this.state === 'gone' || this.place !== null) return;
    const wanted = this.spec.mtu > 0 ? this.spec.mtu : this.created ? others : 0;
    if (wanted === 0 || wanted === this.mtu) return;
    try {
      this.native.setMtu(this.spec.interface, wanted);
    } catch (error) {
      throw new UserError(`--port ${this.spec.name}: ${(error as Error).message}`, { code: 'RXS_OPEN' });
    }
  }

  /** Lets it show the carrier of what it is wired to, so that its guest notices a dead link. */
  override showCarrier(on: boolean): void {
    const fd = this.receiveFds[0];
    if (fd === undefined || on === this.carrierShown) return;
    if (this.native.setTapCarrier(fd, on)) this.carrierShown = on;
  }

  /** See `PortOpener.finish`. */
  static finish(ports: readonly TapPort[]): void {
    const [first] = ports;
    if (first === undefined) return;
    first.devices.refresh();
    for (const port of ports) port.readDrops();
    for (const port of ports) port.countUnread(port.receiveFds);
    // What a TAP refused until its queue was read.
    first.devices.refresh();
    for (const port of ports) port.readDrops();
  }
}
