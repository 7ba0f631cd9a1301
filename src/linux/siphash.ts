/**
 * SipHash-2-4 with 64 bits of output, on 32-bit halves: what the kernel's `siphash()` (lib/siphash.c) computes.
 *
 * Promise: exact, no allocation per call, no BigInt. An object may be used by one thread only (it carries the
 * upper half of the last result).
 *
 * A 64-bit word is two Int32 numbers (lo, hi). The eight halves of the state live in local variables because V8
 * then keeps them in registers; a function per round or a state in an array costs 2-3 times as much. The round is
 * written three times, twice for a block and once for the end: a loop around the two costs a quarter more. A carry is
 * `Number(sum < addend)`, which becomes a setting of a bit: carries of hashed data are unpredictable, and with a
 * conditional expression, which becomes a branch, mispredictions take two thirds of the time.
 */
import { UserError } from '../errors.js';

/** Int32 words of a saved state (v0 lo, v0 hi, … v3 hi). */
export const SIPHASH_STATE_WORDS = 8;

export class SipHash {
  /** Upper 32 bits of the last digest, signed. */
  high = 0;
  /** State after the key, before any input. */
  readonly initial = new Int32Array(SIPHASH_STATE_WORDS);
  private readonly tail = new Int32Array(0);

  /** @param key 16 bytes: two little-endian 64-bit words. Throws `UserError` for any other length. */
  constructor(key: Uint8Array) {
    if (key.length !== 16)
      throw new UserError(`SipHash key has ${key.length} bytes: 16 bytes (32 hex digits) are needed`);
    const word = (i: number) =>
      key[4 * i]! | (key[4 * i + 1]! << 8) | (key[4 * i + 2]! << 16) | (key[4 * i + 3]! << 24);
    // "somepseudorandomlygeneratedbytes", each word xor-ed with a key word.
    const s = this.initial;
    s[0] = word(0) ^ 0x70736575;
    s[1] = word(1) ^ 0x736f6d65;
    s[2] = word(2) ^ 0x6e646f6d;
    s[3] = word(3) ^ 0x646f7261;
    s[4] = word(0) ^ 0x6e657261;
    s[5] = word(1) ^ 0x6c796765;
    s[6] = word(2) ^ 0x79746573;
    s[7] = word(3) ^ 0x74656462;
  }

  /** Hashes `len` bytes from `off`; returns the lower 32 bits (signed) and leaves the upper ones in `high`. */
  hashBytes(bytes: Uint8Array, off: number, len: number): number {
    const whole = len & ~7;
    const words = whole === 0 ? this.tail : new Int32Array(whole >> 2);
    for (let i = 0; i < words.length; i++) {
      const o = off + 4 * i;
      words[i] = bytes[o]! | (bytes[o + 1]! << 8) | (bytes[o + 2]! << 16) | (bytes[o + 3]! << 24);
    }
    let lo = 0;
    let hi = len << 24;
    for (let i = 0; i < len - whole; i++) {
      const b = bytes[off + whole + i]!;
      if (i < 4) lo |= b << (8 * i);
      else hi |= b << (8 * (i - 4));
    }
    return this.finish(this.initial, 0, words, 0, words.length, lo, hi);
  }

  /**
   * Absorbs the 64-bit words `words[from … to-1]` (pairs lo, hi) into the state at `state[at …]` and stores the
   * result there: for prefixes that many inputs share.
   */
  absorb(state: Int32Array, at: number, words: Int32Array, from: number, to: number): void {
    this.run(state, at, words, from, to, 0, 0, false);
  }

  /**
   * Goes on from a saved state over the words `from … to-1`, then the last block (lo, hi), whose top byte is the
   * total input length modulo 256, and finalises. The saved state stays. Returns the lower half (signed).
   */
  finish(
    state: Int32Array,
    at: number,
    words: Int32Array,
    from: number,
    to: number,
    lo: number,
    hi: number,
  ): number {
    return this.run(state, at, words, from, to, lo, hi, true);
  }

  private run(
    state: Int32Array,
    at: number,
    words: Int32Array,
    from: number,
    to: number,
    lastLo: number,
    lastHi: number,
    finalise: boolean,
  ): number {
    let a = state[at]!;
    let A = state[at + 1]!;
    let b = state[at + 2]!;
    let B = state[at + 3]!;
    let c = state[at + 4]!;
    let C = state[at + 5]!;
    let d = state[at + 6]!;
    let D = state[at + 7]!;
    let t = 0;
    let x = 0;
    let y = 0;
    const end = finalise ? to + 2 : to;
    for (let i = from; i < end; i += 2) {
      if (i < to) {
        x = words[i]!;
        y = words[i + 1]!;
      } else {
        x = lastLo;
        y = lastHi;
      }
      d ^= x;
      D ^= y;
      // Round 1 of 2 …
      // v0 += v1; v1 <<<= 13; v1 ^= v0; v0 <<<= 32
      a = (a + b) | 0;
      A = (A + B + Number(a >>> 0 < b >>> 0)) | 0;
      t = (b << 13) | (B >>> 19);
      B = ((B << 13) | (b >>> 19)) ^ A;
      b = t ^ a;
      t = a;
      a = A;
      A = t;
      // v2 += v3; v3 <<<= 16; v3 ^= v2
      c = (c + d) | 0;
      C = (C + D + Number(c >>> 0 < d >>> 0)) | 0;
      t = (d << 16) | (D >>> 16);
      D = ((D << 16) | (d >>> 16)) ^ C;
      d = t ^ c;
      // v0 += v3; v3 <<<= 21; v3 ^= v0
      a = (a + d) | 0;
      A = (A + D + Number(a >>> 0 < d >>> 0)) | 0;
      t = (d << 21) | (D >>> 11);
      D = ((D << 21) | (d >>> 11)) ^ A;
      d = t ^ a;
      // v2 += v1; v1 <<<= 17; v1 ^= v2; v2 <<<= 32
      c = (c + b) | 0;
      C = (C + B + Number(c >>> 0 < b >>> 0)) | 0;
      t = (b << 17) | (B >>> 15);
      B = ((B << 17) | (b >>> 15)) ^ C;
      b = t ^ c;
      t = c;
      c = C;
      C = t;
      // … and 2.
      a = (a + b) | 0;
      A = (A + B + Number(a >>> 0 < b >>> 0)) | 0;
      t = (b << 13) | (B >>> 19);
      B = ((B << 13) | (b >>> 19)) ^ A;
      b = t ^ a;
      t = a;
      a = A;
      A = t;
      c = (c + d) | 0;
      C = (C + D + Number(c >>> 0 < d >>> 0)) | 0;
      t = (d << 16) | (D >>> 16);
      D = ((D << 16) | (d >>> 16)) ^ C;
      d = t ^ c;
      a = (a + d) | 0;
      A = (A + D + Number(a >>> 0 < d >>> 0)) | 0;
      t = (d << 21) | (D >>> 11);
      D = ((D << 21) | (d >>> 11)) ^ A;
      d = t ^ a;
      c = (c + b) | 0;
      C = (C + B + Number(c >>> 0 < b >>> 0)) | 0;
      t = (b << 17) | (B >>> 15);
      B = ((B << 17) | (b >>> 15)) ^ C;
      b = t ^ c;
      t = c;
      c = C;
      C = t;
      a ^= x;
      A ^= y;
    }
    if (!finalise) {
      state[at] = a;
      state[at + 1] = A;
      state[at + 2] = b;
      state[at + 3] = B;
      state[at + 4] = c;
      state[at + 5] = C;
      state[at + 6] = d;
      state[at + 7] = D;
      return 0;
    }
    c ^= 0xff;
    for (let r = 0; r < 4; r++) {
      a = (a + b) | 0;
      A = (A + B + Number(a >>> 0 < b >>> 0)) | 0;
      t = (b << 13) | (B >>> 19);
      B = ((B << 13) | (b >>> 19)) ^ A;
      b = t ^ a;
      t = a;
      a = A;
      A = t;
      c = (c + d) | 0;
      C = (C + D + Number(c >>> 0 < d >>> 0)) | 0;
      t = (d << 16) | (D >>> 16);
      D = ((D << 16) | (d >>> 16)) ^ C;
      d = t ^ c;
      a = (a + d) | 0;
      A = (A + D + Number(a >>> 0 < d >>> 0)) | 0;
      t = (d << 21) | (D >>> 11);
      D = ((D << 21) | (d >>> 11)) ^ A;
      d = t ^ a;
      c = (c + b) | 0;
      C = (C + B + Number(c >>> 0 < b >>> 0)) | 0;
      t = (b << 17) | (B >>> 15);
      B = ((B << 17) | (b >>> 15)) ^ C;
      b = t ^ c;
      t = c;
      c = C;
      C = t;
    }
    this.high = A ^ B ^ C ^ D;
    return a ^ b ^ c ^ d;
  }
}
