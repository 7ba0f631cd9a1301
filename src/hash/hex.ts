/**
 * Hexadecimal text, as keys, hash inputs and hash values are written.
 *
 * Promise: what is accepted is exactly pairs of hex digits, optionally with the colons of `ethtool` and of MAC
 * addresses, or a 0x prefix; anything else is a UserError that names the place.
 */
import { UserError } from '../errors.js';

/** Bytes of a hex string; `what` names the place in the error, for example `--key`. */
export function parseHex(text: string, what: string): Uint8Array {
  const digits = text.trim().replace(/^0x/i, '').replaceAll(':', '');
  if (!/^[0-9a-f]*$/i.test(digits)) {
    const bad = /[^0-9a-f]/i.exec(digits)?.[0];
    throw new UserError(`${what}: not hexadecimal: unexpected "${bad}" in "${shorten(text)}"`);
  }
  if (digits.length % 2 === 1) {
    throw new UserError(`${what}: odd number of hex digits (${digits.length}) in "${shorten(text)}"`);
  }
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

/** Plain lower-case hex of bytes. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** `0x51ccc178`: a 32-bit value with all its digits, whatever its sign. */
export function hex32(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}

/** At most 40 characters of what the user wrote, for messages. */
export function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}
