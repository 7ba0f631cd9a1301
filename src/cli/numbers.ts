/**
 * Values of flags.
 *
 * Promise: what is not of the form is a UserError that names the flag and what is permitted. Pure.
 */
import { UserError } from '../errors.js';
import { formatMac, parseMac } from '../mac/address.js';

/** @throws UserError for anything but a whole number of that range. */
export function wholeNumber(text: string, least: number, most: number, flag: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UserError(`${flag}: "${text}" is not a whole number from ${least} to ${most}`);
  }
  return value;
}

/** A MAC address in its one form; absent stays absent. @throws UserError */
export function macOption(text: string | undefined, flag: string): string | undefined {
  if (text === undefined) return undefined;
  const { high, low } = parseMac(text, flag);
  return formatMac(high, low);
}
