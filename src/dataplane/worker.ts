/**
 * What runs in a worker thread: attaches to the engine's memory, builds the worker's parts, runs the loop.
 *
 * Promise: returns when the main thread says exit; throws when anything in the loop throws (that is a worker's
 * death: the main thread cleans up after it and starts it again). Sockets, mappings and descriptors of this
 * thread are closed either way. Piscina calls the default export once per incarnation.
 */
import { Burst } from '../packet/burst.js';
import { compilePolicy } from '../policy/compile.js';
import {
  attachEngine,
  type EngineMemory,
  type EnginePlan,
  Global,
  lockIndex,
  scratchOffset,
  WorkerState,
  WorkerWord,
} from './engine-memory.js';
import { Fault } from './faults.js';
import { makeForwarder } from './forwarding.js';
import { GuestTouch } from './guest-touch.js';
import { Ledger, QUEUE_SLOTS } from './ledger.js';
import { WorkerLoop } from './loop.js';
import { loadNative, RECEIVE_STATUS_WORDS } from './native.js';
import { OrderHistory } from './order-history.js';
import { OrderMeter } from './order-meter.js';
import { type AttachParts, attachReceivers, attachSenders } from './ports/attach.js';
import { Progress } from './progress.js';
import { makeWaker, Sleeper } from './sleeper.js';
import { Transmitter } from './transmit.js';

export interface WorkerTask {
  readonly plan: EnginePlan;
  readonly memory: EngineMemory;
  readonly worker: number;
}

/** Lock of the transmit queue that a worker uses at each port; -1 where no other worker uses it. */
function sharedLocks(plan: EnginePlan, worker: number): Int32Array {
  return Int32Array.from(plan.ports, (port) => {
    const shared = port.txQueues > 0 && port.txQueues < plan.workers;
    if (!shared) return -1;
    const queue = worker % port.txQueues;
    // The queue has this worker for itself when no other one maps to it.
    const users = Math.ceil((plan.workers - queue) / port.txQueues);
    return users > 1 ? lockIndex(plan, port.index, queue) : -1;
  });
}

/** Returns what sources and sinks have to complain of, one line each. */
export default function runWorker({ plan, memory, worker }: WorkerTask): string[] {
  const views = attachEngine(plan, memory);
  const native = loadNative();
  const words = views.workers[worker]!;
  const cpu = plan.cpus[worker] ?? -1;
  if (cpu >= 0 && native !== null) native.pinThread(cpu);
  const burst = new Burst(views.pool.bytes);
  const status = new Int32Array(RECEIVE_STATUS_WORDS);
  const attach: AttachParts = { plan, views, pool: views.pool, native, worker, burst, status };
  const yieldThread = native === null ? () => {} : native.yieldThread;
  // Read before attaching: should descriptors change meanwhile, the loop's first look sees it and attaches anew.
  const epoch = Atomics.load(views.global, Global.portsEpoch);
  const senders = attachSenders(attach);
  let receivers: ReturnType<typeof attachReceivers> = [];
  const closeAll = () => {
    for (const queue of receivers) queue.receiver.close();
    for (const sender of senders) sender?.close();
  };
  try {
    receivers = attachReceivers(attach);
    const progress = new Progress(views.rings, worker, plan.workers);
    const history = new OrderHistory(views.orderHistory, QUEUE_SLOTS);
    const { counters } = views;
    const parts = {
      plan,
      memory,
      views,
      worker,
      burst,
      status,
      steering: compilePolicy(plan.policy, {
        workers: plan.workers,
        ports: plan.ports,
        shared: memory.policy,
        faults: 'count',
      }),
      forwarder: makeForwarder(plan, memory, worker),
      ledger: new Ledger(views.ledger, progress, history, plan.watches),
      progress,
      transmitter: new Transmitter({
        worker,
        pool: views.pool,
        senders,
        lockOf: sharedLocks(plan, worker),
        locks: views.locks,
        meter: new OrderMeter(
          views.ledger.finished,
          history,
          counters.order[worker]!,
          new GuestTouch(counters.touch[worker]!),
        ),
        counters: counters.worker[worker]!,
        portCounters: counters.port[worker]!,
        scratch: scratchOffset(plan, worker),
        yieldThread,
      }),
      sleeper: new Sleeper(native, words, memory.events[worker] ?? -1, plan.spinMaxUs / 1000),
      waker: makeWaker(native, views.workers, memory.events),
      epoch,
      cpuTime: native === null ? null : native.threadCpuTime,
      fault: new Fault(plan.fault, worker, words, WorkerWord.faulted),
      receivers,
      reattach: () => {
        closeAll();
        receivers = attachReceivers(attach);
        parts.receivers = receivers;
        attachSenders(attach).forEach((sender, port) => {
          senders[port] = sender;
        });
      },
    };
    const loop = new WorkerLoop(parts);
    Atomics.store(words, WorkerWord.state, WorkerState.running);
    loop.run();
    Atomics.store(words, WorkerWord.state, WorkerState.ended);
    const complaints = [
      parts.steering.complaint?.() ?? null,
      ...receivers.map(({ receiver }) => receiver.warning?.() ?? null),
      ...senders.map((sender) => sender?.problem?.() ?? null),
    ];
    return complaints.filter((line) => line !== null);
  } finally {
    closeAll();
  }
}
