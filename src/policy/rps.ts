/**
 * `rps`: Linux receive packet steering in software. A flow hash picks a CPU from a list by multiply-and-shift (the
 * hash's high bits), although the kernel's scaling document says modulo.
 *
 * Promise: stateless; every frame of a flow goes to the same CPU. `hash=linux` is the kernel's packet hash (SipHash
 * over its flow keys, tunnels opened, symmetric), never 0, so that ARP and unknown ethertypes are spread too;
 * `hash=toeplitz` takes the rss hash of the generic NIC, and what that does not hash goes to the first CPU of the
 * list.
 */
import { UserError } from '../errors.js';
import { hex32 } from '../hash/hex.js';
import { rscale } from '../linux/arith.js';
import type { Burst } from '../packet/burst.js';
import { compileFlowHash, type FlowHash } from './flow-hash.js';
import type { RpsSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

export class RpsSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues = 1;
  readonly isByFlow = true;
  readonly #cpus: Int32Array;
  readonly #hash: FlowHash;

  constructor(
    readonly spec: RpsSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    const high = spec.cpus.find((cpu) => cpu >= context.workers);
    if (high !== undefined) {
      throw new UserError(`policy rps: cpus: CPU ${high} is no worker; workers: 0 to ${context.workers - 1}`);
    }
    this.#cpus = Int32Array.from(spec.cpus);
    this.#hash = compileFlowHash(spec, context);
  }

  steer(burst: Burst): void {
    this.#hash.hashBurst(burst);
    const { n, hash, bucket, rxq, worker } = burst;
    const cpus = this.#cpus;
    const count = cpus.length;
    for (let i = 0; i < n; i++) {
      const index = rscale(hash[i]!, count);
      bucket[i] = index;
      rxq[i] = -1;
      worker[i] = cpus[index]!;
    }
  }

  decision(burst: Burst, i: number): Decision {
    const count = this.#cpus.length;
    const step = `(${hex32(burst.hash[i]!)} * ${count}) >> 32 = index ${burst.bucket[i]} of the CPU list`;
    const reason = `${this.#hash.why(burst, i)}; ${step} -> CPU ${burst.worker[i]}`;
    return decisionOf(burst, i, this.#hash.details(burst, i), reason, false);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }
}
