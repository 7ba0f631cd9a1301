/**
 * The unsigned 32-bit arithmetic that the kernel's steering code is made of.
 *
 * Promise: pure functions on numbers; a 32-bit argument may be given signed or unsigned (both forms of the same
 * bits give the same result), results are non-negative unless stated. Nothing here allocates or throws.
 */

/** Slot, queue or CPU value that means "none" (`RPS_NO_CPU`, `RPS_NO_FILTER`; both are 16 bits wide). */
export const RPS_NO_CPU = 0xffff;

const GOLDEN_RATIO_32 = 0x61c88647;
const TWO_TO_MINUS_32 = 1 / 4294967296;

/**
 * Scales a 32-bit value to 0 … n-1 by its high bits: floor(v * n / 2^32) (`reciprocal_scale`). n = 0 gives 0.
 * Exact for 0 <= n < 2^21: the product is then below 2^53, and dividing by 2^32 moves the exponent only.
 */
export function rscale(v: number, n: number): number {
  return ((v >>> 0) * n * TWO_TO_MINUS_32) | 0;
}

/**
 * Multiplicative hash to `bits` bits (`hash_32`). bits = 0 gives 0: the kernel shifts by 32 there, which C leaves
 * undefined (rps_flow_cnt = 1 and flow_limit_table_len = 1 reach it).
 */
export function hash32(v: number, bits: number): number {
  // In JavaScript x >>> 32 is x >>> 0, hence the test.
  return bits === 0 ? 0 : Math.imul(v, GOLDEN_RATIO_32) >>> (32 - bits);
}

/** Modular difference a - b as a signed 32-bit number: >= 0 when the counter a has reached b. */
export function sdiff(a: number, b: number): number {
  return (a - b) | 0;
}

/** Smallest power of two that is >= n, for 1 <= n <= 2^31. */
export function pow2up(n: number): number {
  return n <= 1 ? 1 : 2 ** (32 - Math.clz32(n - 1));
}

/** Exponent of a power of two up to 2^31. */
export function log2(powerOfTwo: number): number {
  return 31 - Math.clz32(powerOfTwo);
}
