/**
 * Work: the frames that a worker processes at a time, from its own bursts and from the backlogs of others, and where
 * each of them goes.
 *
 * Promise: forwarding reads descriptors only, never the frame: what it needs of the headers has travelled in the
 * descriptor, because touching the bytes from a second core costs a cache miss each. Private to one worker,
 * allocated once.
 *
 * An array of structures, unlike `Burst`: each stage reads most of a descriptor, and copying eight neighbouring words is
 * what costs least between two cores.
 */
import {
  DESCRIPTOR_WORDS,
  FLAGS_MASK,
  FLAGS_SHIFT,
  GROUP_BIT,
  LENGTH_MASK,
  Part,
  PORT_MASK,
  VLAN_SHIFT,
} from '../packet/descriptor.js';

export * from '../packet/descriptor.js';

/** Frames processed at a time at most: four bursts, so that a drained backlog is sent with few system calls. */
export const BATCH_MAX = 256;

/** `n & BATCH_COUNT` is n, for a batch's number of frames; see `BURST_COUNT`. */
export const BATCH_COUNT = 2 * BATCH_MAX - 1;

/** What `Batch.out` says besides a port index (>= 0). The last three are drop reasons. */
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

/** A frame as people write it down, for tests and slow paths. */
export interface FrameFields {
  readonly id: number;
  readonly len: number;
  /** `FrameFlag` bits. */
  readonly flags: number;
  readonly isGroup: boolean;
  readonly port: number;
  /** VLAN id, or -1 when untagged. */
  readonly vlan: number;
  readonly seq: number;
  readonly ledger: number;
  readonly dmacHi: number;
  readonly dmacLo: number;
  readonly smacHi: number;
  readonly smacLo: number;
}

export class Batch {
  /** Frame i's descriptor begins at word `i * DESCRIPTOR_WORDS`. */
  readonly words: Int32Array;
  /** The same memory in pairs of words, for copying. */
  readonly wide: Float64Array;
  /** The result of `decide`: a port index, or one of `Out`. */
  readonly out = new Int32Array(BATCH_MAX);
  /** Frames in the batch: valid indices are 0 … n-1. */
  n = 0;

  /** @param words memory for `BATCH_MAX` descriptors, at a multiple of 8 bytes; default: its own */
  constructor(words: Int32Array = new Int32Array(BATCH_MAX * DESCRIPTOR_WORDS)) {
    this.words = words;
    this.wide = new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
  }

  /** Appends a frame. Not for the hot path. @throws RangeError when full */
  add(frame: Partial<FrameFields>): number {
    const i = this.n;
    if (i >= BATCH_MAX) throw new RangeError(`a work holds at most ${BATCH_MAX} frames`);
    const { words } = this;
    const at = i * DESCRIPTOR_WORDS;
    const { vlan = -1 } = frame;
    words[at + Part.seq] = frame.seq ?? 0;
    words[at + Part.size] =
      (frame.len ?? 0) | ((frame.flags ?? 0) << FLAGS_SHIFT) | (frame.isGroup === true ? GROUP_BIT : 0);
    words[at + Part.dmacLo] = frame.dmacLo ?? 0;
    words[at + Part.id] = frame.id ?? i;
    words[at + Part.smacLo] = frame.smacLo ?? 0;
    words[at + Part.origin] = (frame.port ?? 0) | ((vlan < 0 ? 0 : (vlan & 0xfff) + 1) << VLAN_SHIFT);
    words[at + Part.macs] = ((frame.dmacHi ?? 0) << 16) | (frame.smacHi ?? 0);
    words[at + Part.ledger] = frame.ledger ?? 0;
    this.n = i + 1;
    return i;
  }

  /** One word of frame i's descriptor. */
  part(i: number, part: number): number {
    return this.words[i * DESCRIPTOR_WORDS + part]!;
  }

  /** Everything about frame i. Not for the hot path. */
  frame(i: number): FrameFields {
    const size = this.part(i, Part.size);
    const origin = this.part(i, Part.origin);
    const macs = this.part(i, Part.macs);
    return {
      id: this.part(i, Part.id),
      len: size & LENGTH_MASK,
      flags: (size >> FLAGS_SHIFT) & FLAGS_MASK,
      isGroup: (size & GROUP_BIT) !== 0,
      port: origin & PORT_MASK,
      vlan: (origin >>> VLAN_SHIFT) - 1,
      seq: this.part(i, Part.seq),
      ledger: this.part(i, Part.ledger),
      dmacHi: macs >>> 16,
      dmacLo: this.part(i, Part.dmacLo),
      smacHi: macs & 0xffff,
      smacLo: this.part(i, Part.smacLo),
    };
  }
}

/** What forwards: `Wire` or `Switch`. One object per worker. */
export interface Forwarder {
  /**
   * Writes `batch.out[i]` for every frame of the batch. Never throws, never waits for another thread.
   *
   * @param nowSeconds a monotonic clock in whole seconds (from 0 or 1 up, common to all workers)
   */
  decide(batch: Batch, nowSeconds: number): void;
}
