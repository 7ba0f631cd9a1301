/**
 * A seeded permutation of 0 … n-1 that is computed, not stored: packet order for captures of any length.
 *
 * Promise: `at` is a bijection on 0 … size-1, the same for the same seed; constant memory. Not for secrets.
 *
 * How: steps that are invertible on k-bit numbers (odd multiplication, addition, right shift with XOR), k the least
 * number of bits that holds the size; results outside the range go through the steps again ("cycle walking"), which
 * leaves a bijection and takes less than two rounds on average.
 */
import { SeededRandom } from '../hash/random.js';

/** Sizes go up to 2^32. */
export class Permutation {
  readonly size: number;
  readonly #mask: number;
  readonly #shift: number;
  readonly #keys: Int32Array;

  constructor(size: number, seed: number) {
    if (!Number.isInteger(size) || size < 1 || size > 2 ** 32) {
      throw new RangeError(`permutation of ${size} numbers: 1 to 2^32 are permitted`);
    }
    this.size = size;
    const bits = size === 1 ? 1 : Math.ceil(Math.log2(size));
    this.#mask = bits === 32 ? -1 : (1 << bits) - 1;
    this.#shift = Math.max(1, bits >> 1);
    const random = new SeededRandom(seed);
    this.#keys = Int32Array.from({ length: 6 }, (_, i) => (i < 3 ? random.next() | 1 : random.next()));
  }

  /** The number at place `index` (0 … size-1). */
  at(index: number): number {
    const keys = this.#keys;
    const mask = this.#mask;
    const shift = this.#shift;
    const { size } = this;
    // Three rounds: after two, neighbours in flows of a power-of-two share still met in a visible rhythm.
    let x = index | 0;
    do {
      x = (Math.imul(x, keys[0]!) + keys[3]!) & mask;
      x ^= x >>> shift;
      x = (Math.imul(x, keys[1]!) + keys[4]!) & mask;
      x ^= x >>> shift;
      x = (Math.imul(x, keys[2]!) + keys[5]!) & mask;
      x ^= x >>> shift;
    } while (x >>> 0 >= size);
    return x >>> 0;
  }
}
