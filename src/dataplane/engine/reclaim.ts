/**
 * What happens after a worker's death: nothing of it stays behind.
 *
 * Promise: after `reclaimWorker` every frame that the dead worker held is counted under `workerDied` and free again,
 * its locks are released, and the rings towards it begin with the first frame that still waits, so that its
 * successor goes on there. Frames that were already in a ring are not lost. Main thread only, and only while the
 * worker's thread no longer runs the loop.
 */
import { MacControl } from '../../forward/mac-control.js';
import { recoverPolicy } from '../../policy/compile.js';
import { releaseLocksOf } from '../../sync/shared-lock.js';
import { LINE_WORDS } from '../memory/layout.js';
import { repairRing } from '../memory/ring.js';
import { Drop, WorkerCounter } from '../shared/counters.js';
import type { EngineMemory, EngineViews } from '../shared/engine-memory.js';
import type { EnginePlan } from '../shared/plan.js';
import { WorkerState, WorkerWord } from '../shared/words.js';

/** Returns how many frames were lost. */
export function reclaimWorker(
  plan: EnginePlan,
  views: EngineViews,
  memory: EngineMemory,
  worker: number,
): number {
  const words = views.workers[worker]!;
  Atomics.store(words, WorkerWord.state, WorkerState.absent);
  Atomics.store(words, WorkerWord.asleep, 0);
  // All locks that there are: transmit queues; MAC table and owners, which may have to be repaired first.
  releaseLocksOf(views.locks, LINE_WORDS, worker);
  if (plan.mode === 'switch') new MacControl(memory.switching, plan.workers).recover(worker);
  recoverPolicy(plan.policy, memory.policy, plan.workers, worker);
  let swept = 0;
  for (let from = 0; from < plan.workers; from++) {
    if (from !== worker) swept += repairRing(views.rings[from * plan.workers + worker]!);
  }
  swept += views.pool.sweep(worker);
  // The dead worker's counters have no other writer now.
  const counters = views.counters.worker[worker]!;
  counters[WorkerCounter.dropped + Drop.workerDied]! += swept;
  counters[WorkerCounter.deaths]!++;
  return swept;
}
