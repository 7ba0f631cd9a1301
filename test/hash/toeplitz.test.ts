import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32, crc32Bitwise, crc32c, crc32cBitwise, xorHash } from '#rxsteer/hash/crc.js';
import { KEY_NAMES, namedKey, parseKey, randomKey } from '#rxsteer/hash/keys.js';
import { Toeplitz, toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import { vectors } from './vectors.js';

const microsoft = namedKey('microsoft');

describe('verification values', () => {
  const toeplitz = vectors.filter((vector) => vector.algorithm === 'toeplitz');

  it('are all here', () => {
    expect(toeplitz.length).toBe(201);
    expect(vectors.filter(({ published }) => published).length).toBeGreaterThan(160);
  });

  for (const { id, source, key, input, init, hash } of toeplitz) {
    it(`${id} (${source})`, () => {
      expect(toeplitzBitwise(key, input, init) >>> 0).toBe(hash);
      expect(new Toeplitz(key, input.length, init).hash(input) >>> 0).toBe(hash);
    });
  }

  for (const { id, algorithm, input, hash } of vectors.filter((vector) => /^crc/.test(vector.algorithm))) {
    it(id, () => {
      expect((algorithm === 'crc32' ? crc32 : crc32c)(input) >>> 0).toBe(hash);
      expect((algorithm === 'crc32' ? crc32Bitwise : crc32cBitwise)(input) >>> 0).toBe(hash);
    });
  }

  it('table index and queue of the published flows', () => {
    const withQueues = toeplitz.filter(({ queue }) => queue !== undefined);
    expect(withQueues.length).toBeGreaterThan(20);
    for (const { id, hash, table_size = 1, queues = 1, table_index, queue } of withQueues) {
      const index = hash % table_size;
      expect([id, index, index % queues]).toEqual([id, table_index, queue]);
    }
  });
});

describe('a key that does not cover the input', () => {
  it.each([
    [11, 8],
    [15, 12],
    [39, 36],
    [3, 1],
    [0, 1],
  ])('of %i bytes for %i bytes is refused', (keyBytes, inputBytes) => {
    const key = new Uint8Array(keyBytes);
    const input = new Uint8Array(inputBytes);
    expect(() => toeplitzBitwise(key, input)).toThrow(/too short/);
    expect(() => new Toeplitz(key, inputBytes)).toThrow(/too short/);
  });

  it('is accepted from input + 4 bytes on', () => {
    expect(() => new Toeplitz(new Uint8Array(40), 36)).not.toThrow();
    expect(toeplitzBitwise(new Uint8Array(0), new Uint8Array(0), 7)).toBe(7);
  });

  it('is refused when an object is given more than it was made for', () => {
    const toeplitz = new Toeplitz(microsoft, 12);
    expect(() => toeplitz.hash(new Uint8Array(13))).toThrow(/too short/);
    expect(() => new Toeplitz(microsoft.slice(0, 39)).hash(new Uint8Array(36))).toThrow(/too short/);
  });
});

describe('laws of the Toeplitz hash', () => {
  const inputs = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const cases = fc.integer({ min: 1, max: 64 }).chain((length) =>
    fc.record({
      key: inputs(length + 4),
      more: fc.uint8Array({ maxLength: 20 }),
      a: inputs(length),
      b: inputs(length),
      start: fc.integer(),
      cut: fc.integer({ min: 0, max: length }),
    }),
  );

  it('tables give what the definition gives, from any offset', () => {
    fc.assert(
      fc.property(cases, ({ key, a, start, more }) => {
        const padded = new Uint8Array([...more, ...a, ...more]);
        const expected = toeplitzBitwise(key, a, start);
        expect(new Toeplitz(key, a.length, start).hash(padded, more.length, a.length)).toBe(expected);
      }),
    );
  });

  it('is linear: H(a xor b) = H(a) xor H(b)', () => {
    fc.assert(
      fc.property(cases, ({ key, a, b }) => {
        const both = a.map((byte, i) => byte ^ b[i]!);
        const toeplitz = new Toeplitz(key, a.length);
        expect(toeplitz.hash(both)).toBe(toeplitz.hash(a) ^ toeplitz.hash(b));
        expect(toeplitz.hash(new Uint8Array(a.length))).toBe(0);
      }),
    );
  });

  it('splits: the parts at their positions, zeros elsewhere', () => {
    fc.assert(
      fc.property(cases, ({ key, a, cut }) => {
        const head = a.map((byte, i) => (i < cut ? byte : 0));
        const tail = a.map((byte, i) => (i < cut ? 0 : byte));
        const toeplitz = new Toeplitz(key, a.length);
        expect(toeplitz.hash(a)).toBe(toeplitz.hash(head) ^ toeplitz.hash(tail));
        expect(toeplitz.hash(head)).toBe(toeplitz.hash(a, 0, cut));
      }),
    );
  });

  it('does not depend on key bytes beyond input + 4', () => {
    fc.assert(
      fc.property(cases, ({ key, a, more }) => {
        expect(new Toeplitz(new Uint8Array([...key, ...more]), a.length).hash(a)).toBe(
          toeplitzBitwise(key, a),
        );
      }),
    );
  });

  it('has the start value as a constant term', () => {
    fc.assert(
      fc.property(cases, ({ key, a, start }) => {
        expect(toeplitzBitwise(key, a, start)).toBe(toeplitzBitwise(key, a) ^ start);
      }),
    );
  });
});

describe('keys', () => {
  it('by name, hex, hex with colons and 0x', () => {
    expect(parseKey('microsoft', 'key')).toEqual(microsoft);
    expect(parseKey('0xABcd', 'key')).toEqual(Uint8Array.of(0xab, 0xcd));
    expect(parseKey('ab:cd', 'key')).toEqual(Uint8Array.of(0xab, 0xcd));
    for (const name of KEY_NAMES) expect(parseKey(name, 'key').length).toBeGreaterThanOrEqual(40);
  });

  it('that are not, are named with the nearest', () => {
    expect(() => parseKey('microsfot', '--key')).toThrow(/--key: .*did you mean microsoft\?/);
    expect(() => parseKey('abc', '--key')).toThrow(/--key: odd number of hex digits/);
    expect(() => parseKey('', '--key')).toThrow(/--key: empty/);
  });

  it('from a seed are the same every time and differ between seeds', () => {
    expect(randomKey(40, 1)).toEqual(randomKey(40, 1));
    expect(randomKey(40, 1)).not.toEqual(randomKey(40, 2));
    expect(Buffer.from(randomKey(8, 1)).toString('hex')).toBe('5e14d2b3268889cd');
  });
});

describe('the xor hash', () => {
  it('folds big-endian words, the last padded with zeros', () => {
    expect(xorHash(Uint8Array.of(1, 2, 3, 4, 0x10, 0x20)) >>> 0).toBe(0x11220304);
    expect(xorHash(new Uint8Array(0))).toBe(0);
  });
});

describe('the CRCs', () => {
  it('by table equal those by bit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer(), (input, start) => {
        expect(crc32(input, start)).toBe(crc32Bitwise(input, start));
        expect(crc32c(input, start)).toBe(crc32cBitwise(input, start));
      }),
    );
  });
});
