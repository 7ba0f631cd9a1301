// Uneven load on an indirection table, and the fewest bucket moves that even it out.   node examples/rebalance.mjs
import { fullestOverFair, IndirectionTable, lintTable, queueLoads, rebalance, steerFrames } from 'rxsteer';

// 300 packets of one flow and 700 of as many flows.
const flows = Array.from({ length: 1000 }, (_, n) => `tcp 10.0.0.1:${n < 300 ? 1 : 1024 + n} > 10.1.0.1:80`);
const { buckets } = steerFrames('rss:queues=4', flows);
const table = new IndirectionTable(128, 4);
const loads = Array.from({ length: 128 }, (_, bucket) => buckets[bucket] ?? 0);
console.log('before', queueLoads(table, loads), fullestOverFair(queueLoads(table, loads)).toFixed(2));
for (const budget of [2, 16, 64]) {
  const moves = rebalance(table, loads, { moves: budget });
  for (const { bucket, to } of moves) table.set(bucket, to);
  const after = queueLoads(table, loads);
  console.log(`${moves.length} more moves`, after, fullestOverFair(after).toFixed(2));
}
console.log(lintTable(table).findings.join('; ') || 'nothing to complain about');
