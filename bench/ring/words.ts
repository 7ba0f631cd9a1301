/**
 * A ring of bare 32-bit words: what one producer and one consumer in TypeScript cost when an item is 4 bytes, to
 * stand beside rte_ring with items of that size. The engine's ring (src/dataplane/ring.ts) has the same indices, but
 * entries of 32 bytes and an owner word a frame.
 */
import { LINE_WORDS } from '#rxsteer/dataplane/layout.js';

/** Counts and indices are below this. */
const INDEX = 0xfffffff;

export class WordRing {
  private tail = 0;
  private head = 0;
  private seen = 0;
  private readonly mask: number;

  /** @param index tail and head, a line apart; @param items a power of two of them. One object per side. */
  constructor(
    private readonly index: Int32Array,
    private readonly items: Int32Array,
  ) {
    this.mask = items.length - 1;
  }

  /** Appends all of `from`, or nothing. */
  put(from: Int32Array, count: number): boolean {
    const { items } = this;
    // Machine integers before the loop, and indices in a range that V8 knows, as in the engine's ring.
    const mask = this.mask & INDEX;
    const tail = this.tail | 0;
    const n = count & INDEX;
    if (items.length - ((tail - this.seen) | 0) < count) {
      this.seen = Atomics.load(this.index, LINE_WORDS);
      if (items.length - ((tail - this.seen) | 0) < count) return false;
    }
    for (let k = 0; k < n; k++) items[(tail + k) & mask] = from[k]!;
    this.tail = (tail + count) | 0;
    Atomics.store(this.index, 0, this.tail);
    return true;
  }

  /** Takes `count` items, or nothing. */
  get(to: Int32Array, count: number): boolean {
    const { items } = this;
    const mask = this.mask & INDEX;
    const head = this.head | 0;
    const n = count & INDEX;
    if (((this.seen - head) | 0) < count) {
      this.seen = Atomics.load(this.index, 0);
      if (((this.seen - head) | 0) < count) return false;
    }
    for (let k = 0; k < n; k++) to[k] = items[(head + k) & mask]!;
    this.head = (head + count) | 0;
    Atomics.store(this.index, LINE_WORDS, this.head);
    return true;
  }
}
