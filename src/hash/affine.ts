/**
 * Affine maps over GF(2), learned from a function: which inputs have a wanted image.
 *
 * Promise: exact for a function that is affine (its value at x XOR its value at 0 is linear in the bits of x), as
 * Toeplitz, CRC and XOR hashes are in any of their input bits; comparing `at` with the function at some inputs finds out
 * whether one is. Inputs are `bigint` (they may have more than 53 bits), images are 32-bit numbers. Pure; not for hot
 * paths.
 */

/** x -> offset XOR the images of the bits of x. */
export class AffineMap {
  /** Independent images and, for each, an input that has it; by their leading bits. */
  readonly #pivots: number[] = [];
  readonly #inputs: bigint[] = [];
  /**
   * A basis of the inputs that change nothing, ascending. In each, the leading bit is one that no other of them has and
   * that no input of `solve` has: sums in counting order ascend.
   */
  readonly kernel: readonly bigint[];

  /** @param images what each input bit changes, from the lowest; @param offset the image of 0. */
  constructor(
    readonly images: readonly number[],
    readonly offset: number,
  ) {
    const kernel: bigint[] = [];
    images.forEach((image, bit) => {
      const left = this.#reduce(image, 1n << BigInt(bit));
      if (left.image === 0) kernel.push(left.input);
      else {
        this.#pivots.push(left.image);
        this.#inputs.push(left.input);
      }
    });
    this.kernel = kernel;
  }

  /** Independent images: there are 2^rank different ones. */
  get rank(): number {
    return this.#pivots.length;
  }

  /** The least input with this image, or null where there is none. */
  solve(image: number): bigint | null {
    const left = this.#reduce(image ^ this.offset, 0n);
    return left.image === 0 ? left.input : null;
  }

  /** An input for each image that there is, 2^rank of them. */
  *representatives(): Generator<bigint> {
    for (let choice = 0; choice < 2 ** this.rank; choice++) yield sum(this.#inputs, BigInt(choice));
  }

  /** All sums of the kernel's vectors, ascending. */
  *kernelSums(): Generator<bigint> {
    const end = 1n << BigInt(this.kernel.length);
    let vector = 0n;
    for (let count = 0n; ; ) {
      yield vector;
      if (++count === end) return;
      // The bits that counting turned over.
      vector ^= sum(this.kernel, count ^ (count - 1n));
    }
  }

  /** The image of an input. */
  at(input: bigint): number {
    return this.images.reduce((all, image, bit) => all ^ (bitAt(input, bit) ? image : 0), this.offset);
  }

  #reduce(image: number, input: bigint): { image: number; input: bigint } {
    let rest = image | 0;
    let sums = input;
    for (let k = 0; k < this.#pivots.length; k++) {
      const lead = 31 - Math.clz32(this.#pivots[k]!);
      if (((rest >>> lead) & 1) === 0) continue;
      rest ^= this.#pivots[k]!;
      sums ^= this.#inputs[k]!;
    }
    return { image: rest, input: sums };
  }
}

const bitAt = (value: bigint, bit: number) => ((value >> BigInt(bit)) & 1n) === 1n;

/** XOR of the vectors whose bit is set in `choice`. */
function sum(vectors: readonly bigint[], choice: bigint): bigint {
  let all = 0n;
  for (let k = 0, rest = choice; rest > 0n; k++, rest >>= 1n) if ((rest & 1n) === 1n) all ^= vectors[k]!;
  return all;
}
