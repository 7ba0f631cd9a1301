/**
 * What workers know of a vhost-user port: the layout of `PortInfo.data`.
 *
 * Promise: shared by the main thread, which writes the words, and the workers, which read them. A worker that reads while
 * they are written sends to a pair that was enabled a moment ago; the ring itself knows whether it is.
 */
import type { GuestQueue } from './kind.js';

export interface VhostData {
  /** Number of the back-end, for the addon. */
  readonly backend: number;
  /** The descriptor that says that the guest has kicked. */
  readonly event: number;
  /** `enabledWords`. */
  readonly enabled: SharedArrayBuffer;
  /** Which ring each bucket of flows is in: two words a bucket, which the addon's `FlowRings` changes. */
  readonly flows: SharedArrayBuffer;
  /** By bucket: on which pair of rings the guest sent last, and when (`ring-choice.ts`). */
  readonly learned: SharedArrayBuffer;
  /** By pair: worker + 1 on whose CPU the virtual CPU runs that reads its ring; 0 = not known. */
  readonly readers: SharedArrayBuffer;
  /** Pairs of rings that there can be. */
  readonly pairs: number;
  readonly guestQueue: GuestQueue;
  /** Key of the hash that spreads flows over the guest's rings, 16 bytes. */
  readonly key: Uint8Array;
  /** Super-frames and partial checksums may be given to it: what the guest does not take is finished on the way. */
  readonly offload: boolean;
}

/** Words: how many pairs the guest has enabled, their numbers (`pairs` words), then 1 for each pair that is enabled. */
export function enabledWords(pairs: number): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + 2 * pairs) * Int32Array.BYTES_PER_ELEMENT);
}
