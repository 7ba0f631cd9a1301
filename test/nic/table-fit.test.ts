import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IndirectionTable } from '#rxsteer/nic/indirection-table.js';
import { fitWeights } from '#rxsteer/nic/table-fit.js';
import { queueLoads } from '#rxsteer/nic/table-tools.js';

/** The fullest block over all ways of cutting loads into at most `queues` pieces. */
function bestOf(loads: readonly number[], queues: number): number {
  if (queues === 1) return loads.reduce((a, b) => a + b, 0);
  let best = Number.POSITIVE_INFINITY;
  for (let cut = 0; cut <= loads.length; cut++) {
    const head = loads.slice(0, cut).reduce((a, b) => a + b, 0);
    best = Math.min(best, Math.max(head, bestOf(loads.slice(cut), queues - 1)));
  }
  return best;
}

test('no other contiguous table is better, and it is what ethtool makes of the weights', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 1, max: 4 }),
      (loads, queues) => {
        const weights = fitWeights(loads, queues);
        expect(weights).toHaveLength(queues);
        expect(weights.reduce((a, b) => a + b, 0)).toBe(loads.length);
        const table = new IndirectionTable(loads.length, queues);
        table.fillWeight(weights);
        expect([...table.counts()]).toEqual(weights);
        expect(Math.max(...queueLoads(table, loads))).toBe(bestOf(loads, queues));
      },
    ),
    { numRuns: 500 },
  );
});

/** The least sum of squares over all ways of cutting into `queues` pieces of one bucket at least. */
function evenestOf(loads: readonly number[], queues: number, limit: number): number {
  const sum = loads.reduce((a, b) => a + b, 0);
  if (queues === 1) return loads.length > 0 && sum <= limit ? sum * sum : Number.POSITIVE_INFINITY;
  let best = Number.POSITIVE_INFINITY;
  for (let cut = 1; cut <= loads.length; cut++) {
    const head = loads.slice(0, cut).reduce((a, b) => a + b, 0);
    if (head <= limit) best = Math.min(best, head * head + evenestOf(loads.slice(cut), queues - 1, limit));
  }
  return best;
}

test('of the best tables it is the most even one: beside an elephant the others are shared out', () => {
  expect(fitWeights([1, 1, 1, 1, 90, 1, 1, 1, 1], 3)).toEqual([4, 1, 4]);
  expect(fitWeights([90, 1, 1, 1, 1, 1, 1], 4)).toEqual([1, 2, 2, 2]);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 4, maxLength: 9 }),
      fc.integer({ min: 1, max: 4 }),
      (loads, queues) => {
        const table = new IndirectionTable(loads.length, queues);
        table.fillWeight(fitWeights(loads, queues));
        const own = [...queueLoads(table, loads)];
        const squares = own.reduce((sum, load) => sum + load * load, 0);
        expect(squares).toBe(evenestOf(loads, queues, Math.max(...own)));
      },
    ),
    { numRuns: 300 },
  );
});

test('refuses no buckets and no queues', () => {
  expect(() => fitWeights([], 2)).toThrow('0 buckets for 2 queues');
  expect(() => fitWeights([1], 0)).toThrow('at least 1 of each');
});
