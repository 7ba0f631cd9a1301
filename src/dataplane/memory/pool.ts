/**
 * The frame pool: two size classes of slots in shared memory, and which of them are in use.
 *
 * Promise: every slot has a home worker (a range of ids, but for small slots that devices had), and is at any time in
 * exactly one state:
 *   free            owner word 0, on a free list of its home
 *   held            owner word home + 1, and in no ring of its home: part of a burst, or held for a move
 *   handed over     owner word home + 1, and on the list of a ring that its home feeds (also the one of its own
 *                   frames): waiting, taken, or finished, as the ring's indices say
 *   lent            owner word below 0: a device has it, see `lent.ts`
 * so that frames in flight can be counted, and a dead worker's frames swept, without trusting any other counter.
 *
 * Threads: only the home worker (or, while it is dead, the main thread) touches owner words and free lists. Nobody
 * else frees: a worker that has finished frames of a ring advances the ring's `done`, and their home takes the slots
 * back when it looks (`reclaim`). So nothing is written for a single frame on another core than its home's.
 *
 * Memory order: the home reads `done` sequentially consistently; it writes into a slot again only after that, and so
 * after everything that the other worker did with the frame.
 */

import type { NativeLent, NativePool } from '../../addon/native.js';
import {
  type Carver,
  HEADROOM,
  LARGE_FRAME_MAX,
  LARGE_SLOT_BYTES,
  PRACTICE_SLOTS,
  SMALL_FRAME_MAX,
  SMALL_SLOT_BYTES,
} from './layout.js';
import { DONE, HEAD, type RingMemory, ringReturning, State, TAIL } from './ring.js';

export interface PoolSize {
  /** Workers that receive (homes). */
  readonly workers: number;
  /** Slots of each class and worker. */
  readonly smallPerWorker: number;
  readonly largePerWorker: number;
  /** Further small slots, behind those of the workers: for devices. Absent: none. */
  readonly lent?: number;
}

/** Free slots and the like, in a range that V8 knows (see `BURST_COUNT`). */
const LIST_INDEX = 0xfffffff;
// Of this module's own: objects' fields are loaded and checked.
const POSITION = State.position;
const RETURNED = State.returned;

/** Arrays of the loop of `takeBack` in a constant object: docs/hot-loops.md. */
interface Hot {
  owner: Int32Array;
  area: Int32Array;
  small: Int32Array;
}
const HOT = {} as Hot;

function bind(owner: Int32Array, area: Int32Array, small: Int32Array): void {
  HOT.owner = owner;
  HOT.area = area;
  HOT.small = small;
}

/** Small slots of all workers and those for devices. */
function smallSlotsOf({ workers, smallPerWorker, lent = 0 }: PoolSize): number {
  return workers * smallPerWorker + lent;
}

export function poolBytes(size: PoolSize): number {
  return smallSlotsOf(size) * SMALL_SLOT_BYTES + size.workers * size.largePerWorker * LARGE_SLOT_BYTES;
}

/**
 * The shared words of a pool; see `Carver`.
 * @param frameBytes of the frame memory, pool and what lies behind it: slots of a warm-up are there, and have owner words
 */
export function carvePool(carver: Carver, size: PoolSize, frameBytes = 0) {
  const small = smallSlotsOf(size);
  const slots = small + size.workers * size.largePerWorker;
  return {
    owner: carver.words(Math.max(slots, Math.ceil(frameBytes / SMALL_SLOT_BYTES))),
    /** Of small slots that devices had: the worker whose they are since then + 1, -1 = nobody's; 0 = as their ids say. */
    home: carver.words(small),
    /** Slots that nobody has and devices may get; the main thread's. */
    stock: carver.words(1 + (size.lent ?? 0)),
    freeSmall: Array.from({ length: size.workers }, () =>
      carver.words(1 + size.smallPerWorker + PRACTICE_SLOTS),
    ),
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
  /** Slots that may be lent: ids from `ownSmall` on, at first. */
  private readonly ownSmall: number;
  private readonly home: Int32Array;
  private readonly freeSmall: Int32Array[];
  private readonly freeLarge: Int32Array[];
  private readonly smallPerWorker: number;
  private readonly largePerWorker: number;
  private readonly largeStart: number;
  /** Slots come back from the rings to workers 0 … span-1. */
  private span: number;

  /**
   * Attaches to shared memory; `initialise` only once, before any worker runs.
   * @param rings from worker p to worker c at p * workers + c
   * @param smallSlots slots with lower numbers are small ones; other than default for a warm-up's, which lie beyond
   */
  constructor(
    memory: SharedArrayBuffer,
    readonly shared: ReturnType<typeof carvePool>,
    readonly size: PoolSize,
    private readonly rings: readonly RingMemory[] = [],
    smallSlots: number = smallSlotsOf(size),
  ) {
    this.bytes = new Uint8Array(memory);
    this.smallPerWorker = size.smallPerWorker;
    this.largePerWorker = size.largePerWorker;
    this.smallSlots = smallSlots;
    this.largeSlots = size.workers * size.largePerWorker;
    this.slots = this.smallSlots + this.largeSlots;
    this.largeStart = this.smallSlots * SMALL_SLOT_BYTES;
    this.owner = shared.owner;
    this.ownSmall = size.workers * size.smallPerWorker;
    this.home = shared.home;
    this.freeSmall = shared.freeSmall;
    this.freeLarge = shared.freeLarge;
    this.span = size.workers;
  }

  /** Home `w` feeds the rings to workers 0 … span-1 from now on; others are looked at until all has come back. */
  feed(w: number, span: number): void {
    const { workers } = this.size;
    this.span = workers;
    this.reclaim(w);
    const rings = this.rings.slice(w * workers, (w + 1) * workers);
    const last = rings.findLastIndex(({ area, state }) => area[state + POSITION] !== area[state + RETURNED]);
    this.span = Math.max(span, w + 1, last + 1);
  }

  /** Puts every slot on its home's free list, and those for devices into the stock. */
  initialise(): void {
    for (let w = 0; w < this.size.workers; w++) this.rebuild(w);
    const { lent = 0 } = this.size;
    const { stock } = this.shared;
    for (let k = 1; k <= lent; k++) stock[k] = this.ownSmall + lent - k;
    stock[0] = lent;
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

  /** The home of a slot; -1: it is nobody's. */
  homeOf(id: number): number {
    if (id >= this.smallSlots) return ((id - this.smallSlots) / this.largePerWorker) | 0;
    const home = this.home[id] ?? 0;
    if (home !== 0) return home > 0 ? home - 1 : -1;
    return id < this.ownSmall ? (id / this.smallPerWorker) | 0 : -1;
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

  /** Free slots of worker `w`, both classes, without those that it could take back. */
  available(w: number): number {
    return this.freeSmall[w]![0]! + this.freeLarge[w]![0]!;
  }

  availableSmall(w: number): number {
    return this.freeSmall[w]![0]!;
  }

  availableLarge(w: number): number {
    return this.freeLarge[w]![0]!;
  }

  /** Frees a frame that home worker `w` holds. */
  free(w: number, id: number): void {
    this.putBack(w, id);
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

  /** Takes back the slots of all frames of home `w` that are finished. Home worker only. */
  reclaim(w: number): void {
    const { workers } = this.size;
    const { span } = this;
    for (let c = 0; c < span; c++) {
      const ring = this.rings[w * workers + c];
      if (ring === undefined) return;
      const { area, state } = ring;
      const from = area[state + RETURNED]!;
      // Nothing is under way there: nothing to look at.
      if (area[state + POSITION] === from) continue;
      const to = Atomics.load(ring.index, DONE);
      if (to !== from) this.takeBack(w, ring, from, to);
    }
  }

  /** The frames at positions from … to - 1 of a ring are finished. */
  private takeBack(w: number, ring: RingMemory, from: number, to: number): void {
    const { state, ids, idMask } = ring;
    const smallSlots = this.smallSlots | 0;
    const list = this.freeSmall[w]!;
    if (HOT.area !== ring.area || HOT.small !== list || HOT.owner !== this.owner) {
      bind(this.owner, ring.area, list);
    }
    const { owner, area, small } = HOT;
    const first = ids & LIST_INDEX;
    const mask = idMask & LIST_INDEX;
    let at = from | 0;
    const end = to | 0;
    while (at !== end) {
      let count = small[0]! & LIST_INDEX;
      // No call in the inner loop: docs/hot-loops.md.
      while (at !== end) {
        const id = area[first + (at & mask)]!;
        if (id >= smallSlots) break;
        owner[id] = 0;
        count = (count + 1) & LIST_INDEX;
        small[count] = id;
        at = (at + 1) | 0;
      }
      small[0] = count;
      if (at !== end) {
        this.putBack(w, area[first + (at & mask)]!);
        area[ring.large] = area[ring.large]! - 1;
        at = (at + 1) | 0;
      }
    }
    area[state + RETURNED] = to;
  }

  private putBack(w: number, id: number): void {
    this.owner[id] = 0;
    const free = id < this.smallSlots ? this.freeSmall[w]! : this.freeLarge[w]!;
    const count = free[0]! + 1;
    free[count] = id;
    free[0] = count;
  }

  /** Makes home `w`'s free lists anew from the owner words: every slot of its own with owner 0. */
  rebuild(w: number): void {
    const small = this.freeSmall[w]!;
    const large = this.freeLarge[w]!;
    small[0] = 0;
    large[0] = 0;
    // Descending, so that the lowest ids are taken first: neighbouring slots, neighbouring owner words.
    // Without slots for devices all have stayed where they were.
    const first = this.size.lent === undefined ? w * this.smallPerWorker : 0;
    const end = this.size.lent === undefined ? first + this.smallPerWorker : smallSlotsOf(this.size);
    for (let id = end - 1; id >= first; id--) {
      // In this order: a device's slot that becomes a worker's gets its home first.
      if (this.owner[id] === 0 && this.homeOf(id) === w) this.putBack(w, id);
    }
    const firstLarge = this.smallSlots + w * this.largePerWorker;
    for (let id = firstLarge + this.largePerWorker - 1; id >= firstLarge; id--) {
      if (this.owner[id] === 0) this.putBack(w, id);
    }
  }

  /**
   * Main thread, worker `w` dead: frees every frame that it held, its own ones included, and rebuilds its free lists.
   * Returns the number of frames it held. Frames that it handed over live on. Rings towards it: see `repairRing`.
   */
  sweep(w: number): number {
    const { owner, rings } = this;
    const { workers } = this.size;
    const elsewhere = new Set<number>();
    for (let c = 0; c < workers; c++) {
      const ring = rings[w * workers + c];
      if (ring === undefined) break;
      const { index, area, state, ids, idMask } = ring;
      const tail = Atomics.load(index, TAIL);
      const done = Atomics.load(index, DONE);
      for (let at = area[state + RETURNED]!; at !== done; at = (at + 1) | 0)
        owner[area[ids + (at & idMask)]!] = 0;
      if (c === w) {
        Atomics.store(index, HEAD, tail);
        Atomics.store(index, DONE, tail);
        area[state + RETURNED] = tail;
        area[ring.large] = 0;
      } else {
        area[state + RETURNED] = done;
        let large = 0;
        for (let at = done; at !== tail; at = (at + 1) | 0) {
          const id = area[ids + (at & idMask)]!;
          elsewhere.add(id);
          if (id >= this.smallSlots) large++;
        }
        area[ring.large] = large;
      }
      area[state + POSITION] = tail;
    }
    let swept = 0;
    for (let id = 0; id < this.slots; id++) {
      if (owner[id] !== w + 1 || elsewhere.has(id)) continue;
      swept++;
      owner[id] = 0;
    }
    this.rebuild(w);
    return swept;
  }

  /** Slots of finished frames that their homes have not taken back yet. */
  private returning(): number {
    return this.rings.reduce((sum, ring) => sum + ringReturning(ring), 0);
  }

  /**
   * Frames in flight: held by a worker, or handed over and not finished. Counted from owner words and rings,
   * independently of all counters; exact at rest.
   */
  inFlight(): number {
    let count = 0;
    for (let id = 0; id < this.slots; id++) if (this.owner[id]! > 0) count++;
    return Math.max(0, count - this.returning());
  }

  /** Slots that devices have: in a kernel's ring, or on their way there or back. */
  countLent(): number {
    let count = 0;
    for (let id = 0; id < smallSlotsOf(this.size); id++) if (this.owner[id]! < 0) count++;
    return count;
  }

  /** Slots on free lists and on their way back to them, and in the stock; exact at rest. */
  countFree(): number {
    let count = this.returning() + this.shared.stock[0]!;
    for (let w = 0; w < this.size.workers; w++) count += this.available(w);
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

  /** What receivers that exchange slots with a device need beside it: see `NativeLent`. */
  lentView(w: number, tag: number): NativeLent {
    return { owner: this.owner, home: this.home, worker: w, tag };
  }
}
