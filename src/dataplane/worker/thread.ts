/**
 * What runs in a worker thread: attaches to the engine's memory, builds the worker's parts, runs the loop.
 *
 * Promise: returns when the main thread says exit; throws when anything in the loop throws (that is a worker's
 * death: the main thread cleans up after it and starts it again). Sockets, mappings and descriptors of this
 * thread are closed either way. Piscina calls the default export once per incarnation.
 */

import { nativeHashKernels, OwnedKernels } from '../../addon/hash-kernels.js';
import { loadNative, RECEIVE_STATUS_WORDS } from '../../addon/native.js';
import { Burst } from '../../packet/burst.js';
import { compilePolicy } from '../../policy/compile.js';
import { RssSteering } from '../../policy/rss.js';
import type { Steering } from '../../policy/steering.js';
import { ThreadClock } from '../memory/clock.js';
import { Progress } from '../memory/progress.js';
import { GuestTable } from '../order/guest-sharing.js';
import { OrderHistory } from '../order/history.js';
import { Ledger, QUEUE_SLOTS } from '../order/ledger.js';
import { OrderMeter } from '../order/meter.js';
import { loadAttachers } from '../ports/attacher.js';
import type { LiveConfig, WorkerTask } from '../shared/config.js';
import { attachEngine, scratchOffset } from '../shared/engine-memory.js';
import { Fault } from '../shared/faults.js';
import { FloodBudget } from '../shared/flood-budget.js';
import { CensusWriter } from '../shared/flow-census.js';
import { makeForwarder } from '../shared/forwarding.js';
import { TraceTap } from '../shared/trace.js';
import { makeWaker } from '../shared/waker.js';
import { Global, WorkerState, WorkerWord } from '../shared/words.js';
import { ConfigFollower } from './follower.js';
import { WorkerLoop } from './loop.js';
import { Sleeper } from './sleeper.js';
import { Transmitter } from './transmit.js';
import { WorkerPorts } from './worker-ports.js';

/** Kernels that a steering has bound, to be given back with it. */
const kernelsOf = new WeakMap<Steering, OwnedKernels>();

/** The steering of a configuration, as every worker of the engine compiles it. */
function steeringOf({ plan, memory, table }: LiveConfig, worker: number): Steering {
  const native = loadNative();
  const offered = nativeHashKernels();
  const kernels = native === null || typeof offered === 'string' ? null : new OwnedKernels(offered, native);
  const steering = compilePolicy(plan.policy, {
    workers: plan.active,
    worker,
    ports: plan.ports,
    shared: memory.policy,
    faults: 'count',
    kernels: kernels ?? offered,
  });
  if (kernels !== null) kernelsOf.set(steering, kernels);
  if (table !== null && steering instanceof RssSteering) steering.setTable(table);
  return steering;
}

/** A turn of this thread's event loop: finalizers of native objects and V8's own tasks run there and nowhere else. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Returns what sources, sinks and policies have to complain of, one line each. */
export default async function runWorker({ config, worker, port }: WorkerTask): Promise<string[]> {
  const { plan, memory } = config;
  const attachers = await loadAttachers(plan);
  const views = attachEngine(plan, memory);
  const native = loadNative();
  const clock = new ThreadClock(native);
  const words = views.workers[worker]!;
  const cpu = plan.cpus[worker] ?? -1;
  if (cpu >= 0 && native !== null) native.pinThread(cpu);
  const burst = new Burst(views.pool.bytes);
  burst.keyFlows(plan.flowKeys);
  const status = new Int32Array(RECEIVE_STATUS_WORDS);
  const waker = makeWaker(native, views.workers, memory.events);
  const held = new WorkerPorts(
    { plan, views, pool: views.pool, native, clock, worker, burst, status, attachers },
    waker,
  );
  // Read before attaching: should descriptors change meanwhile, the loop's first look sees it and attaches anew.
  const epoch = Atomics.load(views.global, Global.portsEpoch);
  const yieldThread = native === null ? () => {} : native.yieldThread;
  try {
    const progress = new Progress(views.rings, worker, plan.workers);
    const history = new OrderHistory(views.orderHistory, QUEUE_SLOTS);
    const { counters } = views;
    const touch = new GuestTable(counters.touch[worker]!);
    const parts = {
      plan,
      memory,
      views,
      worker,
      burst,
      status,
      steering: steeringOf(config, worker),
      forwarder: makeForwarder(plan, memory, worker),
      ledger: new Ledger(views.ledger, progress, history, plan.watches),
      progress,
      census: new CensusWriter(views.census),
      trace: new TraceTap(views.global, worker, (message) => port.postMessage(message)),
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
      sleeper: new Sleeper(native, clock, words, memory.events[worker] ?? -1, plan.spinMaxUs / 1000),
      waker,
      epoch,
      clock,
      touch,
      fault: new Fault(plan.fault, worker, words, WorkerWord.faulted),
      held,
      yieldThread,
    };
    const loop = new WorkerLoop(parts);
    held.takeOverQueue = (queue, own) => loop.takeOverQueue(queue, own);
    held.leave = (queue) => loop.leave(queue);
    const complain = () => {
      const line = parts.steering.complaint?.() ?? null;
      if (line !== null) held.complaints.push(line);
    };
    const follower = new ConfigFollower(
      {
        views,
        worker,
        held,
        port,
        compile: (next) => steeringOf(next, worker),
        install: (next, steering) => {
          parts.plan = next.plan;
          if (steering !== null) {
            complain();
            kernelsOf.get(parts.steering)?.release();
            parts.steering = steering;
          }
          if (next.table !== null && parts.steering instanceof RssSteering) {
            parts.steering.setTable(next.table);
          }
          loop.adopt(next.span);
        },
        drained: () => loop.drained(),
      },
      config,
      parts.steering,
    );
    // Behind each live change a turn of the event loop: without one nothing native would ever be collected.
    while (!loop.run(follower)) await turn();
    Atomics.store(words, WorkerWord.state, WorkerState.ended);
    complain();
    held.close();
    kernelsOf.get(parts.steering)?.release();
    return held.complaints;
  } finally {
    held.close();
    port.close();
  }
}
