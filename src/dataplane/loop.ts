/**
 * The worker loop: receive, steer, dispatch, drain the backlogs, process, transmit, complete.
 *
 * Promise: run to completion, never blocks except in `Sleeper`, never waits for another worker while it holds
 * frames (a full ring drops and counts, an empty pool leaves frames in the kernel). Every frame received is
 * counted once and ends once. Frames of one flow and receive queue that stay on one worker are sent in the order
 * in which they came.
 *
 * One object per worker thread. Nothing in a pass allocates; all state that must outlive the thread is shared.
 */
import { type Forwarder, WORK_MAX, Work } from '../forward/work.js';
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
import {
  type EngineMemory,
  type EnginePlan,
  type EngineViews,
  Global,
  Phase,
  WorkerWord,
} from './engine-memory.js';
import type { Fault } from './faults.js';
import { secondsOf } from './forwarding.js';
import { LINE_WORDS } from './layout.js';
import { type Ledger, UNWATCHED } from './ledger.js';
import { ReceiveStatus } from './native.js';
import type { ReceiveQueue } from './ports/attach.js';
import { OwnRing, RingConsumer, RingProducer } from './ring.js';
import type { Sleeper, Waker } from './sleeper.js';
import type { Transmitter } from './transmit.js';

/** Passes between two looks at the clock while there is no reason to look. */
const CLOCK_EVERY = 256;
/** Sleeps that follow each other faster than this share one look at the clocks. */
const TICK_LEAST_MS = 1;

export interface LoopParts {
  readonly plan: EnginePlan;
  readonly memory: EngineMemory;
  readonly views: EngineViews;
  readonly worker: number;
  readonly burst: Burst;
  readonly status: Int32Array;
  readonly steering: Steering;
  readonly forwarder: Forwarder;
  readonly ledger: Ledger;
  readonly transmitter: Transmitter;
  readonly sleeper: Sleeper;
  readonly waker: Waker;
  readonly fault: Fault;
  /** The ports epoch that was read before `receivers` and the senders were attached. */
  readonly epoch: number;
  /** CPU time of the calling thread in nanoseconds, or null. */
  readonly cpuTime: (() => number) | null;
  /** Receive queues that this worker polls. Replaced by `reattach`. */
  receivers: ReceiveQueue[];
  /** Called when a port's descriptors changed: brings `receivers` and the senders up to date. */
  readonly reattach: () => void;
}

export class WorkerLoop {
  private readonly me: number;
  private readonly workers: number;
  private readonly work = new Work();
  private readonly producers: (RingProducer | null)[] = [];
  private readonly consumers: (RingConsumer | null)[] = [];
  /** Frames of the current work that came from each worker's ring. */
  private readonly taken: Int32Array;
  private readonly own: OwnRing;
  private readonly counters: Float64Array;
  private readonly portCounters: Float64Array;
  private readonly words: Int32Array;
  private readonly fds: Int32Array;
  private readonly keep: boolean;
  /** Frames stay on their flow's worker while it has others of the flow in flight. */
  private readonly strict: boolean;
  private draining = false;
  private epoch = 0;
  private starved = false;
  private startedAt = 0;
  private tickedAt = 0;
  private nowSeconds = 0;
  private readonly elapsedBefore: number;
  private readonly sleptBefore: number;
  private readonly cpuBefore: number;
  private readonly ready: () => boolean;

  constructor(private readonly p: LoopParts) {
    const { views, plan, worker } = p;
    this.me = worker;
    this.workers = plan.workers;
    this.taken = new Int32Array(plan.workers);
    this.fds = new Int32Array(plan.ports.reduce((sum, port) => sum + port.rxQueues, 0));
    this.counters = views.counters.worker[worker]!;
    this.portCounters = views.counters.port[worker]!;
    this.words = views.workers[worker]!;
    this.strict = plan.order === 'strict';
    this.keep = p.steering.spec.stage === 'nic';
    const offsetOf = views.pool.offsetOf.bind(views.pool);
    for (let w = 0; w < plan.workers; w++) {
      const to = views.rings[worker * plan.workers + w]!;
      const from = views.rings[w * plan.workers + worker]!;
      this.producers.push(w === worker ? null : new RingProducer(to, views.pool.owner, w, plan.backlog));
      this.consumers.push(w === worker ? null : new RingConsumer(from, views.pool.owner, worker, offsetOf));
    }
    this.own = new OwnRing(views.rings[worker * plan.workers + worker]!);
    this.elapsedBefore = this.counters[WorkerCounter.elapsedNs]!;
    this.sleptBefore = this.counters[WorkerCounter.sleptNs]!;
    // A thread that hosted a dead worker goes on with the CPU time it already has.
    this.cpuBefore = this.counters[WorkerCounter.cpuNs]! - (p.cpuTime === null ? 0 : p.cpuTime());
    this.epoch = p.epoch;
    Atomics.store(this.words, WorkerWord.epochSeen, this.epoch);
    this.ready = () => {
      // Before a sleep, not after it: then a frame waits, and reading the thread's CPU time is a system call.
      if (performance.now() - this.tickedAt >= TICK_LEAST_MS) this.tick();
      else if (!this.draining) this.noteSources();
      return this.somethingWaits();
    };
  }

  /** Runs until the main thread says exit. */
  run(): void {
    const { views, sleeper } = this.p;
    this.startedAt = performance.now();
    this.tick();
    for (let pass = 1; ; pass++) {
      if (this.obey() === Phase.exit) break;
      if (this.pass() > 0) sleeper.busy();
      else sleeper.idle(this.fds, this.descriptors(), this.dueMs(), this.ready);
      if (pass % CLOCK_EVERY === 0) this.tick();
    }
    this.tick();
    views.pool.reclaim(this.me);
  }

  /** Follows the command words; they are acknowledged here, at a burst boundary. Returns the phase. */
  private obey(): number {
    const { global } = this.p.views;
    const phase = Atomics.load(global, Global.phase);
    this.draining = phase !== Phase.run;
    if (Atomics.load(this.words, WorkerWord.phaseSeen) !== phase) {
      Atomics.store(this.words, WorkerWord.phaseSeen, phase);
    }
    const epoch = Atomics.load(global, Global.portsEpoch);
    if (epoch !== this.epoch) {
      this.p.reattach();
      this.epoch = epoch;
      Atomics.store(this.words, WorkerWord.epochSeen, epoch);
    }
    return phase;
  }

  /** One turn over all inputs; returns how many frames it moved. */
  private pass(): number {
    const { work } = this;
    const { receivers } = this.p;
    this.counters[WorkerCounter.loops]!++;
    this.starved = false;
    let moved = 0;
    if (!this.draining) {
      for (let r = 0; r < receivers.length; r++) {
        if (work.n + BURST_MAX > WORK_MAX) this.process();
        moved += this.receive(receivers[r]!);
      }
    }
    for (let w = 0; w < this.workers; w++) {
      const consumer = this.consumers[w]!;
      if (consumer === null) continue;
      if (work.n + BURST_MAX > WORK_MAX) this.process();
      const count = consumer.take(work, BURST_MAX);
      this.taken[w] = this.taken[w]! + count;
      moved += count;
    }
    if (moved > 0) this.p.fault.reach('drain');
    if (work.n > 0) this.process();
    return moved;
  }

  private receive(queue: ReceiveQueue): number {
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
    if (this.keep) burst.worker.fill(this.me, 0, n);
    else this.p.steering.steer(burst);
    this.dispatch(queue.global);
    return n;
  }

  /** Puts each frame of the burst where steering wants it: into the own work, or into a backlog ring. */
  private dispatch(queue: number): void {
    const { burst, views, ledger, fault } = this.p;
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
        if (stay !== to) {
          to = stay;
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
      if (slot >= 0) ledger.note(slot, seq, to);
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

  /** Decides, sends and accounts for the whole work, then reports it finished on every ring it came from. */
  private process(): void {
    const { work } = this;
    const { fault, transmitter } = this.p;
    fault.reach('decide');
    this.p.forwarder.decide(work, this.nowSeconds);
    fault.reach('transmit');
    transmitter.send(work);
    transmitter.commit(work);
    this.own.complete();
    for (let w = 0; w < this.workers; w++) {
      const count = this.taken[w]!;
      if (count === 0) continue;
      this.taken[w] = 0;
      this.consumers[w]!.complete(count);
    }
    fault.reach('complete');
  }

  /** The check between announcing sleep and sleeping. */
  private somethingWaits(): boolean {
    const { global } = this.p.views;
    for (let w = 0; w < this.workers; w++) {
      const consumer = this.consumers[w]!;
      if (consumer !== null && !consumer.empty()) return true;
    }
    return (
      Atomics.load(global, Global.phase) !== Atomics.load(this.words, WorkerWord.phaseSeen) ||
      Atomics.load(global, Global.portsEpoch) !== this.epoch
    );
  }

  /** Collects the descriptors to sleep on. None while draining or without free slots: they would be readable. */
  private descriptors(): number {
    if (this.draining || this.starved) return 0;
    let count = 0;
    for (const queue of this.p.receivers) {
      if (queue.receiver.descriptor >= 0) this.fds[count++] = queue.receiver.descriptor;
    }
    return count;
  }

  private dueMs(): number {
    if (this.draining) return Infinity;
    if (this.starved) return 1;
    const now = performance.now();
    let due = Infinity;
    for (const queue of this.p.receivers) due = Math.min(due, queue.receiver.dueInMs(now));
    return due;
  }

  private noteSources(): void {
    if (Atomics.load(this.words, WorkerWord.sourcesDone) === 1) return;
    for (const queue of this.p.receivers) {
      if (queue.finite && !queue.receiver.finished()) return;
    }
    Atomics.store(this.words, WorkerWord.sourcesDone, 1);
  }

  /** Looks at the clock: elapsed and slept time, and the coarse time that forwarding ages by. */
  private tick(): void {
    const { counters } = this;
    const { sleeper } = this.p;
    const now = performance.now();
    this.tickedAt = now;
    this.nowSeconds = secondsOf(this.p.plan, now);
    if (!this.draining) this.noteSources();
    counters[WorkerCounter.elapsedNs] = this.elapsedBefore + (now - this.startedAt) * 1e6;
    counters[WorkerCounter.sleptNs] = this.sleptBefore + sleeper.sleptMs * 1e6;
    if (this.p.cpuTime !== null) counters[WorkerCounter.cpuNs] = this.cpuBefore + this.p.cpuTime();
    counters[WorkerCounter.sleeps]! += sleeper.sleeps;
    counters[WorkerCounter.wakeupsReceived]! += sleeper.woken;
    sleeper.sleeps = 0;
    sleeper.woken = 0;
  }
}
