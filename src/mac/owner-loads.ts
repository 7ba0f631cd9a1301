/**
 * How many guests each worker owns, and where the next one goes.
 *
 * Promise: deterministic for a given order of arrivals: fewest owned guests for the worker's weight, ties to the lowest
 * id. Loads are in shared memory, changed under the table's lock, read by anyone.
 */
import type { OwnerLimits } from './owner-layout.js';

export class OwnerLoads {
  constructor(
    private readonly loads: Int32Array,
    private readonly limits: OwnerLimits,
  ) {}

  /** Guests that a worker owns. */
  of(worker: number): number {
    return Atomics.load(this.loads, worker);
  }

  add(worker: number, change: number): void {
    Atomics.add(this.loads, worker, change);
  }

  clear(): void {
    this.loads.fill(0);
  }

  /** Fewest guests for its weight, one more counted; ties to the lowest id. */
  least(): number {
    const { weights, workers } = this.limits;
    let best = -1;
    let least = 0;
    let leastWeight = 1;
    for (let worker = 0; worker < workers; worker++) {
      const weight = weights?.[worker] ?? 1;
      if (weight === 0) continue;
      const load = this.of(worker) + 1;
      // load / weight < least / leastWeight, without rounding.
      if (best < 0 || load * leastWeight < least * weight) {
        best = worker;
        least = load;
        leastWeight = weight;
      }
    }
    return Math.max(0, best);
  }

  /** True while one more guest, of so many, keeps a worker within the bound. */
  hasRoom(worker: number, guests: number): boolean {
    const { bound, weights, workers } = this.limits;
    if (bound === undefined) return true;
    const share = (weights?.[worker] ?? 1) / (weights?.reduce((a, b) => a + b, 0) ?? workers);
    return this.of(worker) + 1 <= Math.ceil(bound * share * (guests + 1));
  }
}
