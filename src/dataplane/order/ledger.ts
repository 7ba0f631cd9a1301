/**
 * The order ledger, the side where frames come in: which slot a flow has, which worker has its frames, and up to
 * which position of that worker's ring.
 *
 * Promise: a slot belongs to one flow and receive queue at a time and passes to another flow only when none of the
 * previous one's frames can be taken for reordered any more, so the meter (`meter.ts`) raises no false alarm.
 * A flow may have its slot in `WAYS` ways of its set. When frames of other flows are in flight in all of them it shares
 * a slot with other such flows: it is not watched then (the caller counts it), but still guarded, together with
 * the others. A flow that gets a slot of its own again takes over what is in flight in the shared one.
 * Flows are told apart by 32 bits (`packet/flow-tag.ts`); two that agree in all of them count as one. Nobody can make
 * that happen: the keys are secret.
 *
 * Numbers and positions count modulo 2^32 and are compared by signed difference. A slot keeps some, and its flow may
 * rest for any number of frames; so once in 2^28 frames the worker walks over the slots of its queues, one queue a burst.
 * A slot of which nothing is in flight gets the newest numbers. One that still has frames in flight after 2^29 others
 * (its worker stands still) is marked `old`: its flow's next frames are not watched until those have ended. A queue that
 * another worker takes over begins with empty slots.
 *
 * Frames dropped before they reach a worker leave no trace: they are lost, not early.
 *
 * Threads: everything here is written by the worker that polls the receive queue, and read by nobody else while it
 * runs, except `finished`, which workers that finish frames advance (see the meter).
 */
import { Horizon, type Progress } from '../memory/progress.js';
import { flowClass } from './flow-class.js';
import {
  FLOW_SLOTS,
  type LedgerMemory,
  MIXED,
  Owner,
  QUEUE_SLOTS,
  SHARED_SLOTS,
  SLOT_WORDS,
  Slot,
  UNWATCHED,
  WORD_CLASS_SHIFT,
  WORD_SLOT,
} from './flow-slot.js';
import type { OrderHistory } from './history.js';

/** Places of a flow: neighbours, 128 bytes in all. */
const WAYS = 4;
const MASK = FLOW_SLOTS - 1;

/** Frames between two walks over the slots, and when what is in flight has become old; together far below 2^31. */
export const WALK_EVERY = 1 << 28;
const OLD_AFTER = 1 << 29;

// Constants of the module: docs/hot-loops.md.
const TAG = Slot.tag;
const WORD = Slot.word;
const NEWEST = Slot.newest;
const OWNER = Slot.owner;
const TAIL = Slot.tail;
const SINCE = Slot.since;
const FRAMES = Slot.frames;

/** A number below `SHARED_SLOTS` that does not follow the slot number: flows that compete there part here. */
function sharedIndex(flow: number): number {
  const x = Math.imul(flow ^ (flow >>> 16), 0x7feb352d);
  return (x ^ (x >>> 15)) & (SHARED_SLOTS - 1);
}

export class Ledger {
  /** `SLOT_WORDS` words a slot. Where others call for a slot they mean the index of its first word here. */
  readonly slots: Int32Array;
  private readonly finished: Int32Array;
  private readonly horizon: Horizon;
  /** A flow found no slot: looking how far the queues have come may free some. */
  private asked = false;
  /** By queue: number of the next frame (behind the burst that is being dispatched), and of the burst's first one. */
  private readonly next: Int32Array;
  private readonly first: Int32Array;
  /** Queues that this worker polls. */
  private readonly mine: Uint8Array;
  /** Frames since the last walk, and the queue that it has come to; -1 = none is under way. */
  private passed = 0;
  private walking = -1;

  /** @param watches false: flows have no slots of their own, nothing is watched (for measuring what watching costs). */
  constructor(
    memory: LedgerMemory,
    private readonly progress: Progress,
    private readonly history: OrderHistory,
    readonly watches = true,
    private readonly walkEvery = WALK_EVERY,
  ) {
    this.slots = memory.slots;
    this.finished = memory.finished;
    const queues = memory.finished.length / (2 * QUEUE_SLOTS);
    this.horizon = new Horizon(progress, queues);
    this.next = new Int32Array(queues);
    this.first = new Int32Array(queues);
    this.mine = new Uint8Array(queues);
  }

  /** A burst is to be dispatched: `n` frames from `queue`, the first with sequence `first`. */
  begin(queue: number, first: number, n: number): void {
    if (this.asked) {
      this.asked = false;
      this.horizon.look(this.next);
    }
    this.first[queue] = first;
    if (this.mine[queue] === 0) {
      this.mine[queue] = 1;
      this.horizon.reset(queue);
    } else if (this.walking >= 0) this.walkOn();
    this.next[queue] = first + n;
    this.passed += n;
    if (this.passed >= this.walkEvery && this.walking < 0) {
      this.passed = 0;
      this.walking = 0;
    }
  }

  /** Walks over the slots of one queue, the next one that is this worker's. */
  private walkOn(): void {
    const { mine } = this;
    while (this.walking < mine.length && mine[this.walking] === 0) this.walking++;
    if (this.walking < mine.length) {
      this.walk(this.walking);
      // What it knows must not become too old to be compared with either.
      this.horizon.reset(this.walking++);
    }
    if (this.walking === mine.length) this.walking = -1;
  }

  /** Renews the slots of a queue of which nothing is in flight, and marks those whose frames have become old. */
  private walk(queue: number): void {
    const { slots } = this;
    const before = (this.next[queue]! - 1) | 0;
    const end = (queue + 1) * QUEUE_SLOTS * SLOT_WORDS;
    for (let s = queue * QUEUE_SLOTS * SLOT_WORDS; s < end; s += SLOT_WORDS) {
      const owner = slots[s + OWNER]!;
      if (owner === 0 && slots[s] === 0) continue;
      if (this.isFree(s)) this.renew(s, before);
      else if (((before - slots[s + NEWEST]!) | 0) > OLD_AFTER) slots[s + OWNER] = owner | Owner.old;
    }
  }

  /** Nothing of the slot is in flight, and all frames up to `before` were dispatched: its numbers become new ones. */
  private renew(s: number, before: number): void {
    const { slots, finished } = this;
    const owner = slots[s + OWNER]! & Owner.worker;
    const word = slots[s + WORD]!;
    slots[s + OWNER] = owner;
    slots[s + NEWEST] = before;
    if (owner !== 0) slots[s + TAIL] = this.progress.done(owner - 1);
    // A shared slot is no flow's.
    if (word < 0 || slots[s] === 0) return;
    slots[s + WORD] = word & ~MIXED;
    const f = (word & WORD_SLOT) * 2;
    finished[f] = before;
    finished[f + 1] = before;
  }

  /**
   * What a frame of slot `s` carries to its completion. Where the slot's numbers are old it is not watched: until they
   * can be renewed, which a frame of queue `queue` looks at.
   */
  carried(s: number): number {
    const { slots } = this;
    if ((slots[s + OWNER]! & Owner.old) === 0) return slots[s + WORD]!;
    return UNWATCHED;
  }

  /** Before a frame of an `old` slot is dispatched: the frames that made it old may have finished. */
  refresh(s: number, queue: number): void {
    if ((this.slots[s + OWNER]! & Owner.old) !== 0 && this.isFree(s)) this.renew(s, this.first[queue]! - 1);
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

  /** The rest of `slotFor`: `first` is the flow's first way, and another flow's. */
  private search(first: number, flow: number, kind: number, queue: number, seq: number): number {
    const { slots } = this;
    for (let way = 1; way < WAYS; way++) {
      const s = first ^ (way * SLOT_WORDS);
      if (slots[s] === flow) return s;
    }
    const shared = (queue * QUEUE_SLOTS + FLOW_SLOTS + sharedIndex(flow)) * SLOT_WORDS;
    const sharedOwner = slots[shared + OWNER]!;
    // Frames of this flow may be held in the shared slot: they come first.
    if ((sharedOwner & Owner.held) === 0) {
      for (let way = 0; way < WAYS; way++) {
        const s = first ^ (way * SLOT_WORDS);
        if (slots[s] !== 0 && !this.isFree(s)) continue;
        this.take(s, flow, kind, seq);
        if (sharedOwner !== 0 && !this.isDrained(shared)) {
          slots[s + OWNER] = sharedOwner & Owner.worker;
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
    const owner = this.slots[s + OWNER]!;
    return owner === 0 || this.progress.drained((owner & Owner.worker) - 1, this.slots[s + TAIL]!);
  }

  private isFree(s: number): boolean {
    const { slots, finished } = this;
    if ((slots[s + OWNER]! & Owner.held) !== 0) return false;
    const word = slots[s + WORD]!;
    // On one worker frames finish in the order of its ring.
    if ((word & MIXED) === 0) return this.isDrained(s);
    // On several: once the newest has finished whatever still comes is late indeed.
    const number = word & WORD_SLOT;
    const f = number * 2;
    const newest = slots[s + NEWEST]!;
    if (Atomics.load(finished, f) === newest || Atomics.load(finished, f + 1) === newest) return true;
    // Dropped, or died: nobody tells. Everything up to it may have ended all the same.
    if (this.horizon.isOver((number / QUEUE_SLOTS) | 0, newest)) return true;
    this.asked = true;
    return false;
  }

  private take(s: number, flow: number, kind: number, seq: number): void {
    const { slots, finished } = this;
    const number = s / SLOT_WORDS;
    const before = (seq - 1) | 0;
    slots[s] = flow;
    slots[s + WORD] = number | (flowClass(kind) << WORD_CLASS_SHIFT);
    slots[s + NEWEST] = before;
    slots[s + OWNER] = 0;
    slots[s + TAIL] = 0;
    slots[s + SINCE] = 0;
    slots[s + FRAMES] = 0;
    // Visible to the worker that finishes a frame of the flow: the ring's tail is published after it.
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
    const owner = slots[s + OWNER]!;
    const word = slots[s + WORD]!;
    if (word >= 0 && (word & MIXED) === 0 && !this.isDrained(s)) {
      slots[s + WORD] = word | MIXED;
      this.history.claim(word & WORD_SLOT);
    }
    slots[s + OWNER] = (to + 1) | (owner & Owner.old);
    // The new worker holds none of this flow's frames. Its current position counts as drained, so the flow reads as
    // drained even if this frame is dropped.
    slots[s + TAIL] = this.progress.done(to);
    return owner !== 0;
  }

  /**
   * This worker polls a queue again that it, or a dead predecessor of it, polled last. Only when nothing of the queue is
   * in flight or held: what its slots say of that is what died with the predecessor, or from a time when the rings stood
   * elsewhere.
   * @param next number of the queue's next frame
   */
  resume(queue: number, next: number): void {
    const { slots } = this;
    this.horizon.reset(queue);
    this.next[queue] = next;
    this.mine[queue] = 1;
    const end = (queue + 1) * QUEUE_SLOTS * SLOT_WORDS;
    for (let s = queue * QUEUE_SLOTS * SLOT_WORDS; s < end; s += SLOT_WORDS) {
      if (slots[s + OWNER] !== 0 || slots[s] !== 0) this.renew(s, next - 1);
    }
  }

  /** Another worker may poll the queue from now on. */
  leave(queue: number): void {
    this.mine[queue] = 0;
  }

  /**
   * This worker polls a queue that another one polled before: the positions of its rings are others. Only when nothing
   * of the queue is in flight or held.
   */
  forget(queue: number): void {
    const { slots } = this;
    this.horizon.reset(queue);
    const end = (queue + 1) * QUEUE_SLOTS * SLOT_WORDS;
    for (let s = queue * QUEUE_SLOTS * SLOT_WORDS; s < end; s += SLOT_WORDS) {
      slots[s + OWNER] = 0;
      slots[s + TAG] = 0;
    }
  }
}
