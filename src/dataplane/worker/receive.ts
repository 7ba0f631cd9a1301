/**
 * The rx stage of a worker: receives a burst, has it dissected and steered, and gives each frame to its worker.
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

import { ReceiveStatus } from '../../addon/native.js';
import type { Batch } from '../../forward/batch.js';
import { SourceGuard } from '../../mac/source-guard.js';
import { BURST_COUNT, BURST_MAX, Field } from '../../packet/burst.js';
import { dissectBurst } from '../../packet/dissect.js';
import { RfsSteering } from '../../policy/rfs.js';
import type { Steering } from '../../policy/steering.js';
import { LINE_WORDS } from '../memory/layout.js';
import type { RingProducer } from '../memory/producer.js';
import { ringDrained } from '../memory/ring.js';
import type { ReceiveQueue } from '../ports/attach.js';
import type { Sender } from '../ports/port.js';
import { Drop, PortCounter, portBase, QueueCounter, queueBase, WorkerCounter } from '../shared/counters.js';
import type { EnginePlan } from '../shared/plan.js';
import { keepsQueue } from '../shared/port-info.js';
import type { TraceFate } from '../shared/trace.js';
import { Global } from '../shared/words.js';
import { BackPressure } from './back-pressure.js';
import { Dispatcher, DispatchResult } from './dispatch.js';
import { RfsFeedback } from './rfs-feedback.js';
import type { RxStageParts } from './rx-parts.js';

// Constants of the module: docs/hot-loops.md.
const COUNT = BURST_COUNT;
const ID = Field.id;
const LEN = Field.len;
const LAST = BURST_MAX - 1;

/** Arrays of the loop of `hold` in a constant object: docs/hot-loops.md. */
interface Hot {
  words: Int32Array;
  owner: Int32Array;
}
const HOT = {} as Hot;

function bind(words: Int32Array, owner: Int32Array): void {
  HOT.words = words;
  HOT.owner = owner;
}

export class RxStage {
  /**
   * A queue was not received from, or not all of it, because the pool was empty or another worker's ring full; the loop
   * clears it at the start of a pass.
   */
  starved = false;
  private readonly me: number;
  private readonly workers: number;
  private span: number;
  private readonly counters: Float64Array;
  private readonly portCounters: Float64Array;
  private readonly dispatcher: Dispatcher;
  private readonly pressure: BackPressure;
  private steering: Steering;
  /** By port: what its frames' addresses may be; null = anything. Of the plan's ports, to see when they change. */
  private guards: readonly (SourceGuard | null)[] = [];
  private ports: EnginePlan['ports'] = [];
  /** Frames of the burst that are refused. */
  private readonly lies = new Uint8Array(BURST_MAX);
  /** The time that `tick` told last. */
  private seconds = 0;
  /** Frames of the burst are in large slots. */
  private anyLarge = false;
  /** The port's own queue has chosen the worker: for all ports, and by port. */
  private keep = false;
  /** There is no other worker to choose, and whoever chooses says no more than that: it is not asked. */
  private alone = false;
  private kept: readonly boolean[] = [];
  /** Where the policy follows flows' consumers: its side of the data plane. */
  private flows: RfsFeedback | null = null;

  /**
   * @param batch what the worker processes next: its own frames are appended there
   * @param producer the rings to all workers; the batch's memory is in it
   */
  constructor(
    private readonly p: RxStageParts,
    batch: Batch,
    private readonly producer: RingProducer,
  ) {
    const { views, plan, worker } = p;
    this.me = worker;
    this.workers = plan.workers;
    this.span = plan.workers;
    this.counters = views.counters.worker[worker]!;
    this.portCounters = views.counters.port[worker]!;
    this.dispatcher = new Dispatcher(p, batch, producer);
    this.pressure = new BackPressure(producer, worker, plan.workers, p.clock);
    this.steering = p.steering;
    this.takeSteering();
    this.takePorts();
    this.look();
  }

  /**
   * Takes up the plan and the steering of the parts. Another steering or order only while `drained`.
   * @param span frames go to workers 0 … span-1
   */
  adopt(span: number): void {
    this.span = span;
    this.p.views.pool.feed(this.me, span);
    this.dispatcher.adopt(span);
    this.takePorts();
    if (this.p.steering !== this.steering) this.takeSteering();
    this.look();
  }

  private look(): void {
    this.alone = this.span === 1 && this.me === 0 && this.flows === null && this.steering.isByFlow === true;
  }

  private takeSteering(): void {
    const { steering } = this.p;
    this.steering = steering;
    steering.tick?.(this.seconds);
    this.keep = steering.spec.stage === 'nic';
    this.flows =
      steering instanceof RfsSteering
        ? new RfsFeedback(steering, this.p, (w) => this.producer.position(w))
        : null;
  }

  /** Tells the policy the time by which addresses age, in seconds. */
  tick(seconds: number): void {
    this.seconds = seconds;
    this.steering.tick?.(seconds);
  }

  /** Every frame that was handed out is finished, and none is held. For live changes: nothing is received meanwhile. */
  drained(): boolean {
    if (this.holding() > 0) return false;
    for (let w = 0; w < this.workers; w++) {
      if (!ringDrained(this.p.views.rings[this.me * this.workers + w]!)) return false;
    }
    return true;
  }

  /** This worker polls a queue again that it, or a dead predecessor of it, polled last. */
  resume(queue: number): void {
    this.p.ledger.resume(queue, this.p.views.sequences[queue * LINE_WORDS]!);
  }

  /**
   * Takes a burst from a queue and dispatches it; returns how many frames came (those refused too), -1 when none did
   * although there may be some. The work has room for a burst.
   */
  receive(queue: ReceiveQueue): number {
    const { burst, status, views, fault } = this.p;
    const { counters } = this;
    const pool = views.pool;
    // Every time, not only when slots run out: what was freed last is still in a cache, and is taken first.
    pool.reclaim(this.me);
    if (queue.receiver.waits === true && this.span > 1 && this.pressure.holds(this.span)) {
      this.starved = true;
      return -1;
    }
    const n = queue.receiver.receive(this.p.plan.burst);
    const refused = status[ReceiveStatus.tooLong]! + status[ReceiveStatus.malformed]!;
    if (status[ReceiveStatus.stopped] !== 0) {
      this.starved = true;
      counters[WorkerCounter.poolEmpty]!++;
    }
    if (status[ReceiveStatus.kernelDrops] !== 0) {
      this.portCounters[portBase(queue.port) + PortCounter.kernelDrops]! +=
        status[ReceiveStatus.kernelDrops]!;
    }
    if (n + refused === 0) {
      // Told only where there was nothing: read by the main thread, which is in no hurry.
      const error = status[ReceiveStatus.error]!;
      if (views.queueErrors[queue.global] !== error) views.queueErrors[queue.global] = error;
      return status[ReceiveStatus.stopped] === 0 ? 0 : -1;
    }
    if (status[ReceiveStatus.segments] !== 0 && views.global[Global.supers] === 0) {
      Atomics.store(views.global, Global.supers, 1);
    }
    const bytes = this.hold(n);
    counters[WorkerCounter.received]! += n + refused;
    counters[WorkerCounter.dropped + Drop.tooLong]! += status[ReceiveStatus.tooLong]!;
    counters[WorkerCounter.dropped + Drop.malformed]! += status[ReceiveStatus.malformed]!;
    const port = portBase(queue.port);
    this.portCounters[port + PortCounter.rxPackets]! += n + refused;
    this.portCounters[port + PortCounter.rxBytes]! += bytes;
    if (refused > 0) {
      this.portCounters[port + PortCounter.absurd]! += status[ReceiveStatus.absurd]!;
      this.portCounters[port + PortCounter.rxTooLong]! += status[ReceiveStatus.tooLong]!;
    }
    const q = queueBase(queue.global);
    views.counters.queue[q + QueueCounter.packets]! += n + refused;
    views.counters.queue[q + QueueCounter.bytes]! += bytes;
    if (n === 0) return refused;
    burst.n = n;
    burst.port = queue.port;
    burst.queue = queue.queue;
    fault.reach('receive');
    dissectBurst(burst);
    const guard = this.guards[queue.port] ?? null;
    if (guard !== null && this.refuseLies(guard, port) === 0) return n;
    fault.reach('steer');
    this.dispatcher.clearFates();
    const keep = this.alone || this.keep || this.kept[queue.port] === true;
    if (this.p.trace.armed()) this.traced(queue.global, keep);
    else {
      // What is learned from frames is learned whoever chooses.
      if (!keep || this.steering.learnsFrom?.(queue.port) === true) this.steer();
      if (keep) burst.worker.fill(this.me, 0, burst.n);
      this.dispatch(queue.global);
    }
    return n;
  }

  /** Marks the slots of the burst's first n frames as in use by this worker; returns the frames' bytes. */
  private hold(n: number): number {
    const { burst, views } = this.p;
    if (HOT.words !== burst.words || HOT.owner !== views.pool.owner) bind(burst.words, views.pool.owner);
    const { words, owner } = HOT;
    const mine = (this.me + 1) | 0;
    const lastSmall = (views.pool.smallSlots - 1) | 0;
    const end = n & COUNT;
    let bytes = 0;
    let large = 0;
    for (let k = 0; k < end; k++) {
      const i = k & LAST;
      const id = words[ID + i]!;
      owner[id] = mine;
      large |= lastSmall - id;
      bytes = (bytes + words[LEN + i]!) | 0;
    }
    this.anyLarge = large < 0;
    return bytes;
  }

  /** Drops the frames of the burst that lie about where they come from; returns how many are left. */
  private refuseLies(guard: SourceGuard, port: number): number {
    const { burst, views } = this.p;
    const lies = guard.check(burst, this.lies);
    if (lies === 0) return burst.n;
    for (let i = 0; i < burst.n; i++) if (this.lies[i] !== 0) views.pool.free(this.me, burst.id[i]!);
    burst.remove(this.lies);
    this.counters[WorkerCounter.dropped + Drop.filtered]! += lies;
    this.portCounters[port + PortCounter.spoofed]! += lies;
    return burst.n;
  }

  private takePorts(): void {
    if (this.p.plan.ports === this.ports) return;
    this.ports = this.p.plan.ports;
    this.kept = this.ports.map(keepsQueue);
    this.guards = this.ports.map(({ sources }) => (sources === undefined ? null : new SourceGuard(sources)));
  }

  private steer(): void {
    const { burst } = this.p;
    if (this.flows !== null) this.flows.look(this.span);
    this.steering.steer(burst);
    if (this.flows !== null) this.flows.remember(burst);
  }

  /** Steers and dispatches with explanations. */
  private traced(queue: number, keep: boolean): void {
    const { burst, trace } = this.p;
    this.steer();
    trace.take(this.steering, burst);
    if (keep) burst.worker.fill(this.me, 0, burst.n);
    this.dispatch(queue);
    const { programmed } = this.ports[burst.port]!;
    const choice =
      programmed?.where === 'in XDP' ? 'decided in XDP' : `queue ${burst.queue} chosen in the kernel`;
    const chosen = this.kept[burst.port] === true ? choice : '';
    trace.finish((i, wanted) => this.fateOf(i, wanted, chosen));
  }

  /** What became of frame i of the last burst, in words; null where it went where it was wanted. */
  private fateOf(i: number, wanted: number, chosen: string): TraceFate | null {
    const result = this.dispatcher.results[i]!;
    const steered = this.p.burst.worker[i]!;
    if (result === DispatchResult.held)
      return { to: wanted, why: 'held until its old worker has finished the flow' };
    if (result === DispatchResult.dropped) return { to: steered, why: 'dropped: no room in the backlog' };
    if (result >= DispatchResult.stays) {
      return {
        to: result - DispatchResult.stays,
        why: `stays on worker ${result - DispatchResult.stays}, which has frames of the flow`,
      };
    }
    if (chosen !== '') {
      const why =
        steered === wanted ? '' : `, whose program named another than the policy (worker ${wanted})`;
      return { to: steered, why: `${chosen}${why}: worker ${steered} polls it` };
    }
    return steered === wanted ? null : { to: steered, why: `stage=nic: worker ${steered} polls the queue` };
  }

  /** Puts each frame of the burst where steering wants it. */
  private dispatch(queue: number): void {
    this.p.fault.reach('dispatch');
    if (this.dispatcher.dispatch(queue, this.anyLarge))
      this.flows?.refused(this.p.burst, this.dispatcher.results);
  }

  /** The work was sent; `arrived` tells which of its frames. Policies that follow consumers hear of it. */
  delivered(batch: Batch, arrived: (i: number) => boolean, senders: readonly (Sender | null)[]): void {
    if (this.flows !== null) this.flows.delivered(batch, arrived, senders);
  }

  /** Frames held for a move, to be reviewed every pass. */
  holding(): number {
    return this.dispatcher.holding();
  }

  /** Lets go of held frames whose time has come; returns how many. `process` empties the batch when it is full. */
  releaseDue(process: () => void): number {
    return this.dispatcher.releaseDue(process);
  }
}
