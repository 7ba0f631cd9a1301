/**
 * What workers know of an AF_XDP port: the layout of `PortInfo.data`.
 *
 * Promise: shared by the main thread, which writes the words, and the workers, which read them.
 */
import { INTERFACE_QUEUES_MAX as QUEUES } from '../kind.js';

export interface XdpData {
  /** See `XdpWord`. */
  readonly words: SharedArrayBuffer;
  /** Partial checksums may be given to it; super-frames come back to be segmented. */
  readonly offload: true;
}

/**
 * Words of a port: a descriptor per receive queue and one for sending, -1 = none; the tag of its slots; the interface's
 * index; and two that a sender of packets reads, which stay 0 here.
 */
export const XdpWord = {
  receive: 0,
  send: QUEUES,
  tag: QUEUES + 1,
  ifindex: QUEUES + 2,
  path: QUEUES + 3,
} as const;
export const XDP_WORDS = QUEUES + 5;
