/**
 * The guard of `order=strict`: what becomes of a frame whose policy names another worker than its flow's last one.
 *
 * Promise: a flow (or flows that share a slot, together) has frames in flight on one worker at a time, whatever
 * changes its worker: a table, a key, a policy, an owner, a consumer. Its frames go on to the old worker until that
 * has finished the last one. A flow that has not drained so for `postponeMaxMs` is held: its frames wait here, for at
 * most `holdMaxFrames` frames and `holdMaxMs` milliseconds. Once the old worker has drained they go to the new one; at
 * a bound the move is cancelled and they go to the old one, behind what it has, and a new attempt begins. A worker's
 * own frames are finished at the end of its pass: nothing is ever held for them.
 *
 * This is the source's `last_qtail` rule (Linux, `get_rps_cpu`) with two differences: it guards every change, and a
 * frame is finished when it has been sent.
 *
 * Threads: one guard per worker that steers, used by it alone. Time is read at most once a burst, and only while a
 * move waits.
 */
import type { Burst } from '../../packet/burst.js';
import type { Progress } from '../memory/progress.js';
import { Owner, Slot } from './flow-slot.js';
import type { Ledger } from './ledger.js';
import { MoveCounter } from './move-counter.js';
import { ParkedFlows } from './parked.js';

/** Bounds of waiting. */
export interface OrderLimits {
  /** How long a move waits for its flow to drain by itself, before the flow is held. */
  readonly postponeMaxMs: number;
  /** Frames of one flow, and time, that a hold takes at most. 0 frames = nothing is ever held. */
  readonly holdMaxFrames: number;
  readonly holdMaxMs: number;
}

/**
 * 10 ms is 4096 frames (a full backlog) at the rate of a worker that is busy with other things too: a worker that has not
 * drained by then keeps getting frames faster than its worker finishes them.
 */
export const DEFAULT_ORDER_LIMITS: OrderLimits = { postponeMaxMs: 10, holdMaxFrames: 256, holdMaxMs: 20 };
/** Flows that one worker holds at a time. */
const HOLDS = 64;
/** Frames held in all, of each class of slots, in units of `holdMaxFrames`. */
const FULL_HOLDS = 8;

/** Result of `change`: the frame is to be held. */
export const HELD = -1;

const OWNER = Slot.owner;
const TAIL = Slot.tail;
const SINCE = Slot.since;
const HOLD = Slot.hold;
const WORKER = Owner.worker;
const POSTPONED = Owner.postponed;
const HELD_FLAG = Owner.held;
const OLD = Owner.old;

/** How frames are put on their way again, and room for them: the dispatcher's own doing. */
export interface Release {
  /** Puts the only frame of `burst` on its way to worker `to`; what does not fit is dropped as `hold`. */
  release(burst: Burst, seq: number, slot: number, to: number): void;
  /** Slots of a class that all held frames together may have at this moment. */
  holdRoom(large: boolean): number;
}

export class OrderGuard {
  readonly holding: ParkedFlows;
  private readonly slots: Int32Array;
  private readonly mostOfClass: number;
  /** Milliseconds modulo 2^32, as slots keep them; compared by signed difference. */
  private now = 0;
  private read = false;

  /**
   * @param slots of the worker's pool, both classes
   * @param smallSlots ids of large slots begin here
   * @param counters `MoveCounter` words of the worker
   * @param scratch a burst of its own, over the pool
   */
  constructor(
    private readonly me: number,
    private readonly ledger: Ledger,
    private readonly progress: Progress,
    private readonly limits: OrderLimits,
    slots: number,
    smallSlots: number,
    private readonly counters: Float64Array,
    private readonly scratch: Burst,
    private readonly out: Release,
  ) {
    this.slots = ledger.slots;
    this.mostOfClass = limits.holdMaxFrames * FULL_HOLDS;
    this.holding = new ParkedFlows(Math.min(2 * this.mostOfClass, slots), HOLDS, smallSlots);
  }

  /** Drops the cached time. Call once per burst, before its frames. */
  begin(): void {
    this.read = false;
  }

  private time(): number {
    if (!this.read) this.now = Math.floor(performance.now()) | 0;
    this.read = true;
    return this.now;
  }

  /** Milliseconds since then. */
  private since(then: number): number {
    return (this.time() - then) | 0;
  }

  /**
   * The worker for a frame of slot `s` that the policy wants on worker `wanted`, or `HELD`. For slots whose owner is
   * not just that worker.
   * @param large the frame is in a large slot
   */
  change(s: number, wanted: number, large: boolean): number {
    const { slots, counters } = this;
    const owner = slots[s + OWNER]!;
    if (owner === 0) {
      this.ledger.move(s, wanted);
      return wanted;
    }
    const current = (owner & WORKER) - 1;
    if ((owner & HELD_FLAG) !== 0) return this.whileHeld(s, current, wanted, large);
    if (current === wanted) {
      // The policy has changed its mind.
      slots[s + OWNER] = owner & (WORKER | OLD);
      return current;
    }
    if (this.progress.drained(current, slots[s + TAIL]!)) {
      this.ledger.move(s, wanted);
      counters[MoveCounter.moves]!++;
      return wanted;
    }
    if ((owner & POSTPONED) === 0) {
      slots[s + OWNER] = owner | POSTPONED;
      slots[s + SINCE] = this.time();
      counters[MoveCounter.postponed]!++;
    } else if (
      current !== this.me &&
      !this.full(large) &&
      this.since(slots[s + SINCE]!) >= this.limits.postponeMaxMs
    ) {
      const h = this.holding.open(s, wanted, this.time());
      if (h >= 0) {
        slots[s + HOLD] = h;
        slots[s + OWNER] = owner | HELD_FLAG;
        counters[MoveCounter.held]!++;
        return HELD;
      }
    }
    counters[MoveCounter.framesPostponed]!++;
    return current;
  }

  /** No further frame can be held: there are as many as permitted, or as the pool can do without. */
  private full(large: boolean): boolean {
    const { holding } = this;
    const held = large ? holding.large : holding.frames - holding.large;
    return held >= Math.min(this.mostOfClass, this.out.holdRoom(large)) || holding.frames >= holding.capacity;
  }

  /** A further frame of a held flow. */
  private whileHeld(s: number, current: number, wanted: number, large: boolean): number {
    const hold = this.holding.holds[this.slots[s + HOLD]!]!;
    const full = hold.frames >= this.limits.holdMaxFrames || this.full(large);
    if (wanted !== current && !full) {
      hold.target = wanted;
      return HELD;
    }
    this.cancel(s);
    if (wanted === current) this.slots[s + OWNER] = this.slots[s + OWNER]! & (WORKER | OLD);
    else this.counters[MoveCounter.framesPostponed]!++;
    return current;
  }

  /** Holds frame `i` of the burst: the answer to `HELD`. */
  hold(s: number, burst: Burst, i: number, seq: number): void {
    this.holding.append(this.slots[s + HOLD]!, burst, i, seq);
    this.counters[MoveCounter.framesHeld]!++;
  }

  /** The held frames go to the old worker, behind what it has; the next attempt to move begins anew. */
  private cancel(s: number): void {
    const { slots } = this;
    const current = (slots[s + OWNER]! & WORKER) - 1;
    this.counters[MoveCounter.cancelled]!++;
    slots[s + OWNER] = (slots[s + OWNER]! & (WORKER | OLD)) | POSTPONED;
    slots[s + SINCE] = this.time();
    this.empty(s, current);
  }

  /** The frames of a hold go to worker `to`, in order. */
  private empty(s: number, to: number): void {
    const { holding, scratch } = this;
    const h = this.slots[s + HOLD]!;
    const hold = holding.holds[h]!;
    scratch.n = 1;
    while (hold.frames > 0) this.out.release(scratch, holding.take(h, scratch), s, to);
    holding.close(h);
  }

  /**
   * Between two bursts: lets go of what has drained, or waited long enough. Returns how many frames that were. The
   * dispatcher makes room in its own work where a frame needs it.
   */
  releaseDue(): number {
    const { holding, slots, counters } = this;
    this.begin();
    const before = holding.frames;
    for (let k = holding.count - 1; k >= 0; k--) {
      const hold = holding.holds[holding.active[k]!]!;
      const s = hold.slot;
      const current = (slots[s + OWNER]! & WORKER) - 1;
      if (this.progress.drained(current, slots[s + TAIL]!)) {
        const { target } = hold;
        this.ledger.move(s, target);
        counters[MoveCounter.moves]!++;
        this.empty(s, target);
      } else if (this.since(hold.since) >= this.limits.holdMaxMs) this.cancel(s);
    }
    return before - holding.frames;
  }
}
