/**
 * The order ledger: notices every frame that finishes after a later frame of its flow and receive queue, and keeps
 * a flow on its worker while frames of it are on their way (`guard`, for order=strict).
 *
 * Promise: a frame counts as reordered exactly when its ingest sequence number is below the highest one finished
 * in its flow (RFC 4737, section 3: sequence smaller than NextExp). No false alarms: a ledger slot belongs to one
 * flow at a time, and passes to another flow only when the newest frame noted in it has finished. A frame whose
 * slots are still busy with other flows is not watched, and the caller counts it as such. Frames dropped before
 * they reach a worker leave no trace: they are lost, not early.
 *
 * Threads: the worker that polls the receive queue is the only writer of `tag`, `ingest` and `worker`; `finished` is
 * advanced by compare-and-swap by whichever worker finishes the frame. Frames finish in the order of the send
 * calls of one worker; between workers the ledger sees the order in which they report.
 */
import type { Carver } from './layout.js';

/** Flow slots of one receive queue. */
export const LEDGER_SLOTS = 16_384;
const MASK = LEDGER_SLOTS - 1;
/** Result of `slotFor`: the frame cannot be watched. */
export const UNWATCHED = -2;

export function carveLedger(carver: Carver, queues: number) {
  return {
    tag: carver.words(queues * LEDGER_SLOTS),
    ingest: carver.words(queues * LEDGER_SLOTS),
    finished: carver.words(queues * LEDGER_SLOTS),
    worker: carver.words(queues * LEDGER_SLOTS),
  };
}

export class Ledger {
  private readonly tag: Int32Array;
  private readonly ingest: Int32Array;
  private readonly finished: Int32Array;
  private readonly worker: Int32Array;

  /** @param watches false: nothing is watched (for measuring what watching costs). */
  constructor(
    shared: ReturnType<typeof carveLedger>,
    private readonly watches = true,
  ) {
    this.tag = shared.tag;
    this.ingest = shared.ingest;
    this.finished = shared.finished;
    this.worker = shared.worker;
  }

  /**
   * The ledger slot for a frame of flow `flow` (32-bit identity, 0 = not IP) from receive queue `queue` (global
   * number) with sequence `seq`; -1 when there is nothing to watch, `UNWATCHED` when both slots of the flow are
   * busy with others. Call `note` once the frame has been accepted, before anyone else can finish it.
   */
  slotFor(flow: number, queue: number, seq: number): number {
    if (flow === 0 || !this.watches) return -1;
    const { tag, ingest, finished } = this;
    const first = queue * LEDGER_SLOTS + ((flow ^ (flow >>> 15)) & MASK);
    if (tag[first] === flow) return first;
    const second = first ^ 1;
    if (tag[second] === flow) return second;
    let s = first;
    if (tag[s] !== 0 && Atomics.load(finished, s) !== ingest[s]) {
      s = second;
      if (tag[s] !== 0 && Atomics.load(finished, s) !== ingest[s]) return UNWATCHED;
    }
    tag[s] = flow;
    ingest[s] = (seq - 1) | 0;
    Atomics.store(finished, s, (seq - 1) | 0);
    return s;
  }

  /** The frame that `slotFor` was asked for is on its way (it was not dropped before a worker had it). */
  note(s: number, seq: number, worker: number): void {
    this.ingest[s] = seq;
    this.worker[s] = worker;
  }

  /**
   * The worker that the flow in slot `s` must stay on: the one that its last frame went to, until that frame has
   * finished (with it all before: a flow's frames on one worker finish in order); after that, `wanted`. A frame
   * that died with its worker holds the flow there until the next one of the flow has finished.
   */
  guard(s: number, wanted: number): number {
    const current = this.worker[s]!;
    if (current === wanted || Atomics.load(this.finished, s) === this.ingest[s]) return wanted;
    return current;
  }

  /** Frame `seq` in slot `s` has finished; true when a later one of its flow had finished before. */
  finish(s: number, seq: number): boolean {
    const finished = this.finished;
    let highest = Atomics.load(finished, s);
    for (;;) {
      if (((seq - highest) | 0) <= 0) return true;
      const seen = Atomics.compareExchange(finished, s, highest, seq);
      if (seen === highest) return false;
      highest = seen;
    }
  }
}
