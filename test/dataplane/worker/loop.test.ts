/** The worker loop's answers to the main thread's words, without a thread. */

import { describe, expect, it } from 'vitest';
import { planEngine } from '#rxsteer/dataplane/engine/plan.js';
import { ThreadClock } from '#rxsteer/dataplane/memory/clock.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { Progress } from '#rxsteer/dataplane/memory/progress.js';
import { QUEUE_SLOTS, UNWATCHED } from '#rxsteer/dataplane/order/flow-slot.js';
import { OrderHistory } from '#rxsteer/dataplane/order/history.js';
import { Ledger } from '#rxsteer/dataplane/order/ledger.js';
import { openPorts } from '#rxsteer/dataplane/ports/open.js';
import type { Receiver } from '#rxsteer/dataplane/ports/port.js';
import {
  allocateEngineMemory,
  attachEngine,
  type EngineViews,
} from '#rxsteer/dataplane/shared/engine-memory.js';
import { Global, Phase, WorkerWord } from '#rxsteer/dataplane/shared/words.js';
import type { ConfigFollower } from '#rxsteer/dataplane/worker/follower.js';
import { type LoopParts, WorkerLoop } from '#rxsteer/dataplane/worker/loop.js';
import { PASS_FRAMES, PollList } from '#rxsteer/dataplane/worker/poll-list.js';
import type { Batch } from '#rxsteer/forward/batch.js';
import { BURST_MAX, Burst } from '#rxsteer/packet/burst.js';
import { engineOptions } from '../engine/run-engine.js';

/** A loop that was attached at `attachedAt` while the ports epoch has become `epoch` since. */
async function makeLoop(attachedAt: number, epoch: number) {
  const options = engineOptions({ ports: ['a=memory:source', 'b=memory:sink'] });
  const ports = await openPorts(options.ports, options);
  const plan = planEngine(options, ports);
  ports.close();
  const none = new SharedArrayBuffer(8);
  const memory = allocateEngineMemory(plan, { policy: none, switching: none, events: [-1] });
  const views: EngineViews = attachEngine(plan, memory);
  Atomics.store(views.global, Global.portsEpoch, epoch);
  const seen: number[] = [];
  const progress = new Progress(views.rings, 0, plan.workers);
  const history = new OrderHistory(views.orderHistory, QUEUE_SLOTS);
  const parts = {
    ledger: new Ledger(views.ledger, progress, history),
    progress,
    plan,
    memory,
    views,
    worker: 0,
    steering: { spec: options.policy },
    sleeper: { sleptMs: 0, sleeps: 0, woken: 0 },
    clock: new ThreadClock(null),
    epoch: attachedAt,
    held: {
      receivers: [],
      reattach: () => {
        seen.push(Atomics.load(views.workers[0]!, WorkerWord.epochSeen));
        return true;
      },
    },
  } as unknown as LoopParts;
  const still = { paused: false, due: () => false } as unknown as ConfigFollower;
  return { loop: new WorkerLoop(parts), still, views, seen };
}

describe('worker loop', () => {
  it('attaches anew when descriptors changed while it was being started', async () => {
    const { loop, still, views, seen } = await makeLoop(4, 5);
    // Until then the old descriptors must not be closed.
    expect(views.workers[0]![WorkerWord.epochSeen]).toBe(4);
    Atomics.store(views.global, Global.phase, Phase.exit);
    loop.run(still);
    expect(seen).toEqual([4]);
    expect(views.workers[0]![WorkerWord.epochSeen]).toBe(5);
  });

  it('does not when nothing changed, and acknowledges the phase', async () => {
    const { loop, still, views, seen } = await makeLoop(5, 5);
    Atomics.store(views.global, Global.phase, Phase.exit);
    loop.run(still);
    expect(seen).toEqual([]);
    expect(views.workers[0]![WorkerWord.phaseSeen]).toBe(Phase.exit);
  });
});

/** A worker with `queues` busy queues whose frames are all its own, and a backlog that is never empty. */
async function shares(queues: number): Promise<{ own: number; handed: number }> {
  const options = engineOptions({ ports: ['a=memory:source', 'b=memory:sink'], workers: 2 });
  const ports = await openPorts(options.ports, options);
  const plan = planEngine(options, ports);
  ports.close();
  const none = new SharedArrayBuffer(8);
  const memory = allocateEngineMemory(plan, { policy: none, switching: none, events: [-1, -1] });
  const views = attachEngine(plan, memory);
  const { pool } = views;
  const progress = new Progress(views.rings, 0, plan.workers);
  const burst = new Burst(pool.bytes);
  const other = new RingProducer(views.rings.slice(plan.workers, 2 * plan.workers), 1, plan.backlog);
  const sent = new Burst(pool.bytes);
  sent.port = 1;
  const fill = () => {
    pool.reclaim(1);
    for (;;) {
      const id = pool.take(1, 60);
      if (id < 0) break;
      sent.id[0] = id;
      sent.describe(0, 0, 0, 0, 0);
      if (!other.append(0, sent, 0, 0, UNWATCHED)) {
        pool.free(1, id);
        break;
      }
    }
    other.publish(0);
  };
  fill();
  const counts = [0, 0];
  let passes = 0;
  const receiver = {
    receive: () => {
      const n = pool.takeSmall(0, burst.id, BURST_MAX);
      for (let i = 0; i < n; i++) burst.off[i] = pool.offsetOf(burst.id[i]!);
      burst.len.fill(60, 0, n);
      burst.flags.fill(0, 0, n);
      return n;
    },
  };
  const polled = new PollList(null);
  polled.adopt(
    Array.from({ length: queues }, () => ({
      ...{ port: 0, queue: 0, global: 0, finite: false, idle: 0, left: -1 },
      receiver: receiver as unknown as Receiver,
    })),
  );
  const parts = {
    ledger: new Ledger(views.ledger, progress, new OrderHistory(views.orderHistory, QUEUE_SLOTS)),
    progress,
    plan,
    memory,
    views,
    worker: 0,
    burst,
    status: new Int32Array(16),
    steering: { spec: { stage: 'nic' }, steer: () => {} },
    census: { samples: () => false, enter() {} },
    trace: { armed: () => false },
    waker: { wake: () => false },
    fault: { reach: () => {} },
    forwarder: { decide: () => {} },
    transmitter: {
      send(batch: Batch) {
        for (let i = 0; i < batch.n; i++) counts[batch.frame(i).port]!++;
      },
      commit(batch: Batch) {
        batch.n = 0;
        fill();
      },
    },
    sleeper: { sleptMs: 0, sleeps: 0, woken: 0, busy: () => ++passes === 50 && exit() },
    clock: new ThreadClock(null),
    epoch: 0,
    held: { receivers: [], polled },
  } as unknown as LoopParts;
  const exit = () => Atomics.store(views.global, Global.phase, Phase.exit);
  const loop = new WorkerLoop(parts);
  loop.adopt(plan.workers);
  loop.run({ paused: false, due: () => false } as unknown as ConfigFollower);
  return { own: counts[0]!, handed: counts[1]! };
}

describe('frames that another worker hands over', () => {
  it.each([1, 4, 32])('get as many turns as those of %i busy queues together', async (queues) => {
    const { own, handed } = await shares(queues);
    expect(own).toBe(50 * Math.min(queues * BURST_MAX, PASS_FRAMES));
    // The last turn of a pass may be a short one.
    expect(handed / own).toBeGreaterThan(0.9);
    expect(handed / own).toBeLessThanOrEqual(1.1);
  });
});
