/**
 * The memory sink: a port that takes every frame and keeps none.
 *
 * Promise: never full, never down; GSO super-frames and partial checksums are welcome as they are. A frame given to
 * it counts as delivered. It does not look at the frames: a second core's cache miss per frame would be measured as
 * the engine's cost. One object per worker, nothing shared.
 */
import { LatencyCounts } from '../latency.js';
import { SendResult } from '../native.js';
import { makeSendArrays, type Sender } from './port.js';

export class MemorySink implements Sender {
  readonly arrays = makeSendArrays();
  readonly offload = true;
  readonly delivers = true;

  send(from: number, to: number): number {
    this.arrays.result.fill(SendResult.sent, from, to);
    return to - from;
  }

  close(): void {}
}

/** Slots of a guest's receive ring, as virtio-net has by default, and their size. */
const RING_SLOTS = 256;
const RING_SLOT_BYTES = 2048;

/**
 * A memory sink that copies every frame into a ring of a guest's receive buffers, as vhost does; the guest is quick
 * enough that the ring is never full. What a larger frame has beyond a slot is not copied.
 */
export class GuestSink implements Sender {
  readonly arrays = makeSendArrays();
  readonly offload = true;
  readonly delivers = true;
  private readonly ring = new Int32Array((RING_SLOTS * RING_SLOT_BYTES) / 4);
  private readonly words: Int32Array;
  private next = 0;

  constructor(bytes: Uint8Array) {
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  }

  send(from: number, to: number): number {
    const { ring, words } = this;
    const { off, len, result } = this.arrays;
    for (let k = from; k < to; k++) {
      let at = this.next * (RING_SLOT_BYTES / 4);
      let source = off[k]! >> 2;
      const bytes = Math.min(len[k]!, RING_SLOT_BYTES);
      for (const end = source + ((bytes + 3) >> 2); source < end; source++, at++) ring[at] = words[source]!;
      this.next = (this.next + 1) % RING_SLOTS;
    }
    result.fill(SendResult.sent, from, to);
    return to - from;
  }

  close(): void {}
}

/** A memory sink that counts how old stamped frames are when it gets them: it does read the frames. */
export class LatencySink implements Sender {
  readonly arrays: Sender['arrays'];
  readonly offload = true;
  readonly delivers = true;
  private readonly words: Int32Array;
  private readonly counts: LatencyCounts;

  /**
   * @param sink takes the frames
   * @param shared histograms of all senders; this one is number `worker`
   */
  constructor(
    private readonly sink: Sender,
    bytes: Uint8Array,
    shared: SharedArrayBuffer,
    worker: number,
    private readonly clock: () => number,
  ) {
    this.arrays = sink.arrays;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.counts = new LatencyCounts(shared, worker);
  }

  send(from: number, to: number): number {
    const taken = this.sink.send(from, to);
    this.counts.record(this.words, this.arrays.off, from, to, this.clock());
    return taken;
  }

  close(): void {}
}
