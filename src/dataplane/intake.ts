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
import type { Work } from '../forward/work.js';
import { BURST_MAX, type Burst, Kind } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import type { Steering } from '../policy/steering.js';
import {
  Drop,
  HandoffCounter,
  handoffBase,
  PortCounter,
  portBase,
  QueueCounter,
  queueBase,
  WorkerCounter,
} from './counters.js';
import type { EnginePlan, EngineViews } from './engine-memory.js';
import type { Fault } from './faults.js';
import type { CensusWriter } from './flow-census.js';
import { LINE_WORDS } from './layout.js';
import { type Ledger, UNWATCHED } from './ledger.js';
import type { TraceTap } from './live-trace.js';
import { ReceiveStatus } from './native.js';
import type { ReceiveQueue } from './ports/attach.js';
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
  readonly census: CensusWriter;
  readonly trace: TraceTap;
  readonly waker: Waker;
  readonly fault: Fault;
}

export class Intake {
  /** A queue could not be received from because the pool was empty; whoever starts a pass clears it. */
  starved = false;
  private readonly me: number;
  private readonly workers: number;
  private readonly producers: (RingProducer | null)[] = [];
  private readonly counters: Float64Array;
  private readonly portCounters: Float64Array;
  private active = 0;
  private keep = false;
  /** Frames stay on their flow's worker while it has others of the flow in flight. */
  private strict = false;

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
    this.counters = views.counters.worker[worker]!;
    this.portCounters = views.counters.port[worker]!;
    for (let w = 0; w < plan.workers; w++) {
      const to = views.rings[worker * plan.workers + w]!;
      this.producers.push(w === worker ? null : new RingProducer(to, views.pool.owner, w, plan.backlog));
    }
  }

  /** Plan or steering were replaced. Every frame received so far is finished. */
  adopt(): void {
    this.active = this.p.plan.active;
    this.strict = this.p.plan.order === 'strict';
    this.keep = this.p.steering.spec.stage === 'nic';
  }

  /** Every frame that was handed out is finished. For live changes: the worker has stopped receiving. */
  drained(): boolean {
    const { rings } = this.p.views;
    for (let w = 0; w < this.workers; w++) {
      if (!ringDrained(rings[this.me * this.workers + w]!)) return false;
    }
    return true;
  }

  /** Takes a burst from a queue and dispatches it; returns how many frames came (those refused too). The work has room for a burst. */
  receive(queue: ReceiveQueue): number {
    const { burst, status, views, fault } = this.p;
    const { counters } = this;
    const pool = views.pool;
    if (pool.availableSmall(this.me) < BURST_MAX || pool.availableLarge(this.me) < BURST_MAX) {
      pool.reclaim(this.me);
    }
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
    for (let i = 0; i < n; i++) {
      pool.owner[burst.id[i]!] = this.me + 1;
      bytes += burst.len[i]!;
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
    if (this.p.trace.armed()) this.traced(queue.global);
    else {
      if (this.keep) burst.worker.fill(this.me, 0, n);
      else this.p.steering.steer(burst);
      this.dispatch(queue.global);
    }
    return n;
  }

  /** Steers and dispatches with explanations. */
  private traced(queue: number): void {
    const { burst, steering, trace } = this.p;
    steering.steer(burst);
    trace.take(steering, burst);
    if (this.keep) burst.worker.fill(this.me, 0, burst.n);
    this.dispatch(queue);
    trace.finish(burst, this.keep ? 'stage=nic, it polls the queue' : 'it has frames of the flow in flight');
  }

  /** Puts each frame of the burst where steering wants it: into the own work, or into a backlog ring. */
  private dispatch(queue: number): void {
    const { burst, views, ledger, census, fault } = this.p;
    const { counters, me } = this;
    const n = burst.n;
    const sequences = views.sequences;
    const first = sequences[queue * LINE_WORDS]!;
    sequences[queue * LINE_WORDS] = (first + n) | 0;
    fault.reach('dispatch');
    const worker = burst.worker;
    const kind = burst.kind;
    const flow = burst.flow;
    let bad = 0;
    let unwatched = 0;
    let postponed = 0;
    const strict = this.strict;
    let mine = 0;
    let dropped = 0;
    for (let i = 0; i < n; i++) {
      if ((kind[i]! & Kind.bad) !== 0) bad++;
      let to = worker[i]!;
      const seq = (first + i) | 0;
      const slot = ledger.slotFor(flow[i]!, queue, seq);
      if (slot === UNWATCHED) unwatched++;
      else if (slot >= 0 && strict) {
        const stay = ledger.guard(slot, to);
        // A worker that was taken out has finished everything: what the slot still says is a frame that died.
        if (stay !== to && stay < this.active) {
          to = stay;
          worker[i] = to;
          postponed++;
        }
      }
      if (to === me) {
        this.keepFrame(i, seq, slot);
        mine++;
      } else if (!this.producers[to]!.push(burst, i, seq, slot)) {
        this.dropBacklog(i, to);
        dropped++;
        continue;
      }
      if (slot >= 0) {
        census.count(slot, flow[i]!, burst, i);
        ledger.note(slot, seq, to);
      }
    }
    counters[WorkerCounter.badHeaders]! += bad;
    counters[WorkerCounter.unwatched]! += unwatched;
    counters[WorkerCounter.postponed]! += postponed;
    if (mine > 0) this.own.accept(mine);
    if (mine < n) this.publish();
    if (dropped > 0) views.pool.flush();
  }

  /** Frame i of the burst becomes part of this worker's own work. */
  private keepFrame(i: number, seq: number, slot: number): void {
    const { work } = this;
    const { burst } = this.p;
    const w = work.n;
    work.id[w] = burst.id[i]!;
    work.off[w] = burst.off[i]!;
    work.len[w] = burst.len[i]!;
    work.flags[w] = burst.flags[i]!;
    work.kind[w] = burst.kind[i]!;
    work.port[w] = burst.port;
    work.queue[w] = burst.queue;
    work.vlan[w] = burst.vlan[i]!;
    work.seq[w] = seq;
    work.ledger[w] = slot;
    work.dmacHi[w] = burst.dmacHi[i]!;
    work.dmacLo[w] = burst.dmacLo[i]!;
    work.smacHi[w] = burst.smacHi[i]!;
    work.smacLo[w] = burst.smacLo[i]!;
    work.n = w + 1;
  }

  private dropBacklog(i: number, to: number): void {
    const { burst, views } = this.p;
    views.counters.handoff[handoffBase(this.workers, this.me, to) + HandoffCounter.drops]!++;
    this.counters[WorkerCounter.dropped + Drop.backlog]!++;
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
      if (producer.occupancy() > handoff[base + HandoffCounter.highWater]!) {
        handoff[base + HandoffCounter.highWater] = producer.occupancy();
      }
      this.counters[WorkerCounter.handedOff]! += count;
      if (waker.wake(to)) this.counters[WorkerCounter.wakeupsSent]!++;
    }
  }
}
