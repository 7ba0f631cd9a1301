/**
 * The AF_XDP sockets of a port, the slots that they have, and the program in front of them.
 *
 * Promise: `open` succeeds completely or leaves nothing behind. The program is attached last (`put`): what comes before is
 * the kernel's, what comes afterwards waits in rings until a worker asks. One socket for each receive queue of the device, all
 * (or one for each worker, which then share the queue's slots),
 * all with the pool as their memory, which the first one registers; and one that sends, on queue 0: one way out keeps order.
 *
 * It has a socket of its own because a receive socket that can send sends whenever somebody polls it (`xsk_poll`).
 *
 * Main thread only.
 */
import type { LinkInfo, Native } from '../../../addon/native.js';
import { powerOfTwoAtLeast } from '../../memory/layout.js';
import type { LentSlots } from '../../memory/lent.js';
import type { ReadyProgram } from '../queue-steering.js';
import type { XdpPortSpec } from './kind.js';
import { needing } from './needs.js';
import { type AttachedProgram, attachProgram, enterSockets } from './program.js';

/** Slots of a queue for each of its sockets: of one, of a few, of many. */
const SLOTS_EACH = { one: 4096, few: 2048, many: 512 } as const;
const FEW = 8;
/** Slots for frames that are copied on their way out: a burst's where the kernel has them when the call returns, else more. */
const COPIES_IN_PLACE = 64;
const COPIES = 1024;
/** A queue whose socket was closed a moment ago is taken until then. */
const TAKEN_MS = 1000;
const RETRY_MS = 5;

/** ETHTOOL_GDRVINFO: `struct ethtool_drvinfo`, whose second field is the driver's name. */
const DRIVER_INFO = 3;
const DRIVER_INFO_BYTES = 196;
const DRIVER_NAME = { from: 4, to: 36 } as const;

/**
 * Entries of each socket's ring, and slots that the kernel has for a queue. Each frame that waits takes one of both. A ring
 * has room for twice its socket's share, since while the program in front is replaced all frames wait in one of them; one
 * that is full, because its worker stands still, leaves at least one share to the others.
 */
export function ringsFor(each: number): { readonly entries: number; readonly slots: number } {
  if (each === 1) return { entries: SLOTS_EACH.one, slots: SLOTS_EACH.one };
  const share = each <= FEW ? SLOTS_EACH.few : SLOTS_EACH.many;
  return { entries: 2 * share, slots: (each + 1) * share };
}

/** Slots that the sockets of a port take. */
export function slotsFor(queues: number, each: number, inPlace: boolean): number {
  return queues * ringsFor(each).slots + (inPlace ? COPIES_IN_PLACE : COPIES);
}

/**
 * Whether the kernel has copied a frame when a send call returns, in copy mode: all devices but those of the virtio driver,
 * which get references to our pages (IFF_TX_SKB_NO_LINEAR).
 */
export function copiesAtOnce(native: Native, device: string): boolean {
  const command = new Uint8Array(DRIVER_INFO_BYTES);
  new DataView(command.buffer).setUint32(0, DRIVER_INFO, true);
  try {
    const name = Buffer.from(native.ethtool(device, command).subarray(DRIVER_NAME.from, DRIVER_NAME.to));
    return !name.toString('latin1').startsWith('virtio_net');
  } catch {
    return false;
  }
}

/** What sockets are opened with. */
export interface SocketParts {
  readonly native: Native;
  readonly spec: XdpPortSpec;
  readonly lent: LentSlots;
  /** Receive queues to serve, and sockets of each: one, or one for each worker. */
  readonly queues: number;
  readonly each: number;
}

export class XdpSockets {
  readonly receive: number[] = [];
  readonly tag: number;
  send = -1;
  zeroCopy = false;
  inPlace = false;
  attached: AttachedProgram | null = null;
  private isShut = false;

  private constructor(private readonly parts: SocketParts) {
    this.tag = parts.lent.newTag();
  }

  /** @throws Error with one line */
  static open(parts: SocketParts, link: LinkInfo): XdpSockets {
    const sockets = new XdpSockets(parts);
    try {
      sockets.openAll(link);
      return sockets;
    } catch (error) {
      sockets.close();
      throw error;
    }
  }

  private openAll(link: LinkInfo): void {
    const { native, queues, spec } = this.parts;
    for (let q = 0; q < Math.min(queues, link.rxQueues); q++) this.openQueue(link.index, q);
    this.inPlace = !this.zeroCopy && copiesAtOnce(native, spec.interface);
    const copies = this.lend(this.inPlace ? COPIES_IN_PLACE : COPIES);
    this.send = native.openXskPoolSend(this.receive[0]!, copies, this.inPlace);
  }

  /** Puts a program in front, with these sockets in its map `SOCKETS`: the first one, or in the place of another. @throws Error */
  put(ready: ReadyProgram, ifindex: number): void {
    const { native } = this.parts;
    if (this.isShut) return;
    enterSockets(native, ready, this.receive);
    const { program } = ready.loaded;
    if (this.attached === null) this.attached = attachProgram(native, program, ifindex);
    else native.updateBpfLink(this.attached.link, program);
  }

  private openQueue(ifindex: number, queue: number): void {
    const { native, each } = this.parts;
    const { slots } = ringsFor(each);
    for (let k = 0; k < each; k++) {
      const first = queue === 0 && k === 0;
      const fd = first ? this.openFirst(ifindex) : this.openRetrying(ifindex, queue, this.zeroCopy);
      this.receive.push(fd);
      if (k === 0) native.giveXskSlots(fd, this.lend(slots));
    }
  }

  /** The first one finds out whether the driver can do without copies. */
  private openFirst(ifindex: number): number {
    const { mode } = this.parts.spec;
    if (mode !== 'copy') {
      try {
        const fd = this.openRetrying(ifindex, 0, true);
        this.zeroCopy = true;
        return fd;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'EBUSY') throw error;
        if (mode === 'zerocopy')
          throw new Error(`mode=zerocopy: the driver cannot do it (mode=auto): ${message}`);
      }
    }
    return this.openRetrying(ifindex, 0, false);
  }

  /** The kernel closes a socket behind its close: whoever comes right after finds the queue taken. */
  private openRetrying(ifindex: number, queue: number, zeroCopy: boolean): number {
    const { native, lent, each, spec } = this.parts;
    const { busyPollUs } = spec;
    const { entries, slots } = ringsFor(each);
    const options = { ifindex, queue, entries, fillEntries: powerOfTwoAtLeast(slots), zeroCopy, busyPollUs };
    // Of its own queue, if that has one, for those share slots; else the one that has registered the pool.
    const sharedWith = this.receive[queue * each] ?? this.receive[0] ?? -1;
    const deadline = performance.now() + TAKEN_MS;
    for (;;) {
      try {
        const open = () => native.openXskQueue({ ...options, sharedWith }, lent.memory);
        return needing(sharedWith < 0 ? 'socket' : 'sharing', open);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || performance.now() > deadline) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  private lend(count: number): Int32Array {
    const { lent } = this.parts;
    const slots = lent.lend(count, this.tag);
    if (slots !== null) return slots;
    throw new Error(
      `the frame pool has ${lent.left} slots for devices, and ${count} are needed: give the port at the start`,
    );
  }

  /** Nothing comes in any more: the program is taken away. */
  shut(): void {
    if (this.attached !== null && !this.isShut) this.parts.native.closeDescriptor(this.attached.link);
    this.isShut = true;
  }

  /** Gives everything back. When no worker has any of it. */
  close(): void {
    const { native, lent } = this.parts;
    this.shut();
    for (const fd of [this.send, ...this.receive.splice(0)]) if (fd >= 0) native.closeDescriptor(fd);
    this.send = -1;
    lent.takeBack(this.tag);
  }
}
