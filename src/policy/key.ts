/**
 * From the `key=` of a policy to key bytes.
 *
 * Promise: a key that a device would refuse, or that does not cover what is to be hashed, is a UserError that says
 * which lengths are permitted. `random` comes from the seed.
 */
import { NicLimit, UserError } from '../errors.js';
import { parseHex } from '../hash/hex.js';
import { isKeyName, namedKey, parseKey, randomKey } from '../hash/keys.js';

/** Lengths that a key may have. */
export interface KeyLengths {
  readonly least: number;
  readonly most: number;
}

/** Longest key that is accepted anywhere (the Linux self-test takes 40 to 256 bytes). */
export const KEY_BYTES_MAX = 256;

/**
 * @param text a name, `random` or hex.
 * @param length of a random key; a shorter named key is filled up with zeros to it (bytes beyond the input's
 *   length + 4 have no influence).
 */
export function resolveKey(
  text: string,
  place: string,
  seed: number,
  length: number,
  lengths: KeyLengths,
): Uint8Array {
  if (text === 'random') return randomKey(length, seed);
  const key = parseKey(text, place);
  if (isKeyName(text) && key.length < length) {
    const filled = new Uint8Array(length);
    filled.set(namedKey(text));
    return filled;
  }
  if (key.length < lengths.least || key.length > lengths.most) {
    const permitted =
      lengths.least === lengths.most
        ? `${lengths.least} bytes (${2 * lengths.least} hex digits)`
        : `${lengths.least} to ${lengths.most} bytes`;
    throw new NicLimit(`${place}: the key has ${key.length} bytes; permitted: ${permitted}`);
  }
  return key;
}

/** A key of exactly `length` bytes, in hex. @throws UserError */
export function parseExactKey(text: string, place: string, length: number): Uint8Array {
  const key = parseHex(text, place);
  if (key.length === length) return key;
  throw new UserError(
    `${place}: the key has ${key.length} bytes; permitted: ${length} bytes (${2 * length} hex digits)`,
  );
}
