/**
 * Backlog rings: hand frames from one worker (producer) to another (consumer), and their slots back.
 *
 * Promise: single producer, single consumer, first in first out; nothing is overwritten, a full ring refuses.
 * There is one ring for every ordered pair of workers, so no lock and no retry loop anywhere.
 *
 * Indices are free-running 32-bit counters (compare with `(a - b) | 0`), each on a 128-byte line of its own:
 *   tail  frames published by the producer
 *   head  frames taken by the consumer
 *   done  frames finished by the consumer (transmitted, delivered or dropped), advanced in ring order once a burst
 * A frame is finished at `done`, not at `head`: that is what the order guard of a moving flow compares with, and what
 * gives the frame's slot back. The producer keeps the slot numbers of the frames it handed over in a list of its own,
 * by position; those up to `done` are free again (see `FramePool.reclaim`). So the consumer writes three words a
 * burst, and nothing for each frame.
 *
 * Memory order: the producer writes entries with plain stores and publishes them with one sequentially consistent
 * store of `tail`; the consumer loads `tail` the same way, so it sees the entries. The consumer's store of `head`
 * is what allows the producer to overwrite entries, and comes after they were copied out. Each side caches the
 * other's index and reads it again only when the cached value says full or empty.
 *
 * An entry is a descriptor (`packet/descriptor.ts`): all that the consumer's forwarding decision and accounting need, so
 * that the frame itself is not touched on the second core before it is sent.
 *
 * Everything that one producer writes for each frame lies in one piece of memory, its area: the state, the slot
 * numbers and the entries of all its rings, and the descriptors of its own frames. One array in the loop over a burst,
 * whichever worker a frame goes to, is what V8 compiles best.
 */
import {
  BATCH_MAX,
  type Batch,
  DESCRIPTOR_SHIFT,
  DESCRIPTOR_WORDS,
  FLAGS_SHIFT,
  Part,
  PORT_MASK,
} from '../../forward/batch.js';
import { FrameFlag } from '../../packet/burst.js';
import { type Carver, LINE_WORDS, maskedLength, PRACTICE_SLOTS, powerOfTwoAtLeast } from './layout.js';

const ENTRY = DESCRIPTOR_WORDS;
export const RING_ENTRY_BYTES = ENTRY * 4;
export const TAIL = 0;
export const HEAD = LINE_WORDS;
export const DONE = 2 * LINE_WORDS;

/** Ports that fit into an entry. */
export const PORTS_MAX = PORT_MASK + 1;

/** Words of a ring's state, at `RingMemory.state` in the area. Written by the producer. */
export const State = {
  /** Position of the next frame: the tail with what is appended but not published. */
  position: 0,
  /**
   * Up to this position the producer may append: as far as it knows there is room, the ring's share of the slots is not
   * used up, and neither array wraps around.
   */
  limit: 1,
  /**
   * Biased bases: position p's entry is at area[entry + 8p], its slot number at area[id + p] (mod 2^32), valid until
   * the position reaches `limit`.
   */
  entry: 2,
  id: 3,
  /** Frames whose slots were taken back. */
  returned: 4,
  /** The position that may not be reached as far as the producer knows: head and limit. */
  full: 5,
  /** Position of the own work's first frame; 0 in other rings. */
  first: 6,
  /** The lines of entries before this position are this worker's alone, see `RingProducer.claim`. */
  claimed: 7,
} as const;
export const STATE_WORDS = 8;
export const STATE_SHIFT = 3;
/** Words of a ring's indices. */
const INDEX_WORDS = 3 * LINE_WORDS;

export interface RingMemory {
  readonly index: Int32Array;
  /** The producer's area, and the same in pairs of words: one object of each for all rings of the area. */
  readonly area: Int32Array;
  readonly wide: Float64Array;
  /** Where in the area things are. */
  readonly state: number;
  readonly entries: number;
  /** Entries of each ring of the area. */
  readonly capacity: number;
  /** Where the slot numbers are: behind the entries. */
  readonly ids: number;
  /** `position & idMask` is the place of a slot number. */
  readonly idMask: number;
  /** Where in the area the number of large slots is that the ring's frames hold (until they are taken back). */
  readonly large: number;
  /** Where the area's second part begins, see `practiceRings`. */
  readonly practice: number;
}

/** Words in whole lines. */
export const lines = (words: number) => Math.ceil(words / LINE_WORDS) * LINE_WORDS;

/**
 * Where things are in an area, all rings alike: the state of each, then the large slots of each; the entries of the ring
 * to worker c at `entries + c * stride`, its slot numbers `ids` words behind them. Own frames go straight into the own
 * batch: their entries are its memory.
 */
function areaLayout(workers: number, least: number, slots: number) {
  const ids = lines(Math.max(least, BATCH_MAX) * ENTRY);
  const idMask = powerOfTwoAtLeast(slots) - 1;
  const large = workers * STATE_WORDS;
  const entries = lines(large + workers);
  const stride = ids + lines(idMask + 1);
  return { large, entries, stride, ids, idMask, words: entries + workers * stride };
}
type AreaLayout = ReturnType<typeof areaLayout>;

/** The second part of an area: as many rings, for the few frames that a warm-up has under way. */
const practiceLayout = (workers: number) => areaLayout(workers, BATCH_MAX, PRACTICE_SLOTS);

/** The rings of a part of an area, which begins at word `at`. */
function ringsAt(
  at: number,
  { large, entries, stride, ids, idMask }: AreaLayout,
  memory: Pick<RingMemory, 'area' | 'wide' | 'practice'>,
  indices: readonly Int32Array[],
): RingMemory[] {
  return indices.map((index, c) => ({
    index,
    ...memory,
    state: at + c * STATE_WORDS,
    entries: at + entries + c * stride,
    capacity: (ids / ENTRY) | 0,
    ids: at + entries + c * stride + ids,
    idMask,
    large: at + large + c,
  }));
}

/**
 * The rings of one producer to each worker.
 * @param capacity frames that a ring must have room for, a power of two
 * @param slots of the producer's home: no more frames of it can be under way
 */
export function carveRings(carver: Carver, workers: number, capacity: number, slots: number): RingMemory[] {
  const layout = areaLayout(workers, capacity, slots);
  const area = carver.words(maskedLength(layout.words + practiceLayout(workers).words));
  const wide = new Float64Array(area.buffer, area.byteOffset, area.length >> 1);
  const indices = Array.from({ length: workers }, () => carver.words(INDEX_WORDS));
  return ringsAt(0, layout, { area, wide, practice: layout.words }, indices);
}

/**
 * Rings in the second part of a producer's area, with indices that nobody else has: what a worker fills and empties in
 * its warm-up. In the same area, because code that V8 compiles for a loop over it is code for this array.
 * @param rings the producer's own
 */
export function practiceRings(rings: readonly RingMemory[]): RingMemory[] {
  const { area, wide, practice } = rings[0]!;
  const indices = rings.map(() => new Int32Array(new SharedArrayBuffer(INDEX_WORDS * 4)));
  const fresh = ringsAt(practice, practiceLayout(rings.length), { area, wide, practice }, indices);
  for (const ring of fresh) {
    startRing(ring, 0);
    area[ring.large] = 0;
  }
  return fresh;
}

/** Makes all numbers of a fresh ring begin at `at`. */
export function startRing({ index, area, state }: RingMemory, at: number): void {
  index[TAIL] = at;
  index[HEAD] = at;
  index[DONE] = at;
  area[state + State.position] = at;
  area[state + State.returned] = at;
}

/** The consumer's side. Only the consuming worker's thread may use it. */
export class RingConsumer {
  private head: number;
  private done: number;
  private tailSeen: number;
  private readonly index: Int32Array;
  /** The entries, a pair of words at a time. */
  private readonly wide: Float64Array;
  private readonly words: Int32Array;
  private readonly mask: number;

  constructor({ index, area, entries, capacity }: RingMemory) {
    this.index = index;
    this.wide = new Float64Array(area.buffer, area.byteOffset + entries * 4, capacity * (ENTRY / 2));
    this.words = area.subarray(entries, entries + capacity * ENTRY);
    this.mask = capacity - 1;
    this.head = Atomics.load(index, HEAD);
    this.done = Atomics.load(index, DONE);
    this.tailSeen = this.head;
  }

  /** True when nothing is published that was not taken; re-reads the tail (the check before sleeping). */
  empty(): boolean {
    this.tailSeen = Atomics.load(this.index, TAIL);
    return this.tailSeen === this.head;
  }

  /** Super-frames that the last `fitting` met. */
  supers = 0;

  /**
   * How many frames a turn may take: at most `max`, and no more super-frames than together may be cut into about
   * `SUPERS_PER_TAKE` times as many segments as one can be. What they are cut into is not known here, and the worst is
   * what counts: other inputs of the worker wait for all of it.
   */
  fitting(max: number): number {
    this.supers = 0;
    let available = (this.tailSeen - this.head) | 0;
    if (available === 0) {
      this.tailSeen = Atomics.load(this.index, TAIL);
      available = (this.tailSeen - this.head) | 0;
    }
    const count = Math.min(available, max);
    for (let k = 0; k < count; k++) {
      const size = this.words[(((this.head + k) & this.mask) << DESCRIPTOR_SHIFT) + Part.size]!;
      if (((size >> FLAGS_SHIFT) & FrameFlag.gso) === 0) continue;
      this.supers++;
      if (this.supers > SUPERS_PER_TAKE) return k;
    }
    return count;
  }

  /** Copies at most `max` frames to the end of `batch`; returns the number. The frames are held by the consumer now. */
  take(batch: Batch, max: number): number {
    let available = (this.tailSeen - this.head) | 0;
    if (available === 0) {
      this.tailSeen = Atomics.load(this.index, TAIL);
      available = (this.tailSeen - this.head) | 0;
      if (available === 0) return 0;
    }
    // `| 0` and masks: docs/hot-loops.md.
    const count = Math.min(available, max) | 0;
    const from = this.wide;
    const to = batch.wide;
    const mask = this.mask | 0;
    const head = this.head | 0;
    const start = batch.n | 0;
    // If the batch reaches the newest entry, copy downwards: an upward scan makes the prefetcher pull in the lines that
    // the producer writes next (docs/hot-loops.md).
    const newest = count === available;
    const step = newest ? -1 : 1;
    let k = newest ? (count - 1) | 0 : 0;
    for (let left = count; left > 0; left = (left - 1) | 0) {
      const t = ((start + k) & TAKE_INDEX) << PAIRS_SHIFT;
      const f = ((head + k) & mask & TAKE_INDEX) << PAIRS_SHIFT;
      to[t] = from[f]!;
      to[t + 1] = from[f + 1]!;
      to[t + 2] = from[f + 2]!;
      to[t + 3] = from[f + 3]!;
      k = (k + step) | 0;
    }
    batch.n = (start + count) | 0;
    this.head = (head + count) | 0;
    Atomics.store(this.index, HEAD, this.head);
    return count;
  }

  /** Reports the oldest `count` taken frames as finished. */
  complete(count: number): void {
    if (count === 0) return;
    this.done = (this.done + count) | 0;
    Atomics.store(this.index, DONE, this.done);
  }
}

/** Super-frames that a take may have: each may be cut into 256 segments (native/ports/vnet.h). */
const SUPERS_PER_TAKE = 4;

/** Numbers of entries, in a range that V8 knows; pairs of words in an entry. */
const TAKE_INDEX = 0xffffff;
const PAIRS_SHIFT = 2;

/** Frames of the ring that its consumer has finished (any thread). */
export function ringDone(memory: RingMemory): number {
  return Atomics.load(memory.index, DONE);
}

/** Frames of the ring that its consumer has taken (any thread). */
export function ringTaken(memory: RingMemory): number {
  return Atomics.load(memory.index, HEAD);
}

/** Everything published has been finished (any thread; exact once the producer has stopped). */
export function ringDrained(memory: RingMemory): boolean {
  return Atomics.load(memory.index, TAIL) === Atomics.load(memory.index, DONE);
}

/** Frames that are finished and whose slots the producer has not taken back yet (any thread; exact at rest). */
export function ringReturning({ index, area, state }: RingMemory): number {
  return (Atomics.load(index, DONE) - area[state + State.returned]!) | 0;
}

/**
 * Main thread, consumer dead: the frames that it had taken are finished, so that its successor starts with the first
 * frame that still waits. Returns how many those were.
 */
export function repairRing({ index }: RingMemory): number {
  const head = Atomics.load(index, HEAD);
  const held = (head - Atomics.load(index, DONE)) | 0;
  Atomics.store(index, DONE, head);
  return held;
}
