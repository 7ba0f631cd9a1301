/** Patterns of numbers match exactly their range. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimalPattern, wholePattern } from '#rxsteer/policy/number-pattern.js';

const range = fc
  .tuple(fc.nat(70_000), fc.nat(70_000))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

describe('patterns of numbers', () => {
  it('match the whole numbers of the range and no other', () => {
    fc.assert(
      fc.property(range, fc.nat(80_000), fc.nat(3), ([least, most], value, zeros) => {
        const pattern = new RegExp(`^${wholePattern(least, most)}$`);
        for (const n of [value, least, most, least - 1, most + 1, 0, 9, 10, 99, 100, 9999, 10000]) {
          if (n >= 0) expect(pattern.test('0'.repeat(zeros) + n)).toBe(n >= least && n <= most);
        }
        for (const text of ['', '-1', '1.0', '1e3', ' 1']) expect(pattern.test(text)).toBe(false);
      }),
    );
    expect(new RegExp(`^${wholePattern(0, 0xffffffff)}$`).test('4294967296')).toBe(false);
  });

  it('match numbers with fractions', () => {
    fc.assert(
      fc.property(range, fc.nat(80_000), fc.nat(999), ([least, most], whole, part) => {
        if (least === most) return;
        const text = `${whole}.${part}`;
        const inside = Number(text) >= least && Number(text) <= most;
        expect(new RegExp(`^${decimalPattern(least, most)}$`).test(text)).toBe(inside);
      }),
    );
  });
});
