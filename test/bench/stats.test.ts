import { describe, expect, it } from 'vitest';
import { median, medianInterval, medianOfRatios, percentile, ratioOfMedians } from '#rxsteer/bench/stats.js';

describe('medians and percentiles', () => {
  it('take the middle of the sorted samples', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(percentile([10, 20, 30, 40, 50], 0.25)).toBe(20);
    expect(percentile([10, 20], 0.99)).toBeCloseTo(19.9);
  });

  it('are NaN for no samples', () => {
    expect(median([])).toBeNaN();
  });
});

describe('bootstrap intervals', () => {
  const samples = [10, 11, 9, 10.5, 9.5, 30, 10.2];

  it('are the same for the same samples', () => {
    expect(medianInterval(samples)).toEqual(medianInterval(samples));
  });

  it('hold the median and ignore a single outlier', () => {
    const [low, high] = medianInterval(samples);
    expect(low).toBeLessThan(10.2);
    expect(high).toBeGreaterThan(10.2);
    expect(high).toBeLessThanOrEqual(30);
    expect(low).toBeGreaterThanOrEqual(9);
  });

  it('are the sample itself for a single one', () => {
    expect(medianInterval([7])).toEqual([7, 7]);
  });

  it('resample rounds of paired samples: what hits both sides alike leaves the ratio alone', () => {
    const machine = [1, 2, 4, 8, 16];
    const a = machine.map((speed) => 3 * speed);
    expect(ratioOfMedians(a, machine)).toEqual({ value: 3, ci95: [3, 3] });
  });

  it('resample each side alone when they differ in number', () => {
    const { value, ci95 } = ratioOfMedians([1, 2, 3, 4], [1, 2, 3]);
    expect(value).toBe(1.25);
    expect(ci95[0]).toBeLessThan(0.8);
    expect(ci95[1]).toBeGreaterThan(1.5);
  });
});

describe('the median of ratios', () => {
  it('is that of the rounds, however much the machine changes between them', () => {
    const b = [10, 100, 12, 90, 11];
    const { value, ci95 } = medianOfRatios(
      b.map((x) => 2 * x),
      b,
    );
    expect(value).toBe(2);
    expect(ci95).toEqual([2, 2]);
  });
});
