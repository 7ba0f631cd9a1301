/**
 * The worker loop: take in (`rxStage.ts`), drain the backlogs, process, transmit, complete; sleep when there is nothing.
 *
 * Promise: run to completion, never blocks except in `Sleeper`, never waits for another worker while it holds
 * frames (a full ring drops and counts, an empty pool leaves frames in the kernel). Every frame received is
 * counted once and ends once. Frames of one flow and receive queue that stay on one worker are sent in the order
 * in which they came.
 *
 * One object per worker thread. Nothing in a pass allocates; all state that must outlive the thread is shared.
 */

import { BATCH_MAX, Batch, type Forwarder } from '../../forward/batch.js';
import { BURST_MAX } from '../../packet/burst.js';
import { ClockTime } from '../memory/clock.js';
import { RingProducer } from '../memory/producer.js';
import { RingConsumer } from '../memory/ring.js';
import type { GuestTable } from '../order/guest-sharing.js';
import type { ReceiveQueue } from '../ports/attach.js';
import { WorkerCounter } from '../shared/counters.js';
import type { EngineMemory } from '../shared/engine-memory.js';
import { secondsOf, secondsOrigin } from '../shared/forwarding.js';
import { Global, Phase, WorkerWord } from '../shared/words.js';
import type { ConfigFollower } from './follower.js';
import { RxStage } from './receive.js';
import type { RxStageParts } from './rx-parts.js';
import type { Sleeper } from './sleeper.js';
import type { Transmitter } from './transmit.js';
import type { WorkerPorts } from './worker-ports.js';

const MS = ClockTime.ms;
const CPU = ClockTime.cpuNs;

/** Passes between two looks at the clock while there is no reason to look. */
const CLOCK_EVERY = 256;
/** Sleeps that follow each other faster than this share one look at the clocks. */
const TICK_LEAST_MS = 1;

export interface LoopParts extends RxStageParts {
  readonly memory: EngineMemory;
  readonly forwarder: Forwarder;
  readonly transmitter: Transmitter;
  readonly sleeper: Sleeper;
  /** The destinations that this worker has sent to; ages by the worker's clock. */
  readonly touch?: GuestTable;
  /** The ports epoch that was read before `receivers` and the senders were attached. */
  readonly epoch: number;
  /** Receive queues, senders: what the worker holds of the ports. */
  readonly held: WorkerPorts;
  readonly yieldThread: () => void;
}

/** Looks at the rings, letting other threads run, before a worker that is paused or starved sleeps a millisecond. */
const PAUSE_YIELDS = 64;

export class WorkerLoop {
  private readonly me: number;
  /** Rings from workers 0 … span-1 are drained. */
  private span = 0;
  private yields = 0;
  /** The last turns over the backlogs have met super-frames. */
  private metSupers = false;
  private readonly batch: Batch;
  private readonly consumers: (RingConsumer | null)[] = [];
  /** Frames of the current work that came from each worker's ring. */
  private readonly taken: Int32Array;
  private readonly producer: RingProducer;
  private readonly rxStage: RxStage;
  private readonly counters: Float64Array;
  private readonly words: Int32Array;
  private readonly fds: Int32Array;
  private follower!: ConfigFollower;
  /** Nothing is received: the engine stops, or a live change waits for what is in flight. */
  private draining = false;
  private stopping = false;
  private epoch = 0;
  /** Something is held of descriptors that were replaced before. */
  private attaching = false;
  private startedAt = -1;
  private tickedAt = 0;
  private nowSeconds = 0;
  private readonly elapsedBefore: number;
  private readonly sleptBefore: number;
  private readonly cpuBefore: number;
  private readonly secondsOrigin: number;
  private readonly ready: () => boolean;
  private readonly arrived = (i: number) => this.p.transmitter.arrived(i);
  private readonly processNow = () => this.process();
  private readonly ask = (queue: ReceiveQueue) => this.receive(queue);

  constructor(private readonly p: LoopParts) {
    const { views, plan, worker } = p;
    this.me = worker;
    this.taken = new Int32Array(plan.workers);
    this.fds = new Int32Array(plan.room.queues + 1);
    this.counters = views.counters.worker[worker]!;
    this.words = views.workers[worker]!;
    const { workers } = plan;
    for (let w = 0; w < workers; w++) {
      this.consumers.push(w === worker ? null : new RingConsumer(views.rings[w * workers + worker]!));
    }
    this.producer = new RingProducer(
      views.rings.slice(worker * workers, (worker + 1) * workers),
      worker,
      plan.backlog,
    );
    this.batch = new Batch(this.producer.ownBatch());
    this.rxStage = new RxStage(p, this.batch, this.producer);
    this.elapsedBefore = this.counters[WorkerCounter.elapsedNs]!;
    this.sleptBefore = this.counters[WorkerCounter.sleptNs]!;
    // A thread that hosted a dead worker goes on with the CPU time it already has.
    p.clock.lookAll();
    this.cpuBefore = this.counters[WorkerCounter.cpuNs]! - p.clock.times[CPU]!;
    this.secondsOrigin = secondsOrigin(plan);
    this.epoch = p.epoch;
    Atomics.store(this.words, WorkerWord.epochSeen, this.epoch);
    this.ready = () => {
      // Before a sleep, not after it: then a frame waits, and reading the thread's CPU time is a system call.
      const { clock } = p;
      clock.look();
      if (clock.times[MS]! - this.tickedAt >= TICK_LEAST_MS) this.tick();
      else if (!this.draining) this.noteSources();
      return this.somethingWaits();
    };
  }

  /** Every frame that this worker received is finished. At a burst boundary, while not receiving. */
  drained(): boolean {
    return this.rxStage.drained();
  }

  /**
   * This worker polls a receive queue from now on, where nothing is in flight. `own`: it, or a dead predecessor of it,
   * did before; else another worker.
   */
  takeOverQueue(queue: number, own: boolean): void {
    if (own) this.rxStage.resume(queue);
    else this.p.ledger.forget(queue);
  }

  /** Another worker may poll a receive queue from now on. */
  leave(queue: number): void {
    this.p.ledger.leave(queue);
  }

  /** Plan or steering in the parts were replaced; `span` workers' rings are to be drained. */
  adopt(span: number): void {
    this.span = span;
    this.p.transmitter.ports = this.p.plan.ports.length;
    this.rxStage.adopt(span);
  }

  /**
   * Runs until the main thread says exit, or takes the worker out: true. False at the burst boundary behind a live
   * change, when the thread is to turn its event loop once and call again.
   */
  run(follower: ConfigFollower): boolean {
    this.follower = follower;
    const { views, sleeper } = this.p;
    if (this.startedAt < 0) {
      this.p.clock.look();
      this.startedAt = this.p.clock.times[MS]!;
    }
    this.tick();
    for (let pass = 1; ; pass++) {
      if (this.pollControl() === Phase.exit) break;
      if (follower.turn) {
        follower.turn = false;
        return false;
      }
      if (this.pass() > 0) {
        sleeper.busy();
        this.yields = 0;
      } else if ((follower.paused || this.rxStage.starved) && this.yields < PAUSE_YIELDS) {
        this.yields++;
        this.p.yieldThread();
      } else if (!sleeper.spinning() && sleeper.tired()) {
        sleeper.sleep(this.fds, this.descriptors(), this.dueMs(), this.ready);
        this.p.held.polled.waited();
      }
      if (pass % CLOCK_EVERY === 0) this.tick();
    }
    this.tick();
    views.pool.reclaim(this.me);
    return true;
  }

  /** Follows the command words; they are acknowledged here, at a burst boundary. Returns the phase. */
  private pollControl(): number {
    const { global } = this.p.views;
    const phase = Atomics.load(global, Global.phase);
    if (this.follower.due()) this.follower.step();
    this.stopping = phase !== Phase.run;
    this.draining = this.stopping || this.follower.paused;
    // What is held for a move ends within `holdMaxMs`; only then is a phase without new frames acknowledged.
    if (Atomics.load(this.words, WorkerWord.phaseSeen) !== phase && this.rxStage.holding() === 0) {
      Atomics.store(this.words, WorkerWord.phaseSeen, phase);
    }
    const epoch = Atomics.load(global, Global.portsEpoch);
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.attached(this.p.held.reattach());
    }
    return Atomics.load(this.words, WorkerWord.leave) === 1 ? Phase.exit : phase;
  }

  /**
   * Tells the main thread, which then closes the old descriptors, once nothing is held of them: the last one to close a
   * packet socket waits for a grace period of the kernel.
   */
  private attached(complete: boolean): void {
    this.attaching = !complete;
    if (complete) Atomics.store(this.words, WorkerWord.epochSeen, this.epoch);
  }

  /** One turn over all inputs; returns how many frames it moved. */
  private pass(): number {
    const { batch } = this;
    this.counters[WorkerCounter.loops]!++;
    this.rxStage.starved = false;
    let moved = this.rxStage.releaseDue(this.processNow);
    const received = this.draining ? 0 : this.p.held.polled.round(this.ask);
    if (this.attaching) this.attached(this.p.held.settle());
    // Frames that others hand over get as many turns as those of the worker's own queues together, however many these
    // are: else somebody's frames would wait for a worker because that polls many queues.
    let taken = 0;
    this.metSupers = false;
    for (let turn = this.drain(); turn > 0; turn = this.mayDrain(received - taken) ? this.drain() : 0) {
      taken += turn;
    }
    moved += received + taken;
    if (moved > 0) this.p.fault.reach('drain');
    if (batch.n > 0) this.process();
    return moved;
  }

  /** Another turn over the backlogs in this pass. Super-frames are a turn's worth each: their queues' turn comes first. */
  private mayDrain(due: number): boolean {
    return due > 0 && !this.metSupers;
  }

  /** One turn over the backlogs: a burst from each; returns how many frames that were. */
  private drain(): number {
    const { batch } = this;
    let moved = 0;
    // A plain load: it is set once, before the first such frame is published.
    const supers = this.p.views.global[Global.supers] === 1;
    for (let w = 0; w < this.span; w++) {
      const consumer = this.consumers[w]!;
      if (consumer === null) continue;
      if (batch.n + BURST_MAX > BATCH_MAX) this.process();
      const count = consumer.take(batch, supers ? consumer.fitting(BURST_MAX) : BURST_MAX);
      this.taken[w] = this.taken[w]! + count;
      moved += count;
      if (supers && consumer.supers > 0) this.metSupers = true;
    }
    return moved;
  }

  /** A burst from a queue: how many frames came; -1 when none did although there may be some. */
  private receive(queue: ReceiveQueue): number {
    if (this.batch.n + BURST_MAX > BATCH_MAX) this.process();
    return this.rxStage.receive(queue);
  }

  /** Decides, sends and accounts for the whole batch, then reports it finished on every ring it came from. */
  private process(): void {
    const { batch } = this;
    const { fault, transmitter } = this.p;
    fault.reach('decide');
    this.p.forwarder.decide(batch, this.nowSeconds);
    fault.reach('transmit');
    transmitter.send(batch);
    this.rxStage.delivered(batch, this.arrived, this.p.held.senders);
    transmitter.commit(batch);
    if (this.producer.ownCount() > 0) {
      this.producer.completeOwn();
      this.p.views.pool.reclaim(this.me);
      this.producer.rewind();
    }
    for (let w = 0; w < this.span; w++) {
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
    for (let w = 0; w < this.span; w++) {
      const consumer = this.consumers[w]!;
      if (consumer !== null && !consumer.empty()) return true;
    }
    return (
      this.follower.ready() ||
      Atomics.load(this.words, WorkerWord.leave) === 1 ||
      Atomics.load(global, Global.phase) !== Atomics.load(this.words, WorkerWord.phaseSeen) ||
      Atomics.load(global, Global.portsEpoch) !== this.epoch
    );
  }

  /** Collects the descriptors to sleep on. None while draining or without free slots: they would be readable. */
  private descriptors(): number {
    return this.draining || this.rxStage.starved ? 0 : this.p.held.polled.descriptors(this.fds);
  }

  private dueMs(): number {
    if (this.rxStage.holding() > 0) return 1;
    if (this.stopping) return Infinity;
    if (this.follower.paused) return 1;
    if (this.rxStage.starved) return 1;
    const { clock } = this.p;
    clock.look();
    return this.p.held.polled.dueInMs(clock.times[MS]!);
  }

  private noteSources(): void {
    // A worker that has just begun, or whose queues are changing hands, does not know yet what it polls.
    if (this.follower.due()) return;
    if (Atomics.load(this.words, WorkerWord.sourcesDone) === 1) return;
    for (const queue of this.p.held.receivers) {
      if (queue.finite && !queue.receiver.finished()) return;
    }
    Atomics.store(this.words, WorkerWord.sourcesDone, 1);
  }

  /** Looks at the clock: elapsed and slept time, and the coarse time that forwarding ages by. */
  private tick(): void {
    const { counters } = this;
    const { clock, sleeper } = this.p;
    clock.lookAll();
    const now = clock.times[MS]!;
    this.tickedAt = now;
    this.nowSeconds = secondsOf(this.secondsOrigin, now);
    this.rxStage.tick(this.nowSeconds);
    this.p.touch?.tick(this.nowSeconds);
    if (!this.draining) this.noteSources();
    counters[WorkerCounter.elapsedNs] = this.elapsedBefore + (now - this.startedAt) * 1e6;
    counters[WorkerCounter.sleptNs] = this.sleptBefore + sleeper.sleptMs * 1e6;
    if (clock.cpu) counters[WorkerCounter.cpuNs] = this.cpuBefore + clock.times[CPU]!;
    counters[WorkerCounter.sleeps]! += sleeper.sleeps;
    counters[WorkerCounter.wakeupsReceived]! += sleeper.woken;
    sleeper.sleeps = 0;
    sleeper.woken = 0;
  }
}
