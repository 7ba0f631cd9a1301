/** Shared structures of the data plane on their own, and threads that act on them (`threads.worker.mjs`). */
import { Worker } from 'node:worker_threads';
import { allocateShared, Carver } from '#rxsteer/dataplane/memory/layout.js';
import { carvePool, FramePool, type PoolSize, poolBytes } from '#rxsteer/dataplane/memory/pool.js';
import { carveRings, type RingMemory, startRing } from '#rxsteer/dataplane/memory/ring.js';

export interface PoolMemory {
  readonly frames: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  readonly size: PoolSize;
}

export function poolMemory(size: PoolSize): PoolMemory {
  const words = allocateShared((carver) => carvePool(carver, size));
  return { frames: new SharedArrayBuffer(poolBytes(size)), words, size };
}

/** A view of the pool, as a thread has it; its slots come back through the rings, from p to c at p * workers + c. */
export function attachPool({ frames, words, size }: PoolMemory, rings: readonly RingMemory[]): FramePool {
  return new FramePool(frames, carvePool(new Carver(words), size), size, rings);
}

/** The rings of one producer whose indices all stand at `start`. */
export function makeLane(workers: number, capacity: number, start = 0, slots = 4096): RingMemory[] {
  const carve = (carver: Carver) => carveRings(carver, workers, capacity, slots);
  const rings = carve(new Carver(allocateShared(carve)));
  for (const ring of rings) startRing(ring, start);
  return rings;
}

/** One ring, from worker 0 to worker 1, whose indices all stand at `start`. */
export function makeRing(capacity: number, start = 0): RingMemory {
  return makeLane(2, capacity, start)[1]!;
}

/**
 * Runs `threads.worker.mjs` once per entry of `tasks`, all started together; their results in order. Rejects when a
 * thread throws.
 */
export async function runThreads<T>(job: string, tasks: readonly object[]): Promise<T[]> {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const workers: Worker[] = [];
  try {
    const results = tasks.map(
      (task, index) =>
        new Promise<T>((resolve, reject) => {
          const worker = new Worker(new URL('./threads.worker.mjs', import.meta.url), {
            workerData: { job, gate, threads: tasks.length, index, ...task },
          });
          workers.push(worker);
          worker.on('message', resolve).on('error', reject);
          worker.on('exit', () => reject(new Error(`thread ${index} ended without a result`)));
        }),
    );
    return await Promise.all(results);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
