/**
 * The transmit stage of a worker: sends what the forwarding decision chose.
 *
 * Promise: frames go to each port in batch order, so frames of one flow stay in order; what becomes of each is known and
 * counted (`completion.ts`). A port that cannot take a partial checksum or a super-frame gets finished frames.
 *
 * Sending (`send`) and accounting (`commit`) are separate: a frame is counted where it is freed, so that a worker
 * that dies in between leaves frames that are swept, never frames counted twice.
 */

import { SendResult } from '../../addon/native.js';
import {
  BATCH_COUNT,
  BATCH_MAX,
  type Batch,
  DESCRIPTOR_SHIFT,
  FLAGS_MASK,
  FLAGS_SHIFT,
  LENGTH_MASK,
  Out,
  Part,
  PORT_MASK,
} from '../../forward/batch.js';
import { FrameFlag } from '../../packet/burst.js';
import { HEADROOM, SMALL_SLOT_BYTES } from '../memory/layout.js';
import type { FramePool } from '../memory/pool.js';
import type { OrderMeter } from '../order/meter.js';
import { SEND_MAX, type Sender } from '../ports/port.js';
import { Drop, PortCounter, portBase } from '../shared/counters.js';
import type { FloodBudget } from '../shared/flood-budget.js';
import { TxCompletions } from './completion.js';
import { REASON_OF, SoftwareOffload } from './offload.js';
import { QueueLocks } from './queue-locks.js';

// Constants of the module: docs/hot-loops.md.
const COUNT = BATCH_COUNT;
const LIST = BATCH_MAX;
/** Ports of a data plane are fewer: an index with it in range, for V8 (see `BURST_COUNT`). */
const PORT_BITS = 0x7fff;
const SENDS = SEND_MAX;
const VNET_OR_SUM = FrameFlag.vnet | FrameFlag.needsCsum;
const GSO = FrameFlag.gso;
const D_SHIFT = DESCRIPTOR_SHIFT;
const D_ID = Part.id;
const D_SIZE = Part.size;
const D_ORIGIN = Part.origin;
const D_LENGTH = LENGTH_MASK;
const D_FLAGS_SHIFT = FLAGS_SHIFT;
const D_FLAGS = FLAGS_MASK;
const D_PORT = PORT_MASK;
const SLOT_BYTES = SMALL_SLOT_BYTES;
const FRAME_AT = HEADROOM;

const HEAVY = FrameFlag.gso | FrameFlag.needsCsum;

export interface TransmitParts {
  readonly worker: number;
  readonly pool: FramePool;
  /** By port, as many as there can be; null = the port cannot send. */
  readonly senders: (Sender | null)[];
  /** 1 for ports that take part in flooding. */
  readonly floods: Uint8Array;
  /** Lock of the transmit queue that this worker uses at each port; -1 = the queue is its own. */
  readonly lockOf: Int32Array;
  readonly locks: Int32Array;
  /** Limits floods by in-port; absent = no limits. `floodRates` are the ports' rates. */
  readonly floodBudget?: FloodBudget;
  readonly floodRates?: Float64Array;
  readonly meter: OrderMeter;
  readonly counters: Float64Array;
  readonly portCounters: Float64Array;
  /** Offset of this worker's scratch slots in the frame memory. */
  readonly scratch: number;
  readonly yieldThread: () => void;
}

export class Transmitter {
  private readonly pool: FramePool;
  private readonly senders: (Sender | null)[];
  /** Ports that there are now. Written between bursts, by live changes. */
  ports = 0;
  /** Work indices for each port: `lists[port * BATCH_MAX + k]`, and how many. */
  private readonly lists: Int32Array;
  private readonly listed: Int32Array;
  private readonly completions: TxCompletions;
  /** Batch index of each entry of the send arrays; the other one is for a batch that goes to one port as it is. */
  private readonly frameOf = new Int32Array(SEND_MAX);
  private readonly inOrder = Int32Array.from({ length: SEND_MAX }, (_, k) => k);
  private readonly locks: QueueLocks;
  private readonly offloads: SoftwareOffload;

  constructor(private readonly parts: TransmitParts) {
    this.pool = parts.pool;
    this.senders = parts.senders;
    this.locks = new QueueLocks(parts.locks, parts.worker, parts.counters, parts.yieldThread);
    this.offloads = new SoftwareOffload(parts.pool.bytes, parts.scratch);
    const room = parts.senders.length;
    this.lists = new Int32Array(room * BATCH_MAX);
    this.listed = new Int32Array(room);
    this.completions = new TxCompletions(parts.senders, this.listed, parts.counters, parts.meter);
  }

  /** Sends the decided work: one send call a port (more where frames must be finished in software). */
  send(batch: Batch): void {
    const { ports, lists, listed } = this;
    const { out } = batch;
    const n = batch.n & COUNT;
    this.completions.begin(ports);
    for (let p = 0; p < ports; p++) listed[p] = 0;
    // Mostly all frames of a batch go to one port.
    const first = out[0]!;
    let others = first < 0 ? 1 : 0;
    for (let i = 1; i < n; i++) others |= out[i]! ^ first;
    if (others === 0 && n <= SENDS && this.sendWhole(first, batch)) return;
    for (let i = 0; i < n; i++) {
      const to = out[i]!;
      // A worker that has taken up a port already may have taught the MAC table a port that there is not here yet.
      if (to >= 0 && to < ports) {
        const k = listed[to]! & COUNT;
        lists[(to & PORT_BITS) * LIST + k] = i;
        listed[to] = k + 1;
      } else {
        this.list(batch, i, to);
      }
    }
    for (let p = 0; p < ports; p++) {
      const count = listed[p]!;
      if (count > 0) this.sendTo(p, batch, count);
    }
  }

  /** Sends all of the batch to one port, if it can be sent as it is; else false, and nothing has happened. */
  private sendWhole(port: number, batch: Batch): boolean {
    const sender = this.senders[port] ?? null;
    if (sender === null || this.parts.lockOf[port]! >= 0) return false;
    const { words } = batch;
    const { off, len, flags } = sender.arrays;
    const { pool } = this;
    const smallSlots = pool.smallSlots | 0;
    const n = batch.n & COUNT;
    let bytes = 0;
    let all = 0;
    let large = 0;
    for (let i = 0; i < n; i++) {
      const at = i << D_SHIFT;
      const id = words[at + D_ID]!;
      const size = words[at + D_SIZE]!;
      const length = size & D_LENGTH;
      off[i] = (Math.imul(id, SLOT_BYTES) + FRAME_AT) | 0;
      len[i] = length;
      flags[i] = (size >> D_FLAGS_SHIFT) & D_FLAGS;
      bytes = (bytes + length) | 0;
      all |= size;
      large |= smallSlots - 1 - id;
    }
    if (!sender.offload && ((all >> D_FLAGS_SHIFT) & HEAVY) !== 0) return false;
    if (large < 0) this.largeOffsets(batch, off);
    this.listed[port] = n;
    this.sendCollected(port, sender, batch, n, bytes, this.inOrder);
    return true;
  }

  /** Corrects the offsets of frames in large slots. */
  private largeOffsets(batch: Batch, off: Int32Array): void {
    for (let i = 0; i < batch.n; i++) off[i] = this.pool.offsetOf(batch.part(i, Part.id));
  }

  /** Frame i goes to no single port. */
  private list(batch: Batch, i: number, out: number): void {
    const { ports, lists, listed, completions } = this;
    completions.detail(batch);
    if (out !== Out.flood) return;
    const from = batch.part(i, D_ORIGIN) & D_PORT;
    if (!this.mayFlood(batch, i, from)) {
      completions.refuse(i, Drop.filtered);
      return;
    }
    for (let p = 0; p < ports; p++) {
      if (p === from || this.parts.floods[p] !== 1) continue;
      lists[p * BATCH_MAX + listed[p]!++] = i;
      completions.addCopy(i, p);
    }
  }

  /** The in-port's budget has room for the copies of frame i beyond the first, a super-frame's segments counted each. */
  private mayFlood(batch: Batch, i: number, from: number): boolean {
    const { floodBudget, floodRates, floods, portCounters } = this.parts;
    const rate = floodRates?.[from] ?? 0;
    if (floodBudget === undefined || rate === 0) return true;
    let copies = -1;
    for (let p = 0; p < this.ports; p++) if (p !== from) copies += floods[p]!;
    const size = batch.part(i, D_SIZE);
    const gso = ((size >> D_FLAGS_SHIFT) & GSO) !== 0;
    const each = gso ? this.offloads.segmentsOf(this.pool.offsetOf(batch.part(i, D_ID)), size & D_LENGTH) : 1;
    if (floodBudget.take(from, rate, copies * each)) return true;
    portCounters[portBase(from) + PortCounter.floodLimited]!++;
    return false;
  }

  private sendTo(port: number, batch: Batch, count: number): void {
    const sender = this.senders[port] ?? null;
    const base = (port & PORT_BITS) * LIST;
    const { lists, completions } = this;
    if (sender === null) {
      completions.detail(batch);
      for (let k = 0; k < count; k++) completions.fail(lists[base + k]!, port, Drop.noRoute);
      return;
    }
    const lock = this.locks.at(this.parts.lockOf[port]!);
    if (lock !== null && !this.locks.take(lock)) {
      completions.detail(batch);
      for (let k = 0; k < count; k++) completions.fail(lists[base + k]!, port, Drop.txFull);
      this.parts.portCounters[portBase(port) + PortCounter.txErrors]! += count;
      return;
    }
    const { words } = batch;
    const { off, len, flags } = sender.arrays;
    const { frameOf } = this;
    const finishes = !sender.offload;
    const smallSlots = this.pool.smallSlots | 0;
    let n = 0;
    let bytes = 0;
    const end = count & COUNT;
    for (let k = 0; k < end; k++) {
      const i = lists[base + k]! & COUNT;
      const at = i << D_SHIFT;
      const size = words[at + D_SIZE]!;
      const bits = (size >> D_FLAGS_SHIFT) & D_FLAGS;
      if (finishes && (bits & HEAVY) !== 0) {
        if ((bits & GSO) !== 0) {
          // What was collected goes first: order.
          this.sendCollected(port, sender, batch, n, bytes, frameOf);
          n = 0;
          bytes = 0;
          this.sendSegmented(port, sender, batch, i);
          continue;
        }
        if (this.offloads.checksum(this.pool.offsetOf(words[at + D_ID]!), size & D_LENGTH)) {
          words[at + D_SIZE] = size & ~(VNET_OR_SUM << D_FLAGS_SHIFT);
        } else {
          completions.detail(batch);
          completions.fail(i, port, Drop.malformed);
          continue;
        }
      }
      const length = size & D_LENGTH;
      const id = words[at + D_ID]!;
      off[n] = id < smallSlots ? (Math.imul(id, SLOT_BYTES) + FRAME_AT) | 0 : this.pool.offsetOf(id);
      len[n] = length;
      flags[n] = (words[at + D_SIZE]! >> D_FLAGS_SHIFT) & D_FLAGS;
      frameOf[n] = i;
      bytes = (bytes + length) | 0;
      n = (n + 1) | 0;
      if (n === SENDS) {
        this.sendCollected(port, sender, batch, n, bytes, frameOf);
        n = 0;
        bytes = 0;
      }
    }
    this.sendCollected(port, sender, batch, n, bytes, frameOf);
    if (lock !== null) lock.release();
  }

  /**
   * Sends entries 0 … n-1 of the port's arrays, `bytes` long together, and notes what failed. Where a super-frame
   * stops the port its segments are sent before what is behind it: order.
   * @param frameOf work index of each entry
   */
  private sendCollected(
    port: number,
    sender: Sender,
    batch: Batch,
    n: number,
    bytes: number,
    frameOf: Int32Array,
  ): void {
    if (n === 0) return;
    if (sender.send(0, n) === n) {
      this.countPort(port, sender, n, bytes, 0);
      return;
    }
    this.completions.detail(batch);
    for (let from = this.note(port, sender, 0, n, frameOf); from < n; ) {
      this.sendSegmented(port, sender, batch, frameOf[from]!);
      from++;
      if (from === n) return;
      sender.send(from, n);
      from = this.note(port, sender, from, n, frameOf);
    }
  }

  /** Notes the results of a send call from entry `from` on; returns the entry of the super-frame that stopped it, or n. */
  private note(port: number, sender: Sender, from: number, n: number, frameOf: Int32Array): number {
    const { completions } = this;
    const { result, len } = sender.arrays;
    let packets = 0;
    let octets = 0;
    let tooLong = 0;
    let k = from;
    for (; k < n && result[k] !== SendResult.segment; k++) {
      const r = result[k]!;
      if (r === SendResult.sent) {
        packets++;
        octets += len[k]!;
      } else {
        if (r === SendResult.tooLong) tooLong++;
        completions.fail(frameOf[k]!, port, REASON_OF[r]!);
      }
    }
    if (tooLong > 0) this.parts.portCounters[portBase(port) + PortCounter.txTooLong]! += tooLong;
    this.countPort(port, sender, packets, octets, k - from - packets);
    return k;
  }

  /** Super-frame i goes to the port in segments. */
  private sendSegmented(port: number, sender: Sender, batch: Batch, i: number): void {
    const { offloads, completions } = this;
    completions.detail(batch);
    offloads.segment(sender, this.pool.offsetOf(batch.part(i, D_ID)), batch.part(i, D_SIZE) & D_LENGTH);
    const { packets, lost } = offloads;
    // Not cut at all: one frame that failed.
    const errors = packets + lost === 0 ? 1 : lost;
    this.countPort(port, sender, packets, offloads.octets, errors);
    const counters = this.parts.portCounters;
    if (errors > 0 && offloads.reason === Drop.tooLong) {
      counters[portBase(port) + PortCounter.txTooLong]! += errors;
    } else if (packets + lost === 0) counters[portBase(port) + PortCounter.unsegmentable]!++;
    if (packets === 0) {
      completions.fail(i, port, offloads.reason);
      return;
    }
    completions.failSegments(i, lost);
    if (!sender.delivers) completions.segmentsSent += packets - 1;
  }

  private countPort(port: number, sender: Sender, packets: number, bytes: number, errors: number): void {
    const c = this.parts.portCounters;
    const base = portBase(port);
    if (sender.delivers) {
      c[base + PortCounter.deliveredPackets]! += packets;
      c[base + PortCounter.deliveredBytes]! += bytes;
    } else {
      c[base + PortCounter.txPackets]! += packets;
      c[base + PortCounter.txBytes]! += bytes;
    }
    c[base + PortCounter.txErrors]! += errors;
  }

  /** After `send`: frame i was transmitted or delivered somewhere. */
  arrived(i: number): boolean {
    return this.completions.arrived(i);
  }

  /**
   * Counts every frame's end and tells the order meter; the frames' slots go back when the rings say so. Nothing here
   * can throw.
   */
  commit(batch: Batch): void {
    this.completions.commit(batch);
    batch.n = 0;
  }
}
