/**
 * Packets and bytes of workers, queues, table entries and hash types under one policy.
 *
 * Promise: exact; what is counted is what the policy decided, before any drop. One thread.
 */
import { HASH_TYPE_NAMES } from '../nic/hash-types.js';
import { type Burst, Field } from '../packet/burst.js';
import type { FlowHistory } from './flow-history.js';
import type { LoadSeries } from './load-series.js';

const HASH_TYPE = Field.hashType;
const BUCKET = Field.bucket;
const RXQ = Field.rxq;
const WORKER = Field.worker;

/** The counts of one policy as they go from thread to thread. */
export interface RunCounts {
  readonly policy: string;
  readonly hasQueues: boolean;
  readonly queuePackets: Float64Array;
  readonly queueBytes: Float64Array;
  readonly queueFlows: Float64Array;
  readonly workerPackets: Float64Array;
  readonly workerBytes: Float64Array;
  readonly workerFlows: Float64Array;
  readonly workerBusy: Float64Array;
  readonly buckets: Float64Array;
  readonly hashTypes: Float64Array;
  readonly packets: number;
  readonly flowPackets: number;
  readonly handoffs: number;
  readonly wakeups: number;
  readonly dropped: number;
  readonly moves: number;
  readonly movesInFlight: number;
  readonly movesHeld: number;
  readonly reordered: number;
  readonly maxExtent: number;
  readonly intervalNs: number;
  readonly loads: number[][];
  /** Two words a flow, see `Place`. */
  readonly places: SharedArrayBuffer;
}

export class Tally {
  packets = 0;
  /** Packets that belong to a flow. */
  flowPackets = 0;
  readonly #workerPackets: Float64Array;
  readonly #workerBytes: Float64Array;
  readonly #queuePackets: Float64Array;
  readonly #queueBytes: Float64Array;
  readonly #hashTypes = new Float64Array(HASH_TYPE_NAMES.length);
  #buckets = new Float64Array(128);
  #highestBucket = -1;
  #hasQueues = false;

  constructor(workers: number, queues: number) {
    this.#workerPackets = new Float64Array(workers);
    this.#workerBytes = new Float64Array(workers);
    this.#queuePackets = new Float64Array(queues);
    this.#queueBytes = new Float64Array(queues);
  }

  /** Counts the packets of a burst, which was steered and begins at `from` in `wire`. */
  addBurst(burst: Burst, wire: Float64Array, from: number): void {
    const { n, words } = burst;
    const workerPackets = this.#workerPackets;
    const workerBytes = this.#workerBytes;
    for (let i = 0; i < n; i++) {
      const worker = words[WORKER + i]!;
      workerPackets[worker]! += 1;
      workerBytes[worker]! += wire[from + i]!;
    }
    const types = this.#hashTypes;
    let highest = this.#highestBucket;
    for (let i = 0; i < n; i++) {
      const bucket = words[BUCKET + i]!;
      if (bucket > highest) highest = bucket;
      types[words[HASH_TYPE + i]!]! += 1;
    }
    if (highest >= this.#buckets.length) this.#growBuckets(highest + 1);
    this.#highestBucket = highest;
    const buckets = this.#buckets;
    const queuePackets = this.#queuePackets;
    const queueBytes = this.#queueBytes;
    for (let i = 0; i < n; i++) {
      const bucket = words[BUCKET + i]!;
      const queue = words[RXQ + i]!;
      if (bucket >= 0) buckets[bucket]! += 1;
      if (queue >= 0) {
        this.#hasQueues = true;
        queuePackets[queue]! += 1;
        queueBytes[queue]! += wire[from + i]!;
      }
    }
  }

  /** Counts packets that all went one way; `queue` and `bucket` may be -1. */
  add(worker: number, queue: number, bucket: number, hashType: number, packets: number, bytes: number): void {
    this.#workerPackets[worker]! += packets;
    this.#workerBytes[worker]! += bytes;
    this.#hashTypes[hashType]! += packets;
    if (queue >= 0) {
      this.#hasQueues = true;
      this.#queuePackets[queue]! += packets;
      this.#queueBytes[queue]! += bytes;
    }
    if (bucket < 0) return;
    if (bucket >= this.#buckets.length) this.#growBuckets(bucket + 1);
    if (bucket > this.#highestBucket) this.#highestBucket = bucket;
    this.#buckets[bucket]! += packets;
  }

  #growBuckets(length: number): void {
    const grown = new Float64Array(2 ** Math.ceil(Math.log2(length)));
    grown.set(this.#buckets);
    this.#buckets = grown;
  }

  /** Everything that is known of the policy named `policy`; the run is over. */
  counts(policy: string, { machine, places, watch, ...moves }: FlowHistory, series: LoadSeries): RunCounts {
    const hasQueues = this.#hasQueues || (this.packets === 0 && this.#queuePackets.length > 1);
    const share = <T>(own: T, whole: T) => (hasQueues ? own : whole);
    // A policy without queues works on what one receive queue delivers.
    const one = (value: number) => Float64Array.of(value);
    const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
    return {
      policy,
      hasQueues,
      queuePackets: share(this.#queuePackets, one(this.packets)),
      queueBytes: share(this.#queueBytes, one(sum(this.#workerBytes))),
      queueFlows: share(places.queueFlows, one(-1)),
      workerPackets: this.#workerPackets,
      workerBytes: this.#workerBytes,
      workerFlows: places.workerFlows,
      workerBusy: machine.busy,
      buckets: this.#buckets.slice(0, this.#highestBucket + 1),
      hashTypes: this.#hashTypes,
      packets: this.packets,
      flowPackets: this.flowPackets,
      handoffs: machine.handoffs,
      wakeups: machine.wakeups,
      dropped: machine.dropped,
      moves: places.moves,
      movesInFlight: moves.movesInFlight,
      movesHeld: moves.movesHeld,
      reordered: watch.reordered,
      maxExtent: watch.maxExtent,
      intervalNs: series.intervalNs,
      loads: series.rows(),
      places: places.words.buffer,
    };
  }
}
