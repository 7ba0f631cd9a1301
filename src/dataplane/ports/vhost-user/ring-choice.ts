/**
 * Which of the guest's receive rings a frame should be in, and what is learned for that from what the guest sends.
 *
 * Promise: the choice names a ring that the guest has enabled. A flow and its other direction fall into one bucket of
 * `FLOW_BUCKETS`, by a hash with a secret key. `auto` follows the guest as the TAP driver does (`tun_flow_update`): the
 * bucket belongs into the ring of the pair on which the guest sent one of its frames last, for `TUN_FLOW_EXPIRE_MS`; else
 * the hash chooses. What is learned is bounded by the buckets. With `worker` each worker chooses a ring of its own. A
 * choice is a wish: when the bucket really moves is what `native/vhost/flow_rings.h` says. Nothing here allocates per
 * burst. Worker threads only, an object each.
 */
import type { NativeReceiver } from '../../../addon/native.js';
import { LinuxFlowHash } from '../../../linux/flow-hash.js';
import { TUN_FLOW_EXPIRE_MS } from '../../../linux/tun.js';
import { ClockTime, type ThreadClock } from '../../memory/clock.js';
import { NativeQueue } from '../device/native-queues.js';
import type { ReceiveArrays, SendArrays } from '../port.js';
import type { VhostData } from './data.js';

/** A power of two. */
export const FLOW_BUCKETS = 4096;

const MS = ClockTime.ms;
/** A learned word: the pair + 1, and the quarter of a second in which the guest sent. */
const PAIR_BITS = 8;
const PAIR_MASK = (1 << PAIR_BITS) - 1;
const TICK_MS = 250;
const TICKS = 0xff_ffff;
const EXPIRE_TICKS = TUN_FLOW_EXPIRE_MS / TICK_MS;

const tickOf = (ms: number) => Math.floor(ms / TICK_MS) & TICKS;

/** The hash that gives a frame its bucket. */
const hashOf = (data: VhostData) => new LinuxFlowHash(data.key, { symmetric: true });

/** Fills `wanted` and `bucket` for the frames of a send call. */
export class RingChoice {
  /** By entry of the send arrays: the pair whose ring the frame should be in; the flow's bucket, or -1. */
  readonly wanted: Int32Array;
  readonly bucket: Int32Array;
  /** The pair that all entries name; -1: they name several. */
  private one = -1;
  private readonly enabled: Int32Array;
  private readonly flows: Int32Array;
  private readonly readers: Int32Array;
  private readonly learned: Int32Array | null;
  private readonly hash: LinuxFlowHash | null;
  private readonly byWorker: boolean;

  constructor(
    private readonly arrays: SendArrays,
    private readonly bytes: Uint8Array,
    private readonly worker: number,
    private readonly clock: ThreadClock,
    private readonly data: VhostData,
  ) {
    this.wanted = new Int32Array(arrays.off.length);
    this.bucket = new Int32Array(arrays.off.length).fill(-1);
    this.enabled = new Int32Array(data.enabled);
    this.flows = new Int32Array(data.flows);
    this.readers = new Int32Array(data.readers);
    this.hash = data.pairs > 1 ? hashOf(data) : null;
    this.byWorker = data.guestQueue === 'worker';
    this.learned = this.hash !== null && data.guestQueue === 'auto' ? new Int32Array(data.learned) : null;
  }

  /** All frames go into the ring of this pair, and are in no bucket: what stands there already need not be written. */
  private chooseOne(pair: number): void {
    if (this.one === pair) return;
    this.wanted.fill(pair);
    this.bucket.fill(-1);
    this.one = pair;
  }

  /** See `Sender.readerOf`: of the ring that the frame's bucket is in. */
  readerOf(offset: number, length: number): number {
    const { hash, enabled, readers } = this;
    const count = enabled[0]!;
    if (count === 0) return 0;
    if (hash === null) return readers[enabled[1]!]!;
    const bucket = hash.hashFrame(this.bytes, offset, length) & (FLOW_BUCKETS - 1);
    const pair = this.flows[2 * bucket]! - 1;
    return pair < 0 ? 0 : readers[pair]!;
  }

  choose(from: number, to: number): void {
    const { wanted, bucket, hash, enabled } = this;
    const count = enabled[0]!;
    if (hash === null || count === 0) {
      this.chooseOne(count === 0 ? 0 : enabled[1]!);
      return;
    }
    this.one = -1;
    const { off, len } = this.arrays;
    const on = 1 + this.data.pairs;
    if (this.learned !== null) this.clock.look();
    const tick = tickOf(this.clock.times[MS]!);
    const own = enabled[1 + (this.worker % count)]!;
    for (let i = from; i < to; i++) {
      const h = hash.hashFrame(this.bytes, off[i]!, len[i]!);
      const b = h & (FLOW_BUCKETS - 1);
      bucket[i] = b;
      // The bits that have not chosen the bucket.
      wanted[i] = this.byWorker ? own : enabled[1 + ((h >>> 12) % count)]!;
      if (this.learned === null) continue;
      const word = this.learned[b]!;
      const pair = (word & PAIR_MASK) - 1;
      const age = (tick - (word >>> PAIR_BITS)) & TICKS;
      if (pair >= 0 && age <= EXPIRE_TICKS && enabled[on + pair] === 1) wanted[i] = pair;
    }
  }
}

/** Receives what the guest sends, and learns on which pair of rings each flow is. */
export class LearningQueue extends NativeQueue {
  private readonly learned: Int32Array;
  private readonly hash: LinuxFlowHash;

  /** @param rings what the receiver fills: by entry of the arrays the pair that the frame came from */
  constructor(
    receiver: NativeReceiver,
    private readonly arrays: ReceiveArrays,
    private readonly rings: Int32Array,
    private readonly bytes: Uint8Array,
    private readonly clock: ThreadClock,
    data: VhostData,
  ) {
    super(receiver, data.event, true);
    this.learned = new Int32Array(data.learned);
    this.hash = hashOf(data);
  }

  override receive(max: number): number {
    const n = super.receive(max);
    if (n === 0) return 0;
    const { learned, rings, arrays } = this;
    const { off, len } = arrays;
    this.clock.look();
    const when = tickOf(this.clock.times[MS]!) << PAIR_BITS;
    for (let i = 0; i < n; i++) {
      const b = this.hash.hashFrame(this.bytes, off[i]!, len[i]!) & (FLOW_BUCKETS - 1);
      const word = when | (rings[i]! + 1);
      // Its line stays with the senders that read it.
      if (learned[b] !== word) learned[b] = word;
    }
    return n;
  }
}
