/** The worker loop's answers to the main thread's words, without a thread. */

import { describe, expect, it } from 'vitest';
import { ThreadClock } from '#rxsteer/dataplane/clock.js';
import {
  allocateEngineMemory,
  attachEngine,
  type EngineViews,
  Global,
  Phase,
  WorkerWord,
} from '#rxsteer/dataplane/engine-memory.js';
import { Ledger, QUEUE_SLOTS } from '#rxsteer/dataplane/ledger.js';
import type { LiveFollower } from '#rxsteer/dataplane/live-worker.js';
import { type LoopParts, WorkerLoop } from '#rxsteer/dataplane/loop.js';
import { OrderHistory } from '#rxsteer/dataplane/order-history.js';
import { planEngine } from '#rxsteer/dataplane/plan.js';
import { openPorts } from '#rxsteer/dataplane/ports/open.js';
import { Progress } from '#rxsteer/dataplane/progress.js';
import { engineOptions } from './run-engine.js';

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
  const still = { paused: false, due: () => false } as unknown as LiveFollower;
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
