/**
 * Builds the parts of a worker's loop over the memory that it is given.
 *
 * Promise: one place makes them, so that the objects of a warm-up (`warm-up.ts`) and those of the run have the same
 * hidden classes, and code that V8 compiled for the one fits the other.
 */
import type { Forwarder } from '../forward/work.js';
import type { Burst } from '../packet/burst.js';
import type { Steering } from '../policy/steering.js';
import type { ThreadClock } from './clock.js';
import { type EngineMemory, type EnginePlan, type EngineViews, scratchOffset, WorkerWord } from './engine-memory.js';
import { Fault } from './faults.js';
import { FloodBudget } from './flood-budget.js';
import type { CensusWriter } from './flow-census.js';
import { GuestTouch } from './guest-touch.js';
import { Ledger } from './ledger.js';
import type { TraceMessage } from './live-trace.js';
import { TraceTap } from './live-trace.js';
import type { LoopParts } from './loop.js';
import type { Native } from './native.js';
import type { OrderHistory } from './order-history.js';
import { OrderMeter } from './order-meter.js';
import type { HeldPorts } from './ports/held.js';
import { Progress } from './progress.js';
import { Sleeper, type Waker } from './sleeper.js';
import { Transmitter } from './transmit.js';

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
  readonly held: HeldPorts;
  readonly waker: Waker;
  readonly steering: Steering;
  readonly forwarder: Forwarder;
  readonly history: OrderHistory;
  readonly census: CensusWriter;
  /** Gets what was traced. */
  readonly post: (message: TraceMessage) => void;
  /** The eventfd that wakes the worker, or -1. */
  readonly event: number;
  readonly epoch: number;
}

/** Plan and steering are replaced by live changes. */
export type WorkerParts = LoopParts;

/** The same views in an object of one and the same hidden class, however that of `views` came to be. */
function sameShape(views: EngineViews): EngineViews {
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
    portFds: views.portFds,
    portEpochs: views.portEpochs,
    sequences: views.sequences,
    pollers: views.pollers,
    queueErrors: views.queueErrors,
    floods: views.floods,
    pauses: views.pauses,
    census: views.census,
  };
}

/** The parts of a worker. */
export function makeParts(m: PartsMaterial): WorkerParts {
  const { plan, memory, worker, native, clock, burst, status, held, waker, history } = m;
  const views = sameShape(m.views);
  const { counters } = views;
  const words = views.workers[worker]!;
  const touch = new GuestTouch(counters.touch[worker]!);
  const progress = new Progress(views.rings, worker, plan.workers);
  const yieldThread = native === null ? () => {} : native.yieldThread;
  return {
    plan,
    memory,
    views,
    worker,
    burst,
    status,
    steering: m.steering,
    forwarder: m.forwarder,
    ledger: new Ledger(views.ledger, progress, history, plan.watches),
    progress,
    census: m.census,
    trace: new TraceTap(views.global, worker, m.post),
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
    sleeper: new Sleeper(native, clock, words, m.event, plan.spinMaxUs / 1000),
    waker,
    epoch: m.epoch,
    clock,
    touch,
    fault: new Fault(plan.fault, worker, words, WorkerWord.faulted),
    held,
    yieldThread,
  };
}
