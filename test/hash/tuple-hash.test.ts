import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { namedKey } from '#rxsteer/hash/keys.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import { SYMMETRIC, type Symmetric, TupleHash, tupleInput } from '#rxsteer/hash/tuple-hash.js';
import { ipv4Bytes, ipv6Bytes, uint16s } from '#rxsteer/packet/build.js';
import { vectors } from './vectors.js';

const transforms: Record<string, Symmetric> = { sym_xor: 'xor', sym_or_xor: 'or-xor', sym_sort: 'sort' };

/** Source, destination and ports somewhere in a buffer, as in a frame. */
function hashOf(
  hash: TupleHash,
  source: Uint8Array,
  destination: Uint8Array,
  ports: Uint8Array | null,
): number {
  const bytes = new Uint8Array([7, ...source, ...destination, 9, ...(ports ?? []), 5]);
  const s = 1;
  const d = s + source.length;
  const p = d + destination.length + 1;
  if (source.length === 4) {
    return (hash.ipv4(bytes, s, d) ^ (ports === null ? 0 : hash.ipv4Ports(bytes, p))) >>> 0;
  }
  return (hash.ipv6(bytes, s, d) ^ (ports === null ? 0 : hash.ipv6Ports(bytes, p))) >>> 0;
}

describe('the tuples of the verification values', () => {
  const tuples = vectors.filter(
    ({ algorithm, src, type }) => algorithm === 'toeplitz' && src !== undefined && !type.endsWith('_ex'),
  );

  it('are enough', () => expect(tuples.length).toBeGreaterThan(70));

  for (const { id, key, src = '', dst = '', sport, dport, hash, init, input_transform = '' } of tuples) {
    it(id, () => {
      const toBytes = src.includes(':') ? ipv6Bytes : ipv4Bytes;
      const ports = sport === undefined ? null : uint16s(sport, dport ?? 0);
      const symmetric = transforms[input_transform] ?? 'none';
      expect(hashOf(new TupleHash(key, { symmetric, start: init }), toBytes(src), toBytes(dst), ports)).toBe(
        hash,
      );
    });
  }

  for (const { id, input, src = '', dst = '', sport = 0, dport = 0, input_transform } of tuples) {
    if (input_transform === undefined) continue;
    it(`${id}: the transformed input`, () => {
      const toBytes = src.includes(':') ? ipv6Bytes : ipv4Bytes;
      const ports = uint16s(sport, dport);
      const made = tupleInput(toBytes(src), toBytes(dst), ports, transforms[input_transform]!);
      expect(made).toEqual(input);
    });
  }
});

describe.each(SYMMETRIC)('symmetric=%s', (symmetric) => {
  const address = fc
    .constantFrom(4, 16)
    .chain((size) =>
      fc.tuple(
        fc.uint8Array({ minLength: size, maxLength: size }),
        fc.uint8Array({ minLength: size, maxLength: size }),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.boolean(),
      ),
    );

  it('hashes what tupleInput says', () => {
    const key = namedKey('mlx5');
    const hash = new TupleHash(key, { symmetric, start: 0x1234 });
    fc.assert(
      fc.property(address, ([s, d, ports, withPorts]) => {
        const given = withPorts ? ports : null;
        const expected = toeplitzBitwise(key, tupleInput(s, d, given, symmetric), 0x1234) >>> 0;
        expect(hashOf(hash, s, d, given)).toBe(expected);
      }),
    );
  });

  it('hashes packed IPv4 tuples as one by one, and writes no more than them', () => {
    const random = new SeededRandom(5);
    const hash = new TupleHash(namedKey('microsoft'), { symmetric, start: 0x12345678 });
    const view = new DataView(random.bytes(3 + 12 * 70).buffer);
    const out = new Int32Array(64).fill(-7);
    hash.ipv4Tuples(view, 3, 63, out);
    const expected = Array.from({ length: 63 }, (_, i) => {
      const s = 3 + 12 * i;
      return hash.ipv4At(view, s, s + 4) ^ hash.ipv4PortsAt(view, s + 8);
    });
    expect([...out]).toEqual([...expected, -7]);
    expect(() => hash.ipv4Tuples(view, 3 + 12 * 60, 11, out)).toThrow(RangeError);
  });

  it(symmetric === 'none' ? 'tells directions apart' : 'gives both directions one hash', () => {
    const hash = new TupleHash(namedKey('microsoft'), { symmetric });
    let differ = 0;
    fc.assert(
      fc.property(address, ([s, d, ports]) => {
        const back = Uint8Array.of(ports[2]!, ports[3]!, ports[0]!, ports[1]!);
        const forth = hashOf(hash, s, d, ports);
        const reverse = hashOf(hash, d, s, back);
        if (symmetric === 'none') differ += forth === reverse ? 0 : 1;
        else expect(forth).toBe(reverse);
      }),
    );
    if (symmetric === 'none') expect(differ).toBeGreaterThan(90);
  });
});

it('the symmetric key gives both directions one hash without a transform', () => {
  const hash = new TupleHash(namedKey('symmetric'));
  const a = ipv4Bytes('66.9.149.187');
  const b = ipv4Bytes('161.142.100.80');
  expect(hashOf(hash, a, b, uint16s(2794, 1766))).toBe(hashOf(hash, b, a, uint16s(1766, 2794)));
});

it('a key that covers IPv4 only makes an IPv4 hash only', () => {
  expect(() => new TupleHash(new Uint8Array(16))).toThrow(/too short/);
  expect(() => new TupleHash(new Uint8Array(16), { ipv6: false })).not.toThrow();
  expect(() => new TupleHash(new Uint8Array(15), { ipv6: false })).toThrow(/too short/);
});
