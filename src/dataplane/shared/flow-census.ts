/**
 * The flow census: which flows are on their way through the engine, what one packet of each looks like, and how many
 * frames each brings. For planning a change by what is really there.
 *
 * Promise: free on the hot path. The order ledger counts each flow's frames in its slot anyway; when a flow takes a
 * slot (rare) the first `CENSUS_BYTES` of its first frame are kept beside it. Counts are exact for the flow that holds
 * the slot. Flows that share a slot (`orderUnwatched`) are listed as one: a frame of one of them, anew with every
 * `SAMPLE_EVERY`th, stands for the frames of all.
 *
 * Threads: the worker that polls the receive queue is the only writer of its records and slots; the main thread reads
 * at any time. A record is void (flow 0) while it is written, with sequentially consistent stores before and after, so
 * a reader that finds the slot's flow before and after copying has copied that flow's bytes.
 */
import type { Burst } from '../../packet/burst.js';
import type { Carver } from '../memory/layout.js';
import { FLOW_SLOTS, Owner, QUEUE_SLOTS, SLOT_WORDS, Slot } from '../order/flow-slot.js';
import type { PortInfo } from './port-info.js';

/** Bytes of a frame that the flow census keeps: all headers that policies look at. */
export const CENSUS_BYTES = 128;
/** A flow that was seen lately: one packet of it, and how much it brings. For planning. */
export interface FlowSample {
  /** The first bytes (at most `CENSUS_BYTES`) of a frame of the flow; a copy. */
  readonly frame: Uint8Array;
  /** Length of that frame. */
  readonly length: number;
  /** Index of the port and its receive queue. */
  readonly port: number;
  readonly queue: number;
  /** The worker that its last frame went to. */
  readonly worker: number;
  /** Frames since the beginning of the census window (see `Engine.census`). */
  readonly packets: number;
}

/** The flows that bring most, the heaviest first, and what all of them bring. */
export interface HeaviestFlows {
  readonly windowMs: number;
  /** Flows that had a frame in the window, and their frames. */
  readonly seen: number;
  readonly packets: number;
  /** `shared`: several flows that share a slot, with the frames of all. */
  readonly flows: readonly (FlowSample & { readonly shared: boolean })[];
}

/** Words of `origin`: the flow that the record is of, port and queue, length of the frame. */
const ORIGIN_WORDS = 4;
const QUEUE_SHIFT = 16;

/** Shared words of the census of so many receive queues: a record for each slot of the ledger. */
export function carveCensus(carver: Carver, queues: number, records = queues * QUEUE_SLOTS) {
  return {
    origin: carver.words(records * ORIGIN_WORDS),
    heads: carver.words((records * CENSUS_BYTES) / 4),
  };
}
export type CensusMemory = ReturnType<typeof carveCensus>;

/** Frames of a shared slot of which one is kept, a power of two. */
const SAMPLE_EVERY = 64;

/** The writing side: one object per worker. */
export class CensusWriter {
  private readonly origin: Int32Array;
  private readonly heads: Uint8Array;

  /** @param mask slots whose numbers agree in these bits share a record; other than default for a warm-up's memory */
  constructor(
    memory: CensusMemory,
    private readonly mask = 0x7fff_ffff,
  ) {
    this.origin = memory.origin;
    const { buffer, byteOffset, byteLength } = memory.heads;
    this.heads = new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** True when the next frame of a slot that flows share, `frames` of which there were, is to be entered. */
  samples(frames: number): boolean {
    return (frames & (SAMPLE_EVERY - 1)) === 0;
  }

  /** Frame i of the burst, of flow `flow`, stands for slot `s`: the flow's first one there, or one of several flows'. */
  enter(s: number, flow: number, burst: Burst, i: number): void {
    const { origin, heads } = this;
    const record = (s / SLOT_WORDS) & this.mask;
    const at = record * ORIGIN_WORDS;
    Atomics.store(origin, at, 0);
    const length = burst.len[i]!;
    const from = burst.off[i]!;
    const to = record * CENSUS_BYTES;
    const count = Math.min(length, CENSUS_BYTES);
    const { bytes } = burst;
    for (let k = 0; k < count; k++) heads[to + k] = bytes[from + k]!;
    origin[at + 1] = burst.port | (burst.queue << QUEUE_SHIFT);
    origin[at + 2] = length;
    Atomics.store(origin, at, flow);
  }
}

type CountedPort = Pick<PortInfo, 'firstQueue' | 'rxQueues'>;

/** Flow and frames of each slot at some moment; by record. */
interface Snapshot {
  readonly flows: Int32Array;
  readonly frames: Int32Array;
  at: number;
}

/** The reading side: the main thread's. `turn` it about once a second. */
export class CensusReader {
  private older: Snapshot;
  private newer: Snapshot;
  private received = 0;
  /** Turns without a frame. */
  private quiet = 0;

  /** @param slots `LedgerMemory.slots` */
  constructor(
    private readonly memory: CensusMemory,
    private readonly slots: Int32Array,
    now: number,
  ) {
    const records = memory.origin.length / ORIGIN_WORDS;
    const empty = (): Snapshot => ({
      flows: new Int32Array(records),
      frames: new Int32Array(records),
      at: now,
    });
    this.older = empty();
    this.newer = empty();
  }

  /**
   * Begins a new window: the next census counts from the turn before this one.
   * @param received frames that all workers have received: where there were none for three turns nothing is read anew,
   * since both snapshots are alike (the first may have missed what was being dispatched)
   */
  turn(ports: readonly CountedPort[], now: number, received: number): void {
    this.quiet = received === this.received ? this.quiet + 1 : 0;
    this.received = received;
    if (this.quiet > 2) {
      this.older.at = this.newer.at;
      this.newer.at = now;
      return;
    }
    const reused = this.older;
    this.older = this.newer;
    const { slots } = this;
    const { flows, frames } = reused;
    // Once a second over all slots, also where nobody asks: no call for each.
    for (const { firstQueue, rxQueues } of ports) {
      for (let queue = firstQueue; queue < firstQueue + rxQueues; queue++) {
        const first = queue * QUEUE_SLOTS;
        let s = first * SLOT_WORDS;
        for (let record = first; record < first + QUEUE_SLOTS; record++, s += SLOT_WORDS) {
          flows[record] = slots[s + Slot.tag]!;
          frames[record] = slots[s + Slot.frames]!;
        }
      }
    }
    reused.at = now;
    this.newer = reused;
  }

  /**
   * Calls with the addresses and the new frames of each flow that had some between the last two turns: each frame of a
   * flow that keeps its slot is told once. Allocates nothing.
   */
  increments(
    ports: readonly CountedPort[],
    visit: (dstHigh: number, dstLow: number, srcHigh: number, srcLow: number, frames: number) => void,
  ): void {
    if (this.quiet > 2) return;
    const { older, newer } = this;
    const { origin, heads } = this.memory;
    const bytes = new DataView(heads.buffer, heads.byteOffset, heads.byteLength);
    for (const { firstQueue, rxQueues } of ports) {
      const end = (firstQueue + rxQueues) * QUEUE_SLOTS;
      for (let record = firstQueue * QUEUE_SLOTS; record < end; record++) {
        const count = newer.frames[record]!;
        const isSame = newer.flows[record] === older.flows[record];
        if (isSame && count === older.frames[record]) continue;
        const since = isSame ? (count - older.frames[record]!) | 0 : count;
        const frames = since < 0 ? count : since;
        const flow = Atomics.load(origin, record * ORIGIN_WORDS);
        if (frames <= 0 || flow === 0) continue;
        const at = record * CENSUS_BYTES;
        const dstHigh = bytes.getUint16(at);
        const dstLow = bytes.getUint32(at + 2);
        const srcHigh = bytes.getUint16(at + 6);
        const srcLow = bytes.getUint32(at + 8);
        if (Atomics.load(origin, record * ORIGIN_WORDS) !== flow) continue;
        visit(dstHigh, dstLow, srcHigh, srcLow, frames);
      }
    }
  }

  /** Flows of these ports that had a frame in the window. */
  read(ports: readonly CountedPort[], now: number): { windowMs: number; flows: FlowSample[] } {
    const flows: FlowSample[] = [];
    this.forEach(ports, (record, isShared, packets) => {
      const sample = this.sample(record, isShared, packets);
      if (sample !== null) flows.push(sample);
    });
    return { windowMs: now - this.older.at, flows };
  }

  /** The same, but only the heaviest ones, and how many there are in all, with their frames: copies no more than that. */
  heaviest(ports: readonly CountedPort[], now: number, most: number): HeaviestFlows {
    const top: { record: number; isShared: boolean; packets: number }[] = [];
    let seen = 0;
    let all = 0;
    this.forEach(ports, (record, isShared, packets) => {
      seen++;
      all += packets;
      if (top.length >= most && packets <= (top.at(-1)?.packets ?? 0)) return;
      let at = top.length;
      while (at > 0 && top[at - 1]!.packets < packets) at--;
      top.splice(at, 0, { record, isShared, packets });
      if (top.length > most) top.pop();
    });
    const flows = top.flatMap(({ record, isShared, packets }) => {
      const sample = this.sample(record, isShared, packets);
      return sample === null ? [] : [{ ...sample, shared: isShared }];
    });
    return { windowMs: now - this.older.at, seen, packets: all, flows };
  }

  /** Calls for each record with frames in the window. */
  private forEach(
    ports: readonly CountedPort[],
    visit: (record: number, isShared: boolean, packets: number) => void,
  ): void {
    const { slots, older } = this;
    for (const { firstQueue, rxQueues } of ports) {
      for (let queue = firstQueue; queue < firstQueue + rxQueues; queue++) {
        const first = queue * QUEUE_SLOTS;
        let s = first * SLOT_WORDS;
        for (let record = first; record < first + QUEUE_SLOTS; record++, s += SLOT_WORDS) {
          // A shared slot is no flow's: its tag is 0, its record some flow's.
          const isShared = record - first >= FLOW_SLOTS;
          const tag = slots[s + Slot.tag]!;
          if ((tag === 0 && !isShared) || (slots[s + Slot.owner]! & Owner.worker) === 0) continue;
          const count = slots[s + Slot.frames]!;
          const since = older.flows[record] === tag ? (count - older.frames[record]!) | 0 : count;
          // Negative: the flow lost its slot to another one meanwhile and got it back.
          const packets = since < 0 ? count : since;
          if (packets > 0) visit(record, isShared, packets);
        }
      }
    }
  }

  /** What a record says; null where it is another flow's by now. */
  private sample(record: number, isShared: boolean, packets: number): FlowSample | null {
    const { slots } = this;
    const { origin, heads } = this.memory;
    const at = record * ORIGIN_WORDS;
    const s = record * SLOT_WORDS;
    const flow = isShared ? Atomics.load(origin, at) : slots[s + Slot.tag]!;
    const owner = slots[s + Slot.owner]! & Owner.worker;
    if (flow === 0 || owner === 0 || Atomics.load(origin, at) !== flow) return null;
    const from = origin[at + 1]!;
    const length = origin[at + 2]!;
    const start = heads.byteOffset + record * CENSUS_BYTES;
    const frame = new Uint8Array(heads.buffer, start, Math.min(length, CENSUS_BYTES)).slice();
    if (Atomics.load(origin, at) !== flow) return null;
    const port = from & ((1 << QUEUE_SHIFT) - 1);
    return { frame, length, port, queue: from >>> QUEUE_SHIFT, worker: owner - 1, packets };
  }
}
