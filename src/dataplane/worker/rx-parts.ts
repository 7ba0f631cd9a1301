/**
 * What the rx stage and the dispatcher of one worker work with.
 *
 * Promise: made once, when the worker thread attaches to the engine's memory; private to that thread.
 */

import type { Burst } from '../../packet/burst.js';
import type { Steering } from '../../policy/steering.js';
import type { ThreadClock } from '../memory/clock.js';
import type { Progress } from '../memory/progress.js';
import type { Ledger } from '../order/ledger.js';
import type { EngineViews } from '../shared/engine-memory.js';
import type { Fault } from '../shared/faults.js';
import type { CensusWriter } from '../shared/flow-census.js';
import type { EnginePlan } from '../shared/plan.js';
import type { TraceTap } from '../shared/trace.js';
import type { Waker } from '../shared/waker.js';

/** Parts of one worker that receiving and dispatching share. */
export interface RxStageParts {
  /** Plan and steering are replaced by live changes; `RxStage.adopt` follows. */
  plan: EnginePlan;
  steering: Steering;
  readonly views: EngineViews;
  readonly worker: number;
  readonly burst: Burst;
  readonly status: Int32Array;
  readonly ledger: Ledger;
  readonly progress: Progress;
  readonly census: CensusWriter;
  readonly trace: TraceTap;
  readonly waker: Waker;
  readonly fault: Fault;
  readonly clock: ThreadClock;
}
