/**
 * MAC addresses as text and as the two words that bursts hold.
 *
 * Promise: accepts six pairs of hex digits with colons or hyphens; prints lower case with colons. Pure.
 */
import { UserError } from '../errors.js';

/** A MAC address as in a burst: its first two bytes, and its last four as a signed number. */
export interface MacWords {
  /** First two bytes, as `Burst.dmacHi`. */
  readonly high: number;
  /** Last four bytes as a signed word, as `Burst.dmacLo`. */
  readonly low: number;
}

/** @throws UserError that names the place (`what`) for anything but a MAC address. */
export function parseMac(text: string, what: string): MacWords {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) {
    throw new UserError(`${what}: "${text}" is not a MAC address such as 52:54:00:12:34:56`);
  }
  const digits = text.replace(/[:-]/g, '');
  return { high: Number.parseInt(digits.slice(0, 4), 16), low: Number.parseInt(digits.slice(4), 16) | 0 };
}

/** `52:54:00:12:34:56`. */
export function formatMac(high: number, low: number): string {
  const digits = high.toString(16).padStart(4, '0') + (low >>> 0).toString(16).padStart(8, '0');
  return digits.match(/../g)!.join(':');
}
