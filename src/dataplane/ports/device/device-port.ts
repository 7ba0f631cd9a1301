/**
 * A live port of a kernel interface: what all kinds of them have in common on the main thread. Opens the descriptors
 * that the workers duplicate, watches the interface, reads the kernel's drop counters.
 *
 * Promise: opening either succeeds completely or throws one UserError line and leaves nothing open. A device that
 * goes down, vanishes or comes back is noticed by `check`, reported once per change, and picked up again; the
 * descriptors of a vanished device are replaced, never reused.
 *
 * Descriptors are opened by the main thread, not by the workers: the order in which sockets join a fanout group
 * is then the order of the queues, frames wait in the kernel while a dead worker is restarted, and a TAP's queue
 * does not come and go with a thread.
 */
import type { LinkInfo, Native } from '../../../addon/native.js';
import { privilegesDropped } from '../../../addon/privileges.js';
import { UserError } from '../../../errors.js';
import type { AnyPortSpec } from '../kind.js';
import { type LinkChange, LivePort, NO_DESCRIPTORS, type OldDescriptors } from '../live-port.js';
import type { DeviceCounters } from './device-counters.js';
import type { DropSource, KernelDrops } from './kernel-drops.js';

type Checked = { change: LinkChange; old: OldDescriptors };
const NOTHING_NEW: Checked = { change: 'none', old: NO_DESCRIPTORS };

/** A port of an interface, as it was asked for. */
export interface DeviceSpec extends AnyPortSpec {
  readonly interface: string;
}

/** What a device port is made with. */
export interface DeviceParts<S extends DeviceSpec> {
  readonly native: Native;
  readonly spec: S;
  readonly devices: DeviceCounters;
  readonly warn: (message: string) => unknown;
}

export abstract class DevicePort<S extends DeviceSpec> extends LivePort {
  readonly spec: S;
  protected readonly native: Native;
  protected readonly devices: DeviceCounters;
  protected readonly warn: (message: string) => unknown;
  /** The interface's index when it was opened. */
  protected index = -1;
  protected receiveFds: number[] = [];
  protected abstract readonly drops: KernelDrops;
  private carrierNoted = true;
  private saidLost = false;

  protected constructor({ native, spec, devices, warn }: DeviceParts<S>) {
    super();
    this.native = native;
    this.spec = spec;
    this.devices = devices;
    this.warn = warn;
  }

  /** Opens the descriptors (`receiveFds` among them) and notes the index. @throws Error; what was opened is closed then */
  protected abstract openDescriptors(link: LinkInfo | null): void;
  /** Where its drops are told from now on. @param link as before it was opened */
  protected abstract dropSource(link: LinkInfo | null): DropSource;
  /** The descriptor still has the interface that it was opened on. */
  protected abstract isAttached(fd: number): boolean;
  /** Gives away all descriptors but those for receiving. */
  protected abstract forgetOthers(): number[];
  /** Counts what lies in queues that take in nothing more, and what they had no room for since the last look. */
  protected abstract countUnread(fds: readonly number[]): void;

  /** Whether an interface that has come back can be opened as it is. */
  protected canReopen(_link: LinkInfo): boolean {
    return true;
  }

  /** Carrier as the far end of a wire is to see it. */
  protected carrierOf(link: LinkInfo | null): boolean {
    return link?.up === true && link.running;
  }

  /**
   * Where its interface is not found here under its name: what it is now, if the port goes on with it there; `untold`
   * where it does and nothing can be told of it; null where it does not.
   */
  protected away(): LinkInfo | 'untold' | null {
    return null;
  }

  /** The interface is here, under its name. */
  protected atHome(): void {}

  /** Follows an interface that is there. */
  protected followLink(_link: LinkInfo): void {}

  /** Opens everything for the first time: the last thing that a constructor does. @throws UserError */
  protected begin(link: LinkInfo | null): void {
    try {
      this.open(link);
      this.opened();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** It was opened for the first time: the place for warnings. */
  protected opened(): void {}

  /** Opens all descriptors; on failure closes what was opened. */
  private open(link: LinkInfo | null): void {
    try {
      this.openDescriptors(link);
      this.devices.refresh();
      this.drops.begin(this.dropSource(link));
    } catch (error) {
      this.closeDescriptors();
      if (error instanceof UserError) throw error;
      throw new UserError(`--port ${this.spec.name}: ${(error as Error).message}`, { code: 'RXS_OPEN' });
    }
  }

  get device(): string {
    return this.spec.interface;
  }

  /** The port with its interface, for messages. */
  protected get title(): string {
    return `${this.spec.interface} (port ${this.spec.name})`;
  }

  override check(): Checked {
    const link = this.native.linkInfo(this.spec.interface);
    this.carrier = this.carrierOf(link);
    if (this.state === 'gone') return link === null ? NOTHING_NEW : this.found(link);
    if (link !== null && this.attachedTo(link)) {
      this.atHome();
      this.followLink(link);
      return this.noteState(link);
    }
    const away = this.away();
    if (away === null) return this.lost();
    this.carrier = away === 'untold' || this.carrierOf(away);
    return away === 'untold' ? NOTHING_NEW : this.noteState(away);
  }

  private noteState(link: LinkInfo): Checked {
    this.noteCarrier(link);
    const state = link.up ? 'up' : 'down';
    if (state === this.state) return NOTHING_NEW;
    this.state = state;
    this.warn(
      state === 'down'
        ? `${this.title} is down: frames to it are dropped as portDown`
        : `${this.title} is up again`,
    );
    return { change: 'state', old: NO_DESCRIPTORS };
  }

  /** The interface is not there (any more), or another one has its name. */
  private lost(): Checked {
    this.readDrops();
    const old = this.forget();
    this.state = 'gone';
    this.warn(`${this.title} has vanished: its frames are dropped as portDown until it is back`);
    return { change: 'descriptors', old };
  }

  /** The interface is there again. */
  private found(link: LinkInfo): Checked {
    if (!this.canReopen(link)) return NOTHING_NEW;
    try {
      this.open(link);
    } catch {
      if (privilegesDropped() && !this.saidLost) {
        this.saidLost = true;
        this.warn(
          `${this.title} is back, but what opening it needs was given up (--drop): restart the forwarder`,
        );
      }
      return NOTHING_NEW;
    }
    this.state = 'up';
    this.warn(`${this.title} is back`);
    return { change: 'descriptors', old: NO_DESCRIPTORS };
  }

  /** Warns where a link that is up loses its carrier (the far end is down), and when it has it again. */
  private noteCarrier(link: LinkInfo): void {
    const { carrier } = this;
    if (!link.up || carrier === this.carrierNoted) return;
    this.carrierNoted = carrier;
    this.warn(
      carrier
        ? `${this.title} has carrier again`
        : `${this.title} has no carrier: frames to it are dropped as portDown`,
    );
  }

  /**
   * The descriptors are those of this interface, not of one that had its name (perhaps its index, too) at the last look.
   */
  private attachedTo(link: LinkInfo): boolean {
    return link.index === this.index && this.isAttached(this.receiveFds[0]!);
  }

  override get kernelDrops(): number {
    return this.drops.total;
  }

  override get inexpressible(): number {
    return this.drops.refused;
  }

  override get unread(): number {
    return this.drops.unread;
  }

  /** Brings `kernelDrops` up to what `devices` last read. */
  override readDrops(): void {
    if (this.state === 'gone') return;
    this.drops.read(this.sockets());
  }

  /** Descriptors that are packet sockets: their own counters are read, too. */
  protected sockets(): readonly number[] {
    return [];
  }

  /** MTU of the interface; null when it is gone. */
  override get mtu(): number | null {
    return this.native.linkInfo(this.spec.interface)?.mtu ?? null;
  }

  override closeOld(old: OldDescriptors): void {
    this.countUnread(old.receive);
    for (const fd of [...old.receive, ...old.others]) this.native.closeDescriptor(fd);
  }

  private forget(): OldDescriptors {
    const others = this.forgetOthers();
    const old = { receive: this.receiveFds, others };
    this.receiveFds = [];
    return old;
  }

  private closeDescriptors(): void {
    const { receive, others } = this.forget();
    for (const fd of [...receive, ...others]) this.native.closeDescriptor(fd);
  }

  override close(): void {
    this.closeDescriptors();
  }
}
