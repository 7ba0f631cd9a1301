import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash32, log2, pow2up, rscale, sdiff } from '#rxsteer/linux/arith.js';

const u32 = fc.integer({ min: 0, max: 0xffffffff });

describe('rscale', () => {
  test.each([
    [0, 3, 0],
    [0x55555555, 3, 0],
    [0x55555556, 3, 1],
    [0xaaaaaaaa, 3, 1],
    [0xaaaaaaab, 3, 2],
    [0xffffffff, 3, 2],
    [0x7fffffff, 2, 0],
    [0x80000000, 2, 1],
    [0xdeadbeef, 16, 13],
    [0xffffffff, 0, 0],
    [0xffffffff, 2097151, 2097150],
  ])('rscale(%i, %i) = %i', (v, n, wanted) => {
    expect(rscale(v, n)).toBe(wanted);
    expect(rscale(v | 0, n)).toBe(wanted);
  });

  test('is the 64-bit product shifted by 32 for every n below 2^21', () => {
    fc.assert(
      fc.property(u32, fc.integer({ min: 0, max: 2 ** 21 - 1 }), (v, n) => {
        expect(BigInt(rscale(v | 0, n))).toBe((BigInt(v) * BigInt(n)) >> 32n);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('hash32', () => {
  test.each([
    [1, 8, 97],
    [0xdeadbeef, 8, 109],
    [0x12345678, 12, 1912],
    [0xffffffff, 16, 40503],
    [0x80000000, 10, 512],
    [0xdeadbeef, 0, 0],
  ])('hash32(%i, %i) = %i', (v, bits, wanted) => {
    expect(hash32(v, bits)).toBe(wanted);
    expect(hash32(v | 0, bits)).toBe(wanted);
  });

  test('agrees with 64-bit arithmetic', () => {
    fc.assert(
      fc.property(u32, fc.integer({ min: 1, max: 32 }), (v, bits) => {
        const product = (BigInt(v) * 0x61c88647n) & 0xffffffffn;
        expect(BigInt(hash32(v, bits))).toBe(product >> BigInt(32 - bits));
      }),
    );
  });
});

test('sdiff survives the wrap of the counters', () => {
  expect(sdiff(2, 0xffffffff)).toBe(3);
  expect(sdiff(2, -1)).toBe(3);
  expect(sdiff(0x7fffffff, 0xffffffff)).toBe(-2147483648);
  expect(sdiff(0xfffffffd, 0xfffffffe)).toBe(-1);
  expect(sdiff(5, 5)).toBe(0);
});

test('pow2up and log2', () => {
  expect([1, 2, 3, 4, 5, 1000, 1024, 1025, 2 ** 31].map(pow2up)).toEqual([
    1, 2, 4, 4, 8, 1024, 1024, 2048, 2147483648,
  ]);
  expect([1, 2, 1024, 2 ** 31].map(log2)).toEqual([0, 1, 10, 31]);
});
