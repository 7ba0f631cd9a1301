/**
 * The transmit stage of a worker: sends what the forwarding decision chose and accounts for every frame.
 *
 * Promise: each frame of the work ends in exactly one of transmitted, delivered or dropped (under one reason), and
 * further copies (flooding, segments) are counted apart. Frames go to each port in work order, so frames of one
 * flow stay in order. A port that cannot take a partial checksum or a super-frame gets finished frames.
 *
 * Sending (`send`) and accounting (`commit`) are separate: a frame is counted where it is freed, so that a worker
 * that dies in between leaves frames that are swept, never frames counted twice.
 */
import {
  DESCRIPTOR_SHIFT,
  FLAGS_MASK,
  FLAGS_SHIFT,
  LENGTH_MASK,
  Out,
  Part,
  PORT_MASK,
  WORK_COUNT,
  WORK_MAX,
  type Work,
} from '../forward/work.js';
import { FrameFlag } from '../packet/burst.js';
import { Drop, PortCounter, portBase, WorkerCounter } from './counters.js';
import { Finisher, REASON_OF } from './finisher.js';
import { HEADROOM, SMALL_SLOT_BYTES } from './layout.js';
import { SendResult } from './native.js';
import type { OrderMeter } from './order-meter.js';
import type { FramePool } from './pool.js';
import { SEND_MAX, type Sender } from './ports/port.js';
import { type LockMeter, releaseLock, takeLock } from './txlock.js';

// Constants of this module's own, which V8 folds into the loops (see packet/dissect).
const COUNT = WORK_COUNT;
const LIST = WORK_MAX;
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
  readonly meter: OrderMeter;
  readonly counters: Float64Array;
  readonly portCounters: Float64Array;
  /** Offset of this worker's scratch slots in the frame memory. */
  readonly scratch: number;
  readonly yieldThread: () => void;
}

export class Transmitter {
  private readonly worker: number;
  private readonly pool: FramePool;
  private readonly senders: (Sender | null)[];
  /** Ports that there are now. Written between bursts, by live changes. */
  ports = 0;
  /** Work indices for each port: `lists[port * WORK_MAX + k]`, and how many. */
  private readonly lists: Int32Array;
  private readonly listed: Int32Array;
  /** Per frame: copies taken by sending ports, by delivering ports, failed copies, last failure. */
  private readonly sent = new Int32Array(WORK_MAX);
  private readonly handed = new Int32Array(WORK_MAX);
  private readonly failed = new Int32Array(WORK_MAX);
  private readonly reason = new Int32Array(WORK_MAX);
  /** Work index of each entry of the send arrays; the other one is for a work that goes to one port as it is. */
  private readonly frameOf = new Int32Array(SEND_MAX);
  private readonly inOrder = Int32Array.from({ length: SEND_MAX }, (_, k) => k);
  private readonly meter: LockMeter = { contended: 0, waitedNs: 0 };
  private readonly finisher: Finisher;
  private segmentsSent = 0;
  /** Frames of the work being sent. */
  private n = 0;
  /** `sent`, `handed`, `failed` and `reason` are kept for this work; else every frame arrived, one copy each. */
  private detailed = false;
  /** Frames that each port took, while nothing is kept of each. */
  private readonly took: Int32Array;

  constructor(private readonly parts: TransmitParts) {
    this.worker = parts.worker;
    this.pool = parts.pool;
    this.senders = parts.senders;
    this.finisher = new Finisher(parts.pool.bytes, parts.scratch);
    const room = parts.senders.length;
    this.lists = new Int32Array(room * WORK_MAX);
    this.listed = new Int32Array(room);
    this.took = new Int32Array(room);
  }

  /** Sends the decided work: one send call a port (more where frames must be finished in software). */
  send(work: Work): void {
    const { ports, lists, listed, took } = this;
    const { out } = work;
    const n = work.n & COUNT;
    this.n = n;
    this.detailed = false;
    for (let p = 0; p < ports; p++) {
      listed[p] = 0;
      took[p] = 0;
    }
    // Mostly all frames of a work go to one port.
    const first = out[0]!;
    let others = first < 0 ? 1 : 0;
    for (let i = 1; i < n; i++) others |= out[i]! ^ first;
    if (others === 0 && n <= SENDS && this.sendWhole(first, work)) return;
    for (let i = 0; i < n; i++) {
      const to = out[i]!;
      if (to >= 0) {
        const k = listed[to]! & COUNT;
        lists[(to & PORT_BITS) * LIST + k] = i;
        listed[to] = k + 1;
      } else {
        this.list(work, i, to);
      }
    }
    for (let p = 0; p < ports; p++) {
      const count = listed[p]!;
      if (count > 0) this.sendTo(p, work, count);
    }
  }

  /** Sends all of the work to one port, if it can be sent as it is; else false, and nothing has happened. */
  private sendWhole(port: number, work: Work): boolean {
    const sender = this.senders[port] ?? null;
    if (sender === null || this.parts.lockOf[port]! >= 0) return false;
    const { words } = work;
    const { off, len, flags } = sender.arrays;
    const { pool } = this;
    const smallSlots = pool.smallSlots | 0;
    const n = work.n & COUNT;
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
    if (large < 0) this.largeOffsets(work, off);
    this.sendCollected(port, sender, n, bytes, this.inOrder);
    return true;
  }

  /** Corrects the offsets of frames in large slots. */
  private largeOffsets(work: Work, off: Int32Array): void {
    for (let i = 0; i < work.n; i++) off[i] = this.pool.offsetOf(work.part(i, Part.id));
  }

  /** Frame i goes to no single port. */
  private list(work: Work, i: number, out: number): void {
    const { ports, lists, listed, reason } = this;
    this.detail();
    if (out === Out.flood) {
      const from = work.part(i, D_ORIGIN) & D_PORT;
      reason[i] = Drop.noRoute;
      for (let p = 0; p < ports; p++) {
        if (p !== from && this.parts.floods[p] === 1) lists[p * WORK_MAX + listed[p]!++] = i;
      }
    } else {
      reason[i] =
        out === Out.filtered ? Drop.filtered : out === Out.malformed ? Drop.malformed : Drop.noRoute;
    }
  }

  /**
   * From now on the fate of each frame of this work is kept, with what has become of those before. Most works need
   * none of it: every frame goes to one port, and arrives.
   */
  private detail(): void {
    if (this.detailed) return;
    this.detailed = true;
    const { n, sent, handed, failed, ports, lists, took } = this;
    sent.fill(0, 0, n);
    handed.fill(0, 0, n);
    failed.fill(0, 0, n);
    for (let p = 0; p < ports; p++) {
      const copies = this.senders[p]?.delivers === true ? handed : sent;
      for (let k = 0; k < took[p]!; k++) copies[lists[p * WORK_MAX + k]!]!++;
    }
  }

  private sendTo(port: number, work: Work, count: number): void {
    const sender = this.senders[port] ?? null;
    const base = (port & PORT_BITS) * LIST;
    const { lists } = this;
    if (sender === null) {
      this.detail();
      for (let k = 0; k < count; k++) this.fail(lists[base + k]!, Drop.noRoute);
      return;
    }
    const lock = this.parts.lockOf[port]!;
    if (lock >= 0 && !this.takeLock(lock)) {
      this.detail();
      for (let k = 0; k < count; k++) this.fail(lists[base + k]!, Drop.txFull);
      this.parts.portCounters[portBase(port) + PortCounter.txErrors]! += count;
      return;
    }
    const { words } = work;
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
        this.detail();
        if ((bits & GSO) !== 0) {
          // What was collected goes first: order.
          this.sendCollected(port, sender, n, bytes, frameOf);
          n = 0;
          bytes = 0;
          this.sendSegmented(port, sender, work, i);
          continue;
        }
        if (this.finisher.checksum(this.pool.offsetOf(words[at + D_ID]!), size & D_LENGTH)) {
          words[at + D_SIZE] = size & ~(VNET_OR_SUM << D_FLAGS_SHIFT);
        } else {
          this.fail(i, Drop.malformed);
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
        this.sendCollected(port, sender, n, bytes, frameOf);
        n = 0;
        bytes = 0;
      }
    }
    this.sendCollected(port, sender, n, bytes, frameOf);
    if (lock >= 0) releaseLock(this.parts.locks, lock);
  }

  private takeLock(lock: number): boolean {
    const { meter, parts } = this;
    meter.contended = 0;
    meter.waitedNs = 0;
    const taken = takeLock(parts.locks, lock, this.worker, meter, parts.yieldThread);
    parts.counters[WorkerCounter.lockContended]! += meter.contended;
    parts.counters[WorkerCounter.lockWaitNs]! += meter.waitedNs;
    return taken;
  }

  /**
   * Sends entries 0 … n-1 of the port's arrays, `bytes` long together, and notes each frame's fate.
   * @param frameOf work index of each entry
   */
  private sendCollected(port: number, sender: Sender, n: number, bytes: number, frameOf: Int32Array): void {
    if (n === 0) return;
    if (sender.send(0, n) === n && !this.detailed) {
      this.took[port] = this.took[port]! + n;
      this.countPort(port, sender, n, bytes, 0);
      return;
    }
    this.detail();
    const { result, len } = sender.arrays;
    const copies = sender.delivers ? this.handed : this.sent;
    let packets = 0;
    let octets = 0;
    for (let k = 0; k < n; k++) {
      const i = frameOf[k]!;
      const r = result[k]!;
      if (r === SendResult.sent) {
        copies[i] = copies[i]! + 1;
        packets++;
        octets += len[k]!;
      } else {
        this.fail(i, REASON_OF[r]!);
      }
    }
    this.countPort(port, sender, packets, octets, n - packets);
  }

  /** Super-frame i goes to the port in segments. */
  private sendSegmented(port: number, sender: Sender, work: Work, i: number): void {
    const { finisher } = this;
    finisher.segment(sender, this.pool.offsetOf(work.part(i, D_ID)), work.part(i, D_SIZE) & D_LENGTH);
    const { packets, lost } = finisher;
    if (packets + lost > 0) this.countPort(port, sender, packets, finisher.octets, lost);
    if (packets === 0) {
      this.fail(i, finisher.reason);
      return;
    }
    const copies = sender.delivers ? this.handed : this.sent;
    copies[i] = copies[i]! + 1;
    this.failed[i] = this.failed[i]! + lost;
    if (!sender.delivers) this.segmentsSent += packets - 1;
  }

  private fail(i: number, reason: number): void {
    this.failed[i] = this.failed[i]! + 1;
    this.reason[i] = reason;
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
    return !this.detailed || (this.sent[i]! | this.handed[i]!) !== 0;
  }

  /**
   * Counts every frame's end and tells the order meter; the frames' slots go back when the rings say so. Nothing here
   * can throw.
   */
  commit(work: Work): void {
    const { counters } = this.parts;
    if (this.detailed) this.commitDetailed(work);
    else this.commitArrived(work);
    counters[WorkerCounter.processed]! += work.n;
    work.n = 0;
  }

  /** Every frame of the work went to one port and arrived. */
  private commitArrived(work: Work): void {
    const { counters, meter } = this.parts;
    const reordered = meter.commitArrived(work);
    for (let p = 0; p < this.ports; p++) {
      const count = this.took[p]!;
      if (count === 0) continue;
      const counter = this.senders[p]!.delivers ? WorkerCounter.delivered : WorkerCounter.transmitted;
      counters[counter]! += count;
    }
    if (reordered > 0) counters[WorkerCounter.reordered]! += reordered;
  }

  private commitDetailed(work: Work): void {
    const { counters, meter } = this.parts;
    const { sent, handed, failed } = this;
    let transmitted = 0;
    let delivered = 0;
    let flooded = 0;
    let handedCopies = 0;
    let lostCopies = 0;
    const reordered = meter.commit(work, sent, handed);
    for (let i = 0; i < work.n; i++) {
      const s = sent[i]!;
      const h = handed[i]!;
      if (s > 0 || h > 0) {
        if (s > 0) {
          transmitted++;
          flooded += s - 1;
          handedCopies += h;
        } else {
          delivered++;
          handedCopies += h - 1;
        }
        lostCopies += failed[i]!;
      } else {
        counters[WorkerCounter.dropped + this.reason[i]!]!++;
      }
    }
    counters[WorkerCounter.transmitted]! += transmitted;
    counters[WorkerCounter.delivered]! += delivered;
    counters[WorkerCounter.floodedCopies]! += flooded;
    counters[WorkerCounter.deliveredCopies]! += handedCopies;
    counters[WorkerCounter.copiesDropped]! += lostCopies;
    counters[WorkerCounter.segmentCopies]! += this.segmentsSent;
    counters[WorkerCounter.reordered]! += reordered;
    this.segmentsSent = 0;
  }
}
