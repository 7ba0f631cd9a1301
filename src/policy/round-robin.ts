/**
 * `round-robin`: packet by packet over the workers. It balances perfectly and reorders flows: for contrast.
 *
 * Promise: each instance (one a receiving worker) counts for itself; the n-th frame that it is given goes to
 * worker n mod workers.
 */
import type { Burst } from '../packet/burst.js';
import type { RoundRobinSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

export class RoundRobinSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues = 1;
  #next = 0;

  constructor(
    readonly spec: RoundRobinSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
  }

  steer(burst: Burst): void {
    const { n, worker } = burst;
    burst.hash.fill(0, 0, n);
    burst.hashType.fill(0, 0, n);
    burst.bucket.fill(-1, 0, n);
    burst.rxq.fill(-1, 0, n);
    let next = this.#next;
    for (let i = 0; i < n; i++) {
      worker[i] = next;
      next = next + 1 === this.workers ? 0 : next + 1;
    }
    this.#next = next;
  }

  decision(burst: Burst, i: number): Decision {
    const reason = `packet by packet: it was the turn of worker ${burst.worker[i]} of ${this.workers}`;
    return decisionOf(burst, i, null, reason, false);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }
}
