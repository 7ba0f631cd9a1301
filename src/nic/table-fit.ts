/**
 * The weights of `ethtool -X DEV weight …` that fit bucket loads best.
 *
 * Promise: pure; optimal among tables of contiguous blocks, one a queue, in queue order (what weights that add up to the
 * table's size mean): the fullest queue is as empty as such a table can make it, and of those tables it is the most
 * even one (least sum of squares), which matters when one bucket alone sets the fullest queue. Very large tables for
 * very many queues keep the first table found.
 */
import { UserError } from '../errors.js';

/** Buckets of each queue when no queue may carry more than `limit`; null where that takes more queues. */
function blocksWithin(loads: ArrayLike<number>, queues: number, limit: number): number[] | null {
  const blocks: number[] = [];
  let load = 0;
  let size = 0;
  for (let bucket = 0; bucket < loads.length; bucket++) {
    const own = loads[bucket]!;
    // As many buckets must be left as there are queues after this one: none goes without where it can be helped.
    const mustLeave = loads.length - bucket <= queues - blocks.length - 1;
    if (size > 0 && (load + own > limit || mustLeave)) {
      blocks.push(size);
      if (blocks.length === queues) return null;
      load = 0;
      size = 0;
    }
    if (own > limit) return null;
    load += own;
    size++;
  }
  blocks.push(size);
  while (blocks.length < queues) blocks.push(0);
  return blocks;
}

/** Steps up to which the most even table is looked for: some tenths of a second. */
const EVEN_STEPS = 1e8;

/** The most even blocks, none with more than `limit`, none empty; such blocks exist, and there are buckets enough. */
function evenBlocks(loads: ArrayLike<number>, queues: number, limit: number): number[] {
  const n = loads.length;
  const sums = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) sums[i + 1] = sums[i]! + loads[i]!;
  let costs = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY);
  costs[0] = 0;
  const from = new Int32Array(queues * (n + 1));
  for (let queue = 0; queue < queues; queue++) {
    const next = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY);
    for (let end = queue + 1; end <= n; end++) {
      for (let start = end - 1; start >= queue; start--) {
        const load = sums[end]! - sums[start]!;
        if (load > limit) break;
        const cost = costs[start]! + load * load;
        if (cost >= next[end]!) continue;
        next[end] = cost;
        from[queue * (n + 1) + end] = start;
      }
    }
    costs = next;
  }
  const blocks: number[] = [];
  for (let queue = queues - 1, end = n; queue >= 0; queue--) {
    const start = from[queue * (n + 1) + end]!;
    blocks.unshift(end - start);
    end = start;
  }
  return blocks;
}

/** The load of the fullest block. */
function fullest(loads: ArrayLike<number>, blocks: readonly number[]): number {
  let most = 0;
  let bucket = 0;
  for (const size of blocks) {
    let load = 0;
    for (const end = bucket + size; bucket < end; bucket++) load += loads[bucket]!;
    most = Math.max(most, load);
  }
  return most;
}

/**
 * Entries of each queue, which add up to the number of buckets.
 * @throws UserError for no bucket or no queue.
 */
export function fitWeights(loads: ArrayLike<number>, queues: number): number[] {
  if (loads.length === 0 || queues < 1)
    throw new UserError(`${loads.length} buckets for ${queues} queues: at least 1 of each`);
  let low = 0;
  let high = 0;
  for (let bucket = 0; bucket < loads.length; bucket++) high += loads[bucket]!;
  let best = blocksWithin(loads, queues, high)!;
  // Halving the bracket 60 times is exact for loads that are counts.
  for (let step = 0; step < 60 && high - low > 0.25; step++) {
    const limit = (low + high) / 2;
    const blocks = blocksWithin(loads, queues, limit);
    if (blocks === null) low = limit;
    else {
      best = blocks;
      high = limit;
    }
  }
  if (loads.length < queues || loads.length * loads.length * queues > EVEN_STEPS) return best;
  // Sums of loads that are no counts may differ in the last bits.
  return evenBlocks(loads, queues, fullest(loads, best) * (1 + 1e-12));
}
