/**
 * The addresses that the guest or host behind a port may use: `mac=ADDRESS[+…]` and `ip=ADDRESS[/BITS][+…]`, as text and as
 * plain data.
 *
 * Promise: pure; what is no address is a one-line UserError that names the place.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { UserError } from '../errors.js';
import { ipv4Bytes, ipv6Bytes } from '../packet/build-bytes.js';
import { parseMac } from './address.js';

/** Permitted addresses as words. An empty list of addresses permits none of that kind, null permits all. */
export interface SourceRules {
  /** First two bytes and last four of each MAC address. */
  readonly macs: readonly number[] | null;
  /** Address and mask of each IPv4 prefix; four words of address and four of mask of each IPv6 prefix. */
  readonly ipv4: readonly number[] | null;
  readonly ipv6: readonly number[] | null;
}

/** Addresses of each kind at most: each frame is held against all of them. */
const ADDRESSES_MAX = 64;

/** Parses the values of the options, undefined where they are not given; null where neither is. @throws UserError */
export function parseSources(
  where: string,
  mac: string | undefined,
  ip: string | undefined,
): SourceRules | null {
  if (mac === undefined && ip === undefined) return null;
  const macs = mac === undefined ? null : listOf(where, 'mac', mac).flatMap((text) => macOf(where, text));
  if (ip === undefined) return { macs, ipv4: null, ipv6: null };
  const ipv4: number[] = [];
  const ipv6: number[] = [];
  for (const text of listOf(where, 'ip', ip)) addPrefix(where, text, ipv4, ipv6);
  return { macs, ipv4, ipv6 };
}

function listOf(where: string, key: string, value: string): string[] {
  const list = value.split('+');
  if (list.length <= ADDRESSES_MAX) return list;
  throw new UserError(`${where}: ${key}=: ${list.length} addresses: there can be ${ADDRESSES_MAX} at most`);
}

function macOf(where: string, text: string): [number, number] {
  const { high, low } = parseMac(text, `${where}: mac=`);
  if ((high & 0x100) !== 0 || (high | low) === 0) {
    throw new UserError(`${where}: mac=${text}: a group address or none is nobody's own`);
  }
  return [high, low];
}

function addPrefix(where: string, text: string, ipv4: number[], ipv6: number[]): void {
  const [address, bits, ...more] = text.split('/') as [string, string?, ...string[]];
  const is4 = isIPv4(address);
  // A zone names an interface of this host, which the guest knows nothing of.
  if ((!is4 && (!isIPv6(address) || address.includes('%'))) || more.length > 0) {
    throw new UserError(
      `${where}: ip=${text}: expected an address or prefix such as 10.0.0.5 or 2001:db8::/64`,
    );
  }
  const most = is4 ? 32 : 128;
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > most)) {
    throw new UserError(`${where}: ip=${text}: prefix length: expected a whole number from 0 to ${most}`);
  }
  const bytes = is4 ? ipv4Bytes(address) : ipv6Bytes(address);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = Array.from({ length: most / 32 }, (_, word) => word);
  const masks = words.map((word) => maskOf((bits === undefined ? most : Number(bits)) - 32 * word));
  const values = words.map((word) => view.getInt32(4 * word) & masks[word]!);
  (is4 ? ipv4 : ipv6).push(...values, ...masks);
}

/** A word with so many leading ones. */
function maskOf(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits);
}
