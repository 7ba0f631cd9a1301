/**
 * `single`: one queue, worker 0 does everything. The baseline of every comparison.
 *
 * Promise: no state; every frame of a flow goes to the same worker.
 */
import type { Burst } from '../packet/burst.js';
import type { SingleSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

export class SingleSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues = 1;
  readonly isByFlow = true;

  constructor(
    readonly spec: SingleSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
  }

  steer(burst: Burst): void {
    const { n } = burst;
    burst.hash.fill(0, 0, n);
    burst.hashType.fill(0, 0, n);
    burst.bucket.fill(-1, 0, n);
    burst.rxq.fill(0, 0, n);
    burst.worker.fill(0, 0, n);
  }

  decision(burst: Burst, i: number): Decision {
    return decisionOf(burst, i, null, 'one queue: worker 0 does everything', true);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }
}
