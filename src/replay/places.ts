/**
 * Where the flows are: worker and queue of each flow's last packet, and how many different flows each has seen.
 *
 * Promise: exact. 8 bytes a flow; bit sets, a bit a flow and worker, appear only with the first flow that has been in
 * two places. The words lie in shared memory, to be compared with another policy's at the end. One thread writes.
 */

/** Fields of a flow's first word: 0 = not seen yet. Second word: ring slot + 1 of its last packet (see machine). */
export const Place = {
  /** Queue + 1. */
  queueShift: 11,
  queueMask: 0x1fff << 11,
  workerShift: 1,
  workerMask: 0x3ff << 1,
  seen: 1,
  /** The flow is watched for reordering. */
  watched: 1 << 30,
  /** It has been with several workers, several queues. */
  manyWorkers: 1 << 29,
  manyQueues: 1 << 28,
  flags: 7 << 28,
} as const;

/** Few, so that growing happens before V8 compiles the loops: code that was compiled before it is thrown away. */
const FIRST_FLOWS = 128;

/** Different flows per target, where some flows have several. */
class Visitors {
  readonly counts: Float64Array;
  #bits = new Int32Array(0);
  readonly #words: number;

  constructor(readonly targets: number) {
    this.counts = new Float64Array(targets);
    this.#words = (targets + 31) >> 5;
  }

  /** The flow, until now with `old` alone if `alone`, is with `target`. */
  visit(flow: number, old: number, target: number, alone: boolean): void {
    const base = flow * this.#words;
    if (base + this.#words > this.#bits.length) {
      const grown = new Int32Array(Math.max(2 * this.#bits.length, 2 * (base + this.#words)));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    const bits = this.#bits;
    if (alone) bits[base + (old >> 5)]! |= 1 << (old & 31);
    const at = base + (target >> 5);
    const bit = 1 << (target & 31);
    if ((bits[at]! & bit) !== 0) return;
    bits[at]! |= bit;
    this.counts[target]! += 1;
  }
}

export class Places {
  /** Two words a flow, see `Place`. */
  words = new Int32Array(new SharedArrayBuffer(FIRST_FLOWS * 8));
  /** Changes of a flow's worker. */
  moves = 0;
  readonly #byWorker: Visitors;
  readonly #byQueue: Visitors;

  constructor(workers: number, queues: number) {
    this.#byWorker = new Visitors(workers);
    this.#byQueue = new Visitors(queues);
  }

  /** Different flows of each worker and queue. */
  get workerFlows(): Float64Array {
    return this.#byWorker.counts;
  }

  get queueFlows(): Float64Array {
    return this.#byQueue.counts;
  }

  /** Makes room for flows 0 … count-1. */
  reserve(count: number): void {
    if (2 * count <= this.words.length) return;
    let length = this.words.length;
    while (length < 2 * count) length *= 2;
    const grown = new Int32Array(new SharedArrayBuffer(length * 4));
    grown.set(this.words);
    this.words = grown;
  }

  /** The flow is in another place than before, or seen for the first time. Keeps the watched flag and the slot. */
  change(flow: number, worker: number, queue: number): void {
    const { words } = this;
    const old = words[2 * flow]!;
    let flags = old & Place.flags;
    if (old === 0) {
      this.#byWorker.counts[worker]! += 1;
      if (queue >= 0) this.#byQueue.counts[queue]! += 1;
    } else {
      const oldWorker = (old & Place.workerMask) >> Place.workerShift;
      const oldQueue = ((old & Place.queueMask) >> Place.queueShift) - 1;
      if (oldWorker !== worker) {
        this.moves++;
        this.#byWorker.visit(flow, oldWorker, worker, (old & Place.manyWorkers) === 0);
        flags |= Place.manyWorkers;
      }
      if (oldQueue !== queue && oldQueue >= 0 && queue >= 0) {
        this.#byQueue.visit(flow, oldQueue, queue, (old & Place.manyQueues) === 0);
        flags |= Place.manyQueues;
      }
    }
    words[2 * flow] = placeWord(worker, queue) | flags;
  }
}

/** The word of a flow with this worker and queue (-1 = the policy has none), without flags. */
export function placeWord(worker: number, queue: number): number {
  return ((queue + 1) << Place.queueShift) | (worker << Place.workerShift) | Place.seen;
}

/** Worker of a place word. */
export function workerOf(word: number): number {
  return (word & Place.workerMask) >> Place.workerShift;
}

/** Queue of a place word, or -1. */
export function queueOf(word: number): number {
  return ((word & Place.queueMask) >> Place.queueShift) - 1;
}
