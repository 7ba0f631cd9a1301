/**
 * The order ledger: notices every frame that finishes after a later frame of its flow and receive queue.
 *
 * Promise: a frame counts as reordered exactly when its ingest sequence number is below the highest one finished
 * in its flow (RFC 4737, section 3: sequence smaller than NextExp). No false alarms: a ledger slot belongs to one
 * flow at a time, and passes to another flow only when the newest frame noted in it has finished. A frame whose
 * slot is still busy with another flow is not watched, and counted as such.
 *
 * Threads: the worker that polls the receive queue is the only writer of `tag` and `ingest`; `finished` is
 * advanced by compare-and-swap by whichever worker finishes the frame. Frames finish in the order of the send
 * calls of one worker; between workers the ledger sees the order in which they report.
 */
import type { Burst } from '../packet/burst.js';
import type { Carver } from './layout.js';

/** Flow slots of one receive queue. */
export const LEDGER_SLOTS = 16_384;
const MASK = LEDGER_SLOTS - 1;

export function carveLedger(carver: Carver, queues: number) {
  return {
    tag: carver.words(queues * LEDGER_SLOTS),
    ingest: carver.words(queues * LEDGER_SLOTS),
    finished: carver.words(queues * LEDGER_SLOTS),
  };
}

export class Ledger {
  private readonly tag: Int32Array;
  private readonly ingest: Int32Array;
  private readonly finished: Int32Array;

  constructor(shared: ReturnType<typeof carveLedger>) {
    this.tag = shared.tag;
    this.ingest = shared.ingest;
    this.finished = shared.finished;
  }

  /**
   * Notes the frames of a dissected burst from receive queue `queue` (global number), whose first frame has
   * sequence `seq`; writes each frame's ledger slot (or -1) to `slots`. Returns how many could not be watched.
   */
  enter(burst: Burst, queue: number, seq: number, slots: Int32Array): number {
    const { tag, ingest, finished } = this;
    const base = queue * LEDGER_SLOTS;
    const flow = burst.flow;
    let unwatched = 0;
    for (let i = 0; i < burst.n; i++) {
      const f = flow[i]!;
      if (f === 0) {
        slots[i] = -1;
        continue;
      }
      const s = base + ((f ^ (f >>> 15)) & MASK);
      const mine = (seq + i) | 0;
      if (tag[s] !== f) {
        if (tag[s] !== 0 && Atomics.load(finished, s) !== ingest[s]) {
          slots[i] = -1;
          unwatched++;
          continue;
        }
        tag[s] = f;
        Atomics.store(finished, s, (mine - 1) | 0);
      }
      ingest[s] = mine;
      slots[i] = s;
    }
    return unwatched;
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
