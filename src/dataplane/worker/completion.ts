/**
 * What becomes of each frame of a batch, from the first send call to the counters.
 *
 * Promise: each frame of the batch ends in exactly one of transmitted, delivered or dropped (under one reason), and
 * further copies (flooding, segments) are counted apart. Nothing is kept of single frames as long as every frame goes
 * to one port and arrives, which is what most batches do (`detailed` is false); `detail` makes up for it when that ends.
 *
 * One object per worker thread. Nothing here allocates per work, and `commit` cannot throw.
 */
import { BATCH_MAX, type Batch } from '../../forward/batch.js';
import type { OrderMeter } from '../order/meter.js';
import type { Sender } from '../ports/port.js';
import { WorkerCounter } from '../shared/counters.js';

export class TxCompletions {
  /** True: the per-frame arrays are valid. False: every frame so far was accepted by exactly one port. */
  detailed = false;
  /** Segments sent beyond one for each super-frame. */
  segmentsSent = 0;
  /** Per frame: copies taken by sending ports, by delivering ports, failed copies, last failure. */
  private readonly sent = new Int32Array(BATCH_MAX);
  private readonly handed = new Int32Array(BATCH_MAX);
  private readonly failed = new Int32Array(BATCH_MAX);
  private readonly reason = new Int32Array(BATCH_MAX);
  /** Frames that each port took, while nothing is kept of each. */
  private readonly took: Int32Array;
  /** Frames and ports of the batch. */
  private n = 0;
  private ports = 0;

  /** @param lists work indices for each port, in the order of sending: `lists[port * BATCH_MAX + k]` */
  constructor(
    private readonly senders: readonly (Sender | null)[],
    private readonly lists: Int32Array,
    private readonly counters: Float64Array,
    private readonly meter: OrderMeter,
  ) {
    this.took = new Int32Array(senders.length);
  }

  /** A work of `n` frames begins. */
  begin(n: number, ports: number): void {
    this.n = n;
    this.ports = ports;
    this.detailed = false;
    for (let p = 0; p < ports; p++) this.took[p] = 0;
  }

  /** A port took the next `n` frames of its list; only while nothing is kept of each. */
  takeAll(port: number, n: number): void {
    this.took[port] = this.took[port]! + n;
  }

  /** From now on the fate of each frame of this batch is kept, with what has become of those before. */
  detail(): void {
    if (this.detailed) return;
    this.detailed = true;
    const { n, sent, handed, failed, ports, lists, took } = this;
    sent.fill(0, 0, n);
    handed.fill(0, 0, n);
    failed.fill(0, 0, n);
    for (let p = 0; p < ports; p++) {
      const copies = this.copiesOf(p);
      for (let k = 0; k < took[p]!; k++) copies[lists[p * BATCH_MAX + k]!]!++;
    }
  }

  /** Copies of each frame that ports of this kind took; add to it after `detail`. */
  copiesOf(port: number): Int32Array {
    return this.senders[port]?.delivers === true ? this.handed : this.sent;
  }

  /** A copy of frame i failed. After `detail`. */
  fail(i: number, reason: number): void {
    this.failed[i] = this.failed[i]! + 1;
    this.reason[i] = reason;
  }

  /** Further copies of frame i failed, of which some arrived. After `detail`. */
  failCopies(i: number, copies: number): void {
    this.failed[i] = this.failed[i]! + copies;
  }

  /** Frame i goes nowhere, for this reason, unless a port takes it. After `detail`. */
  unlessTaken(i: number, reason: number): void {
    this.reason[i] = reason;
  }

  /** After sending: frame i was transmitted or delivered somewhere. */
  arrived(i: number): boolean {
    return !this.detailed || (this.sent[i]! | this.handed[i]!) !== 0;
  }

  /** Counts every frame's end and tells the order meter. */
  commit(batch: Batch): void {
    if (this.detailed) this.commitDetailed(batch);
    else this.commitArrived(batch);
    this.counters[WorkerCounter.processed]! += batch.n;
  }

  /** Every frame of the batch went to one port and arrived. */
  private commitArrived(batch: Batch): void {
    const { counters } = this;
    const reordered = this.meter.commitArrived(batch);
    for (let p = 0; p < this.ports; p++) {
      const count = this.took[p]!;
      if (count === 0) continue;
      const counter = this.senders[p]!.delivers ? WorkerCounter.delivered : WorkerCounter.transmitted;
      counters[counter]! += count;
    }
    if (reordered > 0) counters[WorkerCounter.reordered]! += reordered;
  }

  private commitDetailed(batch: Batch): void {
    const { counters, sent, handed, failed } = this;
    let transmitted = 0;
    let delivered = 0;
    let flooded = 0;
    let handedCopies = 0;
    let lostCopies = 0;
    const reordered = this.meter.commit(batch, sent, handed);
    for (let i = 0; i < batch.n; i++) {
      const s = sent[i]!;
      const h = handed[i]!;
      if (s > 0 || h > 0) {
        if (s > 0) {
          transmitted++;
          flooded += s - 1;
          handedCopies += h;
        } else {
          delivered++;
          handedCopies += h - 1;
        }
        lostCopies += failed[i]!;
      } else {
        counters[WorkerCounter.dropped + this.reason[i]!]!++;
      }
    }
    counters[WorkerCounter.transmitted]! += transmitted;
    counters[WorkerCounter.delivered]! += delivered;
    counters[WorkerCounter.floodedCopies]! += flooded;
    counters[WorkerCounter.deliveredCopies]! += handedCopies;
    counters[WorkerCounter.copiesDropped]! += lostCopies;
    counters[WorkerCounter.segmentCopies]! += this.segmentsSent;
    counters[WorkerCounter.reordered]! += reordered;
    this.segmentsSent = 0;
  }
}
