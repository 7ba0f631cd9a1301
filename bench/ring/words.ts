/**
 * A ring of bare 32-bit words: what one producer and one consumer in TypeScript cost when an item is 4 bytes, to
 * stand beside rte_ring with items of that size. The engine's ring (src/dataplane/memory/ring.ts) has the same indices, but
 * entries of 32 bytes and a slot number a frame.
 */
import { LINE_WORDS } from '#rxsteer/dataplane/memory/layout.js';

/** Arrays in a constant object (docs/hot-loops.md): a thread has one side of one ring. */
interface Hot {
  index: Int32Array;
  items: Int32Array;
  /** The producer's items, or where the consumer's go. */
  mine: Int32Array;
  mask: number;
}
const HOT = {} as Hot;
/** Free-running: items put or taken here, and what is known of the other side. */
let here = 0;
let seen = 0;

/**
 * @param index tail and head, a line apart
 * @param items a power of two of them
 * @param mine where a side has its items
 */
export function attachWords(index: Int32Array, items: Int32Array, mine: Int32Array): void {
  HOT.index = index;
  HOT.items = items;
  HOT.mine = mine;
  HOT.mask = items.length - 1;
}

/** Appends the first `count` of the own items, or nothing. */
export function putWords(count: number): boolean {
  const { index, items, mine, mask } = HOT;
  const tail = here;
  if (items.length - ((tail - seen) | 0) < count) {
    seen = Atomics.load(index, LINE_WORDS);
    if (items.length - ((tail - seen) | 0) < count) return false;
  }
  const end = count | 0;
  for (let k = 0; k < end; k = (k + 1) | 0) items[(tail + k) & mask] = mine[k]!;
  here = (tail + end) | 0;
  Atomics.store(index, 0, here);
  return true;
}

/** Takes `count` items, or nothing. */
export function getWords(count: number): boolean {
  const { index, items, mine, mask } = HOT;
  const head = here;
  if (((seen - head) | 0) < count) {
    seen = Atomics.load(index, 0);
    if (((seen - head) | 0) < count) return false;
  }
  const end = count | 0;
  for (let k = 0; k < end; k = (k + 1) | 0) mine[k] = items[(head + k) & mask]!;
  here = (head + end) | 0;
  Atomics.store(index, LINE_WORDS, here);
  return true;
}
