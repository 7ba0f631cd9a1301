/**
 * One policy that decides by flow over one capture: it is asked once a flow, and the rest are counts of flows.
 *
 * Promise: the counts of a `PolicyRun`, to the last bit (a test compares). A flow of plain packets stays in its place,
 * so that virtual time needs its worker only, and what workers, queues, table entries and hash types have got follows
 * at the end from the packets of the flows. Packets that are not plain (fragments, options, IPv6, other protocols) are
 * asked about one by one, and flows that have such packets keep a history from then on. One thread.
 */
import { type Burst, Field } from '../packet/burst.js';
import type { Steering } from '../policy/steering.js';
import type { Chunk } from './chunk.js';
import { FlowHistory } from './flow-history.js';
import type { FlowView } from './flow-table.js';
import { LoadSeries } from './load-series.js';
import { Machine } from './machine.js';
import { DEFAULT_MODEL } from './model.js';
import type { OddCounts } from './odd-counts.js';
import { Place, placeWord, queueOf, workerOf } from './places.js';
import type { RunOptions } from './policy-run.js';
import { type RunCounts, Tally } from './tally.js';

const HASH_TYPE = Field.hashType;
const BUCKET = Field.bucket;
const RXQ = Field.rxq;
const WORKER = Field.worker;
const SAME = ~(Place.manyWorkers | Place.manyQueues);
/** In the first word: the flow has packets that are not plain, and a history since. */
const RECALLED = Place.watched;
/** Second word: table entry + 1, and hash type. */
const BUCKET_SHIFT = 8;
const TYPE_MASK = (1 << BUCKET_SHIFT) - 1;
/** Few, so that growing happens before V8 compiles the loops: code that was compiled before it is thrown away. */
const FIRST_FLOWS = 128;

/** Whether the run of a policy may be a `FlowRun`. */
export function runsByFlow(steering: Steering): boolean {
  return steering.isByFlow === true && steering.spec.order !== 'strict';
}

export class FlowRun {
  readonly #steering: Steering;
  readonly #machine: Machine;
  readonly #history: FlowHistory;
  readonly #series: LoadSeries;
  readonly #tally: Tally;
  /** Of each flow, what the policy said of its plain packets: place word (0 = not asked yet), table entry and type. */
  #plain = new Int32Array(2 * FIRST_FLOWS);

  constructor(steering: Steering, options: RunOptions = {}) {
    const { workers, queues, spec } = steering;
    this.#steering = steering;
    this.#machine = new Machine(workers, spec.stage === 'nic', options.model ?? DEFAULT_MODEL);
    this.#history = new FlowHistory(this.#machine, queues);
    this.#series = new LoadSeries(workers);
    this.#tally = new Tally(workers, queues);
  }

  /** Takes packets `from` … `to - 1`; `burst` are those of them that are in `chunk.odd` from `odd` on, dissected. */
  take(chunk: Chunk, burst: Burst, odd: number, from: number, to: number): void {
    if (burst.n > 0) {
      this.#steering.steer(burst);
      this.#reserve(chunk.flows);
    }
    this.#machine.from(chunk.time, chunk.wire);
    let at = from;
    for (let i = 0; i < burst.n; i++) {
      const entry = chunk.odd[odd + i]!;
      if ((entry & 1) === 1) {
        this.#learn(burst, i, chunk.flow[entry >> 1]!);
        continue;
      }
      const index = entry >> 1;
      if (at < index) this.#pass(chunk, at, index);
      at = index + 1;
      this.#single(chunk, burst, i, index);
    }
    if (at < to) this.#pass(chunk, at, to);
  }

  /** Plain packets of flows that are known. */
  #pass(chunk: Chunk, from: number, to: number): void {
    const { words } = this.#history.places;
    this.#machine.serveFlows(chunk.flow, words, from, to, chunk.first);
    this.#series.addFlows(chunk.flow, words, from, to, chunk.time);
  }

  /** A plain packet, the first of its flow or not long after. */
  #learn(burst: Burst, i: number, flow: number): void {
    const { words } = burst;
    const plain = this.#plain;
    if (plain[2 * flow] !== 0) return;
    const worker = words[WORKER + i]!;
    const queue = words[RXQ + i]!;
    plain[2 * flow] = placeWord(worker, queue);
    plain[2 * flow + 1] = ((words[BUCKET + i]! + 1) << BUCKET_SHIFT) | words[HASH_TYPE + i]!;
    this.#history.places.change(flow, worker, queue);
  }

  /** A packet that is not plain: asked about, counted and run by itself. */
  #single(chunk: Chunk, burst: Burst, i: number, index: number): void {
    const { words } = burst;
    const machine = this.#machine;
    const tally = this.#tally;
    const worker = words[WORKER + i]!;
    const queue = words[RXQ + i]!;
    tally.packets++;
    tally.add(worker, queue, words[BUCKET + i]!, words[HASH_TYPE + i]!, 1, chunk.wire[index]!);
    this.#series.addBurst(words, WORKER + i, 1, chunk.time, index);
    const flow = chunk.flow[index]!;
    if (flow < 0) {
      machine.serve(worker, index, -1, 0, 0);
      return;
    }
    tally.flowPackets++;
    const now = chunk.time[index]!;
    const number = (chunk.first + index) | 0;
    const places = this.#history.places.words;
    const plain = this.#plain[2 * flow]!;
    if (machine.isNic && plain !== 0 && (plain & RECALLED) === 0) {
      places[2 * flow + 1] = machine.recall(flow, workerOf(plain), now);
      this.#plain[2 * flow] = plain | RECALLED;
    }
    const slot = machine.serve(worker, index, flow, number, places[2 * flow + 1]!);
    if ((places[2 * flow]! & SAME) !== placeWord(worker, queue)) {
      this.#history.changed(flow, worker, queue, number, slot, now);
    }
    if (slot >= 0) places[2 * flow + 1] = slot + 1;
  }

  #reserve(flows: number): void {
    this.#history.places.reserve(flows);
    if (2 * flows <= this.#plain.length) return;
    let length = this.#plain.length;
    while (length < 2 * flows) length *= 2;
    const grown = new Int32Array(length);
    grown.set(this.#plain);
    this.#plain = grown;
  }

  /** Ends the run; `flows` are those of the whole capture, `odd` what of them was not plain. */
  finish(flows: FlowView, odd: OddCounts): RunCounts {
    this.#history.watch.finish();
    const tally = this.#tally;
    const plain = this.#plain;
    const count = Math.min(flows.count, plain.length / 2);
    for (let flow = 0; flow < count; flow++) {
      const place = plain[2 * flow]!;
      if (place === 0) continue;
      const what = plain[2 * flow + 1]!;
      const packets = flows.packets(flow) - odd.packets(flow);
      const bytes = flows.bytes(flow) - odd.bytes(flow);
      tally.add(
        workerOf(place),
        queueOf(place),
        (what >> BUCKET_SHIFT) - 1,
        what & TYPE_MASK,
        packets,
        bytes,
      );
      tally.packets += packets;
      tally.flowPackets += packets;
    }
    return tally.counts(this.#steering.text, this.#history, this.#series);
  }
}
