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
import type { PolicySpec } from '../../policy/spec.js';
import type { Steering } from '../../policy/steering.js';
import { ThreadClock } from '../memory/clock.js';
import { QUEUE_SLOTS } from '../order/flow-slot.js';
import { OrderHistory } from '../order/history.js';
import { loadAttachers } from '../ports/attacher.js';
import type { LiveConfig, WorkerTask } from '../shared/config.js';
import { attachEngine } from '../shared/engine-memory.js';
import { CensusWriter } from '../shared/flow-census.js';
import { makeForwarder } from '../shared/forwarding.js';
import { makeWaker } from '../shared/waker.js';
import { Global, WorkerState, WorkerWord } from '../shared/words.js';
import { ConfigFollower } from './follower.js';
import { WorkerLoop } from './loop.js';
import { makeParts } from './parts.js';
import { awaitWarm, warmUp } from './warm-up.js';
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

/** Written out: what parses policies would be loaded by every worker. */
const SINGLE: PolicySpec = { policy: 'single', seed: 1, text: 'single', order: 'none', stage: 'cpu' };

/** As `steeringOf`, for a warm-up: a user's module shall not see frames that there are not. */
function practiceSteering(config: LiveConfig, worker: number): Steering {
  const { plan } = config;
  if (plan.policy.policy !== 'js') return steeringOf(config, worker);
  return compilePolicy(SINGLE, { workers: plan.active, worker, ports: plan.ports });
}

/** A turn of this thread's event loop: finalizers of native objects and V8's own tasks run there and nowhere else. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Returns what sources, sinks and policies have to complain of, one line each. */
export default async function runWorker({ config, worker, port }: WorkerTask): Promise<string[]> {
  const { plan, memory } = config;
  const attachers = await loadAttachers(plan);
  const views = attachEngine(plan, memory);
  Atomics.add(views.global, Global.begun, 1);
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
  try {
    if (plan.warmUp) {
      const compile = (practised: LiveConfig) => practiceSteering(practised, worker);
      warmUp({ config, worker, views, native, clock, burst, status, attachers, compile });
      awaitWarm(views.global);
    }
    const parts = makeParts({
      plan,
      memory,
      views,
      worker,
      native,
      clock,
      burst,
      status,
      held,
      waker,
      steering: steeringOf(config, worker),
      forwarder: makeForwarder(plan, memory, worker),
      history: new OrderHistory(views.orderHistory, QUEUE_SLOTS),
      census: new CensusWriter(views.census),
      post: (message) => port.postMessage(message),
      event: memory.events[worker] ?? -1,
      epoch,
    });
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
