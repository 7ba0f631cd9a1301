/**
 * The Toeplitz hash of receive-side scaling.
 *
 * Promise: exact for every key and input length; an input that the key cannot cover is refused when the object is
 * made or called, never answered with a wrapped or zero-extended key (implementations of the world differ there).
 * Immutable after construction: one object may be shared by everything in a thread.
 *
 * Definition (Microsoft, RSS hashing functions): number input and key bits from the most significant bit of byte 0;
 * W(i) is the 32-bit word of key bits i … i+31; the hash is the start value XOR all W(i) whose input bit i is 1.
 * The start value is 0 everywhere but on Amazon ENA. Because the sum is linear, each input byte contributes
 * independently: 256 precomputed words for each byte position turn the hash into one load and one XOR a byte.
 */
import { UserError } from '../errors.js';

/** Bytes of key that an input of `inputBytes` bytes needs (8L + 31 bits, rounded up). */
export function keyBytesFor(inputBytes: number): number {
  return inputBytes + 4;
}

/** Longest input that a key covers. */
export function inputBytesOf(keyBytes: number): number {
  return Math.max(0, keyBytes - 4);
}

function refuse(keyBytes: number, inputBytes: number): UserError {
  return new UserError(
    `key of ${keyBytes} bytes is too short for ${inputBytes} bytes of input: ` +
      `at least ${keyBytesFor(inputBytes)} bytes of key are needed`,
  );
}

/** Key bits i … i+31; bits beyond the key read as 0 (callers have checked that they are not needed). */
export function keyWindow(key: Uint8Array, bit: number): number {
  const at = bit >>> 3;
  const shift = bit & 7;
  const high =
    ((key[at] ?? 0) << 24) | ((key[at + 1] ?? 0) << 16) | ((key[at + 2] ?? 0) << 8) | (key[at + 3] ?? 0);
  return shift === 0 ? high : (high << shift) | ((key[at + 4] ?? 0) >>> (8 - shift));
}

/**
 * The definition, bit by bit: the reference that the tables are tested against, and `--implementation bitwise`.
 * Returns a signed 32-bit number.
 */
export function toeplitzBitwise(key: Uint8Array, input: Uint8Array, start = 0): number {
  if (input.length > 0 && key.length < keyBytesFor(input.length)) throw refuse(key.length, input.length);
  let hash = start | 0;
  for (let bit = 0; bit < input.length * 8; bit++) {
    if (((input[bit >>> 3]! >>> (7 - (bit & 7))) & 1) === 1) hash ^= keyWindow(key, bit);
  }
  return hash;
}

/** Byte tables of one key: table[256 * position + byte] is what that byte at that position contributes. */
export function toeplitzTable(key: Uint8Array, inputBytes: number): Int32Array {
  if (inputBytes > 0 && key.length < keyBytesFor(inputBytes)) throw refuse(key.length, inputBytes);
  const table = new Int32Array(256 * inputBytes);
  for (let position = 0; position < inputBytes; position++) {
    const base = 256 * position;
    for (let bit = 0; bit < 8; bit++) {
      // Doubling: the entries with this bit set are those without it, XOR the bit's window.
      const window = keyWindow(key, position * 8 + (7 - bit));
      const half = 1 << bit;
      for (let value = 0; value < half; value++) table[base + half + value] = table[base + value]! ^ window;
    }
  }
  return table;
}

/** Toeplitz hash of one key by byte tables. `new Toeplitz(key, 12).hash(input)` for IPv4 addresses and ports. */
export class Toeplitz {
  /** The key as it is used (after any reordering by a device). */
  readonly key: Uint8Array;
  /** Start value, signed 32-bit. */
  readonly start: number;
  /** Longest input. */
  readonly inputBytes: number;
  /** 256 words for each byte position. */
  readonly table: Int32Array;

  /**
   * @param key at least `inputBytes + 4` bytes; bytes beyond that have no influence.
   * @param inputBytes longest input to be hashed; default: all that the key covers, at most 36 (IPv6 addresses and
   *   ports), because tables cost 1 KiB a byte.
   * @throws UserError when the key does not cover `inputBytes`.
   */
  constructor(key: Uint8Array, inputBytes = Math.min(36, inputBytesOf(key.length)), start = 0) {
    this.key = key.slice();
    this.start = start | 0;
    this.inputBytes = inputBytes;
    this.table = toeplitzTable(this.key, inputBytes);
  }

  /**
   * Hash of `length` bytes at `offset`, as a signed 32-bit number (`>>> 0` for the unsigned value).
   * @throws UserError when `length` exceeds `inputBytes`.
   */
  hash(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (length > this.inputBytes) throw refuse(this.key.length, length);
    const { table } = this;
    let hash = this.start;
    for (let i = 0; i < length; i++) hash ^= table[(i << 8) | bytes[offset + i]!]!;
    return hash;
  }
}
