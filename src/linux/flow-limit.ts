/**
 * The flow limit of a CPU's backlog (`skb_flow_limit`): drops packets of a flow that makes up more than half of
 * the recent packets while a queue is at least half full.
 *
 * Promise: exact, deterministic, no allocation per packet. The state belongs to the CPU that enqueues, not to the
 * one whose queue fills; one object per producer.
 *
 * A quirk that is kept: the history starts as zeros, so that its first 128 calls take from bucket 0 each time; a
 * lone flow that hashes to bucket 0 is never limited.
 */
import { UserError } from '../errors.js';
import { hash32, log2 } from './arith.js';
import type { LinuxBehaviour } from './version.js';

/** Table size, and the behaviour of which kernel. */
export interface FlowLimitOptions {
  /** `flow_limit_table_len`: a power of two. Default 4096. */
  readonly buckets?: number;
  readonly bucket?: LinuxBehaviour['flowLimitBucket'];
  readonly history?: LinuxBehaviour['flowLimitHistory'];
}

/** Recent flows of the packets that one CPU enqueues. */
export class FlowLimit {
  /** Packets refused so far (column 11 of softnet_stat). */
  count = 0;
  readonly buckets: Uint8Array;
  private readonly history: Uint16Array;
  private readonly log: number;
  private readonly hashed: boolean;
  private at = 0;

  /** Throws `UserError` when the number of buckets is no power of two. */
  constructor(options: FlowLimitOptions = {}) {
    const buckets = options.buckets ?? 4096;
    if (!Number.isInteger(buckets) || buckets < 1 || buckets > 65536 || (buckets & (buckets - 1)) !== 0)
      throw new UserError(`flow_limit_table_len ${buckets}: a power of two up to 65536 is needed`);
    // Eight-bit buckets wrap at 256: harmless with a history of 128, a bug with 256.
    this.buckets = new Uint8Array(buckets);
    this.history = new Uint16Array(options.history ?? 128);
    this.log = log2(buckets);
    this.hashed = (options.bucket ?? 'hash32') === 'hash32';
  }

  /** Bucket of a hash. */
  bucketOf(hash: number): number {
    return this.hashed ? hash32(hash, this.log) : hash & (this.buckets.length - 1);
  }

  /**
   * True when the packet is to be dropped. Below half of `maxBacklog` nothing is even remembered.
   *
   * @param length packets in the target's input queue.
   */
  refuses(hash: number, length: number, maxBacklog: number): boolean {
    if (length < maxBacklog >> 1) return false;
    const fresh = this.bucketOf(hash);
    const old = this.history[this.at]!;
    this.history[this.at] = fresh;
    this.at = (this.at + 1) & (this.history.length - 1);
    if (this.buckets[old]! > 0) this.buckets[old] = this.buckets[old]! - 1;
    this.buckets[fresh] = this.buckets[fresh]! + 1;
    if (this.buckets[fresh]! <= this.history.length >> 1) return false;
    this.count++;
    return true;
  }
}
