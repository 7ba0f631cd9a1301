/**
 * The control words that all threads of one engine share: phases, a worker's control block.
 *
 * Promise: names and numbers only; `engine-memory.ts` lays them out.
 */
import { LINE_WORDS } from '../memory/layout.js';

/** Words of `Control.global`. */
export const Global = {
  /** A `Phase`. */
  phase: 0,
  /** Counts every change of a port's descriptors. */
  portsEpoch: LINE_WORDS,
  /** Number of the newest `LiveConfig`. */
  configEpoch: LINE_WORDS + 1,
  /** 1 once a super-frame was received: from then on consumers of rings look how much they take. */
  supers: LINE_WORDS + 2,
  /** Workers of the start that still warm up: the others wait for them before they receive. */
  warming: LINE_WORDS + 3,
  /** Counts worker threads that have begun: a start goes on as long as something does. */
  begun: LINE_WORDS + 4,
  /** Decisions still wanted by a trace; 0 = none. Workers take from it. */
  trace: 2 * LINE_WORDS,
} as const;

export const Phase = { run: 0, drain: 1, exit: 2 } as const;

/** Words of one worker's control block (a line of its own). */
export const WorkerWord = {
  /** 0 = not started, 1 = runs its loop, 2 = ended. */
  state: 0,
  /** The last phase that the worker acts by; written at a burst boundary. */
  phaseSeen: 1,
  /** The last ports epoch that the worker has attached to. */
  epochSeen: 2,
  /** 1 when every finite source that it polls is drained. */
  sourcesDone: 4,
  /** 1 once an injected fault was thrown (tests). */
  faulted: 5,
  /** The last `LiveConfig` that the worker acts by. */
  configSeen: 6,
  /** 1 when the worker shall end: it has been taken out of the configuration. */
  leave: 7,
  /** 1 while asleep: a thread that publishes frames or a command exchanges it for 0 and wakes the worker. */
  asleep: LINE_WORDS,
} as const;
/** Words of a worker's control block. */
export const WORKER_WORDS = 2 * LINE_WORDS;

export const WorkerState = { absent: 0, running: 1, ended: 2 } as const;

/** Doubles of `EngineViews.pauses[worker]`. */
export const Pause = { count: 0, ns: 1 } as const;
