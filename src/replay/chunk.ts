/**
 * A chunk: some thousand packets of a capture, in shared memory, on their way from the thread that reads to the
 * threads that run policies.
 *
 * Promise: parallel arrays, indices 0 … n-1, all over one SharedArrayBuffer; the packets lie where the reader put
 * them in the window, none is copied. All are Ethernet frames (see capture/ethernet).
 * Ordering: one thread fills a chunk, then posts it (`n`, `first`, `flows` travel in the message); the others read it;
 * when all have said so it is filled again. A message orders the memory accesses before it.
 */
import { WINDOW_BYTES_LEAST } from '../capture/core.js';
import { ETHERNET_HEADER } from '../capture/ethernet.js';
import { BATCH_MAX } from '../capture/format.js';
import { BURST_MAX, type Burst } from '../packet/burst.js';

/** Packets in a chunk at most. */
export const CHUNK_PACKETS = 8192;
/** Bytes that are read for a chunk: it stays in a core's cache while one policy after the other walks it. */
export const CHUNK_READ_BYTES = 384 * 1024;
/** Room before the first packet for an Ethernet header, in whole words. */
const HEADROOM = (ETHERNET_HEADER + 7) & ~7;
const POOL_BYTES = HEADROOM + WINDOW_BYTES_LEAST;
const PACKET_BYTES = 3 * 8 + 7 * 4;

/** What of a chunk travels in a message. */
export interface ChunkNote {
  readonly chunk: number;
  readonly n: number;
  readonly first: number;
  readonly flows: number;
  readonly odds: number;
}

export class Chunk {
  /** Packets in it. */
  n = 0;
  /** Number of the first one in the whole replay, from 0. */
  first = 0;
  /** Flows that the table knew after the last packet: every `flow` is below. */
  flows = 0;
  /** Packets in `odd`. */
  odds = 0;
  /** All bytes; offsets count from here. */
  readonly bytes: Uint8Array;
  /** The part that the reader fills. */
  readonly window: Uint8Array;
  /** Offset and captured length of the Ethernet frame. */
  readonly off: Int32Array;
  readonly len: Int32Array;
  /** `FrameFlag` bits. */
  readonly flags: Int32Array;
  /** Number of the flow, or -1 for what is not IP. */
  readonly flow: Int32Array;
  /**
   * Packets that say something new about their flow, in order: twice the index, and 1 if the packet is plain. A plain
   * one is a flow's first, or not long after; all that are not in the list are plain. See scan.ts.
   */
  readonly odd: Int32Array;
  /** Bytes on the wire, as the capture states them: of what it holds, which need not be an Ethernet frame. */
  readonly wire: Float64Array;
  /** What to add to that for the length of the Ethernet frame. */
  readonly extra: Int32Array;
  /** Virtual time in nanoseconds since the first packet; never goes back. */
  readonly time: Float64Array;
  /** The capture's own timestamp. */
  readonly seconds: Float64Array;
  readonly nanoseconds: Int32Array;

  constructor(
    readonly memory: SharedArrayBuffer = new SharedArrayBuffer(POOL_BYTES + CHUNK_PACKETS * PACKET_BYTES),
  ) {
    this.bytes = new Uint8Array(memory, 0, POOL_BYTES);
    this.window = this.bytes.subarray(HEADROOM);
    let at = POOL_BYTES;
    const doubles = () => {
      const array = new Float64Array(memory, at, CHUNK_PACKETS);
      at += array.byteLength;
      return array;
    };
    const words = () => {
      const array = new Int32Array(memory, at, CHUNK_PACKETS);
      at += array.byteLength;
      return array;
    };
    this.wire = doubles();
    this.time = doubles();
    this.seconds = doubles();
    this.off = words();
    this.len = words();
    this.flags = words();
    this.flow = words();
    this.nanoseconds = words();
    this.odd = words();
    this.extra = words();
  }

  /** Whether another batch fits. */
  get hasRoom(): boolean {
    return this.n + BATCH_MAX <= CHUNK_PACKETS;
  }

  /** Bytes of the headroom: where offsets of the window begin in `bytes`. */
  get base(): number {
    return HEADROOM;
  }

  /** Takes over what travels in a message. */
  noted({ n, first, flows, odds }: ChunkNote): void {
    this.n = n;
    this.first = first;
    this.flows = flows;
    this.odds = odds;
  }

  /** Of the chunk with this index, what travels in a message. */
  note(index: number): ChunkNote {
    const { n, first, flows, odds } = this;
    return { chunk: index, n, first, flows, odds };
  }

  /** Makes packets `odd[from] … odd[from + count - 1]` the frames of a burst. */
  loadOdd(burst: Burst, from: number): void {
    const count = Math.min(BURST_MAX, this.odds - from);
    const { odd, off, len, flags } = this;
    const { off: offs, len: lens, flags: bits } = burst;
    for (let i = 0; i < count; i++) {
      const at = odd[from + i]! >> 1;
      offs[i] = off[at]!;
      lens[i] = len[at]!;
      bits[i] = flags[at]!;
    }
    burst.n = count;
  }

  /**
   * Makes packets from `from` on the frames of a burst (over `bytes`): up to `BURST_MAX`, and none that arrives more
   * than `spanNs` after the first. Returns how many.
   */
  load(burst: Burst, from: number, spanNs: number): number {
    const count = this.#count(from, spanNs);
    const { off, len, flags } = this;
    const { off: offs, len: lens, flags: bits } = burst;
    for (let i = 0; i < count; i++) {
      offs[i] = off[from + i]!;
      lens[i] = len[from + i]!;
      bits[i] = flags[from + i]!;
    }
    burst.n = count;
    return count;
  }

  #count(from: number, spanNs: number): number {
    let count = Math.min(BURST_MAX, this.n - from);
    const { time } = this;
    const last = time[from]! + spanNs;
    while (count > 1 && time[from + count - 1]! > last) count--;
    return count;
  }
}
