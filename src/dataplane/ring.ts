/**
 * Backlog ring: hands frames from one worker (producer) to another (consumer).
 *
 * Promise: single producer, single consumer, first in first out; nothing is overwritten, a full ring refuses.
 * There is one ring for every ordered pair of workers, so no lock and no retry loop anywhere.
 *
 * Indices are free-running 32-bit counters (compare with `(a - b) | 0`), each on a 128-byte line of its own:
 *   tail  frames published by the producer
 *   head  frames taken by the consumer
 *   done  frames finished by the consumer (transmitted, delivered or dropped), advanced in ring order once a burst
 * A frame is finished at `done`, not at `head`: that is what the order guard of a moving flow compares with.
 *
 * Memory order: the producer writes entries with plain stores and publishes them with one sequentially consistent
 * store of `tail`; the consumer loads `tail` the same way, so it sees the entries. The consumer's store of `head`
 * is what allows the producer to overwrite entries, and comes after they were copied out. Each side caches the
 * other's index and reads it again only when the cached value says full or empty.
 *
 * An entry is 32 bytes: all that the consumer's forwarding decision and accounting need, so that the frame itself
 * is not touched on the second core before it is sent.
 */
import { type Work, WorkField } from '../forward/work.js';
import { type Burst, Field, Kind } from '../packet/burst.js';
import { type Carver, HEADROOM, LINE_WORDS, SMALL_SLOT_BYTES } from './layout.js';
import { OWNER_RING } from './pool.js';

// Constants of this module's own, which V8 folds into the loops (see packet/dissect).
const B_ID = Field.id;
const B_LEN = Field.len;
const B_FLAGS = Field.flags;
const B_KIND = Field.kind;
const B_VLAN = Field.vlan;
const B_DMAC_HI = Field.dmacHi;
const B_DMAC_LO = Field.dmacLo;
const B_SMAC_HI = Field.smacHi;
const B_SMAC_LO = Field.smacLo;
const W_ID = WorkField.id;
const W_OFF = WorkField.off;
const W_LEN = WorkField.len;
const W_FLAGS = WorkField.flags;
const W_KIND = WorkField.kind;
const W_PORT = WorkField.port;
const W_QUEUE = WorkField.queue;
const W_VLAN = WorkField.vlan;
const W_SEQ = WorkField.seq;
const W_LEDGER = WorkField.ledger;
const W_DMAC_HI = WorkField.dmacHi;
const W_DMAC_LO = WorkField.dmacLo;
const W_SMAC_HI = WorkField.smacHi;
const W_SMAC_LO = WorkField.smacLo;
const GROUP = Kind.group;
const SLOT_BYTES = SMALL_SLOT_BYTES;
const FRAME_AT = HEADROOM;

/** Words of one entry. */
const ENTRY = 8;
const ENTRY_SHIFT = 3;
export const RING_ENTRY_BYTES = ENTRY * 4;
const TAIL = 0;
const HEAD = LINE_WORDS;
const DONE = 2 * LINE_WORDS;

/** Word 1 of an entry: length in bits 0-19, frame flags in 20-23, then one bit each. */
const FLAGS_SHIFT = 20;
const LENGTH_MASK = (1 << FLAGS_SHIFT) - 1;
/** `Kind.group` moves to this bit and back. */
const GROUP_SHIFT = 17;
/** Word 2: receive port in bits 0-9, queue in 10-18, VLAN id + 1 in 19-31. */
const QUEUE_SHIFT = 10;
const VLAN_SHIFT = 19;

/** Ports and receive queues per port that fit into an entry. */
export const PORTS_MAX = 1024;
export const QUEUES_MAX = 512;
// Exported constants live in cells that the loop would load and check: its own do not.
const PORT_MASK = PORTS_MAX - 1;
const QUEUE_MASK = QUEUES_MAX - 1;

/**
 * Bits of an index into `entries`. The loops mask with it, though the index is in range anyway: V8 then knows that
 * adding a word's number cannot overflow, and leaves out a check for each word.
 */
const ENTRY_INDEX = 0x3fffffff;
/** The same for an index into `Work.words`, and into `Burst.words`. */
const WORK_INDEX = 0xffff;
const BURST_INDEX = 0xffff;

export interface RingMemory {
  readonly index: Int32Array;
  readonly entries: Int32Array;
}

/** Ring of `capacity` (a power of two) entries; capacity 0 for a worker's own frames: indices only. */
export function carveRing(carver: Carver, capacity: number): RingMemory {
  return { index: carver.words(3 * LINE_WORDS), entries: carver.words(capacity * ENTRY) };
}

/** The producer's side. Only the producing worker's thread may use it. */
export class RingProducer {
  private tail: number;
  private published: number;
  private headSeen: number;
  private readonly index: Int32Array;
  private readonly entries: Int32Array;
  private readonly mask: number;
  private readonly ownerWord: number;

  /**
   * @param limit frames that may wait (at most the capacity)
   * @param consumer the worker that the frames go to
   */
  constructor(
    memory: RingMemory,
    private readonly owner: Int32Array,
    consumer: number,
    private readonly limit: number,
  ) {
    this.index = memory.index;
    this.entries = memory.entries;
    this.mask = memory.entries.length / ENTRY - 1;
    this.tail = Atomics.load(this.index, TAIL);
    this.published = this.tail;
    this.headSeen = Atomics.load(this.index, HEAD);
    this.ownerWord = OWNER_RING | (consumer + 1);
  }

  /** Appends frame i of a dissected burst, unpublished; false when the ring is full: the caller keeps the frame. */
  push(burst: Burst, i: number, seq: number, ledger: number): boolean {
    const tail = this.tail;
    if (((tail - this.headSeen) | 0) >= this.limit) {
      this.headSeen = Atomics.load(this.index, HEAD);
      if (((tail - this.headSeen) | 0) >= this.limit) return false;
    }
    // One array for all fields, see `Field`.
    const { words } = burst;
    const { entries } = this;
    const e = (tail & this.mask) << ENTRY_SHIFT;
    const vlan = words[B_VLAN + i]!;
    entries[e] = words[B_ID + i]!;
    entries[e + 1] =
      words[B_LEN + i]! |
      (words[B_FLAGS + i]! << FLAGS_SHIFT) |
      ((words[B_KIND + i]! & GROUP) << GROUP_SHIFT);
    entries[e + 2] =
      burst.port | (burst.queue << QUEUE_SHIFT) | ((vlan < 0 ? 0 : (vlan & 0xfff) + 1) << VLAN_SHIFT);
    entries[e + 3] = seq;
    entries[e + 4] = ledger;
    entries[e + 5] = words[B_DMAC_LO + i]!;
    entries[e + 6] = words[B_SMAC_LO + i]!;
    entries[e + 7] = (words[B_DMAC_HI + i]! << 16) | words[B_SMAC_HI + i]!;
    this.tail = (tail + 1) | 0;
    return true;
  }

  /**
   * `push` for frames list[from] … list[from + count - 1]: sequences count from `seq`, frame i's ledger word is
   * `carried[i]`. Returns how many there was room for.
   */
  pushList(
    burst: Burst,
    list: Int32Array,
    from: number,
    count: number,
    seq: number,
    carried: Int32Array,
  ): number {
    const { entries } = this;
    // `| 0`: machine integers before the loop, not tagged ones that are checked in every round of it.
    const tail = this.tail | 0;
    const mask = this.mask | 0;
    const limit = this.limit | 0;
    const { words } = burst;
    let room = (limit - (tail - this.headSeen)) | 0;
    if (room < count) {
      this.headSeen = Atomics.load(this.index, HEAD);
      room = (limit - (tail - this.headSeen)) | 0;
    }
    const n = Math.min(room, count) | 0;
    const origin = burst.port | (burst.queue << QUEUE_SHIFT);
    const first = from | 0;
    for (let k = 0; k < n; k = (k + 1) | 0) {
      const i = list[(first + k) | 0]! & BURST_INDEX;
      const e = (((tail + k) & mask) << ENTRY_SHIFT) & ENTRY_INDEX;
      const vlan = words[B_VLAN + i]!;
      entries[e] = words[B_ID + i]!;
      entries[e + 1] =
        words[B_LEN + i]! |
        (words[B_FLAGS + i]! << FLAGS_SHIFT) |
        ((words[B_KIND + i]! & GROUP) << GROUP_SHIFT);
      entries[e + 2] = origin | ((vlan < 0 ? 0 : (vlan & 0xfff) + 1) << VLAN_SHIFT);
      entries[e + 3] = (seq + i) | 0;
      entries[e + 4] = carried[i]!;
      entries[e + 5] = words[B_DMAC_LO + i]!;
      entries[e + 6] = words[B_SMAC_LO + i]!;
      entries[e + 7] = (words[B_DMAC_HI + i]! << 16) | words[B_SMAC_HI + i]!;
    }
    this.tail = (tail + n) | 0;
    return n;
  }

  /**
   * Makes everything appended visible to the consumer: one store. Returns how many frames that were. Until here
   * the frames belong to the producer: should it die before, they are swept with the rest that it holds.
   */
  publish(): number {
    const { entries, owner } = this;
    const tail = this.tail | 0;
    const published = this.published | 0;
    const mask = this.mask | 0;
    const ownerWord = this.ownerWord | 0;
    const count = (tail - published) | 0;
    if (count !== 0) {
      for (let at = published; at !== tail; at = (at + 1) | 0) {
        owner[entries[(at & mask) << ENTRY_SHIFT]!] = ownerWord;
      }
      Atomics.store(this.index, TAIL, tail);
      this.published = tail;
    }
    return count;
  }

  /** The tail with what is appended but not published: what `ringDone` reaches once the newest frame has finished. */
  position(): number {
    return this.tail;
  }

  /**
   * Frames that wait in the ring, if more than `known` do; else some number up to that. The consumer's index is read
   * again only when the cached one says more: what was taken since must not count as waiting.
   */
  occupancy(known = -1): number {
    if (((this.tail - this.headSeen) | 0) > known) this.headSeen = Atomics.load(this.index, HEAD);
    return (this.tail - this.headSeen) | 0;
  }
}

/** The consumer's side. Only the consuming worker's thread may use it. */
export class RingConsumer {
  private head: number;
  private done: number;
  private tailSeen: number;
  private readonly index: Int32Array;
  private readonly entries: Int32Array;
  private readonly mask: number;

  /**
   * @param offsetOf where the frame of a slot lies
   * @param smallSlots slots below this number need not be asked for: they have the layout of small slots
   */
  constructor(
    memory: RingMemory,
    private readonly owner: Int32Array,
    private readonly consumer: number,
    private readonly offsetOf: (id: number) => number,
    private readonly smallSlots = 0,
  ) {
    this.index = memory.index;
    this.entries = memory.entries;
    this.mask = memory.entries.length / ENTRY - 1;
    this.head = Atomics.load(this.index, HEAD);
    this.done = Atomics.load(this.index, DONE);
    this.tailSeen = this.head;
  }

  /** True when nothing is published that was not taken; re-reads the tail (the check before sleeping). */
  empty(): boolean {
    this.tailSeen = Atomics.load(this.index, TAIL);
    return this.tailSeen === this.head;
  }

  /** Moves at most `max` frames to the end of `work`; returns the number. The frames are held by the consumer now. */
  take(work: Work, max: number): number {
    let available = (this.tailSeen - this.head) | 0;
    if (available === 0) {
      this.tailSeen = Atomics.load(this.index, TAIL);
      available = (this.tailSeen - this.head) | 0;
      if (available === 0) return 0;
    }
    const count = Math.min(available, max) | 0;
    const { entries, owner } = this;
    const mask = this.mask | 0;
    const head = this.head | 0;
    const smallSlots = this.smallSlots | 0;
    const { words } = work;
    const ownerWord = (this.consumer + 1) | 0;
    const start = work.n | 0;
    for (let k = 0; k < count; k = (k + 1) | 0) {
      const w = (start + k) & WORK_INDEX;
      const e = (((head + k) & mask) << ENTRY_SHIFT) & ENTRY_INDEX;
      const id = entries[e]!;
      const lengths = entries[e + 1]!;
      const origin = entries[e + 2]!;
      const macs = entries[e + 7]!;
      owner[id] = ownerWord;
      words[W_ID + w] = id;
      words[W_OFF + w] = id < smallSlots ? Math.imul(id, SLOT_BYTES) + FRAME_AT : this.offsetOf(id);
      words[W_LEN + w] = lengths & LENGTH_MASK;
      words[W_FLAGS + w] = (lengths >> FLAGS_SHIFT) & 15;
      words[W_KIND + w] = (lengths >> GROUP_SHIFT) & GROUP;
      words[W_PORT + w] = origin & PORT_MASK;
      words[W_QUEUE + w] = (origin >> QUEUE_SHIFT) & QUEUE_MASK;
      words[W_VLAN + w] = (origin >>> VLAN_SHIFT) - 1;
      words[W_SEQ + w] = entries[e + 3]!;
      words[W_LEDGER + w] = entries[e + 4]!;
      words[W_DMAC_LO + w] = entries[e + 5]!;
      words[W_SMAC_LO + w] = entries[e + 6]!;
      words[W_DMAC_HI + w] = macs >>> 16;
      words[W_SMAC_HI + w] = macs & 0xffff;
    }
    work.n = (start + count) | 0;
    this.head = (this.head + count) | 0;
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

/** The indices of a worker's own frames, which need no ring: tail and head advance together. */
export class OwnRing {
  private tail: number;
  private readonly index: Int32Array;

  constructor(memory: RingMemory) {
    this.index = memory.index;
    this.tail = Atomics.load(this.index, TAIL);
    // Frames that a dead predecessor held were swept: they are finished.
    Atomics.store(this.index, DONE, this.tail);
  }

  /** Frames accepted so far. */
  position(): number {
    return this.tail;
  }

  accept(count: number): void {
    this.tail = (this.tail + count) | 0;
    Atomics.store(this.index, TAIL, this.tail);
    Atomics.store(this.index, HEAD, this.tail);
  }

  complete(): void {
    Atomics.store(this.index, DONE, this.tail);
  }
}

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

/**
 * Main thread, consumer dead: skips the frames that it had taken (they are swept by owner word) so that its
 * successor starts with the first frame that still waits. Taken entries are a prefix, marked by their owner word.
 */
export function repairRing(memory: RingMemory, owner: Int32Array, consumer: number): void {
  const mask = memory.entries.length / ENTRY - 1;
  const waiting = OWNER_RING | (consumer + 1);
  const tail = Atomics.load(memory.index, TAIL);
  let head = Atomics.load(memory.index, HEAD);
  while (head !== tail && owner[memory.entries[(head & mask) * ENTRY]!] !== waiting) head = (head + 1) | 0;
  Atomics.store(memory.index, HEAD, head);
  Atomics.store(memory.index, DONE, head);
}
