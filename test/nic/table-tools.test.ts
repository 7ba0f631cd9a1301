import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitRange } from '#rxsteer/hash/key-tools.js';
import { namedKey } from '#rxsteer/hash/keys.js';
import { IndirectionTable } from '#rxsteer/nic/indirection-table.js';
import { lintTable, queueLoads, rebalance } from '#rxsteer/nic/table-tools.js';

describe('lint', () => {
  it('finds nothing in a good table', () => {
    expect(lintTable(new IndirectionTable(128, 4), namedKey('microsoft'), bitRange(0, 96))).toEqual({
      entries: [32, 32, 32, 32],
      unusedQueues: [],
      unevenness: 1,
      entriesPerQueue: 32,
      reachableBuckets: 128,
      findings: [],
    });
  });

  it('finds unused queues, too few entries, unevenness and unreachable buckets', () => {
    const table = new IndirectionTable(128, 4);
    table.fillWeight([3, 1, 0, 0]);
    expect(lintTable(table).findings).toEqual([
      'queues without an entry: 2, 3',
      'the fullest queue has 96 entries, the mean is 64.0',
    ]);
    expect(lintTable(new IndirectionTable(8, 3)).findings).toEqual([
      '8 entries for 3 queues: at least 12 (4 a queue) are advised',
      'the fullest queue has 3 entries, the mean is 2.7',
    ]);
    expect(lintTable(new IndirectionTable(128, 4), namedKey('mtcp05'), bitRange(0, 96)).findings).toEqual([
      'the key reaches only 64 of 128 buckets',
    ]);
  });
});

describe('rebalancing', () => {
  const apply = (table: IndirectionTable, loads: number[], moves: ReturnType<typeof rebalance>) => {
    const owner = [...table.entries];
    for (const { bucket, from, to } of moves) {
      expect(owner[bucket]).toBe(from);
      owner[bucket] = to;
    }
    const result = new IndirectionTable(table.size, table.queues);
    result.setAll(owner);
    return queueLoads(result, loads);
  };

  it('moves what evens the queues out, and nothing when they are even', () => {
    const table = new IndirectionTable(8, 2);
    const loads = [10, 0, 10, 0, 10, 0, 10, 0];
    expect(queueLoads(table, loads)).toEqual([40, 0]);
    expect(apply(table, loads, rebalance(table, loads))).toEqual([20, 20]);
    expect(rebalance(table, [1, 1, 1, 1, 1, 1, 1, 1])).toEqual([]);
  });

  it('keeps to the budget of moves, the best first', () => {
    const table = new IndirectionTable(8, 2);
    const loads = [1, 0, 8, 0, 9, 0, 2, 0];
    expect(rebalance(table, loads, { moves: 1 })).toEqual([{ bucket: 4, from: 0, to: 1 }]);
    expect(rebalance(table, loads, { moves: 0 })).toEqual([]);
  });

  it('does not bounce an elephant', () => {
    const table = new IndirectionTable(4, 2);
    expect(rebalance(table, [100, 0, 0, 0])).toEqual([]);
    expect(rebalance(table, [100, 0, 5, 0])).toEqual([{ bucket: 2, from: 0, to: 1 }]);
  });

  it('never makes the fullest queue fuller, ends, and leaves the table alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 64, maxLength: 64 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 20 }),
        (loads, queues, moves) => {
          const table = new IndirectionTable(64, queues);
          const before = [...table.entries];
          const chosen = rebalance(table, loads, { moves });
          expect(chosen.length).toBeLessThanOrEqual(moves);
          expect([...table.entries]).toEqual(before);
          let fullest = Math.max(...queueLoads(table, loads));
          for (let count = 1; count <= chosen.length; count++) {
            const now = Math.max(...apply(table, loads, chosen.slice(0, count)));
            expect(now).toBeLessThanOrEqual(fullest);
            fullest = now;
          }
          const all = apply(table, loads, rebalance(table, loads));
          const mean = all.reduce((a, b) => a + b, 0) / queues;
          const largest = Math.max(...loads);
          expect(Math.max(...all)).toBeLessThanOrEqual(Math.max(mean * 1.02, mean + largest));
        },
      ),
    );
  });

  it('needs a load for each bucket', () => {
    expect(() => rebalance(new IndirectionTable(8, 2), [1])).toThrow(
      '1 bucket loads: the table has 8 buckets',
    );
  });
});
