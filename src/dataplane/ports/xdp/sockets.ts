/**
 * The AF_XDP sockets of a port, the slots that they have, and the program in front of them.
 *
 * Promise: `open` succeeds completely or leaves nothing behind. The program is attached last: what comes before is the
 * kernel's, what comes afterwards waits in rings until a worker asks. One socket for each receive queue of the device, all
 * with the pool as their memory, which the first one registers; and one that sends, on queue 0: one way out keeps order.
 *
 * It has a socket of its own because a receive socket that can send sends whenever somebody polls it (`xsk_poll`).
 *
 * Main thread only.
 */
import type { LinkInfo, Native } from '../../../addon/native.js';
import { type LoadedProgram, loadProgram } from '../../../addon/native.js';
import { xskProgram } from '../../../programs/xsk-program.js';
import type { LentSlots } from '../../memory/lent.js';
import type { XdpPortSpec } from './kind.js';
import { type AttachedProgram, attachProgram } from './program.js';

/** Entries of a receive ring, and slots that the kernel has for a queue: each frame that waits takes one of both. */
export const RING_ENTRIES = 4096;
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

/** Slots that the sockets of a port take. */
export function slotsFor(queues: number, inPlace: boolean): number {
  return queues * RING_ENTRIES + (inPlace ? COPIES_IN_PLACE : COPIES);
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
  /** Receive queues to serve. */
  readonly queues: number;
}

export class XdpSockets {
  readonly receive: number[] = [];
  readonly tag: number;
  send = -1;
  zeroCopy = false;
  inPlace = false;
  attached: AttachedProgram | null = null;
  private isShut = false;
  private program: LoadedProgram | null = null;

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
    this.program = loadProgram(native, xskProgram(queues));
    for (let q = 0; q < Math.min(queues, link.rxQueues); q++) this.openQueue(link.index, q);
    this.inPlace = !this.zeroCopy && copiesAtOnce(native, spec.interface);
    const copies = this.lend(this.inPlace ? COPIES_IN_PLACE : COPIES);
    this.send = native.openXskPoolSend(this.receive[0]!, copies, this.inPlace);
    this.attached = attachProgram(native, this.program.program, link.index);
  }

  private openQueue(ifindex: number, queue: number): void {
    const { native } = this.parts;
    const fd = queue === 0 ? this.openFirst(ifindex) : this.openRetrying(ifindex, queue, this.zeroCopy);
    this.receive.push(fd);
    native.giveXskSlots(fd, this.lend(RING_ENTRIES));
    const words = new Uint32Array([queue, fd]);
    native.updateBpfMap(
      this.program!.maps[0]!,
      new Uint8Array(words.buffer, 0, 4),
      new Uint8Array(words.buffer, 4, 4),
    );
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
        if (mode === 'zerocopy' || (error as NodeJS.ErrnoException).code === 'EBUSY') throw error;
      }
    }
    return this.openRetrying(ifindex, 0, false);
  }

  /** The kernel closes a socket behind its close: whoever comes right after finds the queue taken. */
  private openRetrying(ifindex: number, queue: number, zeroCopy: boolean): number {
    const { native, lent } = this.parts;
    const fillEntries = RING_ENTRIES;
    const options = { ifindex, queue, entries: RING_ENTRIES, fillEntries, zeroCopy };
    const deadline = performance.now() + TAKEN_MS;
    for (;;) {
      try {
        return native.openXskQueue({ ...options, sharedWith: this.receive[0] ?? -1 }, lent.memory);
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
    this.program?.close();
    this.program = null;
    for (const fd of [this.send, ...this.receive.splice(0)]) if (fd >= 0) native.closeDescriptor(fd);
    this.send = -1;
    lent.takeBack(this.tag);
  }
}
