/**
 * One policy over one capture, packet by packet: steers every burst, counts where packets go, and runs them through
 * the emulated workers on virtual time. For policies that remember; see flow-run.ts for those that do not.
 *
 * Promise: what is counted is what the policy decided, before any drop; `order=strict` keeps a flow on its worker
 * while its last packet is not finished there (rfs has that rule inside). One thread; bursts in the order of the
 * capture.
 */
import { type Burst, Field, Kind } from '../packet/burst.js';
import type { RfsSteering } from '../policy/rfs.js';
import type { Steering } from '../policy/steering.js';
import { type AppsModel, appWorker, DEFAULT_APPS } from './apps.js';
import type { Chunk } from './chunk.js';
import { FlowHistory } from './flow-history.js';
import { LoadSeries } from './load-series.js';
import { Machine } from './machine.js';
import { DEFAULT_MODEL, type ServiceModel } from './model.js';
import { Place } from './places.js';
import { type RunCounts, Tally } from './tally.js';

const RXQ = Field.rxq;
const WORKER = Field.worker;
const SAME = ~(Place.manyWorkers | Place.manyQueues);
const QUEUE_SHIFT = Place.queueShift;
const WORKER_SHIFT = Place.workerShift;
const SEEN = Place.seen;

/** What virtual time needs to know. */
export interface RunOptions {
  readonly model?: ServiceModel;
  readonly apps?: AppsModel;
}

/** Gets every packet after it was steered: writes captures per queue. */
export type PacketTaker = (burst: Burst, chunk: Chunk, from: number) => void;

export class PolicyRun {
  readonly #steering: Steering;
  readonly #machine: Machine;
  readonly #history: FlowHistory;
  readonly #series: LoadSeries;
  readonly #tally: Tally;
  readonly #isStrict: boolean;
  readonly #rfs: RfsSteering | null;
  readonly #apps: AppsModel;
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;

  constructor(steering: Steering, options: RunOptions = {}) {
    const { workers, queues, spec } = steering;
    this.#steering = steering;
    this.#machine = new Machine(workers, spec.stage === 'nic', options.model ?? DEFAULT_MODEL);
    this.#history = new FlowHistory(this.#machine, queues);
    this.#series = new LoadSeries(workers);
    this.#tally = new Tally(workers, queues);
    // By its name: whoever has no such policy does not load it.
    this.#rfs = spec.policy === 'rfs' ? (steering as RfsSteering) : null;
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
    this.#history.places.reserve(chunk.flows);
    // First: with order=strict it decides about the worker.
    this.#run(burst, chunk, from);
    this.#tally.addBurst(burst, chunk.wire, from);
    this.#series.addBurst(burst.words, WORKER, burst.n, chunk.time, from);
    if (this.#rfs !== null) this.#recordApps(this.#rfs, burst, chunk, from);
  }

  /** What happens to each packet on virtual time, and the place of its flow. */
  #run(burst: Burst, chunk: Chunk, from: number): void {
    const { n, words } = burst;
    const { flow: flows } = chunk;
    const machine = this.#machine;
    const history = this.#history;
    const places = history.places.words;
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
        worker = history.held(flow, worker, chunk.time[from + i]!);
        words[WORKER + i] = worker;
      }
      const slot = machine.serve(worker, from + i, flow, (first + i) | 0, previous);
      const place = ((words[RXQ + i]! + 1) << QUEUE_SHIFT) | (worker << WORKER_SHIFT) | SEEN;
      if ((places[2 * flow]! & SAME) !== place) {
        history.changed(flow, worker, words[RXQ + i]!, (first + i) | 0, slot, chunk.time[from + i]!);
      }
      if (slot >= 0) places[2 * flow + 1] = slot + 1;
    }
    this.#tally.packets += n;
    this.#tally.flowPackets += inFlows;
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
    this.#history.watch.finish();
    return this.#tally.counts(this.#steering.text, this.#history, this.#series);
  }
}
