/**
 * One policy over one capture: steers every burst, counts where packets go, and runs them through the emulated
 * workers on virtual time.
 *
 * Promise: what is counted is what the policy decided, before any drop; `order=strict` keeps a flow on its worker
 * while its last packet is not finished there (rfs has that rule inside). One thread; bursts in the order of the
 * capture.
 */
import { HASH_TYPE_NAMES } from '../nic/hash-types.js';
import { type Burst, Field, Kind } from '../packet/burst.js';
import { RfsSteering } from '../policy/rfs.js';
import type { Steering } from '../policy/steering.js';
import { type AppsModel, appWorker, DEFAULT_APPS } from './apps.js';
import type { Chunk } from './chunk.js';
import { LoadSeries } from './load-series.js';
import { Machine } from './machine.js';
import { DEFAULT_MODEL, type ServiceModel } from './model.js';
import { OrderWatch } from './order-watch.js';
import { Place, Places } from './places.js';

const HASH_TYPE = Field.hashType;
const BUCKET = Field.bucket;
const RXQ = Field.rxq;
const WORKER = Field.worker;
const SAME = ~(Place.manyWorkers | Place.manyQueues);
const QUEUE_SHIFT = Place.queueShift;
const WORKER_SHIFT = Place.workerShift;
const WORKER_MASK = Place.workerMask;
const SEEN = Place.seen;
const WATCHED = Place.watched;

/** What virtual time needs to know. */
export interface RunOptions {
  readonly model?: ServiceModel;
  readonly apps?: AppsModel;
}

/** Gets every packet after it was steered: writes captures per queue. */
export type PacketTaker = (burst: Burst, chunk: Chunk, from: number) => void;

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

export class PolicyRun {
  readonly #steering: Steering;
  readonly #machine: Machine;
  readonly #watch: OrderWatch;
  readonly #places: Places;
  readonly #series: LoadSeries;
  readonly #workerPackets: Float64Array;
  readonly #workerBytes: Float64Array;
  readonly #queuePackets: Float64Array;
  readonly #queueBytes: Float64Array;
  readonly #hashTypes = new Float64Array(HASH_TYPE_NAMES.length);
  #buckets = new Float64Array(128);
  #highestBucket = -1;
  #hasQueues = false;
  #packets = 0;
  #flowPackets = 0;
  #movesInFlight = 0;
  #movesHeld = 0;
  readonly #isStrict: boolean;
  readonly #rfs: RfsSteering | null;
  readonly #apps: AppsModel;
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;

  constructor(steering: Steering, options: RunOptions = {}) {
    const { workers, queues, spec } = steering;
    this.#steering = steering;
    this.#machine = new Machine(workers, spec.stage === 'nic', options.model ?? DEFAULT_MODEL);
    this.#watch = new OrderWatch(this.#machine);
    this.#places = new Places(workers, queues);
    this.#series = new LoadSeries(workers);
    this.#workerPackets = new Float64Array(workers);
    this.#workerBytes = new Float64Array(workers);
    this.#queuePackets = new Float64Array(queues);
    this.#queueBytes = new Float64Array(queues);
    this.#rfs = steering instanceof RfsSteering ? steering : null;
    this.#isStrict = spec.order === 'strict' && this.#rfs === null;
    this.#apps = options.apps ?? DEFAULT_APPS;
    this.#heads = new Int32Array(workers);
    this.#tails = new Int32Array(workers);
    this.#rfs?.attach(this.#heads, this.#tails);
  }

  /** Bursts must not span more time than a poll: the policy looks at the backlogs. */
  get looksAtTime(): boolean {
    return this.#rfs !== null;
  }

  /** Steers a dissected burst that begins at packet `from` of the chunk, and counts it. */
  take(burst: Burst, chunk: Chunk, from: number): void {
    if (this.#rfs !== null) this.#updateHeads(chunk.time[from]!);
    this.#steering.steer(burst);
    this.#places.reserve(chunk.flows);
    // First: with order=strict it decides about the worker.
    this.#run(burst, chunk, from);
    this.#count(burst, chunk.wire, from);
    this.#series.addBurst(burst.words, WORKER, burst.n, chunk.time, from);
    if (this.#rfs !== null) this.#recordApps(this.#rfs, burst, chunk, from);
  }

  /** What happens to each packet on virtual time, and the place of its flow. */
  #run(burst: Burst, chunk: Chunk, from: number): void {
    const { n, words } = burst;
    const { flow: flows } = chunk;
    const machine = this.#machine;
    const places = this.#places.words;
    const isStrict = this.#isStrict;
    const first = chunk.first + from;
    machine.from(chunk.time, chunk.wire);
    let inFlows = 0;
    for (let i = 0; i < n; i++) {
      const flow = flows[from + i]!;
      let worker = words[WORKER + i]!;
      if (flow < 0) {
        machine.serve(worker, from + i, -1, 0, 0);
        continue;
      }
      inFlows++;
      const previous = places[2 * flow + 1]!;
      if (isStrict) {
        worker = this.#held(flow, worker, chunk.time[from + i]!);
        words[WORKER + i] = worker;
      }
      const slot = machine.serve(worker, from + i, flow, (first + i) | 0, previous);
      const place = ((words[RXQ + i]! + 1) << QUEUE_SHIFT) | (worker << WORKER_SHIFT) | SEEN;
      if ((places[2 * flow]! & SAME) !== place) {
        this.#changed(flow, worker, words[RXQ + i]!, (first + i) | 0, slot, chunk.time[from + i]!);
      }
      if (slot >= 0) places[2 * flow + 1] = slot + 1;
    }
    this.#packets += n;
    this.#flowPackets += inFlows;
  }

  /** A flow that is new, has moved, or is watched. Its second word still tells of the packet before. */
  #changed(flow: number, worker: number, queue: number, number: number, slot: number, now: number): void {
    const machine = this.#machine;
    const { words } = this.#places;
    const old = words[2 * flow]!;
    const last = words[2 * flow + 1]! - 1;
    const hasMoved = old !== 0 && (old & WORKER_MASK) >> WORKER_SHIFT !== worker;
    this.#places.change(flow, worker, queue);
    const isUnderWay = last >= 0 && machine.flow[last] === flow && machine.finish[last]! > now;
    if (hasMoved && isUnderWay) this.#movesInFlight++;
    if (slot < 0) return;
    const finish = machine.finish[slot]!;
    if ((old & WATCHED) !== 0) {
      if (this.#watch.add(flow, number, finish, now)) return;
      words[2 * flow]! &= ~WATCHED;
    }
    if (!hasMoved || !isUnderWay || machine.finish[last]! <= finish) return;
    this.#watch.begin(flow, last, number, finish, now);
    words[2 * flow]! |= WATCHED;
  }

  /** `order=strict`: the flow's worker while its last packet is not finished there, else the one that was chosen. */
  #held(flow: number, worker: number, now: number): number {
    const { words } = this.#places;
    const old = words[2 * flow]!;
    const before = (old & WORKER_MASK) >> WORKER_SHIFT;
    if (old === 0 || before === worker) return worker;
    const last = words[2 * flow + 1]! - 1;
    const machine = this.#machine;
    if (last < 0 || machine.flow[last] !== flow || machine.finish[last]! <= now) return worker;
    this.#movesHeld++;
    return before;
  }

  /** Packets and bytes of workers, queues, table entries and hash types. */
  #count(burst: Burst, wire: Float64Array, from: number): void {
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

  #growBuckets(length: number): void {
    const grown = new Float64Array(2 ** Math.ceil(Math.log2(length)));
    grown.set(this.#buckets);
    this.#buckets = grown;
  }

  /** What the backlogs have finished, for rfs; what was dropped counts as finished. */
  #updateHeads(now: number): void {
    for (let worker = 0; worker < this.#heads.length; worker++) {
      this.#heads[worker] = (this.#tails[worker]! - this.#machine.unfinished(worker, now)) | 0;
    }
  }

  /** Applications read what was steered to them: the socket table learns where they run. */
  #recordApps(rfs: RfsSteering, burst: Burst, chunk: Chunk, from: number): void {
    const apps = this.#apps;
    if (apps.rule === 'none') return;
    for (let i = 0; i < burst.n; i++) {
      const flow = chunk.flow[from + i]!;
      if (flow < 0) continue;
      const ports = (burst.kind[i]! & Kind.ports) === 0 ? 0 : burst.view.getInt32(burst.l4[i]!);
      rfs.record(burst, i, appWorker(apps, rfs.workers, flow, ports, chunk.time[from + i]!));
    }
  }

  /** Ends the run: everything under way finishes. */
  finish(): RunCounts {
    this.#watch.finish();
    const machine = this.#machine;
    const places = this.#places;
    const hasQueues = this.#hasQueues || (this.#packets === 0 && this.#queuePackets.length > 1);
    const share = <T>(own: T, whole: T) => (hasQueues ? own : whole);
    // A policy without queues works on what one receive queue delivers.
    const one = (value: number) => Float64Array.of(value);
    const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
    return {
      policy: this.#steering.text,
      hasQueues,
      queuePackets: share(this.#queuePackets, one(this.#packets)),
      queueBytes: share(this.#queueBytes, one(sum(this.#workerBytes))),
      queueFlows: share(places.queueFlows, one(-1)),
      workerPackets: this.#workerPackets,
      workerBytes: this.#workerBytes,
      workerFlows: places.workerFlows,
      workerBusy: machine.busy,
      buckets: this.#buckets.slice(0, this.#highestBucket + 1),
      hashTypes: this.#hashTypes,
      packets: this.#packets,
      flowPackets: this.#flowPackets,
      handoffs: machine.handoffs,
      wakeups: machine.wakeups,
      dropped: machine.dropped,
      moves: places.moves,
      movesInFlight: this.#movesInFlight,
      movesHeld: this.#movesHeld,
      reordered: this.#watch.reordered,
      maxExtent: this.#watch.maxExtent,
      intervalNs: this.#series.intervalNs,
      loads: this.#series.rows(),
      places: places.words.buffer,
    };
  }
}
