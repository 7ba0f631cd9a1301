/**
 * The configuration of a running engine: all that a live change may replace, as one numbered, immutable value.
 *
 * Promise: main thread and workers derive everything from the newest configuration alone, so it does not matter
 * which ones a worker has missed. Plain data and shared buffers: it is posted by structured clone.
 */
import type { MessagePort } from 'node:worker_threads';
import type { EngineMemory } from './engine-memory.js';
import type { EnginePlan } from './plan.js';

export interface LiveConfig {
  /** Its number; `Global.configEpoch` holds the newest, `WorkerWord.configSeen` the one that a worker acts by. */
  readonly epoch: number;
  readonly plan: EnginePlan;
  readonly memory: EngineMemory;
  /** Steering is compiled anew, behind a pause, whenever this number is another one. */
  readonly steering: number;
  /** What was received before is finished, behind a pause, whenever this number is another one. */
  readonly fence: number;
  /** Entries of the indirection table instead of the policy's own; null = the policy's own. */
  readonly table: readonly number[] | null;
  /** Rings of workers 0 … span-1 are drained, and transmit queues shared with them: those that run, join, or leave. */
  readonly span: number;
  /** Phase 1 of 2: compile the new steering now, keep running the installed configuration. */
  readonly prepare: boolean;
}

/** What a worker thread is started with. */
export interface WorkerTask {
  readonly config: LiveConfig;
  readonly worker: number;
  /** Where newer configurations come from and trace entries go to. */
  readonly port: MessagePort;
}
