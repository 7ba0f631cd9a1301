import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ChecksumResult,
  completeChecksum,
  foldSum,
  internetChecksum,
  sctpCrc,
  sum16,
} from '#rxsteer/packet/checksum.js';

/** The definition, with unbounded integers: the sum of big-endian words modulo 65535, where 0 is also 65535. */
function referenceSum(bytes: Uint8Array, start = 0): number {
  let total = BigInt(start);
  for (let i = 0; i < bytes.length; i += 2) total += BigInt((bytes[i]! << 8) | (bytes[i + 1] ?? 0));
  const rest = Number(total % 65535n);
  return total > 0n && rest === 0 ? 65535 : rest;
}

describe('sum16', () => {
  it('sums the words of the example in RFC 1071', () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sum16(bytes, 0, 8)).toBe(0xddf2);
    expect(internetChecksum(bytes, 0, 8)).toBe(0x220d);
  });

  it('agrees with the definition at every alignment, length and place in the array', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat({ max: 9 }),
        fc.nat({ max: 5 }),
        fc.nat({ max: 0xffff }),
        (data, before, after, start) => {
          const bytes = new Uint8Array(before + data.length + after).fill(0xa5);
          bytes.set(data, before);
          expect(sum16(bytes, before, data.length, start)).toBe(referenceSum(data, start));
        },
      ),
      { seed: 1, numRuns: 2000 },
    );
  });

  it('agrees with the definition on views that do not start at a word', () => {
    const buffer = Uint8Array.from({ length: 512 }, (_, i) => (i * 151 + 7) & 0xff);
    for (let shift = 0; shift < 8; shift++) {
      const view = new Uint8Array(buffer.buffer, shift, 400);
      expect(sum16(view, 3, 377)).toBe(referenceSum(view.subarray(3, 380)));
    }
  });

  it('keeps its carries on frames beyond 64 KiB of ones', () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(300_000)).fill(0xff);
    bytes[1] = 0;
    for (const length of [67_519, 67_520, 131_070, 299_999]) {
      expect(sum16(bytes, 0, length, 0xffff)).toBe(referenceSum(bytes.slice(0, length), 0xffff));
      expect(sum16(bytes, 1, length)).toBe(referenceSum(bytes.slice(1, 1 + length)));
    }
  });

  it('does not mistake one array for another of the same length', () => {
    const one = new Uint8Array(128).fill(1);
    const two = new Uint8Array(128).fill(2);
    expect(sum16(one, 0, 128)).toBe(referenceSum(one));
    expect(sum16(two, 0, 128)).toBe(referenceSum(two));
    expect(sum16(one, 0, 128)).toBe(referenceSum(one));
  });

  it('folds sums up to 2^32', () => {
    expect(foldSum(0xffff_ffff)).toBe(0xffff);
    expect(foldSum(0x0001_ffff)).toBe(1);
    expect(foldSum(0)).toBe(0);
  });
});

describe('sctpCrc', () => {
  it('gives the check value of CRC-32C', () => {
    expect(sctpCrc(new TextEncoder().encode('123456789'), 0, 9)).toBe(0xe3069283);
    // RFC 3720, B.4: 32 bytes of zeros.
    expect(sctpCrc(new Uint8Array(40), 4, 32)).toBe(0x8a9136aa);
  });
});

describe('completeChecksum', () => {
  it('sums from the start to the end of the frame and writes two bytes only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 200 }), fc.nat({ max: 17 }), (data, start) => {
        const offset = Math.min(6, data.length - start - 2);
        const bytes = Uint8Array.of(...data, 0xee);
        expect(completeChecksum(bytes, 0, data.length, start, offset)).toBe(ChecksumResult.done);
        const stored = (bytes[start + offset]! << 8) | bytes[start + offset + 1]!;
        const wanted = referenceSum(data.subarray(start)) ^ 0xffff;
        expect(stored).toBe(wanted === 0 ? 0xffff : wanted);
        bytes.set(data.subarray(start + offset, start + offset + 2), start + offset);
        expect(bytes).toEqual(Uint8Array.of(...data, 0xee));
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it('stores 0xffff where the checksum is zero', () => {
    const bytes = Uint8Array.of(9, 9, 0xff, 0xfe, 0x00, 0x01);
    expect(completeChecksum(bytes, 2, 4, 0, 2)).toBe(ChecksumResult.done);
    expect([...bytes]).toEqual([9, 9, 0xff, 0xfe, 0xff, 0xff]);
  });

  it('stores a CRC32C, least significant byte first, at the offset of SCTP', () => {
    const bytes = new Uint8Array(40).fill(7);
    completeChecksum(bytes, 4, 36, 6, 8);
    const plain = new Uint8Array(40).fill(7).fill(0, 18, 22);
    const crc = sctpCrc(plain, 10, 30);
    expect([...bytes.subarray(18, 22)]).toEqual([crc, crc >>> 8, crc >>> 16, crc >>> 24].map((b) => b & 255));
    expect(bytes.subarray(22)).toEqual(new Uint8Array(18).fill(7));
  });

  it.each([
    [30, 0],
    [28, 1],
    [0, 29],
    [65_535, 65_535],
    [21, 8],
  ])('refuses a field outside the frame: start %d, offset %d', (start, offset) => {
    const bytes = new Uint8Array(64).fill(3);
    expect(completeChecksum(bytes, 10, 30, start, offset)).toBe(ChecksumResult.outside);
    expect(bytes).toEqual(new Uint8Array(64).fill(3));
  });
});
