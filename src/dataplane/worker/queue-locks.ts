/**
 * The locks of transmit queues that a worker shares with others.
 *
 * Promise: a worker holds one of these locks at a time, so there is no cycle. Waiting is counted, so that the cost of a
 * queue that workers share is visible; a worker that stands still with the queue in its hands costs each other one a
 * single wait. One object per worker thread.
 */
import { SharedLock } from '../../sync/shared-lock.js';
import { LINE_WORDS } from '../memory/layout.js';
import { WorkerCounter } from '../shared/counters.js';

/**
 * Longest wait for a queue that another worker sends on. One that was descheduled in the middle of a send call is back
 * within a few milliseconds, and on a machine with many runnable threads within some tens.
 */
const QUEUE_WAIT_MS = 250;

export class QueueLocks {
  /** Locks that this worker has shared so far, by number. */
  private readonly known: SharedLock[] = [];

  /**
   * @param words the locks of all transmit queues, `LINE_WORDS` each
   * @param counters this worker's `WorkerCounter`s
   */
  constructor(
    private readonly words: Int32Array,
    private readonly worker: number,
    private readonly counters: Float64Array,
    private readonly yieldThread: () => void,
  ) {}

  /** Lock `index`; null for -1: the queue is the worker's own. */
  at(index: number): SharedLock | null {
    if (index < 0) return null;
    let lock = this.known[index];
    if (lock === undefined) {
      lock = new SharedLock(this.words, index * LINE_WORDS, this.worker);
      this.known[index] = lock;
    }
    return lock;
  }

  /** Takes the lock, waiting for who has it; false when that one stands still with it. */
  take(lock: SharedLock): boolean {
    if (lock.tryTake()) return true;
    const { counters } = this;
    const taken = lock.takeUnlessStuck(QUEUE_WAIT_MS, this.yieldThread);
    counters[WorkerCounter.lockContended]! += lock.contended;
    counters[WorkerCounter.lockWaitNs]! += lock.waitedNs;
    lock.contended = 0;
    lock.waitedNs = 0;
    return taken;
  }
}
