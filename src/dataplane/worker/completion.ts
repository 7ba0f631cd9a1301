/**
 * What becomes of each frame of a batch, from the decision to the counters.
 *
 * Promise: each frame of the batch ends in exactly one of transmitted, delivered or dropped (under one reason), and
 * further copies (flooding, segments) are counted apart.
 *
 * A frame's result is one word: the copies that ports take of it, and why there is no other. It begins with what the
 * decision says (`Batch.out`: a copy for its port, or the reason why there is none), gets a copy for each port that a
 * flood names, and loses one for each copy that fails; what is left at the end is counted. While every frame goes to
 * one port and arrives, which is what most batches do, results would say nothing that the ports' lists do not: they are
 * not even written (`detailed` is false).
 *
 * One object per worker thread. Nothing here allocates per batch, and `commit` cannot throw.
 */
import { BATCH_MAX, type Batch, Out } from '../../forward/batch.js';
import type { OrderMeter } from '../order/meter.js';
import type { Sender } from '../ports/port.js';
import { Drop, WorkerCounter } from '../shared/counters.js';

// A result: copies of ports that transmit, copies of ports that deliver (as many as there can be ports each), reason.
const SENT_COPY = 1;
const HANDED_COPY = 1 << 12;
const COPIES = HANDED_COPY - 1;
const HANDED_SHIFT = 12;
const REASON_SHIFT = 24;
/** The bits of copies. */
const ARRIVED = (1 << REASON_SHIFT) - 1;

export class TxCompletions {
  /** True: results are kept for this batch. False: every frame so far was accepted by exactly one port. */
  detailed = false;
  /** Segments sent beyond one for each super-frame. */
  segmentsSent = 0;
  private readonly results = new Int32Array(BATCH_MAX);
  /** Per frame: copies and segments that failed. */
  private readonly failed = new Int32Array(BATCH_MAX);
  /** Ports of the batch. */
  private ports = 0;

  /** @param listed frames of the batch on each port's list */
  constructor(
    private readonly senders: readonly (Sender | null)[],
    private readonly listed: Int32Array,
    private readonly counters: Float64Array,
    private readonly meter: OrderMeter,
  ) {}

  /** A batch begins. */
  begin(ports: number): void {
    this.ports = ports;
    this.detailed = false;
  }

  /** From now on results are kept, with what the decision says of each frame. */
  detail(batch: Batch): void {
    if (this.detailed) return;
    this.detailed = true;
    const { results, ports } = this;
    const { n, out } = batch;
    this.failed.fill(0, 0, n);
    for (let i = 0; i < n; i++) {
      const to = out[i]!;
      results[i] = to >= 0 && to < ports ? this.copyOf(to) : reasonOf(to) << REASON_SHIFT;
    }
  }

  private copyOf(port: number): number {
    return this.senders[port]?.delivers === true ? HANDED_COPY : SENT_COPY;
  }

  /** A flood names a port for frame i. After `detail`. */
  addCopy(i: number, port: number): void {
    this.results[i] = this.results[i]! + this.copyOf(port);
  }

  /** Frame i goes nowhere, for another reason than the decision's. After `detail`. */
  refuse(i: number, reason: number): void {
    this.results[i] = reason << REASON_SHIFT;
  }

  /** The copy of frame i for this port failed. After `detail`. */
  fail(i: number, port: number, reason: number): void {
    this.failed[i] = this.failed[i]! + 1;
    this.results[i] = ((this.results[i]! & ARRIVED) - this.copyOf(port)) | (reason << REASON_SHIFT);
  }

  /** Segments of a copy of frame i failed, of which others arrived. After `detail`. */
  failSegments(i: number, segments: number): void {
    this.failed[i] = this.failed[i]! + segments;
  }

  /** After sending: frame i was transmitted or delivered somewhere. */
  arrived(i: number): boolean {
    return !this.detailed || (this.results[i]! & ARRIVED) !== 0;
  }

  /** Counts every frame's end and tells the order meter. */
  commit(batch: Batch): void {
    if (this.detailed) this.commitResults(batch);
    else this.commitArrived(batch);
    this.counters[WorkerCounter.processed]! += batch.n;
  }

  /** Every frame of the batch went to one port and arrived. */
  private commitArrived(batch: Batch): void {
    const { counters, listed } = this;
    const reordered = this.meter.commitArrived(batch);
    for (let p = 0; p < this.ports; p++) {
      const count = listed[p]!;
      if (count === 0) continue;
      const counter = this.senders[p]!.delivers ? WorkerCounter.delivered : WorkerCounter.transmitted;
      counters[counter]! += count;
    }
    if (reordered > 0) counters[WorkerCounter.reordered]! += reordered;
  }

  private commitResults(batch: Batch): void {
    const { counters, results, failed } = this;
    let transmitted = 0;
    let delivered = 0;
    let sentCopies = 0;
    let handedCopies = 0;
    let lostCopies = 0;
    const reordered = this.meter.commit(batch, results, ARRIVED);
    for (let i = 0; i < batch.n; i++) {
      const result = results[i]!;
      if ((result & ARRIVED) === 0) {
        counters[WorkerCounter.dropped + (result >> REASON_SHIFT)]!++;
        continue;
      }
      const sent = result & COPIES;
      if (sent > 0) transmitted++;
      else delivered++;
      sentCopies += sent;
      handedCopies += (result >> HANDED_SHIFT) & COPIES;
      lostCopies += failed[i]!;
    }
    counters[WorkerCounter.transmitted]! += transmitted;
    counters[WorkerCounter.delivered]! += delivered;
    counters[WorkerCounter.floodedCopies]! += sentCopies - transmitted;
    counters[WorkerCounter.deliveredCopies]! += handedCopies - delivered;
    counters[WorkerCounter.copiesDropped]! += lostCopies;
    counters[WorkerCounter.segmentCopies]! += this.segmentsSent;
    counters[WorkerCounter.reordered]! += reordered;
    this.segmentsSent = 0;
  }
}

/** Why a frame whose decision names no port that there is goes nowhere; a flood, unless it names one. */
function reasonOf(out: number): number {
  return out === Out.filtered ? Drop.filtered : out === Out.malformed ? Drop.malformed : Drop.noRoute;
}
