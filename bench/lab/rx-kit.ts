/**
 * One worker's intake by itself, in one thread, for the micro-benchmarks: the engine's own code and memory, with a
 * receiver that gives prepared frames and rings that are emptied after every burst.
 */

import { RECEIVE_STATUS_WORDS } from '#rxsteer/addon/native.js';
import { engineDefaults, planEngine } from '#rxsteer/dataplane/engine/plan.js';
import { ThreadClock } from '#rxsteer/dataplane/memory/clock.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { Progress } from '#rxsteer/dataplane/memory/progress.js';
import { RingConsumer, State } from '#rxsteer/dataplane/memory/ring.js';
import { QUEUE_SLOTS } from '#rxsteer/dataplane/order/flow-slot.js';
import { OrderHistory } from '#rxsteer/dataplane/order/history.js';
import { Ledger } from '#rxsteer/dataplane/order/ledger.js';
import type { ReceiveQueue } from '#rxsteer/dataplane/ports/attach.js';
import type { OpenPorts } from '#rxsteer/dataplane/ports/open.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { allocateEngineMemory, attachEngine } from '#rxsteer/dataplane/shared/engine-memory.js';
import { Fault } from '#rxsteer/dataplane/shared/faults.js';
import { CensusWriter } from '#rxsteer/dataplane/shared/flow-census.js';
import { TraceTap } from '#rxsteer/dataplane/shared/trace.js';
import { WorkerWord } from '#rxsteer/dataplane/shared/words.js';
import { RxStage } from '#rxsteer/dataplane/worker/receive.js';
import { Batch } from '#rxsteer/forward/batch.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { BURST_MAX, Burst } from '#rxsteer/packet/burst.js';
import { compilePolicy, policyBytes } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { randomFrame } from '../frames.js';

/** Frames in turn: more than a branch predictor learns, and flows that have a slot of the ledger each. */
const BURSTS = 8;
const SEED = 1;

/** Memory for `workers` workers with a port for input and one for output, which nobody opens. */
function makePorts(): OpenPorts {
  const common = { kind: 'memory', finite: false, data: null };
  const infos = [
    { ...common, index: 0, name: 'a', rxQueues: 1, txQueues: 0 },
    { ...common, index: 1, name: 'b', rxQueues: 0, txQueues: 1 },
  ];
  return { infos, live: new Map(), native: null, attachers: {}, close: () => {} } as unknown as OpenPorts;
}

/**
 * A call that takes one burst of mixed frames in: dissects, steers, guards, hands off, and empties all rings.
 * @param policyText the policy, `order` included
 */
export function rxCall(policyText: string, workers: number): () => void {
  const policy = parsePolicy(policyText, { command: 'forward', workers });
  const ports = [parsePort('a=memory:source'), parsePort('b=memory:sink')];
  const plan = planEngine(
    { ...engineDefaults, ports, policy, policyText, workers, backlog: 512 },
    makePorts(),
  );
  const shared = new SharedArrayBuffer(policyBytes(policy));
  const none = new SharedArrayBuffer(8);
  const memory = allocateEngineMemory(plan, {
    policy: shared,
    switching: none,
    events: plan.cpus.map(() => -1),
  });
  const views = attachEngine(plan, memory);
  const burst = new Burst(views.pool.bytes);
  const prepared = prepareFrames(views.pool.bytes, (id) => views.pool.offsetOf(id));
  let next = 0;
  const receiver = {
    receive(): number {
      const { id, off, len } = prepared[next]!;
      burst.id.set(id);
      burst.off.set(off);
      burst.len.set(len);
      next = (next + 1) % BURSTS;
      return BURST_MAX;
    },
  };
  const queue = { port: 0, queue: 0, global: 0, finite: false, receiver } as unknown as ReceiveQueue;
  const progress = new Progress(views.rings, 0, workers);
  const producer = new RingProducer(views.rings.slice(0, workers), 0, plan.backlog);
  const batch = new Batch(producer.ownBatch());
  const rxStage = new RxStage(
    {
      plan,
      views,
      worker: 0,
      burst,
      status: new Int32Array(RECEIVE_STATUS_WORDS),
      steering: compilePolicy(policy, { workers, shared, faults: 'count' }),
      ledger: new Ledger(views.ledger, progress, new OrderHistory(views.orderHistory, QUEUE_SLOTS)),
      progress,
      census: new CensusWriter(views.census),
      trace: new TraceTap(views.global, 0, () => {}),
      waker: { wake: () => false },
      fault: new Fault(null, 0, views.workers[0]!, WorkerWord.faulted),
      clock: new ThreadClock(null),
    },
    batch,
    producer,
  );
  const consumers: RingConsumer[] = [];
  for (let w = 1; w < workers; w++) {
    consumers.push(new RingConsumer(views.rings[w]!));
  }
  return () => {
    rxStage.receive(queue);
    for (const consumer of consumers) consumer.complete(consumer.take(batch, BURST_MAX));
    producer.completeOwn();
    // The prepared frames are used again and again: none goes back to the pool.
    for (let w = 0; w < workers; w++) {
      const { area: words, state } = views.rings[w]!;
      words[state + State.returned] = producer.position(w);
    }
    producer.rewind();
    batch.n = 0;
  };
}

/** `BURSTS` bursts of mixed frames in the pool: the arrays that a receive call fills. */
function prepareFrames(bytes: Uint8Array, offsetOf: (id: number) => number) {
  const random = new SeededRandom(SEED);
  return Array.from({ length: BURSTS }, (_, b) => {
    const arrays = {
      id: new Int32Array(BURST_MAX),
      off: new Int32Array(BURST_MAX),
      len: new Int32Array(BURST_MAX),
    };
    for (let i = 0; i < BURST_MAX; i++) {
      const frame = randomFrame('mixed', random);
      const id = b * BURST_MAX + i;
      bytes.set(frame, offsetOf(id));
      arrays.id[i] = id;
      arrays.off[i] = offsetOf(id);
      arrays.len[i] = frame.length;
    }
    return arrays;
  });
}
