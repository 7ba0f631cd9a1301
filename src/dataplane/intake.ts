/**
 * The intake of a worker: receives a burst, lets it be dissected and steered, and gives each frame to its worker.
 *
 * Promise: never blocks and never waits for another worker: a full ring drops and counts, an empty pool leaves
 * frames in the kernel. Every frame received is counted once, and either becomes part of the worker's own work, is
 * published to another worker's ring, or is freed under a drop reason.
 *
 * Order: frames of one receive queue are dispatched in the order in which they came, and the ledger notes each of
 * them before anyone else can finish it. This worker is the only producer of its rings.
 *
 * One object per worker thread. Nothing here allocates per burst.
 */
import { WORK_COUNT, WORK_MAX, type Work, WorkField } from '../forward/work.js';
import { BURST_COUNT, BURST_MAX, Burst, Field, Kind } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import { RfsSteering } from '../policy/rfs.js';
import type { Steering } from '../policy/steering.js';
import {
  Drop,
  HandoffCounter,
  handoffBase,
  MoveCounter,
  PortCounter,
  portBase,
  QueueCounter,
  queueBase,
  WorkerCounter,
} from './counters.js';
import type { EnginePlan, EngineViews } from './engine-memory.js';
import type { Fault } from './faults.js';
import type { CensusWriter } from './flow-census.js';
import { FlowIntake } from './flow-intake.js';
import { LINE_WORDS } from './layout.js';
import { FLOW_SLOTS, type Ledger, plainFlow, QUEUE_SLOTS, SLOT_WORDS, Slot } from './ledger.js';
import type { TraceFate, TraceTap } from './live-trace.js';
import { ReceiveStatus } from './native.js';
import { HELD, OrderGuard, type Release } from './order-guard.js';
import type { ReceiveQueue } from './ports/attach.js';
import type { Progress } from './progress.js';
import { type OwnRing, RingProducer, ringDrained } from './ring.js';
import type { Waker } from './sleeper.js';

export interface IntakeParts {
  /** Plan and steering are replaced by live changes; `Intake.adopt` follows. */
  plan: EnginePlan;
  steering: Steering;
  readonly views: EngineViews;
  readonly worker: number;
  readonly burst: Burst;
  readonly status: Int32Array;
  readonly ledger: Ledger;
  readonly progress: Progress;
  readonly census: CensusWriter;
  readonly trace: TraceTap;
  readonly waker: Waker;
  readonly fault: Fault;
}

/** What became of a frame after steering. `stays + w`: it went to worker w, its flow's old one, for order's sake. */
export const Fate = { asSteered: 0, held: 1, dropped: 2, stays: 16 } as const;

// A constant of this module's own: V8 folds it into the loop.
const COUNT = BURST_COUNT;
/** Index of a list's entry, in a range that V8 knows (see `BURST_COUNT`); the same for a word of a ledger's slots. */
const LIST_INDEX = 0xfffff;
const SLOT_INDEX = 0x3fffffff;
const PLACE = Slot.place;
const WORD = Slot.word;
const FRAMES = Slot.frames;
const WORKS = WORK_COUNT;
const ID = Field.id;
const OFF = Field.off;
const LEN = Field.len;
const FLAGS = Field.flags;
const VLAN = Field.vlan;
const DMAC_HI = Field.dmacHi;
const DMAC_LO = Field.dmacLo;
const SMAC_HI = Field.smacHi;
const SMAC_LO = Field.smacLo;
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
const KIND = Field.kind;
const FLOW = Field.flow;
const WORKER = Field.worker;
const BAD = Kind.bad;
const FLOW_MASK = FLOW_SLOTS - 1;
const SLOT_SHIFT = Math.log2(SLOT_WORDS);
const LIST_SHIFT = Math.log2(BURST_MAX);

export class Intake implements Release {
  /** A queue could not be received from because the pool was empty; whoever starts a pass clears it. */
  starved = false;
  private readonly me: number;
  private readonly workers: number;
  private readonly producers: (RingProducer | null)[] = [];
  private readonly counters: Float64Array;
  private readonly portCounters: Float64Array;
  /** What became of each frame of the last burst, a `Fate`. */
  readonly fates = new Int32Array(BURST_MAX);
  private marked = false;
  private steering: Steering;
  /** The port's own queue has chosen the worker. */
  private keep = false;
  /** Where the policy follows flows' consumers: its side of the data plane. */
  private flows: FlowIntake | null = null;
  /** Keeps flows on one worker at a time (order=strict). */
  private guard: OrderGuard | null = null;
  private makeRoom: () => void = () => {};
  /** Frames of the burst that found no room. */
  private refused = false;
  /** Slot of each frame of the burst. */
  private readonly at = new Int32Array(BURST_MAX);
  /** What `keepFrame` gives to `keepList`. */
  private readonly alone = new Int32Array(1);
  private readonly aloneWord = new Int32Array(BURST_MAX);
  /** The ledger word that each carries. */
  private readonly carried = new Int32Array(BURST_MAX);
  /** Frames by worker that are to be handed over: `lists[worker * BURST_MAX + k]`, and how many. */
  private readonly lists: Int32Array;
  private readonly counts: Int32Array;

  /**
   * @param work what the worker processes next: its own frames are appended there
   * @param own the indices of the worker's own frames
   */
  constructor(
    private readonly p: IntakeParts,
    private readonly work: Work,
    private readonly own: OwnRing,
  ) {
    const { views, plan, worker } = p;
    this.me = worker;
    this.workers = plan.workers;
    this.lists = new Int32Array(plan.workers * BURST_MAX);
    this.counts = new Int32Array(plan.workers);
    this.counters = views.counters.worker[worker]!;
    this.portCounters = views.counters.port[worker]!;
    for (let w = 0; w < plan.workers; w++) {
      const to = views.rings[worker * plan.workers + w]!;
      this.producers.push(w === worker ? null : new RingProducer(to, views.pool.owner, w, plan.backlog));
    }
    this.steering = p.steering;
    this.takeSteering();
    this.adopt();
  }

  /** Takes up the plan and the steering of the parts. Another steering or order only while `drained`. */
  adopt(): void {
    const { plan, steering } = this.p;
    const strict = plan.order === 'strict';
    if (strict !== (this.guard !== null)) this.guard = strict ? this.makeGuard() : null;
    if (steering !== this.steering) this.takeSteering();
  }

  private takeSteering(): void {
    const { steering } = this.p;
    this.steering = steering;
    this.keep = steering.spec.stage === 'nic';
    this.flows =
      steering instanceof RfsSteering
        ? new FlowIntake(steering, this.p, (w) =>
            w === this.me ? this.own.position() : this.producers[w]!.position(),
          )
        : null;
  }

  private makeGuard(): OrderGuard {
    const { plan, views, worker, ledger, progress } = this.p;
    const counters = this.counters.subarray(WorkerCounter.moves);
    const { orderLimits, smallPerWorker } = plan;
    const scratch = new Burst(views.pool.bytes);
    return new OrderGuard(worker, ledger, progress, orderLimits, smallPerWorker, counters, scratch, this);
  }

  /** Every frame that was handed out is finished, and none is held. For live changes: nothing is received meanwhile. */
  drained(): boolean {
    if (this.holding() > 0) return false;
    for (let w = 0; w < this.workers; w++) {
      if (!ringDrained(this.p.views.rings[this.me * this.workers + w]!)) return false;
    }
    return true;
  }

  /** This worker follows a dead one: a queue that it polls takes up where that left off. */
  recover(queue: number): void {
    const positions = Int32Array.from(this.producers, (producer) => (producer ?? this.own).position());
    this.p.ledger.recover(queue, positions);
  }

  /** Takes a burst from a queue and dispatches it; returns how many frames came (those refused too). The work has room for a burst. */
  receive(queue: ReceiveQueue): number {
    const { burst, status, views, fault } = this.p;
    const { counters } = this;
    const pool = views.pool;
    // Every time, not only when slots run out: what was freed last is still in a cache, and is taken first.
    pool.reclaim(this.me);
    const n = queue.receiver.receive(this.p.plan.burst);
    const refused = status[ReceiveStatus.tooLong]! + status[ReceiveStatus.malformed]!;
    if (status[ReceiveStatus.stopped] !== 0) {
      this.starved = true;
      counters[WorkerCounter.poolEmpty]!++;
    }
    if (status[ReceiveStatus.kernelDrops] !== 0 || status[ReceiveStatus.resets] !== 0) {
      const at = portBase(queue.port);
      this.portCounters[at + PortCounter.kernelDrops]! += status[ReceiveStatus.kernelDrops]!;
      this.portCounters[at + PortCounter.ringResets]! += status[ReceiveStatus.resets]!;
    }
    if (n + refused === 0) return 0;
    let bytes = 0;
    const { owner } = pool;
    const { words } = burst;
    const mine = (this.me + 1) | 0;
    const end = n & COUNT;
    for (let i = 0; i < end; i++) {
      owner[words[ID + i]!] = mine;
      bytes = (bytes + words[LEN + i]!) | 0;
    }
    counters[WorkerCounter.received]! += n + refused;
    counters[WorkerCounter.dropped + Drop.tooLong]! += status[ReceiveStatus.tooLong]!;
    counters[WorkerCounter.dropped + Drop.malformed]! += status[ReceiveStatus.malformed]!;
    const port = portBase(queue.port);
    this.portCounters[port + PortCounter.rxPackets]! += n + refused;
    this.portCounters[port + PortCounter.rxBytes]! += bytes;
    const q = queueBase(queue.global);
    views.counters.queue[q + QueueCounter.packets]! += n + refused;
    views.counters.queue[q + QueueCounter.bytes]! += bytes;
    if (n === 0) return refused;
    burst.n = n;
    burst.port = queue.port;
    burst.queue = queue.queue;
    fault.reach('receive');
    dissectBurst(burst);
    fault.reach('steer');
    if (this.marked) {
      this.fates.fill(Fate.asSteered);
      this.marked = false;
    }
    if (this.p.trace.armed()) this.traced(queue.global);
    else {
      if (this.keep) burst.worker.fill(this.me, 0, n);
      else this.steer();
      this.dispatch(queue.global);
    }
    return n;
  }

  private steer(): void {
    const { burst } = this.p;
    if (this.flows !== null) this.flows.look();
    this.steering.steer(burst);
    if (this.flows !== null) this.flows.remember(burst);
  }

  /** Steers and dispatches with explanations. */
  private traced(queue: number): void {
    const { burst, trace } = this.p;
    this.fates.fill(Fate.asSteered);
    this.steer();
    trace.take(this.steering, burst);
    if (this.keep) burst.worker.fill(this.me, 0, burst.n);
    this.dispatch(queue);
    trace.finish((i, wanted) => this.fateOf(i, wanted));
  }

  /** What became of frame i of the last burst, in words; null where it went where it was wanted. */
  private fateOf(i: number, wanted: number): TraceFate | null {
    const fate = this.fates[i]!;
    const steered = this.p.burst.worker[i]!;
    if (fate === Fate.held) return { to: wanted, why: 'held until its old worker has finished the flow' };
    if (fate === Fate.dropped) return { to: steered, why: 'dropped: no room in the backlog' };
    if (fate >= Fate.stays) {
      return {
        to: fate - Fate.stays,
        why: `stays on worker ${fate - Fate.stays}, which has frames of the flow`,
      };
    }
    return steered === wanted ? null : { to: steered, why: `stage=nic: worker ${steered} polls the queue` };
  }

  /** Puts each frame of the burst where steering wants it: into the own work, into a backlog ring, or on hold. */
  private dispatch(queue: number): void {
    const { burst, views, ledger, fault } = this.p;
    const { counters, guard } = this;
    const n = burst.n & COUNT;
    const sequences = views.sequences;
    const first = sequences[queue * LINE_WORDS]! | 0;
    sequences[queue * LINE_WORDS] = (first + n) | 0;
    fault.reach('dispatch');
    // One array for all fields, see `Field`.
    const { words } = burst;
    const { slots } = ledger;
    const { at, carried, lists, counts } = this;
    const firstSlot = (queue * QUEUE_SLOTS) | 0;
    if (guard !== null) guard.begin();
    let bad = 0;
    let unwatched = 0;
    let listed = 0;
    // Two kinds of frames. Nearly all find their flow on the worker that it is wanted on: they are listed by worker,
    // and each list is handed over in one go. Whatever needs a decision (a new flow, another worker) looks at what is
    // in flight, so what is listed goes first.
    for (let i = 0; i < n; i++) {
      const bits = words[KIND + i]!;
      if ((bits & BAD) !== 0) bad = (bad + 1) | 0;
      let tag = words[FLOW + i]!;
      if (tag === 0) tag = plainFlow(burst, i);
      // The flow's first place is looked at here: a call a frame costs more.
      let s = ((firstSlot + ((tag ^ (tag >>> 15)) & FLOW_MASK)) << SLOT_SHIFT) & SLOT_INDEX;
      // Where nothing is watched no slot has a tag.
      if (slots[s] !== tag) {
        const found = ledger.find(s, tag);
        s = found & SLOT_INDEX;
        if (found < 0) {
          if (listed > 0) this.handOver(first);
          listed = 0;
          s = ledger.slotFor(tag, bits, queue, (first + i) | 0) & SLOT_INDEX;
          // A slot that was just taken has had no frame; one that flows share is no flow's.
          if (slots[s + FRAMES] === 0 && slots[s + WORD]! >= 0) this.p.census.enter(s, tag, burst, i);
        }
      }
      const to = words[WORKER + i]!;
      const word = slots[s + WORD]!;
      if (word < 0) unwatched = (unwatched + 1) | 0;
      at[i] = s;
      carried[i] = word;
      if (slots[s + PLACE] !== to + 1) {
        if (listed > 0) this.handOver(first);
        listed = 0;
        this.dispatchOne(i, (first + i) | 0, s, to);
        continue;
      }
      const k = counts[to]! & COUNT;
      lists[((to << LIST_SHIFT) | k) & LIST_INDEX] = i;
      counts[to] = k + 1;
      listed = (listed + 1) | 0;
    }
    if (listed > 0) this.handOver(first);
    counters[WorkerCounter.badHeaders]! += bad;
    counters[WorkerCounter.unwatched]! += unwatched;
    this.publish();
    if (this.refused) {
      this.refused = false;
      views.pool.flush();
      this.flows?.refused(burst, this.fates);
    }
  }

  /** Gives the listed frames to their workers, in order, and notes them in their slots. */
  private handOver(first: number): void {
    const { lists, counts, at, carried } = this;
    const { burst, ledger } = this.p;
    const workers = this.workers | 0;
    for (let to = 0; to < workers; to++) {
      const count = counts[to]!;
      if (count === 0) continue;
      counts[to] = 0;
      const from = to << LIST_SHIFT;
      const producer = this.producers[to]!;
      let tail: number;
      let taken = count;
      if (producer === null) {
        tail = this.own.position();
        this.keepList(burst, lists, from, count, first, carried);
        this.own.accept(count);
      } else {
        tail = producer.position();
        taken = producer.pushList(burst, lists, from, count, first, carried);
        for (let k = taken; k < count; k++) this.refuse(lists[from + k]!, to);
      }
      ledger.noteList(lists, from, taken, first, at, tail);
    }
  }

  /** A frame whose slot is not simply the wanted worker's. */
  private dispatchOne(i: number, seq: number, s: number, wanted: number): void {
    const { burst, ledger } = this.p;
    const { slots } = ledger;
    const to = this.change(s, wanted);
    if (to === HELD) {
      this.guard!.hold(s, burst, i, seq);
      this.mark(i, Fate.held);
      return;
    }
    if (to !== wanted) this.mark(i, Fate.stays + to);
    const word = slots[s + WORD]!;
    if (to === this.me) {
      this.keepFrame(burst, i, seq, word);
      this.own.accept(1);
      ledger.note(s, seq, this.own.position());
      return;
    }
    const producer = this.producers[to]!;
    if (producer.push(burst, i, seq, word)) ledger.note(s, seq, producer.position());
    else this.refuse(i, to);
  }

  /** The ring to worker `to` has no room for frame i. */
  private refuse(i: number, to: number): void {
    this.dropFrame(this.p.burst, i, to, Drop.backlog);
    this.mark(i, Fate.dropped);
    this.refused = true;
  }

  /** Asks who gets a frame whose slot is not simply the wanted worker's: a worker, or `HELD`. */
  private change(s: number, wanted: number): number {
    if (this.guard !== null) return this.guard.change(s, wanted);
    if (this.p.ledger.move(s, wanted)) this.counters[WorkerCounter.moves + MoveCounter.moves]!++;
    return wanted;
  }

  /** Something else than steering said has become of frame i. */
  private mark(i: number, fate: number): void {
    this.fates[i] = fate;
    this.marked = true;
  }

  /** The work was sent; `arrived` tells which of its frames. Policies that follow consumers hear of it. */
  delivered(work: Work, arrived: (i: number) => boolean): void {
    if (this.flows !== null) this.flows.delivered(work, arrived);
  }

  /** Frames held for a move, to be reviewed every pass. */
  holding(): number {
    return this.guard === null ? 0 : this.guard.holding.frames;
  }

  /** Lets go of held frames whose time has come; returns how many. `process` empties the work when it is full. */
  review(process: () => void): number {
    if (this.holding() === 0) return 0;
    this.makeRoom = process;
    const released = this.guard!.review();
    if (released > 0) {
      this.publish();
      this.p.views.pool.flush();
    }
    return released;
  }

  /** A frame that was held goes to its worker. Its own worker's only between two bursts: see `OrderGuard`. */
  release(burst: Burst, seq: number, s: number, to: number): void {
    const { ledger } = this.p;
    const word = ledger.slots[s + WORD]!;
    if (to === this.me) {
      if (this.work.n + BURST_MAX > WORK_MAX) this.makeRoom();
      this.keepFrame(burst, 0, seq, word);
      this.own.accept(1);
      ledger.note(s, seq, this.own.position());
      return;
    }
    const producer = this.producers[to]!;
    if (producer.push(burst, 0, seq, word)) ledger.note(s, seq, producer.position());
    else this.dropFrame(burst, 0, to, Drop.hold);
  }

  /** Frame i of the burst becomes part of this worker's own work. */
  private keepFrame(burst: Burst, i: number, seq: number, word: number): void {
    const { alone, aloneWord } = this;
    alone[0] = i;
    aloneWord[i] = word;
    this.keepList(burst, alone, 0, 1, (seq - i) | 0, aloneWord);
  }

  /**
   * `keepFrame` for frames list[from] … list[from + count - 1]: sequences count from `seq`, frame i's ledger word is
   * `carried[i]`.
   */
  private keepList(
    burst: Burst,
    list: Int32Array,
    from: number,
    count: number,
    seq: number,
    carried: Int32Array,
  ): void {
    const { work } = this;
    // One array for all fields of each, see `Field`; masks and `| 0` as in the ring's loops.
    const from32 = from & LIST_INDEX;
    const frames = count & COUNT;
    const first = seq | 0;
    const start = work.n & WORKS;
    const words = work.words;
    const fields = burst.words;
    const port = burst.port | 0;
    const queue = burst.queue | 0;
    for (let k = 0; k < frames; k++) {
      const i = list[from32 + k]! & COUNT;
      const w = start + k;
      words[W_ID + w] = fields[ID + i]!;
      words[W_OFF + w] = fields[OFF + i]!;
      words[W_LEN + w] = fields[LEN + i]!;
      words[W_FLAGS + w] = fields[FLAGS + i]!;
      words[W_KIND + w] = fields[KIND + i]!;
      words[W_PORT + w] = port;
      words[W_QUEUE + w] = queue;
      words[W_VLAN + w] = fields[VLAN + i]!;
      words[W_SEQ + w] = (first + i) | 0;
      words[W_LEDGER + w] = carried[i]!;
      words[W_DMAC_HI + w] = fields[DMAC_HI + i]!;
      words[W_DMAC_LO + w] = fields[DMAC_LO + i]!;
      words[W_SMAC_HI + w] = fields[SMAC_HI + i]!;
      words[W_SMAC_LO + w] = fields[SMAC_LO + i]!;
    }
    work.n = start + frames;
  }

  /** Frame i found no room in the ring to worker `to`. */
  private dropFrame(burst: Burst, i: number, to: number, reason: number): void {
    const { views } = this.p;
    views.counters.handoff[handoffBase(this.workers, this.me, to) + HandoffCounter.drops]!++;
    this.counters[WorkerCounter.dropped + reason]!++;
    views.pool.free(this.me, burst.id[i]!);
  }

  /** Publishes every ring that got frames, and wakes its consumer if it sleeps: once a burst. */
  private publish(): void {
    const { views, waker } = this.p;
    const handoff = views.counters.handoff;
    for (let to = 0; to < this.workers; to++) {
      const producer = this.producers[to]!;
      if (producer === null) continue;
      const count = producer.publish();
      if (count === 0) continue;
      const base = handoffBase(this.workers, this.me, to);
      handoff[base + HandoffCounter.packets]! += count;
      const known = handoff[base + HandoffCounter.highWater]!;
      const waiting = producer.occupancy(known);
      if (waiting > known) handoff[base + HandoffCounter.highWater] = waiting;
      this.counters[WorkerCounter.handedOff]! += count;
      if (waker.wake(to)) this.counters[WorkerCounter.wakeupsSent]!++;
    }
  }
}
