import { describe, expect, it } from 'vitest';
import { abba, demandOn, ratioOf, resultOf, Samples, satisfies } from '#rxsteer/bench/runner.js';

describe('the order of visits', () => {
  it('is forwards and backwards in turn', () => {
    expect(abba(['A', 'B', 'C'], 3)).toEqual([
      ['A', 'B', 'C'],
      ['C', 'B', 'A'],
      ['A', 'B', 'C'],
    ]);
  });
});

describe('results', () => {
  it('give rates as time an operation and back', () => {
    const result = resultOf('s', 'n', [1e6, 2e6, 4e6], 'perSecond', 'pps');
    expect(result).toMatchObject({ nsPerOp: 500, opsPerSecond: 2e6, value: 2e6, samples: 3, best: 250 });
    expect(result?.ci95[0]).toBeGreaterThanOrEqual(250);
    expect(result?.ci95[1]).toBeLessThanOrEqual(1000);
  });

  it('have no time an operation where there is no operation', () => {
    const result = resultOf('s', 'idle', [0.01, 0.02, 0.03], 'share', 'cores');
    expect(result).toMatchObject({ nsPerOp: null, opsPerSecond: null, value: 0.02, best: 0.01 });
  });

  it('are absent without samples', () => {
    expect(resultOf('s', 'n', [], 'nanoseconds', 'ns')).toBeNull();
    expect(ratioOf('r', [], [1], null)).toBeNull();
    expect(demandOn('r', [], '< 1')).toBeNull();
  });
});

describe('demands', () => {
  it.each([
    [1.2, '>= 1.2', true],
    [1.19, '>= 1.2', false],
    [0.125, '<= 0.125', true],
    [0.126, '<= 0.125', false],
    [0.02, '< 0.02', false],
    [0, '<= 0', true],
    [3, '> 2', true],
  ])('%s %s: %s', (value, wanted, holds) => {
    expect(satisfies(value, wanted)).toBe(holds);
  });

  it('must be readable', () => {
    expect(() => satisfies(1, 'at least 1')).toThrow(RangeError);
  });

  it('are judged by the median', () => {
    expect(ratioOf('r', [10, 12, 14], [10, 10, 10], '>= 1.2')).toMatchObject({ value: 1.2, holds: true });
    expect(ratioOf('r', [10, 11, 14], [10, 10, 10], null)).toMatchObject({ wanted: null, holds: null });
  });
});

describe('samples', () => {
  it('keep candidates and measures apart, in the order of the rounds', () => {
    const samples = new Samples();
    samples.add('a', 'rate', 1);
    samples.add('b', 'rate', 2);
    samples.add('a', 'rate', 3);
    expect(samples.of('a', 'rate')).toEqual([1, 3]);
    expect(samples.of('a', 'loss')).toEqual([]);
  });
});
