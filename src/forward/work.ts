/**
 * Work: the frames that a worker processes at a time, from its own bursts and from the backlogs of others, as
 * parallel typed arrays, and where each of them goes.
 *
 * Promise: forwarding reads these fields only, never the frame: what it needs of the headers has travelled in the
 * descriptor, because touching the bytes from a second core costs a cache miss each. Private to one worker,
 * allocated once. Structure of arrays of `Int32Array` for the reasons given at `Burst`; unlike a burst, work
 * mixes receive queues, so port and queue are fields.
 */

/** Frames processed at a time at most: four bursts, so that a drained backlog is sent with few system calls. */
export const WORK_MAX = 256;

/** What `Work.out` says besides a port index (>= 0). The last three are drop reasons. */
export const Out = {
  /** All ports but the one that the frame came from. */
  flood: -1,
  /** There is no port for it. */
  noRoute: -2,
  /** It must not be forwarded: back to its own port, or a link-local group address (802.1D, 01:80:c2:00:00:0x). */
  filtered: -3,
  /** Not an Ethernet frame: shorter than its header. */
  malformed: -4,
} as const;

/** Destination and source address and ethertype. */
export const ETHERNET_HEADER_BYTES = 14;

export class Work {
  /** Frames in the work: valid indices are 0 … n-1. */
  n = 0;

  /** Pool slot. */
  readonly id = new Int32Array(WORK_MAX);
  /** Byte offset of the frame in the pool. */
  readonly off = new Int32Array(WORK_MAX);
  /** Bytes of the frame. */
  readonly len = new Int32Array(WORK_MAX);
  /** `FrameFlag` bits. */
  readonly flags = new Int32Array(WORK_MAX);
  /** `Kind` bits of dissection. */
  readonly kind = new Int32Array(WORK_MAX);
  /** Port and receive queue that the frame came from. */
  readonly port = new Int32Array(WORK_MAX);
  readonly queue = new Int32Array(WORK_MAX);
  /** Ingest sequence. */
  readonly seq = new Int32Array(WORK_MAX);
  /** Where the frame's completion is accounted: the data plane's own, forwarding does not look at it. */
  readonly ledger = new Int32Array(WORK_MAX);
  /** Outer VLAN tag (control information; the low 12 bits are the id), or -1 when untagged. */
  readonly vlan = new Int32Array(WORK_MAX);
  /** Destination MAC: first two bytes, and last four bytes. */
  readonly dmacHi = new Int32Array(WORK_MAX);
  readonly dmacLo = new Int32Array(WORK_MAX);
  /** Source MAC: first two bytes, and last four bytes. */
  readonly smacHi = new Int32Array(WORK_MAX);
  readonly smacLo = new Int32Array(WORK_MAX);

  /** The result of `decide`: a port index, or one of `Out`. */
  readonly out = new Int32Array(WORK_MAX);
}

/** What forwards: `Wire` or `Switch`. One object per worker. */
export interface Forwarder {
  /**
   * Writes `work.out[i]` for every frame of the work. Never throws, never waits for another thread.
   *
   * @param nowSeconds a monotonic clock in whole seconds (from 0 or 1 up, common to all workers)
   */
  decide(work: Work, nowSeconds: number): void;
}
