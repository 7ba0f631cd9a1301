/**
 * The weights of `ethtool -X DEV weight …` that fit bucket loads best.
 *
 * Promise: pure; optimal among tables of contiguous blocks, one a queue, in queue order (what weights that add up to the
 * table's size mean): the fullest queue is as empty as such a table can make it.
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
  return best;
}
