/**
 * The memory sink: a port that takes every frame and keeps none.
 *
 * Promise: never full, never down; GSO super-frames and partial checksums are welcome as they are. A frame given to
 * it counts as delivered. It does not look at the frames: a second core's cache miss per frame would be measured as
 * the engine's cost. One object per worker, nothing shared. Results stay 0 = `SendResult.sent`: nothing else is ever
 * written there.
 */
import { LatencyCounts } from '../latency.js';
import { makeSendArrays, type Sender } from './port.js';

export class MemorySink implements Sender {
  readonly arrays = makeSendArrays();
  readonly offload = true;
  readonly delivers = true;

  send(from: number, to: number): number {
    return to - from;
  }

  close(): void {}
}

/** A memory sink that counts how old stamped frames are when it gets them: it does read the frames. */
export class LatencySink implements Sender {
  readonly arrays = makeSendArrays();
  readonly offload = true;
  readonly delivers = true;
  private readonly words: Int32Array;
  private readonly counts: LatencyCounts;

  /** @param shared histograms of all senders; this one is number `worker` */
  constructor(
    bytes: Uint8Array,
    shared: SharedArrayBuffer,
    worker: number,
    private readonly clock: () => number,
  ) {
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.counts = new LatencyCounts(shared, worker);
  }

  send(from: number, to: number): number {
    this.counts.record(this.words, this.arrays.off, from, to, this.clock());
    return to - from;
  }

  close(): void {}
}
