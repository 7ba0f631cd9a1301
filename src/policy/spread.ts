/**
 * How evenly packets were spread: counts by worker, queue and bucket, and two measures of unevenness.
 *
 * Promise: the measures are those of `rxsteer replay`; counting reads a steered burst and changes nothing in it.
 * One thread. Not for the forwarder's hot path: distinct flows are kept in sets.
 */
import { HASH_TYPE_NAMES, type HashTypeName } from '../nic/hash-types.js';
import { type Burst, Kind } from '../packet/burst.js';

/** What one worker or queue got. */
export interface Share {
  /** Number of the worker or queue. */
  readonly id: number;
  readonly packets: number;
  /** Bytes of the frames that were present. */
  readonly bytes: number;
  /** Different flows (see `Spread.flows`). */
  readonly flows: number;
}

/** Where packets went. */
export interface Spread {
  readonly packets: number;
  readonly bytes: number;
  /** Different values of `Burst.flow` among the IP packets: directed 5-tuples with their VLAN, told apart by 32 bits. */
  readonly flows: number;
  /** All workers, idle ones too. */
  readonly workers: Share[];
  /** All queues; empty for a policy that has none (rps, rfs, mac). */
  readonly queues: Share[];
  /** Packets by index into the table (or into the CPU list); empty where no policy step has an index. */
  readonly buckets: number[];
  /** Packets by the hash type that covered them; `none` for what was not hashed by a NIC's rules. */
  readonly hashTypes: Partial<Record<HashTypeName, number>>;
  /** Packets of the fullest worker over the mean of all; 1 = perfectly even, 0 where there were no packets. */
  readonly fullestOverFair: number;
  /** Gini coefficient of the packets of all workers: 0 = perfectly even, (n - 1) / n = one of n got all. */
  readonly gini: number;
}

/** The largest load over the mean of all (idle ones included); 0 where there is no load. */
export function fullestOverFair(loads: ArrayLike<number>): number {
  let sum = 0;
  let most = 0;
  for (let i = 0; i < loads.length; i++) {
    sum += loads[i]!;
    most = Math.max(most, loads[i]!);
  }
  return sum === 0 ? 0 : (most * loads.length) / sum;
}

/** Gini coefficient of loads: half the mean absolute difference of all pairs over the mean; 0 where there is no load. */
export function gini(loads: ArrayLike<number>): number {
  const sorted = Float64Array.from(loads).sort();
  let sum = 0;
  let weighted = 0;
  for (let i = 0; i < sorted.length; i++) {
    sum += sorted[i]!;
    weighted += (2 * (i + 1) - sorted.length - 1) * sorted[i]!;
  }
  return sum === 0 ? 0 : weighted / (sorted.length * sum);
}

/** Counts of one set of workers or queues. */
class Tally {
  readonly packets: number[];
  readonly #bytes: number[];
  readonly #flows: Set<number>[];

  constructor(count: number) {
    this.packets = new Array<number>(count).fill(0);
    this.#bytes = new Array<number>(count).fill(0);
    this.#flows = Array.from({ length: count }, () => new Set<number>());
  }

  add(id: number, bytes: number, isIp: boolean, flow: number): void {
    this.packets[id]! += 1;
    this.#bytes[id]! += bytes;
    if (isIp) this.#flows[id]!.add(flow);
  }

  shares(): Share[] {
    return this.packets.map((packets, id) => ({
      id,
      packets,
      bytes: this.#bytes[id]!,
      flows: this.#flows[id]!.size,
    }));
  }
}

/** Counts steered bursts. */
export class SpreadCounter {
  readonly #workers: Tally;
  readonly #queues: Tally;
  readonly #all = new Tally(1);
  readonly #buckets: number[] = [];
  readonly #types: number[] = [];
  #hasQueues = false;

  /** @param queues queues of the policy (`Steering.queues`). */
  constructor(workers: number, queues: number) {
    this.#workers = new Tally(workers);
    this.#queues = new Tally(queues);
  }

  /** Counts all frames of a burst that `steer` has filled. */
  count(burst: Burst): void {
    for (let i = 0; i < burst.n; i++) {
      const length = burst.len[i]!;
      const flow = burst.flow[i]!;
      const isIp = (burst.kind[i]! & Kind.addresses) !== 0;
      this.#all.add(0, length, isIp, flow);
      this.#workers.add(burst.worker[i]!, length, isIp, flow);
      const queue = burst.rxq[i]!;
      if (queue >= 0) {
        this.#hasQueues = true;
        this.#queues.add(queue, length, isIp, flow);
      }
      const bucket = burst.bucket[i]!;
      if (bucket >= 0) this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
      const type = burst.hashType[i]!;
      this.#types[type] = (this.#types[type] ?? 0) + 1;
    }
  }

  /** Everything counted so far. */
  spread(): Spread {
    const [all] = this.#all.shares();
    const workers = this.#workers.shares();
    const hashTypes: Partial<Record<HashTypeName, number>> = {};
    this.#types.forEach((packets, type) => {
      hashTypes[HASH_TYPE_NAMES[type]!] = packets;
    });
    return {
      packets: all!.packets,
      bytes: all!.bytes,
      flows: all!.flows,
      workers,
      queues: this.#hasQueues ? this.#queues.shares() : [],
      buckets: Array.from(this.#buckets, (packets) => packets ?? 0),
      hashTypes,
      fullestOverFair: fullestOverFair(this.#workers.packets),
      gini: gini(this.#workers.packets),
    };
  }
}
