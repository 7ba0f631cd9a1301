import fc from 'fast-check';
import { expect, it } from 'vitest';
import { namedKey } from '#rxsteer/hash/keys.js';
import { Toeplitz, toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import { ToeplitzLow } from '#rxsteer/hash/toeplitz-low.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

it('is the low bits of the whole hash, for every key, input, start and number of bits', () => {
  fc.assert(
    fc.property(
      bytes(40),
      bytes(36),
      fc.integer(),
      fc.integer({ min: 1, max: 16 }),
      (key, input, start, bits) => {
        const low = new ToeplitzLow(key, bits, 36, start);
        const mask = (1 << bits) - 1;
        expect(low.hash(input)).toBe(toeplitzBitwise(key, input, start) & mask);
        expect(low.hash(input, 4, 12)).toBe(toeplitzBitwise(key, input.slice(4, 16), start) & mask);
      },
    ),
    { numRuns: 50 },
  );
});

it('takes half the memory of the whole tables', () => {
  const key = namedKey('microsoft');
  expect(new ToeplitzLow(key, 7).table.byteLength * 2).toBe(new Toeplitz(key).table.byteLength);
});

it('refuses what its tables do not cover', () => {
  const key = namedKey('microsoft');
  expect(() => new ToeplitzLow(key, 17)).toThrow('low bits 17: 1 to 16');
  expect(() => new ToeplitzLow(key, 0)).toThrow('low bits 0');
  expect(() => new ToeplitzLow(key, 7, 37)).toThrow('key of 40 bytes is too short for 37');
  expect(() => new ToeplitzLow(key, 7, 12).hash(new Uint8Array(13))).toThrow('13 bytes of input');
});
