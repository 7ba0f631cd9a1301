/**
 * `rps`: Linux receive packet steering in software. A flow hash picks a CPU from a list by multiply-and-shift (the
 * hash's high bits), although the kernel's scaling document says modulo.
 *
 * Promise: stateless; every frame of a flow goes to the same CPU. `hash=toeplitz` takes the rss hash of the generic
 * NIC instead of the kernel's SipHash; what it does not hash (hash 0) goes to the first CPU of the list.
 */
import { UserError } from '../errors.js';
import { hex32 } from '../hash/hex.js';
import { explainHashType, GENERIC_TYPES, hashTypeMask } from '../nic/hash-types.js';
import type { Burst } from '../packet/burst.js';
import { KEY_BYTES_MAX, resolveKey } from './key.js';
import { RssHash } from './rss-hash.js';
import type { RpsSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

export class RpsSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues = 1;
  readonly #cpus: Int32Array;
  readonly #toeplitz: RssHash;

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
    const types = hashTypeMask(GENERIC_TYPES);
    const key = resolveKey(spec.key ?? 'microsoft', 'policy rps: key', spec.seed, 40, {
      least: 40,
      most: KEY_BYTES_MAX,
    });
    this.#toeplitz = new RssHash({ key, types, symmetric: 'none', start: 0, exRule: 'intel' });
  }

  steer(burst: Burst): void {
    this.#toeplitz.hashBurst(burst);
    const { n, hash, bucket, rxq, worker } = burst;
    const cpus = this.#cpus;
    const count = cpus.length;
    for (let i = 0; i < n; i++) {
      const index = Math.floor(((hash[i]! >>> 0) * count) / 0x1_0000_0000);
      bucket[i] = index;
      rxq[i] = -1;
      worker[i] = cpus[index]!;
    }
  }

  decision(burst: Burst, i: number): Decision {
    const why = explainHashType(burst.kind[i]!, burst.hashType[i]!, this.#toeplitz.options.types);
    const count = this.#cpus.length;
    const step = `(${hex32(burst.hash[i]!)} * ${count}) >> 32 = index ${burst.bucket[i]} of the CPU list`;
    const reason = `${why}; ${step} -> CPU ${burst.worker[i]}`;
    return decisionOf(burst, i, this.#toeplitz.details(burst, i), reason, false);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }
}
