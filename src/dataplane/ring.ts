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
 * An entry is a descriptor (`forward/work.ts`): all that the consumer's forwarding decision and accounting need, so
 * that the frame itself is not touched on the second core before it is sent.
 *
 * Everything that one producer writes for each frame lies in one piece of memory, its lane: the state, the slot
 * numbers and the entries of all its rings, and the descriptors of its own frames. One array in the loop over a burst,
 * whichever worker a frame goes to, is what V8 compiles best.
 */
import {
  DESCRIPTOR_SHIFT,
  DESCRIPTOR_WORDS,
  FLAGS_SHIFT,
  GROUP_BIT,
  Part,
  PORT_MASK,
  VLAN_SHIFT,
  WORK_MAX,
  type Work,
} from '../forward/work.js';
import { type Burst, Field, Kind } from '../packet/burst.js';
import { type Carver, LINE_WORDS, powerOfTwoAtLeast } from './layout.js';

const ENTRY = DESCRIPTOR_WORDS;
export const RING_ENTRY_BYTES = ENTRY * 4;
export const TAIL = 0;
export const HEAD = LINE_WORDS;
export const DONE = 2 * LINE_WORDS;

/** Ports that fit into an entry. */
export const PORTS_MAX = PORT_MASK + 1;

/** Words of a ring's state, at `RingMemory.state` in the lane. Written by the producer. */
export const State = {
  /** Position of the next frame: the tail with what is appended but not published. */
  position: 0,
  /** The position that may not be reached as far as the producer knows: head and limit. */
  limit: 1,
  /** Where the entries begin in the lane, and the mask of an entry's number. */
  entries: 2,
  mask: 3,
  /** Where the slot numbers begin in the lane. */
  ids: 4,
  /** Frames whose slots were taken back. */
  returned: 5,
} as const;
const STATE_WORDS = 8;
export const STATE_SHIFT = 3;

export interface RingMemory {
  readonly index: Int32Array;
  /** The producer's lane, and where in it things are. */
  readonly lane: Int32Array;
  readonly state: number;
  readonly entries: number;
  readonly capacity: number;
  readonly ids: number;
  /** `position & idMask` is the place of a slot number. */
  readonly idMask: number;
}

const lines = (words: number) => Math.ceil(words / LINE_WORDS) * LINE_WORDS;

/**
 * The rings of one producer to each worker.
 * @param capacity entries of a ring, a power of two
 * @param slots of the producer's home: no more frames of it can be under way
 */
export function carveLane(
  carver: Carver,
  workers: number,
  producer: number,
  capacity: number,
  slots: number,
): RingMemory[] {
  const idWords = lines(powerOfTwoAtLeast(slots));
  let end = lines(workers * STATE_WORDS);
  const places = Array.from({ length: workers }, (_, c) => {
    // Own frames go straight into the own work.
    const frames = c === producer ? WORK_MAX : capacity;
    const entries = end;
    const ids = entries + lines(frames * ENTRY);
    end = ids + idWords;
    return { state: c * STATE_WORDS, entries, capacity: frames, ids, idMask: powerOfTwoAtLeast(slots) - 1 };
  });
  const lane = carver.words(end);
  return places.map((place) => ({ ...place, lane, index: carver.words(3 * LINE_WORDS) }));
}

/** The producer's side of all its rings. Only the producing worker's thread may use it. */
export class Lane {
  readonly words: Int32Array;
  readonly idMask: number;
  /** Published so far, by worker. */
  private readonly published: Int32Array;
  private readonly mine: number;

  /**
   * @param rings from this worker to each, see `carveLane`
   * @param limit frames that may wait in a ring (at most the capacity)
   */
  constructor(
    private readonly rings: readonly RingMemory[],
    private readonly me: number,
    private readonly limit: number,
  ) {
    this.words = rings[0]!.lane;
    this.idMask = rings[0]!.idMask;
    this.published = new Int32Array(rings.length);
    this.mine = me * STATE_WORDS;
    rings.forEach((ring, c) => {
      const { words } = this;
      const tail = Atomics.load(ring.index, TAIL);
      this.published[c] = tail;
      words[ring.state + State.position] = tail;
      words[ring.state + State.entries] = ring.entries;
      words[ring.state + State.mask] = ring.capacity - 1;
      words[ring.state + State.ids] = ring.ids;
      if (c === me) this.rewind();
      else this.look(c);
    });
  }

  /** The own work's memory. */
  ownWork(): Int32Array {
    const { entries } = this.rings[this.me]!;
    return this.words.subarray(entries, entries + WORK_MAX * ENTRY);
  }

  /** The tail with what is appended but not published: what `ringDone` reaches once the newest frame has finished. */
  position(to: number): number {
    return this.words[to * STATE_WORDS + State.position]!;
  }

  /** Reads again how many frames worker `to` has taken; true when there is room for one more. */
  look(to: number): boolean {
    const { words } = this;
    const at = to * STATE_WORDS;
    if (to !== this.me) words[at + State.limit] = Atomics.load(this.rings[to]!.index, HEAD) + this.limit;
    return ((words[at + State.position]! - words[at + State.limit]!) | 0) < 0;
  }

  /** There is room for one more frame to worker `to`. */
  hasRoom(to: number): boolean {
    const { words } = this;
    const at = to * STATE_WORDS;
    return ((words[at + State.position]! - words[at + State.limit]!) | 0) < 0 || this.look(to);
  }

  /** Appends frame i of a dissected burst, unpublished, where there is room. The dispatcher's loop does the same. */
  append(to: number, burst: Burst, i: number, seq: number, ledger: number): void {
    const { words } = this;
    const fields = burst.words;
    const ring = to * STATE_WORDS;
    const position = words[ring]! | 0;
    const e = words[ring + State.entries]! + ((position & words[ring + State.mask]!) << DESCRIPTOR_SHIFT);
    const vlan = fields[Field.vlan + i]!;
    const id = fields[Field.id + i]!;
    words[e + Part.seq] = seq;
    words[e + Part.size] =
      fields[Field.len + i]! |
      (fields[Field.flags + i]! << FLAGS_SHIFT) |
      ((fields[Field.kind + i]! & Kind.group) !== 0 ? GROUP_BIT : 0);
    words[e + Part.dmacLo] = fields[Field.dmacLo + i]!;
    words[e + Part.id] = id;
    words[e + Part.smacLo] = fields[Field.smacLo + i]!;
    words[e + Part.origin] = burst.port | ((vlan < 0 ? 0 : (vlan & 0xfff) + 1) << VLAN_SHIFT);
    words[e + Part.macs] = (fields[Field.dmacHi + i]! << 16) | fields[Field.smacHi + i]!;
    words[e + Part.ledger] = ledger;
    words[words[ring + State.ids]! + (position & this.idMask)] = id;
    words[ring] = (position + 1) | 0;
  }

  /**
   * Makes everything appended for a worker visible to it: one store. Returns how many frames that were. Until
   * here the frames belong to the producer: should it die before, they are swept with the rest that it holds.
   */
  publish(to: number): number {
    const position = this.words[to * STATE_WORDS + State.position]! | 0;
    const count = (position - this.published[to]!) | 0;
    if (count === 0) return 0;
    this.published[to] = position;
    const { index } = this.rings[to]!;
    if (to === this.me) {
      // Read by this thread only (and by the main thread once it is dead): plain stores. They are taken at once.
      index[TAIL] = position;
      index[HEAD] = position;
    } else Atomics.store(index, TAIL, position);
    return count;
  }

  /**
   * Frames that wait in a ring, if more than `known` do; else some number up to that. The consumer's index is read
   * again only when the cached one says more: what was taken since must not count as waiting.
   */
  occupancy(to: number, known = -1): number {
    if (this.waiting(to) > known) this.look(to);
    return this.waiting(to);
  }

  private waiting(to: number): number {
    const { words } = this;
    const at = to * STATE_WORDS;
    return (words[at + State.position]! - words[at + State.limit]! + this.limit) | 0;
  }

  /** Own frames since the last `completeOwn`: the first of them is the own work's first frame. */
  ownCount(): number {
    const { words, mine } = this;
    return (words[mine + State.position]! - words[mine + State.limit]! + WORK_MAX) | 0;
  }

  /** All own frames are finished. Their slots come back as all others do: call `FramePool.reclaim`, then `rewind`. */
  completeOwn(): void {
    this.publish(this.me);
    this.rings[this.me]!.index[DONE] = this.words[this.mine + State.position]!;
  }

  /**
   * The next own frame is the first of a new work. Positions leap to a multiple of `WORK_MAX`: a frame's place in the
   * work is then its position, as in any ring.
   */
  rewind(): void {
    const { words, mine } = this;
    const { index } = this.rings[this.me]!;
    const start = (words[mine + State.position]! + (WORK_MAX - 1)) & -WORK_MAX;
    words[mine + State.position] = start;
    words[mine + State.limit] = (start + WORK_MAX) | 0;
    words[mine + State.returned] = start;
    this.published[this.me] = start;
    index[TAIL] = start;
    index[HEAD] = start;
    index[DONE] = start;
  }
}

/** The consumer's side. Only the consuming worker's thread may use it. */
export class RingConsumer {
  private head: number;
  private done: number;
  private tailSeen: number;
  private readonly index: Int32Array;
  /** The entries, a pair of words at a time. */
  private readonly wide: Float64Array;
  private readonly mask: number;

  constructor({ index, lane, entries, capacity }: RingMemory) {
    this.index = index;
    this.wide = new Float64Array(lane.buffer, lane.byteOffset + entries * 4, capacity * (ENTRY / 2));
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

  /** Copies at most `max` frames to the end of `work`; returns the number. The frames are held by the consumer now. */
  take(work: Work, max: number): number {
    let available = (this.tailSeen - this.head) | 0;
    if (available === 0) {
      this.tailSeen = Atomics.load(this.index, TAIL);
      available = (this.tailSeen - this.head) | 0;
      if (available === 0) return 0;
    }
    // `| 0` and masks: machine integers in ranges that V8 knows, so no checks of tags and overflow (see `BURST_COUNT`).
    const count = Math.min(available, max) | 0;
    const from = this.wide;
    const to = work.wide;
    const mask = this.mask | 0;
    const head = this.head | 0;
    const start = work.n | 0;
    for (let k = 0; k < count; k = (k + 1) | 0) {
      const t = ((start + k) & TAKE_INDEX) << PAIRS_SHIFT;
      const f = ((head + k) & mask & TAKE_INDEX) << PAIRS_SHIFT;
      to[t] = from[f]!;
      to[t + 1] = from[f + 1]!;
      to[t + 2] = from[f + 2]!;
      to[t + 3] = from[f + 3]!;
    }
    work.n = (start + count) | 0;
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
export function ringReturning({ index, lane, state }: RingMemory): number {
  return (Atomics.load(index, DONE) - lane[state + State.returned]!) | 0;
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
