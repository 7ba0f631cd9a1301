/**
 * The frame pool: two size classes of slots in shared memory, and who holds each slot.
 *
 * Promise: a slot is at any time in exactly one state, told by its owner word:
 *   0               free: on the free list of its home worker
 *   w + 1           held by worker w
 *   RING | w + 1    in a backlog ring, on its way to worker w
 *   RETURN | w + 1  freed by another worker, on its way back to the free list of home worker w
 * so that frames in flight can be counted, and a dead worker's frames swept, without trusting any other counter.
 *
 * Threads: every slot has a home worker (a fixed range of ids). Only the home worker (or, while it is dead, the
 * main thread) touches its free lists. Another worker frees by linking the burst's frames into one chain and
 * pushing it onto the home's return list with compare-and-swap; the home takes the whole list with one exchange.
 * Take-all has no ABA: nobody pops a single element.
 *
 * Memory order: owner words and `next` links are plain stores; they become visible to the thread that acts on
 * them through the sequentially consistent store, exchange or compare-and-swap that publishes the frame (ring
 * tail, return list head). JavaScript's Atomics are sequentially consistent; plain stores before one are visible
 * to whoever reads that value.
 */

import {
  type Carver,
  HEADROOM,
  LARGE_FRAME_MAX,
  LARGE_SLOT_BYTES,
  LINE_WORDS,
  SMALL_FRAME_MAX,
  SMALL_SLOT_BYTES,
} from './layout.js';
import type { NativePool } from './native.js';

export interface PoolSize {
  /** Workers that receive (homes). */
  readonly workers: number;
  /** Slots of each class and worker. */
  readonly smallPerWorker: number;
  readonly largePerWorker: number;
}

/** Owner word: in a ring. */
export const OWNER_RING = 0x10000;
/** Owner word: on a return list. */
export const OWNER_RETURN = 0x20000;

/** Free slots and the like, in a range that V8 knows (see `BURST_COUNT`). */
const LIST_INDEX = 0xfffffff;
// Of this module's own: exported constants live in cells that the loops would load and check.
const RETURN = OWNER_RETURN;

export function poolBytes(size: PoolSize): number {
  return size.workers * (size.smallPerWorker * SMALL_SLOT_BYTES + size.largePerWorker * LARGE_SLOT_BYTES);
}

/** The shared words of a pool; see `Carver`. */
export function carvePool(carver: Carver, size: PoolSize) {
  const slots = size.workers * (size.smallPerWorker + size.largePerWorker);
  return {
    owner: carver.words(slots),
    next: carver.words(slots),
    returns: carver.words(size.workers * LINE_WORDS),
    freeSmall: Array.from({ length: size.workers }, () => carver.words(1 + size.smallPerWorker)),
    freeLarge: Array.from({ length: size.workers }, () => carver.words(1 + size.largePerWorker)),
  };
}

export class FramePool {
  readonly bytes: Uint8Array;
  readonly smallSlots: number;
  readonly largeSlots: number;
  readonly slots: number;
  /** Owner word of each slot, see above. */
  readonly owner: Int32Array;
  private readonly next: Int32Array;
  private readonly returns: Int32Array;
  private readonly freeSmall: Int32Array[];
  private readonly freeLarge: Int32Array[];
  private readonly smallPerWorker: number;
  private readonly largePerWorker: number;
  private readonly largeStart: number;
  // Chains under construction, one per home: first and last id, -1 = none. Private to this thread.
  private readonly chainFirst: Int32Array;
  private readonly chainLast: Int32Array;

  /** Attaches to shared memory; `initialise` only once, before any worker runs. */
  constructor(
    memory: SharedArrayBuffer,
    shared: ReturnType<typeof carvePool>,
    readonly size: PoolSize,
  ) {
    this.bytes = new Uint8Array(memory);
    this.smallPerWorker = size.smallPerWorker;
    this.largePerWorker = size.largePerWorker;
    this.smallSlots = size.workers * size.smallPerWorker;
    this.largeSlots = size.workers * size.largePerWorker;
    this.slots = this.smallSlots + this.largeSlots;
    this.largeStart = this.smallSlots * SMALL_SLOT_BYTES;
    this.owner = shared.owner;
    this.next = shared.next;
    this.returns = shared.returns;
    this.freeSmall = shared.freeSmall;
    this.freeLarge = shared.freeLarge;
    this.chainFirst = new Int32Array(size.workers).fill(-1);
    this.chainLast = new Int32Array(size.workers).fill(-1);
  }

  /** Puts every slot on its home's free list. */
  initialise(): void {
    for (let w = 0; w < this.size.workers; w++) {
      Atomics.store(this.returns, w * LINE_WORDS, -1);
      this.rebuild(w);
    }
  }

  /** Offset of the frame in slot `id`. */
  offsetOf(id: number): number {
    return id < this.smallSlots
      ? id * SMALL_SLOT_BYTES + HEADROOM
      : this.largeStart + (id - this.smallSlots) * LARGE_SLOT_BYTES + HEADROOM;
  }

  /** Longest frame that slot `id` takes. */
  capacityOf(id: number): number {
    return id < this.smallSlots ? SMALL_FRAME_MAX : LARGE_FRAME_MAX;
  }

  homeOf(id: number): number {
    return id < this.smallSlots
      ? (id / this.smallPerWorker) | 0
      : ((id - this.smallSlots) / this.largePerWorker) | 0;
  }

  /** A free slot for `length` bytes, held by home worker `w` from now on; -1 when there is none (or none so large). */
  take(w: number, length: number): number {
    const free =
      length <= SMALL_FRAME_MAX ? this.freeSmall[w]! : length <= LARGE_FRAME_MAX ? this.freeLarge[w]! : null;
    if (free === null) return -1;
    let count = free[0]!;
    if (count === 0) {
      this.reclaim(w);
      count = free[0]!;
      if (count === 0) return -1;
    }
    const id = free[count]!;
    free[0] = count - 1;
    this.owner[id] = w + 1;
    return id;
  }

  /** Free slots of worker `w`, both classes, without those on its return list. */
  available(w: number): number {
    return this.freeSmall[w]![0]! + this.freeLarge[w]![0]!;
  }

  availableSmall(w: number): number {
    return this.freeSmall[w]![0]!;
  }

  availableLarge(w: number): number {
    return this.freeLarge[w]![0]!;
  }

  /** Frees one frame that worker `w` holds; takes effect for other homes at `flush`. */
  free(w: number, id: number): void {
    const home = this.homeOf(id);
    if (home === w) {
      this.putBack(w, id);
      return;
    }
    this.owner[id] = OWNER_RETURN | (home + 1);
    const first = this.chainFirst[home]!;
    if (first === -1) this.chainLast[home] = id;
    this.next[id] = first;
    this.chainFirst[home] = id;
  }

  /** Frees frames ids[from] … ids[from + count - 1], which worker `w` holds, and hands them back (`free`, `flush`). */
  freeAll(w: number, ids: Int32Array, from: number, count: number): void {
    const { owner, next } = this;
    // `| 0`: machine integers before the loop, not tagged ones that are checked in every round of it.
    const smallSlots = this.smallSlots | 0;
    const smallPerWorker = this.smallPerWorker | 0;
    // Frames of one burst mostly have one home; the division is for the first of a run only.
    let first = 0;
    let last = 0;
    let home = 0;
    let head = -1;
    const start = from & LIST_INDEX;
    const end = (start + count) & LIST_INDEX;
    for (let k = start; k < end; k++) {
      const id = ids[k]!;
      if (id < first || id >= last) {
        if (head >= 0) this.chainFirst[home] = head;
        head = -1;
        home = this.homeOf(id) | 0;
        if (home === w || id >= smallSlots) {
          this.free(w, id);
          last = 0;
          continue;
        }
        first = Math.imul(home, smallPerWorker);
        last = (first + smallPerWorker) | 0;
        head = this.chainFirst[home]!;
        if (head === -1) this.chainLast[home] = id;
      }
      owner[id] = RETURN | (home + 1);
      next[id] = head;
      head = id;
    }
    if (last > 0) this.chainFirst[home] = head;
    this.flush();
  }

  /**
   * At most `max` small slots, into ids[0] … : how many there were. As with the addon's receive calls, they count as
   * free until the caller has written their owner words.
   */
  takeSmall(w: number, ids: Int32Array, max: number): number {
    const free = this.freeSmall[w]!;
    if (free[0]! < max) this.reclaim(w);
    const count = free[0]! & LIST_INDEX;
    const n = Math.min(count, max) & LIST_INDEX;
    for (let k = 0; k < n; k++) ids[k] = free[(count - k) & LIST_INDEX]!;
    free[0] = count - n;
    return n;
  }

  /** Hands the chains built by `free` back to their homes: one compare-and-swap per home. */
  flush(): void {
    for (let home = 0; home < this.chainFirst.length; home++) {
      const first = this.chainFirst[home]!;
      if (first === -1) continue;
      const word = home * LINE_WORDS;
      const last = this.chainLast[home]!;
      let seen = Atomics.load(this.returns, word);
      for (;;) {
        this.next[last] = seen;
        const found = Atomics.compareExchange(this.returns, word, seen, first);
        if (found === seen) break;
        seen = found;
      }
      this.chainFirst[home] = -1;
    }
  }

  /** Takes everything that other workers gave back to home `w`. Home worker only. */
  reclaim(w: number): void {
    const word = w * LINE_WORDS;
    // A plain look first: an exchange would take the line away from the workers that push onto it.
    if (Atomics.load(this.returns, word) === -1) return;
    let id = Atomics.exchange(this.returns, word, -1);
    const { owner, next } = this;
    const smallSlots = this.smallSlots | 0;
    const small = this.freeSmall[w]!;
    let count = small[0]! | 0;
    while (id !== -1) {
      const following = next[id]!;
      if (id < smallSlots) {
        owner[id] = 0;
        count = (count + 1) & LIST_INDEX;
        small[count] = id;
      } else {
        this.putBack(w, id);
      }
      id = following;
    }
    small[0] = count;
  }

  private putBack(w: number, id: number): void {
    this.owner[id] = 0;
    const free = id < this.smallSlots ? this.freeSmall[w]! : this.freeLarge[w]!;
    const count = free[0]! + 1;
    free[count] = id;
    free[0] = count;
  }

  /** Makes home `w`'s free lists anew from the owner words: every slot of its range with owner 0. */
  rebuild(w: number): void {
    const small = this.freeSmall[w]!;
    const large = this.freeLarge[w]!;
    small[0] = 0;
    large[0] = 0;
    // Descending, so that the lowest ids are taken first: neighbouring slots, neighbouring owner words.
    for (let id = (w + 1) * this.smallPerWorker - 1; id >= w * this.smallPerWorker; id--) {
      if (this.owner[id] === 0) this.putBack(w, id);
    }
    const firstLarge = this.smallSlots + w * this.largePerWorker;
    for (let id = firstLarge + this.largePerWorker - 1; id >= firstLarge; id--) {
      if (this.owner[id] === 0) this.putBack(w, id);
    }
  }

  /**
   * Main thread, worker `w` dead: frees every frame that it held, empties its return list, rebuilds its free
   * lists. Returns the number of frames it held. Frames in rings towards it are left there.
   */
  sweep(w: number): number {
    let swept = 0;
    for (let id = 0; id < this.slots; id++) {
      if (this.owner[id] !== w + 1) continue;
      swept++;
      if (this.homeOf(id) === w) this.owner[id] = 0;
      else this.free(w, id);
    }
    this.flush();
    this.rebuild(w);
    this.reclaim(w);
    return swept;
  }

  /** Frames in flight: held by a worker or in a ring. Counted from the owner words, independently of all counters. */
  inFlight(): number {
    let count = 0;
    for (let id = 0; id < this.slots; id++) {
      const owner = this.owner[id]!;
      if (owner !== 0 && (owner & OWNER_RETURN) === 0) count++;
    }
    return count;
  }

  /** Slots on free and return lists, by walking the lists; only meaningful while no worker runs. */
  countFree(): number {
    let count = 0;
    for (let w = 0; w < this.size.workers; w++) {
      count += this.available(w);
      for (let id = Atomics.load(this.returns, w * LINE_WORDS); id !== -1; id = this.next[id]!) count++;
    }
    return count;
  }

  /** The pool as worker `w`'s receive calls see it. */
  nativeView(w: number): NativePool {
    return {
      bytes: this.bytes,
      smallSlots: this.smallSlots,
      smallBytes: SMALL_SLOT_BYTES,
      largeSlots: this.largeSlots,
      largeBytes: LARGE_SLOT_BYTES,
      headroom: HEADROOM,
      freeSmall: this.freeSmall[w]!,
      freeLarge: this.freeLarge[w]!,
    };
  }
}
