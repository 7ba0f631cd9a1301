/**
 * `mac-hash`: a hash of the MAC addresses picks the worker, as what other systems call MAC balancing. For contrast
 * with the owner table of `mac`: few guests rarely hash evenly.
 *
 * Promise: stateless; Toeplitz (the rss key) over dst, src, or dst then src; 128 entries filled `i mod n`. Frames
 * shorter than the addresses go to queue 0.
 */
import { hex32, toHex } from '../hash/hex.js';
import { Toeplitz } from '../hash/toeplitz.js';
import { IndirectionTable } from '../nic/indirection-table.js';
import type { Burst } from '../packet/burst.js';
import { KEY_BYTES_MAX, resolveKey } from './key.js';
import type { MacHashSpec } from './spec.js';
import {
  type CompileContext,
  type Decision,
  decisionOf,
  type HashDetails,
  type Steering,
} from './steering.js';

const TABLE_ENTRIES = 128;

export class MacHashSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues: number;
  readonly table: IndirectionTable;
  readonly toeplitz: Toeplitz;
  /** Where the input lies in the frame, and how long it is. */
  readonly input: readonly [offset: number, length: number];
  readonly #offset: number;
  readonly #length: number;

  constructor(
    readonly spec: MacHashSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    this.queues = spec.queues ?? context.workers;
    this.table = new IndirectionTable(TABLE_ENTRIES, this.queues);
    this.#offset = spec.fields === 'src' ? 6 : 0;
    this.#length = spec.fields === 'both' ? 12 : 6;
    this.input = [this.#offset, this.#length];
    const key = resolveKey(spec.key ?? 'microsoft', 'policy mac-hash: key', spec.seed, 40, {
      least: this.#length + 4,
      most: KEY_BYTES_MAX,
    });
    this.toeplitz = new Toeplitz(key, this.#length);
  }

  steer(burst: Burst): void {
    const { n, bytes, off, len, hash, hashType, bucket, rxq, worker } = burst;
    const { entries, mask } = this.table;
    const toeplitz = this.toeplitz;
    const offset = this.#offset;
    const length = this.#length;
    for (let i = 0; i < n; i++) {
      hashType[i] = 0;
      if (len[i]! < offset + length) {
        hash[i] = 0;
        bucket[i] = -1;
        rxq[i] = 0;
        worker[i] = 0;
        continue;
      }
      const value = toeplitz.hash(bytes, off[i]! + offset, length);
      const at = value & mask;
      hash[i] = value;
      bucket[i] = at;
      rxq[i] = entries[at]!;
      worker[i] = entries[at]! % this.workers;
    }
  }

  decision(burst: Burst, i: number): Decision {
    if (burst.bucket[i]! < 0) {
      return decisionOf(
        burst,
        i,
        null,
        'the frame is shorter than its MAC addresses -> default queue 0',
        true,
      );
    }
    const start = burst.off[i]! + this.#offset;
    const hash: HashDetails = {
      function: 'toeplitz',
      type: 'none',
      input: toHex(burst.bytes.slice(start, start + this.#length)),
      key: toHex(this.toeplitz.key),
      init: hex32(0),
      value: hex32(burst.hash[i]!),
    };
    const what = { dst: 'destination MAC', src: 'source MAC', both: 'destination and source MAC' }[
      this.spec.fields
    ];
    const reason = `${what} hashed; ${hash.value} & ${this.table.mask} = bucket ${burst.bucket[i]} -> queue ${burst.rxq[i]}`;
    return decisionOf(burst, i, hash, reason, true);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }
}
