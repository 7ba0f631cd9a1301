/**
 * The memory sink: a port that takes every frame and keeps none.
 *
 * Promise: never full, never down; GSO super-frames and partial checksums are welcome as they are. A frame given to
 * it counts as delivered. It does not look at the frames: a second core's cache miss per frame would be measured as
 * the engine's cost. One object per worker, nothing shared. Results stay 0 = `SendResult.sent`: nothing else is ever
 * written there.
 */
import type { ThreadClock } from '../../memory/clock.js';
import { LatencyCounts } from '../../memory/latency.js';
import { LINE_WORDS } from '../../memory/layout.js';
import { makeSendArrays, type Sender } from '../port.js';

export class MemorySink implements Sender {
  readonly arrays = makeSendArrays();
  readonly offload = true;
  readonly delivers = true;

  send(from: number, to: number): number {
    return to - from;
  }

  close(): void {}
}

/** Slots of a guest's receive queue, as virtio-net has by default, and their size. */
const QUEUE_SLOTS = 256;
const QUEUE_SLOT_WORDS = 512;
/** The queue's index has a line of its own, as a virtqueue's has. */
const QUEUE_WORDS = LINE_WORDS + QUEUE_SLOTS * QUEUE_SLOT_WORDS;

/** Bytes of a guest's receive queues. */
export function guestQueueBytes(queues: number): number {
  return queues * QUEUE_WORDS * 4;
}

/**
 * A memory sink that copies every frame into a guest's receive queue, as vhost does; the guest is quick enough that the
 * queue is never full. What a large frame has beyond a slot is not copied. Workers that share a queue write to the same
 * memory, one after the other under the transmit queue's lock.
 */
export class GuestSink implements Sender {
  readonly arrays = makeSendArrays();
  readonly offload = true;
  readonly delivers = true;
  private readonly queue: Int32Array;
  private readonly words: Int32Array;

  constructor(bytes: Uint8Array, shared: SharedArrayBuffer, queue: number) {
    this.queue = new Int32Array(shared, queue * QUEUE_WORDS * 4, QUEUE_WORDS);
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  }

  send(from: number, to: number): number {
    const { queue, words } = this;
    const { off, len } = this.arrays;
    let next = queue[0]!;
    for (let k = from; k < to; k++) {
      let at = LINE_WORDS + next * QUEUE_SLOT_WORDS;
      let source = off[k]! >> 2;
      const count = Math.min((len[k]! + 3) >> 2, QUEUE_SLOT_WORDS);
      for (const end = source + count; source < end; source++, at++) queue[at] = words[source]!;
      next = (next + 1) & (QUEUE_SLOTS - 1);
    }
    queue[0] = next;
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
    private readonly clock: ThreadClock,
  ) {
    this.arrays = sink.arrays;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.counts = new LatencyCounts(shared, worker);
  }

  send(from: number, to: number): number {
    const taken = this.sink.send(from, to);
    this.clock.look();
    this.counts.record(this.words, this.arrays.off, from, to, this.clock.times);
    return taken;
  }

  close(): void {}
}
