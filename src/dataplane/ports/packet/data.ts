/**
 * What workers know of an AF_PACKET port: the layout of `PortInfo.data`.
 *
 * Promise: shared by the main thread, which writes the words, and the workers, which read them.
 */
import { INTERFACE_QUEUES_MAX as QUEUES } from '../kind.js';

export interface PacketData {
  /** See `PacketWord`. */
  readonly words: SharedArrayBuffer;
  /** Words of the receive queues: the position in the kernel's ring, and which ring that is. */
  readonly state: SharedArrayBuffer;
  /** Super-frames and partial checksums may be given to the device. */
  readonly offload: boolean;
  /** Staging memory of the AF_XDP socket of each transmit queue; empty where there is none. */
  readonly staging: readonly SharedArrayBuffer[];
}

/**
 * Words of a port. Descriptors, -1 = none: one per receive queue, then per transmit queue its packet socket past the
 * queueing discipline, its AF_XDP socket and its packet socket through the queueing discipline. Then the interface's
 * index, and what senders read with every call: the number of the way out (`TRANSMIT_PATHS`), and behind it the kinds of
 * super-frames that are not left to the kernel (see `TransmitSockets`).
 */
export const PacketWord = {
  receive: 0,
  send: QUEUES,
  sendXsk: 2 * QUEUES,
  sendQueued: 3 * QUEUES,
  ifindex: 4 * QUEUES,
  path: 4 * QUEUES + 1,
  withheld: 4 * QUEUES + 2,
} as const;
export const PACKET_WORDS = 4 * QUEUES + 3;
