/**
 * Builds the parts of a worker's loop over the memory that it is given.
 *
 * Promise: one place makes them, so that the objects of a warm-up (`warm-up.ts`) and those of the run have the same
 * hidden classes, and code that V8 compiled for the one fits the other.
 */
import type { Native } from '../../addon/native.js';
import type { Forwarder } from '../../forward/batch.js';
import type { Burst } from '../../packet/burst.js';
import type { Steering } from '../../policy/steering.js';
import type { ThreadClock } from '../memory/clock.js';
import { Progress } from '../memory/progress.js';
import { GuestTable } from '../order/guest-sharing.js';
import type { OrderHistory } from '../order/history.js';
import { Ledger } from '../order/ledger.js';
import { OrderMeter } from '../order/meter.js';
import { type EngineMemory, type EngineViews, scratchOffset } from '../shared/engine-memory.js';
import { Fault } from '../shared/faults.js';
import { FloodBudget } from '../shared/flood-budget.js';
import type { CensusWriter } from '../shared/flow-census.js';
import type { EnginePlan } from '../shared/plan.js';
import { type TraceMessage, TraceTap } from '../shared/trace.js';
import type { Waker } from '../shared/waker.js';
import { WorkerWord } from '../shared/words.js';
import type { LoopParts } from './loop.js';
import { LINGER_MS, Sleeper } from './sleeper.js';
import { Transmitter } from './transmit.js';
import type { WorkerPorts } from './worker-ports.js';

/** Milliseconds that a worker spins at most before it sleeps. */
function longestSpin({ latency, spinMaxUs }: Pick<EnginePlan, 'latency' | 'spinMaxUs'>): number {
  return latency === 'low' ? LINGER_MS : spinMaxUs / 1000;
}

/** What the parts of a worker are made of. */
export interface PartsMaterial {
  readonly plan: EnginePlan;
  readonly memory: EngineMemory;
  readonly views: EngineViews;
  readonly worker: number;
  readonly native: Native | null;
  readonly clock: ThreadClock;
  readonly burst: Burst;
  readonly status: Int32Array;
  readonly held: WorkerPorts;
  readonly waker: Waker;
  readonly steering: Steering;
  readonly forwarder: Forwarder;
  readonly history: OrderHistory;
  readonly census: CensusWriter;
  /** Gets what was traced. */
  readonly post: (message: TraceMessage) => void;
  /** The eventfd that wakes the worker, or -1. */
  readonly event: number;
  /** The ports epoch that was read before anything of the ports was attached. */
  readonly epoch: number;
}

/**
 * The same views in an object of one and the same hidden class, however `views` came to be.
 *
 * @param views of the engine, or those of a warm-up
 */
function inOneShape(views: EngineViews): EngineViews {
  return {
    pool: views.pool,
    rings: views.rings,
    counters: views.counters,
    ledger: views.ledger,
    orderHistory: views.orderHistory,
    flowHashes: views.flowHashes,
    consumers: views.consumers,
    global: views.global,
    workers: views.workers,
    locks: views.locks,
    portEpochs: views.portEpochs,
    sequences: views.sequences,
    pollers: views.pollers,
    queueErrors: views.queueErrors,
    floods: views.floods,
    pauses: views.pauses,
    census: views.census,
  };
}

/** The parts of a worker; plan and steering in them are replaced by live changes. */
export function makeParts(material: PartsMaterial): LoopParts {
  const { plan, memory, worker, native, clock, burst, status, held, waker, history } = material;
  const views = inOneShape(material.views);
  const { counters } = views;
  const words = views.workers[worker]!;
  const touch = new GuestTable(counters.touch[worker]!);
  const progress = new Progress(views.rings, worker, plan.workers);
  const yieldThread = native === null ? () => {} : native.yieldThread;
  return {
    plan,
    memory,
    views,
    worker,
    burst,
    status,
    steering: material.steering,
    forwarder: material.forwarder,
    ledger: new Ledger(views.ledger, progress, history, plan.watches),
    progress,
    census: material.census,
    trace: new TraceTap(views.global, worker, material.post),
    transmitter: new Transmitter({
      worker,
      pool: views.pool,
      senders: held.senders,
      floods: held.floods,
      floodBudget: new FloodBudget(views.floods, clock),
      floodRates: held.floodRates,
      lockOf: held.lockOf,
      locks: views.locks,
      meter: new OrderMeter(views.ledger.finished, history, counters.order[worker]!, touch),
      counters: counters.worker[worker]!,
      portCounters: counters.port[worker]!,
      scratch: scratchOffset(plan, worker),
      yieldThread,
    }),
    sleeper: new Sleeper(native, clock, words, material.event, longestSpin(plan)),
    waker,
    epoch: material.epoch,
    clock,
    touch,
    fault: new Fault(plan.fault, worker, words, WorkerWord.faulted),
    held,
    yieldThread,
  };
}
