/** Affine maps over GF(2) against counting through all inputs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AffineMap } from '#rxsteer/hash/affine.js';

/** Any map from up to 7 bits to up to 5. */
const maps = fc
  .tuple(fc.array(fc.nat(31), { maxLength: 7 }), fc.nat(31))
  .map(([images, offset]) => new AffineMap(images, offset));
const all = (bits: number) => Array.from({ length: 2 ** bits }, (_, n) => BigInt(n));
/** The image by its definition. */
const imageOf = ({ images, offset }: AffineMap, input: bigint) =>
  images.reduce((sum, image, bit) => sum ^ (((input >> BigInt(bit)) & 1n) === 1n ? image : 0), offset);

describe('an affine map', () => {
  it('is solved for every image exactly by the least input and its sums with the kernel', () => {
    fc.assert(
      fc.property(maps, (map) => {
        for (let image = 0; image < 32; image++) {
          const wanted = all(map.images.length).filter((input) => imageOf(map, input) === image);
          const first = map.solve(image);
          const found = first === null ? [] : [...map.kernelSums()].map((sum) => first ^ sum);
          expect([...found].sort((a, b) => (a < b ? -1 : 1))).toEqual(wanted);
          if (first !== null) expect(first).toBe(wanted[0]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('has one representative for each image, and a kernel in ascending order', () => {
    fc.assert(
      fc.property(maps, (map) => {
        const images = all(map.images.length).map((input) => imageOf(map, input));
        const found = [...map.representatives()].map((input) => map.at(input));
        expect(new Set(found)).toEqual(new Set(images));
        expect(found.length).toBe(new Set(images).size);
        const sums = [...map.kernelSums()];
        expect(sums).toEqual([...sums].sort((a, b) => (a < b ? -1 : 1)));
      }),
    );
  });
});
