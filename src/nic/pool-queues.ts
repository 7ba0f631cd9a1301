/**
 * Which of a pool's queues gets a frame: by RSS, by traffic class, or always the first; and the number that the
 * chip gives to that queue.
 *
 * Promise: lookups allocate nothing and never throw; what a layout or chip lacks is a UserError when it is made.
 * Pure after that; one thread.
 *
 * Sources: Intel's igb and ixgbe drivers, DPDK's ixgbe driver (queue numbers, MRQC, PSRTYPE.RQPL, the tables and
 * keys that the X550 has for each function).
 */
import { UserError } from '../errors.js';
import type { IndirectionTable } from './indirection-table.js';
import type { PoolMask } from './pool-filters.js';
import type { PoolLayout } from './profiles.js';
import type { RssHash } from './rss-hash.js';
import { classesOf, priorityOf } from './traffic-classes.js';

/** RSS of one pool of a chip that has it for each pool (X550). */
export interface PoolRss {
  readonly hash: RssHash;
  readonly table: IndirectionTable;
}

/** How pools use their queues. */
export interface PoolQueuesOptions {
  readonly layout: PoolLayout;
  /** The 82576 deals queues out in turn (pool + pools * index); the others in blocks. */
  readonly isInterleaved: boolean;
  /** Pools inside which RSS chooses (82576: VMOLR.RSSE); absent = all. The others use their first queue. */
  readonly rss?: PoolMask;
  /** Queues of a pool that RSS reaches, by pool (82599: PSRTYPE.RQPL): 1, 2 or 4; absent = all. */
  readonly limits?: ReadonlyMap<number, number>;
  /** Traffic class of each VLAN priority, for layouts with classes; absent = priority mod classes. */
  readonly priorities?: readonly number[];
  /** Table and key of each pool, where the chip has them (X550); absent = one for all. */
  readonly own?: readonly PoolRss[];
}

/** What a layout is called: `32x4` with RSS, `64x1` without, `16x8tc` with traffic classes. */
export function layoutName(layout: PoolLayout): string {
  const { pools, queuesPerPool, inside = 'rss' } = layout;
  if (inside === 'none') return `${pools}x1`;
  return `${pools}x${queuesPerPool}${inside === 'classes' ? 'tc' : ''}`;
}

/** Queues inside pools. */
export class PoolQueues {
  readonly layout: PoolLayout;
  /** Of the whole NIC. */
  readonly queues: number;
  readonly own: readonly PoolRss[] | null;
  readonly isInterleaved: boolean;
  /** By pool: the bits of an RSS index that count; -1 = all, 0 = no RSS there. */
  readonly #masks: Int32Array;
  readonly #classes: Int32Array | null;

  /** @throws UserError for limits and classes that the layout does not have. */
  constructor(options: PoolQueuesOptions) {
    const { layout, rss, limits = new Map<number, number>(), own } = options;
    const { pools, queuesPerPool, inside = 'rss' } = layout;
    this.layout = layout;
    this.queues = pools * queuesPerPool;
    this.isInterleaved = options.isInterleaved;
    this.own = own ?? null;
    this.#masks = new Int32Array(pools);
    for (let pool = 0; pool < pools; pool++) {
      const isOn = rss === undefined || (((pool < 32 ? rss.low : rss.high) >>> (pool & 31)) & 1) === 1;
      this.#masks[pool] = inside === 'rss' && isOn ? -1 : 0;
    }
    for (const [pool, limit] of limits) {
      if (inside !== 'rss')
        throw new UserError(`pool ${pool}: layout ${layoutName(layout)} has no RSS to limit`);
      if (pool >= pools) throw new UserError(`pool ${pool}: there are pools 0 to ${pools - 1}`);
      if (limit > queuesPerPool || (limit & (limit - 1)) !== 0) {
        const permitted = [1, 2, 4].filter((count) => count <= queuesPerPool).join(', ');
        throw new UserError(`pool ${pool}: ${limit} queues: ${permitted} are permitted`);
      }
      this.#masks[pool]! &= limit - 1;
    }
    const { priorities } = options;
    if (priorities !== undefined && inside !== 'classes') {
      throw new UserError(`traffic classes: layout ${layoutName(layout)} has none`);
    }
    this.#classes = inside === 'classes' ? classesOf(queuesPerPool, priorities) : null;
  }

  /** Queue of the NIC at an index inside a pool. */
  queueOf(pool: number, index: number): number {
    const { pools, queuesPerPool } = this.layout;
    return this.isInterleaved ? pool + pools * index : pool * queuesPerPool + index;
  }

  /** Index of a frame by its traffic class, from its outer tag (-1 = untagged, priority 0); -1 without classes. */
  classOf(tag: number): number {
    return this.#classes === null ? -1 : this.#classes[priorityOf(tag)]!;
  }

  /** True where RSS chooses inside the pool. */
  hasRss(pool: number): boolean {
    return this.#masks[pool] !== 0;
  }

  /** What the pool makes of an RSS index. */
  limited(pool: number, index: number): number {
    return index & this.#masks[pool]!;
  }

  /** `pool * 4 + 2`: the sum behind `queueOf`, for people. */
  sum(pool: number, index: number): string {
    const { pools, queuesPerPool } = this.layout;
    return this.isInterleaved ? `${pool} + ${pools} * ${index}` : `${pool} * ${queuesPerPool} + ${index}`;
  }
}
