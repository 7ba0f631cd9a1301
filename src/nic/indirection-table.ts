/**
 * The table that turns a hash into a receive queue (ethtool's RX flow hash indirection table, DPDK's RETA).
 *
 * Promise: entries always name queues below `queues`; fills are those of `ethtool -X` and of the drivers; what
 * ethtool refuses is refused here with a UserError. One writer; entries are read by burst functions of the same
 * thread.
 *
 * Source: the ethtool user-space tool (equal, weight, start), igb and other drivers' default fills.
 */
import { UserError } from '../errors.js';

/** Largest table of any known device, and the largest that is accepted. */
export const TABLE_SIZE_MAX = 65536;

/** Default fill of a driver: `i mod n`, or contiguous blocks `floor(i * n / S)` (Linux igb). */
export type DefaultFill = 'modulo' | 'blocks';

/** What fills a table, in the words of `ethtool -X`. */
export interface TableFill {
  readonly equal?: number | undefined;
  readonly weight?: readonly number[] | undefined;
  readonly start?: number | undefined;
  readonly entries?: readonly number[] | undefined;
}

/** An indirection table: bucket to queue. */
export class IndirectionTable {
  /** Queue of each bucket. */
  readonly entries: Int32Array;
  readonly size: number;
  /** Queues that exist: entries are below this. */
  readonly queues: number;
  /** `size - 1` where the size is a power of two (the bucket is then the hash's low bits), else 0. */
  readonly mask: number;
  /** True after anything but a default fill: channels below a used queue may then not be taken away. */
  configured = false;

  /** A table with the driver's default fill. @throws UserError for a size or number of queues out of range. */
  constructor(size: number, queues: number, fill: DefaultFill = 'modulo') {
    if (!Number.isInteger(size) || size < 1 || size > TABLE_SIZE_MAX) {
      throw new UserError(`table of ${size} entries: 1 to ${TABLE_SIZE_MAX} are permitted`);
    }
    if (!Number.isInteger(queues) || queues < 1) {
      throw new UserError(`table for ${queues} queues: at least 1 is needed`);
    }
    this.size = size;
    this.queues = queues;
    this.mask = (size & (size - 1)) === 0 ? size - 1 : 0;
    this.entries = new Int32Array(size);
    this.fillDefault(fill);
  }

  /** Bucket of a hash: its low bits, or the remainder for sizes that are no power of two. */
  bucketOf(hash: number): number {
    return this.mask !== 0 || this.size === 1 ? hash & this.mask : (hash >>> 0) % this.size;
  }

  /** The fill of a driver (`ethtool -X default`). */
  fillDefault(fill: DefaultFill = 'modulo'): void {
    const { entries, size, queues } = this;
    for (let i = 0; i < size; i++)
      entries[i] = fill === 'blocks' ? Math.floor((i * queues) / size) : i % queues;
    this.configured = false;
  }

  /** `ethtool -X equal COUNT start START`: entry i = start + i mod count. */
  fillEqual(count: number, start = 0): void {
    this.#checkRange('equal', count, start);
    for (let i = 0; i < this.size; i++) this.entries[i] = start + (i % count);
    this.configured = true;
  }

  /** `ethtool -X weight w0 w1 … start START`: contiguous blocks in proportion to the weights. */
  fillWeight(weights: readonly number[], start = 0): void {
    this.#checkRange('weight', weights.length, start);
    const bad = weights.find((weight) => !Number.isInteger(weight) || weight < 0);
    if (bad !== undefined) throw new UserError(`weight ${bad}: weights are whole numbers from 0`);
    const sum = weights.reduce((a, b) => a + b, 0);
    if (sum === 0) throw new UserError('weight: at least one weight must be above 0');
    if (sum > this.size) {
      throw new UserError(`weight: the sum ${sum} exceeds the table's ${this.size} entries`);
    }
    let queue = -1;
    let partial = 0;
    for (let i = 0; i < this.size; i++) {
      while (i >= Math.floor((this.size * partial) / sum)) partial += weights[++queue]!;
      this.entries[i] = start + queue;
    }
    this.configured = true;
  }

  /** One of the three ways of filling, or none. @throws UserError for more than one, and for what each refuses. */
  fill(given: TableFill): void {
    const { equal, weight, entries, start } = given;
    if ([equal, weight, entries].filter((way) => way !== undefined).length > 1) {
      throw new UserError('one of equal, weight, entries is enough');
    }
    if (start !== undefined && equal === undefined && weight === undefined) {
      throw new UserError('start goes with equal or weight');
    }
    if (equal !== undefined) this.fillEqual(equal, start);
    else if (weight !== undefined) this.fillWeight(weight, start);
    else if (entries !== undefined) this.setAll(entries);
  }

  /** One entry. @throws UserError for a bucket or queue that does not exist. */
  set(bucket: number, queue: number): void {
    this.check(bucket, queue);
    this.entries[bucket] = queue;
    this.configured = true;
  }

  /** Changes nothing. @throws UserError for a bucket or queue that does not exist. */
  check(bucket: number, queue: number): void {
    if (!Number.isInteger(bucket) || bucket < 0 || bucket >= this.size) {
      throw new UserError(`bucket ${bucket}: the table has buckets 0 to ${this.size - 1}`);
    }
    this.#checkQueue(queue);
  }

  /** All entries. @throws UserError for another length or a queue that does not exist. */
  setAll(queues: ArrayLike<number>): void {
    if (queues.length !== this.size) {
      throw new UserError(`${queues.length} entries given: the table has ${this.size}`);
    }
    for (let i = 0; i < queues.length; i++) this.#checkQueue(queues[i]!);
    this.entries.set(Int32Array.from(queues));
    this.configured = true;
  }

  /**
   * The table after the number of queues changed: a default fill is made anew, a configured one is kept.
   * @throws UserError when a configured entry uses a queue that would vanish (ethtool refuses that).
   */
  withQueues(queues: number, fill: DefaultFill = 'modulo'): IndirectionTable {
    const next = new IndirectionTable(this.size, queues, fill);
    if (this.configured) {
      const used = this.entries.reduce((a, b) => Math.max(a, b), 0);
      if (used >= queues) {
        throw new UserError(`${queues} queues: the table uses queue ${used}; set the table to default first`);
      }
      next.setAll(this.entries);
    }
    return next;
  }

  /**
   * The table with another size, as drivers must make it when the size depends on the number of queues: a default
   * fill is made anew; a configured one is repeated to grow, and shrinks only if it is such a repetition.
   * @throws UserError where entries would be lost or cut apart
   */
  resized(size: number, fill: DefaultFill = 'modulo'): IndirectionTable {
    const next = new IndirectionTable(size, this.queues, fill);
    if (!this.configured) return next;
    const [small, large] = size < this.size ? [size, this.size] : [this.size, size];
    if (large % small !== 0) {
      throw new UserError(`table of ${this.size} entries: ${size} is neither a multiple nor a part of it`);
    }
    if (this.entries.some((queue, i) => queue !== this.entries[i % small])) {
      throw new UserError(`table of ${this.size} entries does not repeat every ${size}: it cannot shrink`);
    }
    next.setAll(Array.from({ length: size }, (_, i) => this.entries[i % small]!));
    return next;
  }

  /** Entries of each queue. */
  counts(): Int32Array {
    const counts = new Int32Array(this.queues);
    for (const queue of this.entries) counts[queue]!++;
    return counts;
  }

  #checkQueue(queue: number): void {
    if (!Number.isInteger(queue) || queue < 0 || queue >= this.queues) {
      throw new UserError(`queue ${queue}: there are queues 0 to ${this.queues - 1}`);
    }
  }

  #checkRange(what: string, count: number, start: number): void {
    if (!Number.isInteger(start) || start < 0) throw new UserError(`start ${start}: a whole number from 0`);
    if (!Number.isInteger(count) || count < 1)
      throw new UserError(`${what} ${count}: at least 1 queue is needed`);
    if (start + count > this.queues) {
      throw new UserError(
        `${what}: queues ${start} to ${start + count - 1} are named, there are queues 0 to ${this.queues - 1}`,
      );
    }
  }
}
