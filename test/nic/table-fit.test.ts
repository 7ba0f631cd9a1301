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

test('refuses no buckets and no queues', () => {
  expect(() => fitWeights([], 2)).toThrow('0 buckets for 2 queues');
  expect(() => fitWeights([1], 0)).toThrow('at least 1 of each');
});
