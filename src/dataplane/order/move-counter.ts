/**
 * Counters of the moves of flows between workers.
 *
 * Promise: each worker has its own, written by the guard and the dispatcher of that worker.
 */

/** Changes of a flow's worker that this worker carried out as the one that steers. They lie behind `WorkerCounter.moves`. */
export const MoveCounter = {
  /** Moves done. */
  moves: 0,
  /** Moves that had to wait for the old worker (order=strict), those of them whose flow was held, those given up. */
  postponed: 1,
  held: 2,
  cancelled: 3,
  /** Frames that went to the old worker meanwhile, and frames that were held. */
  framesPostponed: 4,
  framesHeld: 5,
} as const;
