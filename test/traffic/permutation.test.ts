/** Packet order: a bijection, seeded; flows get exactly what they shall. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Permutation } from '#rxsteer/traffic/permutation.js';
import { apportion, apportionGroups, flowWeights, Schedule } from '#rxsteer/traffic/shares.js';

describe('Permutation', () => {
  it('visits every number once, for any size and seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer(), (size, seed) => {
        const order = new Permutation(size, seed);
        const seen = new Uint8Array(size);
        for (let i = 0; i < size; i++) seen[order.at(i)]!++;
        return seen.every((count) => count === 1);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('works up to 2^32', () => {
    const order = new Permutation(2 ** 32, 7);
    const numbers = new Set(Array.from({ length: 10_000 }, (_, i) => order.at(2 ** 32 - 1 - i)));
    expect(numbers.size).toBe(10_000);
    expect(Math.max(...numbers)).toBeGreaterThan(2 ** 31);
  });

  it('leaves no order: neighbours are far apart', () => {
    const order = new Permutation(100_000, 3);
    let sum = 0;
    for (let i = 1; i < 100_000; i++) sum += Math.abs(order.at(i) - order.at(i - 1));
    // A third of the size is the mean distance of two random numbers.
    expect(sum / 99_999 / 100_000).toBeCloseTo(1 / 3, 1);
  });
});

describe('shares', () => {
  it('are whole, add up, and leave nobody out where there is enough', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.001, max: 1000, noNaN: true }), { minLength: 1, maxLength: 50 }),
        fc.integer({ min: 0, max: 100_000 }),
        (weights, total) => {
          const counts = apportion(Float64Array.from(weights), total);
          const sum = counts.reduce((a, b) => a + b, 0);
          const least = Math.min(...counts);
          return (
            sum === total && counts.every(Number.isInteger) && least >= (total >= weights.length ? 1 : 0)
          );
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('follow Zipf: the first flow has twice the second, ten times the tenth', () => {
    const counts = apportion(flowWeights(1000, 1, 0, 0), 1_000_000);
    expect(counts[0]! / counts[1]!).toBeCloseTo(2, 1);
    expect(counts[0]! / counts[9]!).toBeCloseTo(10, 0);
  });

  it('give elephants their share', () => {
    const counts = apportion(flowWeights(1000, 0.5, 3, 0.6), 100_000);
    const elephants = counts[0]! + counts[1]! + counts[2]!;
    expect(elephants / 100_000).toBeCloseTo(0.6, 2);
    expect(counts[3]!).toBeLessThan(counts[2]!);
  });

  it('give marked flows exactly the wanted part', () => {
    const marked = Uint8Array.from({ length: 100 }, (_, i) => (i % 7 === 0 ? 1 : 0));
    const counts = apportionGroups(flowWeights(100, 1, 0, 0), marked, 0.7, 10_000);
    expect(counts.reduce((sum, count, i) => sum + (marked[i] === 1 ? count : 0), 0)).toBe(7000);
    expect(counts.reduce((a, b) => a + b)).toBe(10_000);
  });

  it('are kept by the schedule: each flow comes as often as counted', () => {
    for (const counts of [
      [5, 1, 0, 900, 3],
      [1],
      [0, 0, 4],
      new Array(500).fill(2),
      [1, 0, 0, 0, 0, 0, 0, 2],
    ]) {
      const schedule = new Schedule(Float64Array.from(counts), 9);
      const got = new Array(counts.length).fill(0);
      for (let i = 0; i < schedule.total; i++) got[schedule.flowOf(i)]++;
      expect(got).toEqual(counts);
    }
  });
});
