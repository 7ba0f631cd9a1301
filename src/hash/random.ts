/**
 * Seeded random numbers: every random choice of the project comes from here or from another seeded generator.
 *
 * Promise: the same seed gives the same sequence on every machine and version. Not for secrets.
 * The algorithm is splitmix32 (a Weyl sequence through a 32-bit finaliser).
 */

/** A generator of unsigned 32-bit numbers. One owner; not shared between threads. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** The next number, 0 … 2^32 - 1. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return (x ^ (x >>> 15)) >>> 0;
  }

  /** The next number below `limit` (1 … 2^32), without the bias of a remainder. */
  below(limit: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * limit);
  }

  /** The next `length` bytes of the sequence. */
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next() >>> 24);
  }
}
