/**
 * What an indirection table does to a load: lint, balance, and a rebalancer.
 *
 * Promise: pure; the same loads give the same moves. The rebalancer follows RSS++ (CoNEXT 2019) in spirit: take the
 * fullest queue's largest bucket that fits into the emptiest queue's room, until it is even enough or the budget of
 * moves is used. It never makes the fullest queue fuller.
 */
import { UserError } from '../errors.js';
import { effectiveBits } from '../hash/key-tools.js';
import type { IndirectionTable } from './indirection-table.js';

/** What `lintTable` found. */
export interface TableReport {
  /** Entries of each queue. */
  readonly entries: number[];
  /** Queues without any entry. */
  readonly unusedQueues: number[];
  /** Largest number of entries of a queue over the mean of the used ones. */
  readonly unevenness: number;
  /** Entries per used queue; the kernel's document wants at least 4. */
  readonly entriesPerQueue: number;
  /** Buckets that hashes can reach; fewer than the size for keys with few effective bits. */
  readonly reachableBuckets: number;
  /** One line for each thing that is worth a look; empty when all is well. */
  readonly findings: string[];
}

/** Looks a table over; with a key and the input bits that vary also whether all buckets can be reached. */
export function lintTable(table: IndirectionTable, key?: Uint8Array, bits?: readonly number[]): TableReport {
  const entries = [...table.counts()];
  const used = entries.filter((count) => count > 0);
  const unusedQueues = entries.flatMap((count, queue) => (count === 0 ? [queue] : []));
  const mean = table.size / used.length;
  const unevenness = Math.max(...used) / mean;
  const entriesPerQueue = mean;
  let reachableBuckets = table.size;
  if (key !== undefined && bits !== undefined && table.mask !== 0) {
    reachableBuckets = 2 ** effectiveBits(key, bits, 32 - Math.clz32(table.mask));
  }
  const findings: string[] = [];
  if (unusedQueues.length > 0) findings.push(`queues without an entry: ${unusedQueues.join(', ')}`);
  if (entriesPerQueue < 4 && used.length > 1) {
    findings.push(
      `${table.size} entries for ${used.length} queues: at least ${4 * used.length} (4 a queue) are advised`,
    );
  }
  if (unevenness > 1.05) {
    findings.push(`the fullest queue has ${Math.max(...used)} entries, the mean is ${mean.toFixed(1)}`);
  }
  if (reachableBuckets < table.size) {
    findings.push(`the key reaches only ${reachableBuckets} of ${table.size} buckets`);
  }
  return { entries, unusedQueues, unevenness, entriesPerQueue, reachableBuckets, findings };
}

/** Load of each queue under bucket loads. */
export function queueLoads(table: IndirectionTable, bucketLoads: ArrayLike<number>): number[] {
  if (bucketLoads.length !== table.size) {
    throw new UserError(`${bucketLoads.length} bucket loads: the table has ${table.size} buckets`);
  }
  const loads = new Array<number>(table.queues).fill(0);
  for (let bucket = 0; bucket < table.size; bucket++) loads[table.entries[bucket]!]! += bucketLoads[bucket]!;
  return loads;
}

/** One bucket to another queue. */
export interface BucketMove {
  readonly bucket: number;
  readonly from: number;
  readonly to: number;
}

/** When the rebalancer stops. */
export interface RebalanceOptions {
  /** Moves at most; each moves flows and costs them a pause or a reordering. Default: no limit. */
  readonly moves?: number;
  /** Stop when no queue is above the mean by more than this share of it. Default 0.02. */
  readonly tolerance?: number;
  /** Buckets that stay where they are; their load counts. */
  readonly frozen?: ReadonlySet<number>;
}

/** Moves that even out the queues, in the order in which they help most. The table is left as it is. */
export function rebalance(
  table: IndirectionTable,
  bucketLoads: ArrayLike<number>,
  options: RebalanceOptions = {},
): BucketMove[] {
  const loads = queueLoads(table, bucketLoads);
  const owner = Int32Array.from(table.entries);
  const mean = loads.reduce((a, b) => a + b, 0) / loads.length;
  const limit = mean * (1 + (options.tolerance ?? 0.02));
  const moves: BucketMove[] = [];
  const most = options.moves ?? Number.POSITIVE_INFINITY;
  while (moves.length < most) {
    const from = loads.indexOf(Math.max(...loads));
    const to = loads.indexOf(Math.min(...loads));
    if (loads[from]! <= limit) break;
    // The best bucket brings the pair closest together: near half of their difference, and always below all of it.
    // Of two that do as well, the lighter one disturbs less.
    const gap = loads[from]! - loads[to]!;
    let best = -1;
    let bestDistance = gap / 2;
    for (let bucket = 0; bucket < table.size; bucket++) {
      const load = bucketLoads[bucket]!;
      if (owner[bucket] !== from || load <= 0 || load >= gap) continue;
      if (options.frozen?.has(bucket) === true) continue;
      const distance = Math.abs(gap / 2 - load);
      if (distance < bestDistance || (distance === bestDistance && best >= 0 && load < bucketLoads[best]!)) {
        bestDistance = distance;
        best = bucket;
      }
    }
    // What is left is one bucket that no other queue could carry better (an elephant).
    if (best < 0) break;
    owner[best] = to;
    loads[from]! -= bucketLoads[best]!;
    loads[to]! += bucketLoads[best]!;
    moves.push({ bucket: best, from, to });
  }
  return moves;
}
