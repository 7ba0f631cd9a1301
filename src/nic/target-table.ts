/**
 * Where each bucket of an indirection table leads to, for whole bursts: receive queue and worker in one word.
 *
 * Promise: `lookBurst` fills bucket, rxq and worker of every frame of a hashed burst: bucket -1, queue 0 and worker 0
 * where nothing was hashed; allocates nothing. Native kernels that are given `words` do the same. One thread.
 */
import { TARGET_SHIFT } from '../hash/kernel.js';
import { type Burst, Field } from '../packet/burst.js';
import { HashType } from './hash-types.js';

// Constants of the module: docs/hot-loops.md.
const HASH = Field.hash;
const HASH_TYPE = Field.hashType;
const BUCKET = Field.bucket;
const RXQ = Field.rxq;
const WORKER = Field.worker;
const NONE = HashType.none;
const SHIFT = TARGET_SHIFT;
const WORKER_MASK = (1 << TARGET_SHIFT) - 1;

/** An indirection table with the worker of each queue. */
export class TargetTable {
  /** A word for each bucket: the queue above `TARGET_SHIFT`, the worker below. Queues are fewer than 2^20. */
  readonly words: Int32Array;
  readonly workers: number;
  /** True where the bucket is the hash's low bits; else it is the remainder. */
  readonly isMasked: boolean;

  /** @param queues queue of each bucket; queue q belongs to worker q mod `workers`, fewer than 2^12. */
  constructor(queues: ArrayLike<number>, workers: number) {
    const size = queues.length;
    this.words = new Int32Array(size);
    this.workers = workers;
    this.isMasked = (size & (size - 1)) === 0;
    this.set(queues);
  }

  /** Other queues for the same number of buckets. */
  set(queues: ArrayLike<number>): void {
    const { words, workers } = this;
    for (let i = 0; i < words.length; i++) words[i] = (queues[i]! << SHIFT) | (queues[i]! % workers);
  }

  lookBurst(burst: Burst): void {
    if (!this.isMasked) {
      for (let i = 0; i < burst.n; i++) this.lookFrame(burst, i);
      return;
    }
    const { n, words } = burst;
    const targets = this.words;
    const mask = targets.length - 1;
    for (let i = 0; i < n; i++) {
      const at = words[HASH + i]! & mask;
      // All ones where nothing was hashed: types are numbers from 1 on. A branch would be mispredicted.
      const none = (words[HASH_TYPE + i]! - 1) >> 31;
      const target = targets[at]! & ~none;
      words[BUCKET + i] = at | none;
      words[RXQ + i] = target >>> SHIFT;
      words[WORKER + i] = target & WORKER_MASK;
    }
  }

  /** Frame `i` alone. */
  lookFrame(burst: Burst, i: number): void {
    const { words } = burst;
    const size = this.words.length;
    let at = -1;
    let target = 0;
    if (words[HASH_TYPE + i] !== NONE) {
      const hash = words[HASH + i]!;
      at = this.isMasked ? hash & (size - 1) : (hash >>> 0) % size;
      target = this.words[at]!;
    }
    words[BUCKET + i] = at;
    words[RXQ + i] = target >>> SHIFT;
    words[WORKER + i] = target & WORKER_MASK;
  }
}
