/**
 * The dispatcher of a worker: gives each frame of a steered burst to its worker, or holds it for order's sake.
 *
 * Promise: every frame of the burst becomes part of the worker's own work, is published to another worker's ring, is
 * held, or is freed under a drop reason. Frames of one receive queue are handed over in the order in which they came,
 * and the ledger notes each of them before anyone else can finish it. This worker is the only producer of its rings.
 *
 * Two kinds of frames. Nearly all find their flow on the worker that it is wanted on and room in the ring there: a loop
 * without calls looks up the flow's slot, copies the descriptor into the ring and notes the frame, whichever worker it
 * goes to (`hand-over.ts`). Whatever needs a decision (a new flow, another worker, a full ring, the end of its memory)
 * leaves that loop, and so does a frame in a large slot, of which each ring may have few (`shares.ts`).
 *
 * One object per worker thread. Nothing here allocates per burst.
 */
import { BATCH_MAX, type Batch } from '../../forward/batch.js';
import { BURST_MAX, Burst, Field } from '../../packet/burst.js';
import { LINE_WORDS } from '../memory/layout.js';
import type { RingProducer } from '../memory/producer.js';
import { SlotShares } from '../memory/shares.js';
import { FLOW_SLOTS, Owner, plainFlow, QUEUE_SLOTS, SLOT_WORDS, Slot } from '../order/flow-slot.js';
import { HELD, OrderGuard, type Release } from '../order/guard.js';
import { MoveCounter } from '../order/move-counter.js';
import { Drop, HandoffCounter, handoffBase, WorkerCounter } from '../shared/counters.js';
import { beginBurst, handOver } from './hand-over.js';
import type { RxStageParts } from './rx-parts.js';

/** What became of a frame after steering. `stays + w`: it went to worker w, its flow's old one, for order's sake. */
export const DispatchResult = { asSteered: 0, held: 1, dropped: 2, stays: 16 } as const;

// Constants of the module: docs/hot-loops.md.
const OWNER = Slot.owner;
const WORD = Slot.word;
const FRAMES = Slot.frames;
const FLOW = Field.flow;
const WORKER = Field.worker;
const KIND = Field.kind;

export class Dispatcher implements Release {
  /** What became of each frame of the last burst, a `DispatchResult`. */
  readonly results = new Int32Array(BURST_MAX);
  private marked = false;
  private readonly me: number;
  private readonly workers: number;
  /** Frames go to workers 0 … span-1. */
  private span: number;
  private readonly shares: SlotShares;
  private readonly smallSlots: number;
  private readonly counters: Float64Array;
  /** Keeps flows on one worker at a time (order=strict). */
  private guard: OrderGuard | null = null;
  private makeRoom: () => void = () => {};
  /** Frames of the burst that found no room. */
  private refused = false;
  /** Where nothing is watched every flow looks for tag 0 in the first shared slot of its queue. */
  private readonly firstSlot: number;
  private unwatched = 0;

  /**
   * @param batch what the worker processes next: its own frames are appended there
   * @param producer the rings to all workers; the batch's memory is in it
   */
  constructor(
    private readonly p: RxStageParts,
    private readonly batch: Batch,
    private readonly producer: RingProducer,
  ) {
    const { views, plan, worker, ledger } = p;
    this.me = worker;
    this.workers = plan.workers;
    this.counters = views.counters.worker[worker]!;
    this.firstSlot = ledger.watches ? 0 : FLOW_SLOTS;
    this.smallSlots = views.pool.smallSlots;
    this.span = plan.workers;
    this.shares = new SlotShares(views.pool, producer, worker, plan.active - 1);
    this.adopt(this.span);
  }

  /** Takes up the plan of the parts; frames go to workers 0 … span-1. */
  adopt(span: number): void {
    // A worker that is about to leave is beyond them, and has its own frames still.
    this.span = Math.max(span, this.me + 1);
    this.shares.adopt(this.span - 1);
    const strict = this.p.plan.order === 'strict';
    if (strict !== (this.guard !== null)) this.guard = strict ? this.makeGuard() : null;
  }

  private makeGuard(): OrderGuard {
    const { plan, views, worker, ledger, progress } = this.p;
    const counters = this.counters.subarray(WorkerCounter.moves);
    const slots = plan.smallPerWorker + plan.largePerWorker;
    const scratch = new Burst(views.pool.bytes);
    const { smallSlots } = this;
    return new OrderGuard(
      worker,
      ledger,
      progress,
      plan.orderLimits,
      slots,
      smallSlots,
      counters,
      scratch,
      this,
    );
  }

  /** Forgets what became of the last burst's frames. */
  clearFates(): void {
    if (!this.marked) return;
    this.results.fill(DispatchResult.asSteered);
    this.marked = false;
  }

  /**
   * Puts each frame of the burst where steering wants it. True when some found no room.
   * @param anyLarge some of them are in large slots
   */
  dispatch(queue: number, anyLarge: boolean): boolean {
    const { burst, views, ledger } = this.p;
    const { counters, producer } = this;
    const n = burst.n;
    const sequences = views.sequences;
    const first = sequences[queue * LINE_WORDS]! | 0;
    sequences[queue * LINE_WORDS] = (first + n) | 0;
    if (this.guard !== null) this.guard.begin();
    ledger.begin(queue, first, n);
    if (!ledger.watches) ledger.slotFor(0, 0, queue, 0);
    this.unwatched = 0;
    this.shares.begin(n, anyLarge ? this.countLarge(n) : 0);
    beginBurst(burst, ledger, producer, first, Math.imul(queue * QUEUE_SLOTS + this.firstSlot, SLOT_WORDS));
    let i = handOver(0, anyLarge ? this.nextLarge(0, n) : n);
    while (i < n) {
      this.dispatchOne(i, (first + i) | 0, queue);
      i++;
      i = handOver(i, anyLarge ? this.nextLarge(i, n) : n);
    }
    if (burst.bad > 0) counters[WorkerCounter.badHeaders]! += burst.bad;
    if (!ledger.watches) this.unwatched = n;
    if (this.unwatched > 0) counters[WorkerCounter.unwatched]! += this.unwatched;
    this.batch.n = producer.ownCount();
    this.publish();
    const { refused } = this;
    this.refused = false;
    return refused;
  }

  private isLarge(burst: Burst, i: number): boolean {
    return burst.id[i]! >= this.smallSlots;
  }

  private countLarge(n: number): number {
    let count = 0;
    for (let i = 0; i < n; i++) if (this.isLarge(this.p.burst, i)) count++;
    return count;
  }

  /** The first frame from `i` on that is in a large slot; n when there is none. */
  private nextLarge(i: number, n: number): number {
    let next = i;
    while (next < n && !this.isLarge(this.p.burst, next)) next++;
    return next;
  }

  /** Frame i of the burst, about which something has to be decided. */
  private dispatchOne(i: number, seq: number, queue: number): void {
    const { burst, ledger, census } = this.p;
    const { slots } = ledger;
    const { words } = burst;
    const bits = words[KIND + i]!;
    const flow = words[FLOW + i]!;
    const tag = flow === 0 ? plainFlow(words, i) : flow;
    const s = ledger.slotFor(tag, bits, queue, seq);
    ledger.refresh(s, queue);
    // A slot that was just taken has had no frame; of those that flows share some frames are kept.
    const frames = slots[s + FRAMES]!;
    if (slots[s + WORD]! >= 0 ? frames === 0 : census.samples(frames)) census.enter(s, tag, burst, i);
    const wanted = words[WORKER + i]!;
    const large = this.isLarge(burst, i);
    const to = slots[s + OWNER] === wanted + 1 ? wanted : this.change(s, wanted, large);
    if (ledger.carried(s) < 0) this.unwatched++;
    if (to === HELD) {
      this.guard!.hold(s, burst, i, seq);
      if (large) this.shares.heldLarge();
      this.mark(i, DispatchResult.held);
      return;
    }
    if (to !== wanted) this.mark(i, DispatchResult.stays + to);
    if (!large || this.shares.mayGiveLarge(to)) {
      if (this.give(burst, i, seq, s, to)) {
        if (large) this.shares.gaveLarge(to);
        return;
      }
    }
    this.drop(burst, i, to, Drop.backlog);
    this.mark(i, DispatchResult.dropped);
    this.refused = true;
  }

  /** The worker that gets a frame whose slot is not the wanted worker's, or `HELD`. */
  private change(s: number, wanted: number, large: boolean): number {
    if (this.guard !== null) return this.guard.change(s, wanted, large);
    if ((this.p.ledger.slots[s + OWNER]! & Owner.worker) === wanted + 1) return wanted;
    if (this.p.ledger.move(s, wanted)) this.counters[WorkerCounter.moves + MoveCounter.moves]!++;
    return wanted;
  }

  /** Appends frame i of a burst to the ring to worker `to` and notes it in its slot; false when there is no room. */
  private give(burst: Burst, i: number, seq: number, s: number, to: number): boolean {
    const { producer } = this;
    const { ledger } = this.p;
    if (!producer.append(to, burst, i, seq, ledger.carried(s))) return false;
    ledger.note(s, seq, producer.position(to));
    return true;
  }

  /** Something else than steering said has become of frame i. */
  private mark(i: number, result: number): void {
    this.results[i] = result;
    this.marked = true;
  }

  /** Frames held for a move, to be reviewed every pass. */
  holding(): number {
    return this.guard === null ? 0 : this.guard.holding.frames;
  }

  /** Lets go of held frames whose time has come; returns how many. `process` empties the batch when it is full. */
  releaseDue(process: () => void): number {
    if (this.holding() === 0) return 0;
    this.makeRoom = process;
    this.shares.begin(0, 0);
    const released = this.guard!.releaseDue();
    if (released > 0) this.publish();
    return released;
  }

  /** A frame that was held goes to its worker. Its own worker's only between two bursts: see `OrderGuard`. */
  release(burst: Burst, seq: number, s: number, to: number): void {
    const mine = to === this.me;
    if (mine && this.batch.n + BURST_MAX > BATCH_MAX) this.makeRoom();
    if (!this.giveHeld(burst, seq, s, to)) this.drop(burst, 0, to, Drop.hold);
    if (mine) this.batch.n = this.producer.ownCount();
  }

  /** See `Release`. */
  holdRoom(large: boolean): number {
    return this.shares.ofHolds(large);
  }

  /** As `give`. The slots that held frames have are taken from no ring's share: they are added to this one's. */
  private giveHeld(burst: Burst, seq: number, s: number, to: number): boolean {
    const { producer, shares } = this;
    const { holding } = this.guard!;
    const { ledger } = this.p;
    const word = ledger.carried(s);
    const large = this.isLarge(burst, 0);
    if (large && !shares.mayGiveLarge(to, holding.large)) return false;
    const extra = holding.frames - holding.large + 1;
    if (!producer.append(to, burst, 0, seq, word) && !producer.appendBeyond(extra, to, burst, 0, seq, word))
      return false;
    if (large) producer.addLarge(to);
    ledger.note(s, seq, producer.position(to));
    return true;
  }

  /** Frame i found no room in the ring to worker `to`. */
  private drop(burst: Burst, i: number, to: number, reason: number): void {
    const { views } = this.p;
    views.counters.handoff[handoffBase(this.workers, this.me, to) + HandoffCounter.drops]!++;
    this.counters[WorkerCounter.dropped + reason]!++;
    views.pool.free(this.me, burst.id[i]!);
  }

  /** Publishes every ring that got frames, and wakes its consumer if it sleeps: once a burst. */
  private publish(): void {
    const { producer, me, workers, span } = this;
    const { views, waker } = this.p;
    const handoff = views.counters.handoff;
    for (let to = 0; to < span; to++) {
      const count = producer.publish(to);
      if (count === 0 || to === me) continue;
      producer.claim(to);
      const base = handoffBase(workers, me, to);
      handoff[base + HandoffCounter.packets]! += count;
      const known = handoff[base + HandoffCounter.highWater]!;
      const waiting = producer.occupancy(to, known);
      if (waiting > known) handoff[base + HandoffCounter.highWater] = waiting;
      this.counters[WorkerCounter.handedOff]! += count;
      if (waker.wake(to)) this.counters[WorkerCounter.wakeupsSent]!++;
    }
  }
}
