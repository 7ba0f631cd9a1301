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

/** `n & WORK_COUNT` is n, for a work's number of frames; see `BURST_COUNT`. */
export const WORK_COUNT = 2 * WORK_MAX - 1;

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

/** Where each field's array starts in `Work.words`, for the loops that touch many fields of every frame; see `Field`. */
export const WorkField = {
  id: 0 * WORK_MAX,
  off: 1 * WORK_MAX,
  len: 2 * WORK_MAX,
  flags: 3 * WORK_MAX,
  kind: 4 * WORK_MAX,
  port: 5 * WORK_MAX,
  queue: 6 * WORK_MAX,
  seq: 7 * WORK_MAX,
  ledger: 8 * WORK_MAX,
  vlan: 9 * WORK_MAX,
  dmacHi: 10 * WORK_MAX,
  dmacLo: 11 * WORK_MAX,
  smacHi: 12 * WORK_MAX,
  smacLo: 13 * WORK_MAX,
  out: 14 * WORK_MAX,
} as const;
const FIELDS = 15;

export class Work {
  /** All fields of all frames; the arrays below are views of it. */
  readonly words = new Int32Array(FIELDS * WORK_MAX);

  /** Frames in the work: valid indices are 0 … n-1. */
  n = 0;

  /** Pool slot. */
  readonly id = this.field(WorkField.id);
  /** Byte offset of the frame in the pool. */
  readonly off = this.field(WorkField.off);
  /** Bytes of the frame. */
  readonly len = this.field(WorkField.len);
  /** `FrameFlag` bits. */
  readonly flags = this.field(WorkField.flags);
  /** `Kind` bits of dissection. */
  readonly kind = this.field(WorkField.kind);
  /** Port and receive queue that the frame came from. */
  readonly port = this.field(WorkField.port);
  readonly queue = this.field(WorkField.queue);
  /** Ingest sequence. */
  readonly seq = this.field(WorkField.seq);
  /** Where the frame's completion is accounted: the data plane's own, forwarding does not look at it. */
  readonly ledger = this.field(WorkField.ledger);
  /** Outer VLAN tag (control information; the low 12 bits are the id), or -1 when untagged. */
  readonly vlan = this.field(WorkField.vlan);
  /** Destination MAC: first two bytes, and last four bytes. */
  readonly dmacHi = this.field(WorkField.dmacHi);
  readonly dmacLo = this.field(WorkField.dmacLo);
  /** Source MAC: first two bytes, and last four bytes. */
  readonly smacHi = this.field(WorkField.smacHi);
  readonly smacLo = this.field(WorkField.smacLo);

  /** The result of `decide`: a port index, or one of `Out`. */
  readonly out = this.field(WorkField.out);

  private field(start: number): Int32Array {
    return this.words.subarray(start, start + WORK_MAX);
  }
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
