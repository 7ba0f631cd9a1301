/**
 * Toeplitz when only the low bits of the hash are wanted, as an indirection table wants them.
 *
 * Promise: `hash` gives exactly the low `bits` bits of the whole hash, from tables of half the footprint (512 bytes
 * for each input byte): 18 KiB instead of 36 for IPv6 addresses and ports. Immutable.
 */
import { UserError } from '../errors.js';
import { inputBytesOf, toeplitzTable } from './toeplitz.js';

/** Bits that the entries have room for. */
export const LOW_BITS_MAX = 16;

export class ToeplitzLow {
  readonly bits: number;
  readonly inputBytes: number;
  /** 256 entries for each byte position. */
  readonly table: Uint16Array;
  readonly #start: number;

  /** @throws UserError for bits out of range, or a key that does not cover `inputBytes`. */
  constructor(key: Uint8Array, bits: number, inputBytes = Math.min(36, inputBytesOf(key.length)), start = 0) {
    if (!Number.isInteger(bits) || bits < 1 || bits > LOW_BITS_MAX) {
      throw new UserError(`low bits ${bits}: 1 to ${LOW_BITS_MAX} are permitted`);
    }
    const mask = (1 << bits) - 1;
    this.bits = bits;
    this.inputBytes = inputBytes;
    this.#start = start & mask;
    this.table = Uint16Array.from(toeplitzTable(key, inputBytes), (word) => word & mask);
  }

  /** Low bits of the hash of `length` bytes at `offset`. @throws UserError when `length` exceeds `inputBytes`. */
  hash(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (length > this.inputBytes) {
      throw new UserError(`${length} bytes of input: these tables cover ${this.inputBytes}`);
    }
    const { table } = this;
    let hash = this.#start;
    for (let i = 0; i < length; i++) hash ^= table[(i << 8) | bytes[offset + i]!]!;
    return hash;
  }
}
