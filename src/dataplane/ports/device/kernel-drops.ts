/**
 * What the kernel dropped before this program could have it, at one live port.
 *
 * Promise: `total` is the sum of these, no frame in two of them, none that the program has received in any:
 *   ring     no room in a receive ring, or in the socket's buffer for frames longer than a slot (read by receivers, too)
 *   guard    super-frames that the virtio-net header cannot express, refused before the ring (`ReceiveGuard`)
 *   unread   frames that lay in a queue of the port when that was closed: no worker took them any more
 *   device   the device's own counter: full backlog of the receiving CPU, missed by the hardware, frames beyond the
 *            MTU; a TAP of ours: its queue was full, or it had no carrier
 *
 * The device's counter also holds tagged frames that no protocol of the kernel takes, although packet sockets got them
 * (`__netif_receive_skb_core`): the guard counts these, and they are taken off. Without a guard they are left in. A TUN
 * device that another program holds counts there what it refused to its holder (`tun_get_user`), who was told: there
 * only what CPUs' backlogs dropped counts, which is the one place behind it that can lose a frame.
 *
 * VLAN frames of less than 20 bytes are lost in the kernel and counted by nobody (`skb_vlan_untag`).
 *
 * Main thread only. Never decreases.
 */
import type { Native } from '../../../addon/native.js';
import { type ReceiveGuard, readReceiveGuard } from '../../../programs/receive-guard.js';
import { DeviceColumn, type DeviceCounters } from './device-counters.js';

/** Where a device's own drops are told, and how far they are to be believed. */
export interface DropSource {
  /** What the kernel sends into the device is what we receive: its transmit column counts, else its receive column. */
  readonly column: 'received' | 'sent';
  /** Others were told of what the device refused to take from them: only what full backlogs dropped behind it counts. */
  readonly isHeld: boolean;
}

export class KernelDrops {
  /** Frames that the guard refused. */
  refused = 0;
  unread = 0;
  private unclaimed = 0;
  private ring = 0;
  /** Of the device that is open, and of those before it. */
  private device = 0;
  private past = 0;
  private source: DropSource = { column: 'received', isHeld: false };
  private baseline = 0;
  private softnetBaseline = 0;

  constructor(
    private readonly native: Native,
    /** What the device itself has counted, at the last look of `devices` or a later one. @param column a `DeviceColumn` */
    private readonly readDevice: (column: number) => number,
    private readonly guard: ReceiveGuard | null,
    private readonly devices: DeviceCounters,
  ) {}

  get total(): number {
    return this.ring + this.refused + this.unread + this.past + this.device;
  }

  /** The port's device was opened (again), and `devices` read since then: what it has counted before is not ours. */
  begin(source: DropSource): void {
    this.past += this.device;
    this.device = 0;
    this.source = source;
    this.baseline = this.counted();
    this.softnetBaseline = source.isHeld ? this.devices.backlogDrops() : 0;
  }

  /** Brings the counters up to date, those of the device to what `devices` last read. @param receiveFds packet sockets of the port */
  read(receiveFds: readonly number[]): void {
    this.device = Math.max(this.device, this.deviceDrops());
    this.readRefused();
    for (const fd of receiveFds) this.addRing(this.native.packetStatistics(fd).drops);
  }

  /** Brings `refused` up to date, and returns it. */
  readRefused(): number {
    this.readGuard();
    return this.refused;
  }

  /** Drops at a ring that were read elsewhere (and are there no more). */
  addRing(drops: number): void {
    this.ring += drops;
  }

  /** Frames that lay in a queue that was closed. */
  addUnread(frames: number): void {
    this.unread += frames;
  }

  private deviceDrops(): number {
    const drops = this.counted() - this.baseline;
    return this.source.isHeld ? Math.min(drops, this.devices.backlogDrops() - this.softnetBaseline) : drops;
  }

  /** What cannot be read (before Linux 6.5 once privileges were given up) stays as it was. */
  private readGuard(): void {
    if (this.guard === null) return;
    const { refused, unclaimed } = readReceiveGuard(this.native, this.guard.counters);
    this.refused = Math.max(this.refused, refused);
    this.unclaimed = Math.max(this.unclaimed, unclaimed);
  }

  /** The device's counter less what the program has received. */
  private counted(): number {
    const column = this.source.column === 'sent' ? DeviceColumn.txDropped : DeviceColumn.rxDropped;
    const drops = this.readDevice(column);
    // Read last: a frame is counted by the guard before the kernel's stack counts it.
    this.readGuard();
    return drops - this.unclaimed;
  }
}
