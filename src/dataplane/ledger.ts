/**
 * The order ledger, the side where frames come in: which slot a flow has, which worker has its frames, and up to
 * which position of that worker's ring.
 *
 * Promise: a slot belongs to one flow and receive queue at a time and passes to another flow only when none of the
 * previous one's frames can be taken for reordered any more, so the meter (`order-meter.ts`) raises no false alarm.
 * A flow has `WAYS` places for its slot; when frames of other flows are in flight in all of them it shares a slot
 * with whatever else comes to that: it is not watched then (the caller counts it), but still guarded, together with
 * the others. A flow that gets a slot of its own again takes over what is in flight in the shared one.
 * Flows are told apart by 32 bits; two that agree in all of them count as one.
 *
 * Frames dropped before they reach a worker leave no trace: they are lost, not early.
 *
 * Threads: everything here is written by the worker that polls the receive queue, and read by nobody else while it
 * runs, except `finished`, which workers that finish frames advance (see the meter).
 */
import { Field, PARTS } from '../packet/burst.js';
import { DESCRIPTOR_SHIFT, Part } from '../packet/descriptor.js';
import { flowClass } from './flow-class.js';
import { type Carver, maskedLength } from './layout.js';
import type { OrderHistory } from './order-history.js';
import type { Progress } from './progress.js';

/** Slots of one receive queue that belong to one flow at a time, and those that flows share when these are busy. */
export const FLOW_SLOTS = 16_384;
export const SHARED_SLOTS = 4096;
export const QUEUE_SLOTS = FLOW_SLOTS + SHARED_SLOTS;
/** Places of a flow: neighbours, 128 bytes in all. */
const WAYS = 4;
const MASK = FLOW_SLOTS - 1;

/** Words of a slot. A line of its own holds all that a frame needs. */
export const Slot = {
  /** The flow; 0 = none. */
  tag: 0,
  /** What each frame carries to its completion: slot number, class, `MIXED`; `UNWATCHED` for shared slots. */
  word: 1,
  /** Sequence number of the newest frame on its way. */
  newest: 2,
  /** Worker + 1 that got the newest frame, and flags (`Place`); 0 = nobody has any. */
  place: 3,
  /** Position of the newest frame in the ring towards that worker. */
  tail: 4,
  /** Millisecond since which a move is postponed. */
  since: 5,
  /** Number of the hold that has the flow's frames. */
  hold: 6,
  /** Frames of the flow so far. */
  frames: 7,
} as const;
export const SLOT_WORDS = 8;

/** Fields of the word `place`. */
export const Place = { worker: 0xffff, postponed: 1 << 16, held: 1 << 17 } as const;

/** Fields of the word that a frame carries. */
export const WORD_SLOT = (1 << 27) - 1;
export const WORD_CLASS_SHIFT = 27;
/** Frames of the flow are, or were, on their way through several workers at once. */
export const MIXED = 1 << 30;
/** The frame is not watched: any negative word says so; this one is no NaN's upper half (see `Part`). */
export const UNWATCHED = -0x8000_0000;

// Constants of this module's own: V8 folds them into the code, fields of objects are loaded.
const TAG = Slot.tag;
const WORD = Slot.word;
const NEWEST = Slot.newest;
const PLACE = Slot.place;
const TAIL = Slot.tail;
const SINCE = Slot.since;
const FRAMES = Slot.frames;
const B_VLAN = Field.vlan;
const B_ETHERTYPE = Field.ethertype;
const B_PARTS = PARTS;
const P_SHIFT = DESCRIPTOR_SHIFT;
const P_DMAC_LO = Part.dmacLo;
const P_SMAC_LO = Part.smacLo;
const P_MACS = Part.macs;

export function carveLedger(carver: Carver, queues: number) {
  return {
    slots: carver.words(maskedLength(queues * QUEUE_SLOTS * SLOT_WORDS)),
    /** Two words a slot, see the meter. */
    finished: carver.words(queues * QUEUE_SLOTS * 2),
  };
}
export type LedgerMemory = ReturnType<typeof carveLedger>;

/**
 * Identity of a frame that is not IP, in place of `burst.flow`: addresses, ethertype and VLAN id. Never 0.
 * @param words `Burst.words`
 */
export function plainFlow(words: Int32Array, i: number): number {
  const vlan = words[B_VLAN + i]!;
  const part = B_PARTS + (i << P_SHIFT);
  const sum =
    (Math.imul(words[part + P_DMAC_LO]!, 0x9e3779b1) ^ Math.imul(words[part + P_SMAC_LO]!, 0x85ebca6b)) +
    (Math.imul(words[part + P_MACS]!, 0xc2b2ae35) ^
      Math.imul((words[B_ETHERTYPE + i]! << 12) | (vlan < 0 ? 0 : vlan & 0xfff), 0x27d4eb2f));
  const x = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
  const y = x ^ (x >>> 13);
  return y === 0 ? 1 : y;
}

/** A number below `SHARED_SLOTS` that does not follow the slot number: flows that compete there part here. */
function sharedIndex(flow: number): number {
  const x = Math.imul(flow ^ (flow >>> 16), 0x7feb352d);
  return (x ^ (x >>> 15)) & (SHARED_SLOTS - 1);
}

export class Ledger {
  /** `SLOT_WORDS` words a slot. Where others call for a slot they mean the index of its first word here. */
  readonly slots: Int32Array;
  private readonly finished: Int32Array;

  /** @param watches false: flows have no slots of their own, nothing is watched (for measuring what watching costs). */
  constructor(
    memory: LedgerMemory,
    private readonly progress: Progress,
    private readonly history: OrderHistory,
    readonly watches = true,
  ) {
    this.slots = memory.slots;
    this.finished = memory.finished;
  }

  /**
   * The slot of a frame of flow `flow` (not 0) with `Kind` bits `kind`, from receive queue `queue` (global number)
   * with sequence `seq`. Call `note` once the frame has been accepted, before anyone else can finish it.
   */
  slotFor(flow: number, kind: number, queue: number, seq: number): number {
    if (!this.watches) return this.nobody(queue);
    const s = (queue * QUEUE_SLOTS + ((flow ^ (flow >>> 15)) & MASK)) * SLOT_WORDS;
    return this.slots[s] === flow ? s : this.search(s, flow, kind, queue, seq);
  }

  /** The slot that all frames of a queue share where nothing is watched. */
  private nobody(queue: number): number {
    const s = (queue * QUEUE_SLOTS + FLOW_SLOTS) * SLOT_WORDS;
    this.slots[s + WORD] = UNWATCHED;
    return s;
  }

  /** The rest of `slotFor`: `first` is the flow's first place, and another flow's. */
  private search(first: number, flow: number, kind: number, queue: number, seq: number): number {
    const { slots } = this;
    for (let way = 1; way < WAYS; way++) {
      const s = first ^ (way * SLOT_WORDS);
      if (slots[s] === flow) return s;
    }
    const shared = (queue * QUEUE_SLOTS + FLOW_SLOTS + sharedIndex(flow)) * SLOT_WORDS;
    const sharedPlace = slots[shared + PLACE]!;
    // Frames of this flow may be held in the shared slot: they come first.
    if ((sharedPlace & Place.held) === 0) {
      for (let way = 0; way < WAYS; way++) {
        const s = first ^ (way * SLOT_WORDS);
        if (slots[s] !== 0 && !this.isFree(s)) continue;
        this.take(s, flow, kind, seq);
        if (sharedPlace !== 0 && !this.isDrained(shared)) {
          slots[s + PLACE] = sharedPlace & Place.worker;
          slots[s + TAIL] = slots[shared + TAIL]!;
        }
        return s;
      }
    }
    slots[shared + WORD] = UNWATCHED;
    return shared;
  }

  /** All frames noted in the slot have finished (known of the last worker that got any). */
  isDrained(s: number): boolean {
    const place = this.slots[s + PLACE]!;
    return place === 0 || this.progress.drained((place & Place.worker) - 1, this.slots[s + TAIL]!);
  }

  private isFree(s: number): boolean {
    const { slots, finished } = this;
    if ((slots[s + PLACE]! & Place.held) !== 0) return false;
    const word = slots[s + WORD]!;
    // On one worker frames finish in the order of its ring.
    if ((word & MIXED) === 0) return this.isDrained(s);
    // On several: once the newest has finished whatever still comes is late indeed.
    const f = (word & WORD_SLOT) * 2;
    const newest = slots[s + NEWEST]!;
    return Atomics.load(finished, f) === newest || Atomics.load(finished, f + 1) === newest;
  }

  private take(s: number, flow: number, kind: number, seq: number): void {
    const { slots, finished } = this;
    const number = s / SLOT_WORDS;
    const before = (seq - 1) | 0;
    slots[s] = flow;
    slots[s + WORD] = number | (flowClass(kind) << WORD_CLASS_SHIFT);
    slots[s + NEWEST] = before;
    slots[s + PLACE] = 0;
    slots[s + TAIL] = 0;
    slots[s + SINCE] = 0;
    slots[s + FRAMES] = 0;
    // Visible to whoever finishes a frame of the flow: the ring's tail is published after it.
    finished[number * 2] = before;
    finished[number * 2 + 1] = before;
  }

  /**
   * The frame with sequence `seq` that `slotFor` was asked for is on its way to the slot's worker, at position `tail`
   * of the ring (it was not dropped before the worker had it).
   */
  note(s: number, seq: number, tail: number): void {
    const { slots } = this;
    slots[s + NEWEST] = seq;
    slots[s + TAIL] = tail;
    slots[s + FRAMES]!++;
  }

  /**
   * Frames of the slot go to worker `to` from now on. If others are still in flight elsewhere the meter is told so:
   * their completions will not be in one thread. True when the flow had a worker before.
   */
  move(s: number, to: number): boolean {
    const { slots } = this;
    const place = slots[s + PLACE]!;
    const word = slots[s + WORD]!;
    if (word >= 0 && (word & MIXED) === 0 && !this.isDrained(s)) {
      slots[s + WORD] = word | MIXED;
      this.history.claim(word & WORD_SLOT);
    }
    slots[s + PLACE] = to + 1;
    // Nothing of the flow is there yet, whatever becomes of this frame.
    slots[s + TAIL] = this.progress.done(to);
    return place !== 0;
  }

  /**
   * A successor of a dead worker takes over its queue: what that held is gone, and positions that it did not live to
   * publish come back to `positions[worker]`.
   */
  recover(queue: number, positions: Int32Array): void {
    const { slots } = this;
    const end = (queue + 1) * QUEUE_SLOTS * SLOT_WORDS;
    for (let s = queue * QUEUE_SLOTS * SLOT_WORDS; s < end; s += SLOT_WORDS) {
      const place = slots[s + PLACE]!;
      if (place === 0) continue;
      const position = positions[(place & Place.worker) - 1]!;
      slots[s + PLACE] = place & Place.worker;
      if (((slots[s + TAIL]! - position) | 0) > 0) slots[s + TAIL] = position;
    }
  }

  /**
   * Another worker polls the queue from now on: the positions of its rings are others. Only when nothing of the queue
   * is in flight or held.
   */
  forget(queue: number): void {
    const { slots } = this;
    const end = (queue + 1) * QUEUE_SLOTS * SLOT_WORDS;
    for (let s = queue * QUEUE_SLOTS * SLOT_WORDS; s < end; s += SLOT_WORDS) {
      slots[s + PLACE] = 0;
      slots[s + TAG] = 0;
    }
  }
}
