/**
 * A path into a guest: what stands between the host's network and the guest's driver.
 *
 * Promise: a path is one file that lists its stages; `paths/index.ts` names it. Everything a stage costs comes from the
 * prices and the guest's settings.
 */
import type { DeviceQueue } from '../machine/device-queue.js';
import type { Step } from '../machine/step.js';
import type { Vcpu } from '../machine/vcpu.js';
import type { Host } from '../model/host.js';
import type { Nic } from '../model/nic.js';
import type { Parts } from '../model/parts.js';
import type { Outlet, WorkerTask } from '../model/tasks.js';
import type { GuestSpec } from '../scenario/schema.js';

/** What a path is built for. */
export interface PathGuest {
  readonly parts: Parts;
  readonly host: Host;
  readonly nic: Nic;
  readonly name: string;
  /** Number among all guests. */
  readonly index: number;
  readonly spec: GuestSpec;
  /** Node of the guest's memory. */
  readonly node: number;
  readonly vcpus: readonly Vcpu[];
  /** Receive queues of the guest. */
  readonly queues: readonly DeviceQueue[];
  readonly transmitQueues: number;
  /** Queue of the guest for a packet: chosen by the library. */
  readonly queueOf: (packet: number) => number;
  /** Host CPUs of device threads that belong to queue `q`. */
  readonly workerCpus: (worker: number) => readonly number[];
}

/** A built path. */
export interface BuiltPath {
  /** The host's steps behind the NIC's driver and steering, up to the guest's queue; called for each program. */
  readonly receive: () => Step[];
  /** From the guest's transmit queue (chosen, its lock passed) to the host's switch. */
  readonly transmit: () => Step[];
  /** The guest's driver on receive and transmit, in picoseconds. */
  readonly driver: { readonly receive: number; readonly transmit: number };
  /** The guest's steps at its driver: register accesses of emulated devices. */
  readonly guestReceive: () => Step[];
  /** The NIC hands packets to the path itself: the host's driver, softirq and steering see nothing of them. */
  readonly isDirect: boolean;
  /** Whether packets from the switch leave by the host's NIC, or the path itself ends on the wire. */
  readonly endsAtSwitch: boolean;
  /** For block devices: the disk, which takes so many microseconds, up to the guest's queue. */
  readonly disk?: (deviceUs: number) => Step[];
  readonly outlet: Outlet;
  readonly workers: readonly WorkerTask[];
}

/** A kind of path. */
export interface Path {
  readonly name: string;
  readonly about: string;
  build(guest: PathGuest): BuiltPath;
}
