/**
 * The order ledger, the side where frames end: notices every frame that finishes after a later one of its flow and
 * receive queue, and measures how far, per class of flows.
 *
 * Promise: a frame counts as reordered exactly when its ingest sequence number is below the highest one transmitted
 * or delivered in its flow (RFC 4737, section 3: sequence smaller than NextExp). Frames that are dropped do not count,
 * neither as late nor as overtaking. No false alarms, see `ledger.ts`.
 *
 * Threads: each worker has a meter for the frames that it finishes. A flow whose frames are on one worker at a time
 * has one writer at a time: plain loads and stores, ordered by the rings (a flow that moves is pushed to its new
 * worker only after its old one has published `done`). Where frames of a flow were sent to a second worker while
 * others were in flight (never under order=strict) they carry `MIXED`: those compare and swap a word of their own,
 * so that the plain stores of the frames before them lose nothing. Between workers the order is that of reports.
 */
import { BATCH_COUNT, type Batch, DESCRIPTOR_SHIFT, GROUP_BIT, Part } from '../../forward/batch.js';
import type { Carver } from '../memory/layout.js';
import { FLOW_CLASSES } from './flow-class.js';
import { MIXED, WORD_CLASS_SHIFT, WORD_SLOT } from './flow-slot.js';
import type { GuestTable } from './guest-sharing.js';
import type { OrderHistory } from './history.js';

// Constants of the module: docs/hot-loops.md.
const COUNT = BATCH_COUNT;
const D_SHIFT = DESCRIPTOR_SHIFT;
const D_SIZE = Part.size;
const D_MACS = Part.macs;
const D_DMAC_LO = Part.dmacLo;
const D_LEDGER = Part.ledger;
const D_SEQ = Part.seq;
const GROUP = GROUP_BIT;
const CLASS_SHIFT = WORD_CLASS_SHIFT;
const SLOT_MASK = WORD_SLOT;
const IS_MIXED = MIXED;

/** Figures of one class of flows. */
export const OrderCounter = {
  /** Frames watched that were transmitted or delivered, and those of them that came late. */
  frames: 0,
  reordered: 1,
  /** Sum and maximum of the reordered frames' extents. */
  extentSum: 2,
  extentMax: 3,
  /** Frames that are n-reordered for n = 1, 2, 3 (3 is where TCP takes them for lost). */
  n1: 4,
  n2: 5,
  n3: 6,
} as const;
const CLASS_COUNTERS = 8;

/** One worker's figures of all classes: single writer, see `counters.ts`. */
export function carveOrder(carver: Carver): Float64Array {
  return carver.doubles(FLOW_CLASSES.length * CLASS_COUNTERS);
}

/** Index of a class's figures in `carveOrder`'s array. */
export function classBase(flowClass: number): number {
  return flowClass * CLASS_COUNTERS;
}

export class OrderMeter {
  /** Frames finished per class since the last flush. */
  private readonly frames = new Int32Array(FLOW_CLASSES.length);

  constructor(
    private readonly finished: Int32Array,
    private readonly history: OrderHistory,
    private readonly counters: Float64Array,
    private readonly touch: GuestTable,
  ) {}

  /**
   * Accounts for the completion of the batch's frames, in batch order: those of whose result one of the bits `arrived` is
   * set arrived, the others were dropped. Returns how many were reordered.
   */
  commit(batch: Batch, results: Int32Array, arrived: number): number {
    const { words } = batch;
    const n = batch.n & COUNT;
    const { finished, frames, touch } = this;
    let reordered = 0;
    for (let i = 0; i < n; i++) {
      if ((results[i]! & arrived) === 0) continue;
      const at = i << D_SHIFT;
      if ((words[at + D_SIZE]! & GROUP) === 0) touch.note(words[at + D_MACS]! >>> 16, words[at + D_DMAC_LO]!);
      const word = words[at + D_LEDGER]!;
      if (word < 0) continue;
      frames[(word >>> CLASS_SHIFT) & 7]!++;
      const f = (word & SLOT_MASK) << 1;
      const s = words[at + D_SEQ]!;
      if (word < IS_MIXED && ((s - finished[f]!) | 0) > 0 && ((s - finished[f + 1]!) | 0) > 0)
        finished[f] = s;
      else if (this.finish(word, s)) reordered++;
    }
    this.flush();
    return reordered;
  }

  /** `commit` for a work of which every frame arrived. */
  commitArrived(batch: Batch): number {
    const { words } = batch;
    const n = batch.n & COUNT;
    const { finished, frames, touch } = this;
    let reordered = 0;
    for (let i = 0; i < n; i++) {
      const at = i << D_SHIFT;
      if ((words[at + D_SIZE]! & GROUP) === 0) touch.note(words[at + D_MACS]! >>> 16, words[at + D_DMAC_LO]!);
      const word = words[at + D_LEDGER]!;
      if (word < 0) continue;
      frames[(word >>> CLASS_SHIFT) & 7]!++;
      const f = (word & SLOT_MASK) << 1;
      const s = words[at + D_SEQ]!;
      if (word < IS_MIXED && ((s - finished[f]!) | 0) > 0 && ((s - finished[f + 1]!) | 0) > 0) {
        finished[f] = s;
      } else if (this.finish(word, s)) reordered++;
    }
    this.flush();
    return reordered;
  }

  private flush(): void {
    const { frames, counters } = this;
    for (let c = 0; c < frames.length; c++) {
      const count = frames[c]!;
      if (count === 0) continue;
      counters[classBase(c) + OrderCounter.frames]! += count;
      frames[c] = 0;
    }
  }

  /**
   * A frame has finished that carries `MIXED`, or is late; true when it is late. Every completion of a flow that
   * follows one that overtook another comes here, so that its history is complete.
   */
  private finish(word: number, seq: number): boolean {
    const { finished } = this;
    const slot = word & WORD_SLOT;
    const f = slot * 2;
    const plain = Atomics.load(finished, f);
    let highest = Atomics.load(finished, f + 1);
    let late = ((seq - plain) | 0) <= 0;
    while (!late) {
      if (((seq - highest) | 0) <= 0) late = true;
      else {
        const seen = Atomics.compareExchange(finished, f + 1, highest, seq);
        if (seen === highest) break;
        highest = seen;
      }
    }
    const top = late ? (((highest - plain) | 0) > 0 ? highest : plain) : seq;
    const position = this.history.append(slot, seq, top);
    if (late) this.measure((word >>> WORD_CLASS_SHIFT) & 7, slot, position, seq);
    return late;
  }

  private measure(flowClass: number, slot: number, position: number, seq: number): void {
    const { counters, history } = this;
    const c = classBase(flowClass);
    const extent = position < 0 ? 1 : history.extent(slot, position, seq);
    const run = position < 0 ? 0 : history.run(slot, position, seq);
    counters[c + OrderCounter.reordered]!++;
    counters[c + OrderCounter.extentSum]! += extent;
    if (extent > counters[c + OrderCounter.extentMax]!) counters[c + OrderCounter.extentMax] = extent;
    if (run >= 1) counters[c + OrderCounter.n1]!++;
    if (run >= 2) counters[c + OrderCounter.n2]!++;
    if (run >= 3) counters[c + OrderCounter.n3]!++;
  }
}
