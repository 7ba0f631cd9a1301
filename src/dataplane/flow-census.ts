/**
 * The flow census: which flows are on their way through the engine, what one packet of each looks like, and how many
 * frames each brings. For planning a change by what is really there.
 *
 * Promise: one record beside each flow slot of the order ledger. A flow that takes a slot leaves the first
 * `CENSUS_BYTES` of the frame there (rare); each further frame costs one load, one compare and one increment. Counts
 * are exact for the flow that holds the record.
 *
 * Threads: the worker that polls the receive queue is the only writer of its records; the main thread reads at any
 * time. A record is void (flow 0) while it is written: sequentially consistent stores before and after, so a reader
 * that finds the same flow before and after copying has copied that flow's bytes.
 */
import type { Burst } from '../packet/burst.js';
import type { Carver } from './layout.js';
import { LEDGER_SLOTS } from './ledger.js';
import { CENSUS_BYTES, type FlowSample } from './live.js';
import type { PortInfo } from './ports/port.js';

const RECORD_WORDS = CENSUS_BYTES / 4;
/** Words of `live`: flow, frames. One line holds 16 flows, so that counting touches few lines. */
const LIVE_WORDS = 2;
/** Words of `origin`: port and queue, length of the frame. */
const ORIGIN_WORDS = 2;
const QUEUE_SHIFT = 16;

/** Shared words of the census of so many receive queues. */
export function carveCensus(carver: Carver, queues: number) {
  const slots = queues * LEDGER_SLOTS;
  return {
    live: carver.words(slots * LIVE_WORDS),
    origin: carver.words(slots * ORIGIN_WORDS),
    heads: carver.words(slots * RECORD_WORDS),
  };
}
export type CensusMemory = ReturnType<typeof carveCensus>;

/** The writing side: one object per worker. */
export class CensusWriter {
  private readonly live: Int32Array;
  private readonly origin: Int32Array;
  private readonly heads: Uint8Array;

  constructor(memory: CensusMemory) {
    this.live = memory.live;
    this.origin = memory.origin;
    const { buffer, byteOffset, byteLength } = memory.heads;
    this.heads = new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** Frame i of the burst belongs to flow `flow` (not 0), which holds ledger slot `slot`. Once a frame. */
  count(slot: number, flow: number, burst: Burst, i: number): void {
    const at = slot * LIVE_WORDS;
    if (this.live[at] !== flow) this.enter(slot, flow, burst, i);
    // Wraps after 2^32 frames; readers take differences.
    this.live[at + 1]!++;
  }

  private enter(slot: number, flow: number, burst: Burst, i: number): void {
    const { live, origin, heads } = this;
    const at = slot * LIVE_WORDS;
    Atomics.store(live, at, 0);
    const length = burst.len[i]!;
    const from = burst.off[i]!;
    const to = slot * CENSUS_BYTES;
    const count = Math.min(length, CENSUS_BYTES);
    const { bytes } = burst;
    for (let k = 0; k < count; k++) heads[to + k] = bytes[from + k]!;
    origin[slot * ORIGIN_WORDS] = burst.port | (burst.queue << QUEUE_SHIFT);
    origin[slot * ORIGIN_WORDS + 1] = length;
    live[at + 1] = 0;
    Atomics.store(live, at, flow);
  }
}

type CountedPort = Pick<PortInfo, 'firstQueue' | 'rxQueues'>;

/** The reading side: the main thread's. `turn` it about once a second. */
export class CensusReader {
  /** Copies of `live` at the last two turns, and when they were made. */
  private older: Int32Array;
  private newer: Int32Array;
  private olderAt: number;
  private newerAt: number;

  constructor(
    private readonly memory: CensusMemory,
    now: number,
  ) {
    this.older = new Int32Array(memory.live.length);
    this.newer = new Int32Array(memory.live.length);
    this.olderAt = now;
    this.newerAt = now;
  }

  /** Begins a new window: the next census counts from the turn before this one. */
  turn(ports: readonly CountedPort[], now: number): void {
    const reused = this.older;
    this.older = this.newer;
    this.olderAt = this.newerAt;
    for (const { firstQueue, rxQueues } of ports) {
      const from = firstQueue * LEDGER_SLOTS * LIVE_WORDS;
      const to = from + rxQueues * LEDGER_SLOTS * LIVE_WORDS;
      reused.set(this.memory.live.subarray(from, to), from);
    }
    this.newer = reused;
    this.newerAt = now;
  }

  /**
   * Flows of these ports that had a frame in the window.
   * @param workerOf the worker that the last frame of a slot's flow went to
   */
  read(
    ports: readonly CountedPort[],
    workerOf: (slot: number) => number,
    now: number,
  ): { windowMs: number; flows: FlowSample[] } {
    const { live, origin, heads } = this.memory;
    const bytes = new Uint8Array(heads.buffer, heads.byteOffset, heads.byteLength);
    const flows: FlowSample[] = [];
    const slots = ports.flatMap(({ firstQueue, rxQueues }) =>
      Array.from({ length: rxQueues }, (_, q) => (firstQueue + q) * LEDGER_SLOTS),
    );
    for (let k = 0; k < slots.length * LEDGER_SLOTS; k++) {
      const slot = slots[Math.floor(k / LEDGER_SLOTS)]! + (k % LEDGER_SLOTS);
      const at = slot * LIVE_WORDS;
      const flow = Atomics.load(live, at);
      if (flow === 0) continue;
      const count = live[at + 1]!;
      const since = this.older[at] === flow ? (count - this.older[at + 1]!) | 0 : count >>> 0;
      // Negative: the flow lost its slot to another one meanwhile and got it back.
      const packets = since < 0 ? count >>> 0 : since;
      if (packets === 0) continue;
      const length = origin[slot * ORIGIN_WORDS + 1]!;
      const from = origin[slot * ORIGIN_WORDS]!;
      const start = slot * CENSUS_BYTES;
      const frame = bytes.slice(start, start + Math.min(length, CENSUS_BYTES));
      if (Atomics.load(live, at) !== flow) continue;
      flows.push({
        frame,
        length,
        port: from & ((1 << QUEUE_SHIFT) - 1),
        queue: from >>> QUEUE_SHIFT,
        worker: workerOf(slot),
        packets,
      });
    }
    return { windowMs: now - this.olderAt, flows };
  }
}
