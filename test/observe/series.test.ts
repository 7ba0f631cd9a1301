/** Ten minutes of figures in fixed memory: every second is remembered as it was, and nothing older. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ROWS, Series } from '#rxsteer/observe/series.js';

describe('a series', () => {
  it('says what was counted in each row, as a plain list would', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      skip: fc.integer({ min: 0, max: ROWS }),
      counted: fc.integer({ min: 0, max: 100_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const series = new Series(3, ['n']);
        const model = new Map<string, Map<number, number>>();
        const sums = new Map<string, number>();
        let row = 0;
        for (const { key, skip, counted } of steps) {
          row += skip;
          const place = series.open(key, row);
          const sum = (sums.get(key) ?? 0) + counted;
          sums.set(key, sum);
          series.count(place, 0, row, sum);
          expect(series.at(place, 0, row)).toBe(counted);
          model.set(key, (model.get(key) ?? new Map<number, number>()).set(row, counted));
        }
        const from = Math.max(0, row - ROWS + 1);
        for (const { key, place } of series.present(from)) {
          const wanted = Array.from({ length: row - from + 1 }, (_, i) => model.get(key)!.get(from + i) ?? 0);
          expect(series.column(place, 0, from, row)).toEqual(wanted);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('takes a counter that says less for one that began anew', () => {
    const series = new Series(1, ['n']);
    const place = series.open('a', 0);
    series.count(place, 0, 0, 100);
    expect(series.count(place, 0, 1, 130)).toBe(30);
    expect(series.count(place, 0, 2, 7)).toBe(7);
  });

  it('keeps what has gone until a newcomer needs its place, and refuses one that finds none', () => {
    const series = new Series(2, ['n']);
    for (const key of ['a', 'b']) series.set(series.open(key, 0), 0, 0, 1);
    for (let row = 1; row < 5; row++) series.set(series.open('b', row), 0, row, 2);
    expect([...series.present(0)].map(({ key }) => key)).toEqual(['a', 'b']);
    const place = series.open('c', 5);
    series.set(series.open('b', 5), 0, 5, 2);
    expect(series.column(place, 0, 0, 5)).toEqual([0, 0, 0, 0, 0, 0]);
    expect([...series.present(0)].map(({ key }) => key)).toEqual(['c', 'b']);
    // Both are there now.
    expect(series.open('d', 5)).toBe(-1);
    expect(series.refused).toBe(1);
  });

  it('takes the memory that it says, from the start', () => {
    const series = new Series(4, ['a', 'b', 'c']);
    const { bytes } = series;
    expect(bytes).toBe(4 * 3 * (4 * ROWS + 8));
    for (let row = 0; row < 2 * ROWS; row++)
      for (const key of 'pqrs') series.count(series.open(key, row), 1, row, row);
    expect(series.bytes).toBe(bytes);
  });
});
