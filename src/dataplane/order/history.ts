/**
 * The latest completions of flows that are, or were, on several workers at once: what extents are measured by.
 *
 * Promise: `append` notes one completion and says where it stands; `extent` and `run` answer the questions of RFC
 * 4737 about it (sections 4.2 and 5.3) among the flow's last `HISTORY_LENGTH` completions. What happened before that,
 * or was lost because another flow claimed the same history, is left out: figures are then too low, never too high.
 * Flows whose frames were never on two workers at once have no history, so that order which is kept costs nothing.
 *
 * Threads: the worker that polls a receive queue claims; any worker appends: it takes a position with one atomic
 * addition. An entry that another thread is just writing counts as what it was before.
 */
import type { Carver } from '../memory/layout.js';

/** Histories of one receive queue, and completions that each remembers (a power of two). */
const HISTORIES = 64;
export const HISTORY_LENGTH = 1024;

/** Words of a history: the slot that claimed it + 1, completions so far, and their number at the claim. */
const COUNT = 1;
const START = 2;
const ENTRIES = 4;
/** An entry: sequence number, and the highest one up to and including it. */
const ENTRY_WORDS = 2;
const HISTORY_WORDS = ENTRIES + HISTORY_LENGTH * ENTRY_WORDS;
/** Positions count modulo 2^30, so that none is negative; the number at the claim follows when it is half of that behind. */
const POSITIONS = (1 << 30) - 1;
const FOLLOW = 1 << 29;

export function carveHistory(carver: Carver, queues: number): Int32Array {
  return carver.words(queues * HISTORIES * HISTORY_WORDS);
}

export class OrderHistory {
  /** @param slotsPerQueue slot numbers of queue q begin at q * slotsPerQueue */
  constructor(
    private readonly words: Int32Array,
    private readonly slotsPerQueue: number,
  ) {}

  private at(slot: number): number {
    const queue = (slot / this.slotsPerQueue) | 0;
    return (queue * HISTORIES + (slot & (HISTORIES - 1))) * HISTORY_WORDS;
  }

  /** The flow in ledger slot number `slot` needs a history from now on. */
  claim(slot: number): void {
    const h = this.at(slot);
    Atomics.store(this.words, h, 0);
    Atomics.store(this.words, h + START, Atomics.load(this.words, h + COUNT));
    Atomics.store(this.words, h, slot + 1);
  }

  /** Notes that frame `seq` has finished, `highest` being the flow's highest so far; its position, -1 = no history. */
  append(slot: number, seq: number, highest: number): number {
    const h = this.at(slot);
    const { words } = this;
    if (Atomics.load(words, h) !== slot + 1) return -1;
    const position = Atomics.add(words, h + COUNT, 1) & POSITIONS;
    if (this.since(h, position) >= FOLLOW) Atomics.store(words, h + START, position - HISTORY_LENGTH);
    const e = h + ENTRIES + (position & (HISTORY_LENGTH - 1)) * ENTRY_WORDS;
    words[e] = seq;
    words[e + 1] = highest;
    return position;
  }

  /** Completions from the claim to `position`. */
  private since(h: number, position: number): number {
    return (position - this.words[h + START]!) & POSITIONS;
  }

  /** Completions of the slot's flow that are remembered before `position`. */
  private remembered(h: number, position: number): number {
    return Math.min(this.since(h, position), HISTORY_LENGTH - 1);
  }

  /**
   * Reordering extent of the reordered frame `seq` at `position`: completions back to the first one with a higher
   * number, that one counted. At least 1.
   */
  extent(slot: number, position: number, seq: number): number {
    const h = this.at(slot);
    const { words } = this;
    // The highest number so far only grows: where it first passes `seq` is found by halving.
    let far = this.remembered(h, position);
    let near = 1;
    while (near < far) {
      const back = (near + far + 1) >> 1;
      const e = h + ENTRIES + ((position - back) & (HISTORY_LENGTH - 1)) * ENTRY_WORDS;
      if (((words[e + 1]! - seq) | 0) > 0) near = back;
      else far = back - 1;
    }
    return near;
  }

  /** How many completions right before `position` all have a higher number: the frame is n-reordered up to this n. */
  run(slot: number, position: number, seq: number): number {
    const h = this.at(slot);
    const { words } = this;
    const most = this.remembered(h, position);
    let n = 0;
    while (n < most) {
      const e = h + ENTRIES + ((position - n - 1) & (HISTORY_LENGTH - 1)) * ENTRY_WORDS;
      if (((words[e]! - seq) | 0) <= 0) break;
      n++;
    }
    return n;
  }
}
