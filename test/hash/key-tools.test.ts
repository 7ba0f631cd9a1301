import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankOf } from '#rxsteer/hash/gf2.js';
import {
  bitRange,
  collidingDifferences,
  effectiveBits,
  IPV4_FIELDS,
  IPV6_FIELDS,
  inputsForHash,
  KeyObserver,
  keySymmetry,
} from '#rxsteer/hash/key-tools.js';
import { type KeyName, namedKey, randomKey } from '#rxsteer/hash/keys.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';

const microsoft = namedKey('microsoft');
const tuple = bitRange(0, 96);
const ports = bitRange(64, 96);
const sport = bitRange(...IPV4_FIELDS.sport);

describe('effective bits', () => {
  it.each<[KeyName, number, number, number]>([
    ['microsoft', 32, 32, 32],
    ['mlx5', 32, 32, 32],
    ['i40e', 32, 32, 32],
    ['symmetric', 16, 16, 16],
    ['mtcp05', 6, 6, 6],
    ['cnxk', 32, 32, 32],
  ])('%s', (name, pair, four, six) => {
    const key = namedKey(name);
    expect(effectiveBits(key, bitRange(0, 64))).toBe(pair);
    expect(effectiveBits(key, tuple)).toBe(four);
    expect(effectiveBits(key, bitRange(0, 288))).toBe(six);
  });

  it('agree with brute force', () => {
    const key = randomKey(40, 3);
    for (const bits of [bitRange(64, 74), [1, 9, 33, 64, 65], [0, 1, 2, 3, 90, 91]]) {
      const hashes = new Set<number>();
      for (let choice = 0; choice < 2 ** bits.length; choice++) {
        const input = new Uint8Array(12);
        bits.forEach((bit, i) => {
          if ((choice >> i) & 1) input[bit >> 3]! |= 0x80 >> (bit & 7);
        });
        hashes.add(toeplitzBitwise(key, input) & 0xff);
      }
      expect(hashes.size).toBe(2 ** effectiveBits(key, bits, 8));
    }
  });

  it('the key of mTCP reaches 64 of 128 buckets', () => {
    expect(effectiveBits(namedKey('mtcp05'), tuple, 7)).toBe(6);
    expect(effectiveBits(microsoft, tuple, 7)).toBe(7);
  });

  it('the source address alone loses one bit under the Microsoft key', () => {
    expect(effectiveBits(microsoft, bitRange(...IPV4_FIELDS.src))).toBe(31);
  });
});

describe('symmetry', () => {
  it.each<[KeyName, boolean, boolean]>([
    ['microsoft', false, false],
    ['symmetric', true, true],
    ['cnxk', true, false],
    ['mtcp05', true, true],
  ])('%s', (name, addresses, both) => {
    expect(keySymmetry(namedKey(name))).toEqual({ addresses, ports: both, both });
    expect(keySymmetry(namedKey(name), 128)).toEqual({ addresses, ports: both, both });
  });
});

describe('colliding differences', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

  it('of the known keys inside one field', () => {
    expect(collidingDifferences(microsoft, bitRange(0, 32), 12).map(hex)).toEqual([
      'ed182cdd0000000000000000',
    ]);
    expect(collidingDifferences(microsoft, ports, 12).map(hex)).toEqual([
      `0000000000000000${hex(Uint8Array.of(15452 >> 8, 15452 & 255, 26935 >> 8, 26935 & 255))}`,
    ]);
    expect(collidingDifferences(namedKey('mlx5'), bitRange(0, 32), 12).map(hex)).toEqual([
      '9649b4420000000000000000',
    ]);
    expect(collidingDifferences(namedKey('mlx5'), ports, 12)).toHaveLength(2);
    expect(collidingDifferences(namedKey('i40e'), bitRange(0, 32), 12)).toEqual([]);
  });

  it('collide, for random keys and fields', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 32 }),
        fc.uint8Array({ minLength: 12, maxLength: 12 }),
        (seed, low, input) => {
          const key = randomKey(40, seed);
          const mask = low === 32 ? -1 : (1 << low) - 1;
          const found = collidingDifferences(key, bitRange(60, 96), 12, low);
          expect(found.length).toBe(36 - effectiveBits(key, bitRange(60, 96), low));
          for (const delta of found) {
            const other = input.map((byte, i) => byte ^ delta[i]!);
            expect(toeplitzBitwise(key, other) & mask).toBe(toeplitzBitwise(key, input) & mask);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('of the source port in a table of 128 are the published ones', () => {
    const found = collidingDifferences(microsoft, sport, 12, 7);
    expect(found).toHaveLength(9);
    const values = found.map((delta) => (delta[8]! << 8) | delta[9]!);
    const span = rankOf(values);
    for (const value of [167, 334, 489, 535]) expect(rankOf([...values, value])).toBe(span);
    expect(rankOf([...values, 1])).toBe(span + 1);
  });
});

describe('inputs for a wanted hash', () => {
  const input = new Uint8Array([10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 80]);

  it('512 source ports for each entry of a table of 128, as many as there are', () => {
    for (const wanted of [0, 5, 127]) {
      const found = inputsForHash(microsoft, input, sport, wanted, 7, 70_000);
      expect(found).toHaveLength(512);
      expect(new Set(found.map((one) => (one[8]! << 8) | one[9]!)).size).toBe(512);
      for (const one of found) {
        expect(toeplitzBitwise(microsoft, one) & 127).toBe(wanted);
        expect([...one.slice(0, 8), ...one.slice(10)]).toEqual([...input.slice(0, 8), ...input.slice(10)]);
      }
    }
  });

  it('agrees with brute force over some bits, for random keys, wishes and start values', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 255 }), fc.integer(), (seed, wanted, start) => {
        const key = randomKey(40, seed);
        const bits = bitRange(70, 80);
        const found = inputsForHash(key, input, bits, wanted, 8, 5000, start).map((one) =>
          Buffer.from(one).toString('hex'),
        );
        const expected: string[] = [];
        for (let value = 0; value < 1024; value++) {
          const one = input.slice();
          one[8] = (one[8]! & 0xfc) | (value >> 8);
          one[9] = value & 255;
          if ((toeplitzBitwise(key, one, start) & 255) === wanted)
            expected.push(Buffer.from(one).toString('hex'));
        }
        expect(found.toSorted()).toEqual(expected.toSorted());
      }),
      { numRuns: 30 },
    );
  });

  it('none where the key cannot reach it', () => {
    const reachable = toeplitzBitwise(namedKey('mtcp05'), input) & 127;
    const results = bitRange(0, 128).map(
      (wanted) => inputsForHash(namedKey('mtcp05'), input, tuple, wanted, 7).length,
    );
    expect(results.filter((count) => count > 0)).toHaveLength(64);
    expect(results[reachable]).toBe(1);
  });

  it('IPv6 too', () => {
    const six = new Uint8Array(36).fill(7);
    const [found] = inputsForHash(microsoft, six, bitRange(...IPV6_FIELDS.sport), 99, 7);
    expect(toeplitzBitwise(microsoft, found!) & 127).toBe(99);
  });
});

describe('an observer', () => {
  function observe(
    length: number,
    lowBits: number,
    most: number,
  ): { needed: number; observer: KeyObserver; key: Uint8Array } {
    const key = randomKey(40, 77);
    const random = new SeededRandom(5);
    const observer = new KeyObserver(length, lowBits);
    const mask = lowBits === 32 ? -1 : (1 << lowBits) - 1;
    let needed = 0;
    while (observer.rank < observer.relevantBits && needed < most) {
      const input = random.bytes(length);
      expect(observer.observe(input, toeplitzBitwise(key, input) & mask)).toBe(true);
      needed++;
    }
    return { needed, observer, key };
  }

  it('of full hashes knows the key after 4 or 5 tuples, of table indices after about 15', () => {
    const full = observe(12, 32, 10);
    expect(full.observer.relevantBits).toBe(127);
    expect(full.needed).toBeLessThanOrEqual(5);
    const indices = observe(12, 7, 30);
    expect(indices.observer.relevantBits).toBe(102);
    expect(indices.needed).toBeGreaterThanOrEqual(15);
    expect(indices.needed).toBeLessThanOrEqual(18);
    const input = Uint8Array.from({ length: 12 }, (_, i) => 17 * i);
    expect(full.observer.predict(input)).toBe(toeplitzBitwise(full.key, input) >>> 0);
    expect(indices.observer.predict(input)).toBe(toeplitzBitwise(indices.key, input) & 127);
  });

  it('does not guess, and notices what does not fit', () => {
    const observer = new KeyObserver(12, 32);
    const a = new Uint8Array(12).fill(0x55);
    const b = new Uint8Array(12).fill(0x0f);
    observer.observe(a, toeplitzBitwise(microsoft, a));
    expect(observer.predict(b)).toBeNull();
    expect(observer.predict(a)).toBe(toeplitzBitwise(microsoft, a) >>> 0);
    expect(observer.observe(a, toeplitzBitwise(microsoft, a) ^ 1)).toBe(false);
    expect(() => observer.observe(new Uint8Array(8), 0)).toThrow('this observer takes 12');
  });
});

it('a key that does not cover the bits is refused', () => {
  expect(() => effectiveBits(new Uint8Array(15), tuple)).toThrow('too short for 12 bytes');
  expect(() => inputsForHash(new Uint8Array(8), new Uint8Array(12), sport, 0, 7)).toThrow('too short');
});
