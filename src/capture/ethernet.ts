/**
 * Packets of all supported link types as Ethernet frames, since the engine sees nothing else.
 *
 * Promise: Ethernet is passed as it is. Raw IP gets a 14-byte header with zero MACs and the ethertype of its version
 * nibble (0xffff when that is neither 4 nor 6). Linux cooked packets lose their 16 or 20 bytes and get a header with
 * the sender's address as source where the capture holds a 6-byte one, destination ff:ff:ff:ff:ff:ff where it says
 * "broadcast" and zero otherwise, and the capture's protocol as ethertype; protocols that are no ethertypes become
 * the 802.3 length for LLC and 0xffff for the rest.
 */
import { LinkType } from './format.js';

const NO_ETHERTYPE = 0xffff;
/** Bytes that `makeEthernet` may write before a packet. */
export const ETHERNET_HEADER = 14;
const COOKED_HEADER = 16;
const COOKED2_HEADER = 20;

/** Bytes of link-layer header that are replaced. */
function strippedBytes(linkType: number): number {
  return linkType === LinkType.cooked ? COOKED_HEADER : linkType === LinkType.cooked2 ? COOKED2_HEADER : 0;
}

/**
 * Length of the Ethernet frame that a packet of `len` bytes becomes (also for the length on the wire); -1 when it
 * is cut off inside a cooked header.
 */
export function ethernetLength(linkType: number, len: number): number {
  if (linkType === LinkType.ethernet) return len;
  const stripped = strippedBytes(linkType);
  return len < stripped ? -1 : len - stripped + ETHERNET_HEADER;
}

/**
 * Writes the frame for the packet at `from[off…]` to `to[at…]`, which must have room for `ethernetLength` bytes (>= 0,
 * checked before). Returns that length.
 */
export function writeEthernet(
  linkType: number,
  from: Uint8Array,
  off: number,
  len: number,
  to: Uint8Array,
  at: number,
): number {
  if (linkType === LinkType.ethernet) {
    to.set(from.subarray(off, off + len), at);
    return len;
  }
  const stripped = strippedBytes(linkType);
  to.set(from.subarray(off + stripped, off + len), at + ETHERNET_HEADER);
  writeHeader(linkType, from, off, len, to, at);
  return len - stripped + ETHERNET_HEADER;
}

/**
 * The same without a copy: writes the Ethernet header right before the payload at `bytes[off…]`, over the cooked
 * header, or for raw IP over the `ETHERNET_HEADER` bytes before `off`, which must be there and of no use any more.
 * Returns where the frame begins; it is `ethernetLength` long (>= 0, checked before).
 */
export function makeEthernet(linkType: number, bytes: Uint8Array, off: number, len: number): number {
  if (linkType === LinkType.ethernet) return off;
  const at = off + strippedBytes(linkType) - ETHERNET_HEADER;
  writeHeader(linkType, bytes, off, len, bytes, at);
  return at;
}

/** Writes the 14 bytes at `to[at…]`, which may overlap the packet's link-layer header: that is read first. */
function writeHeader(
  linkType: number,
  from: Uint8Array,
  off: number,
  len: number,
  to: Uint8Array,
  at: number,
): void {
  const stripped = strippedBytes(linkType);
  let ethertype = NO_ETHERTYPE;
  let isBroadcast = false;
  let high = 0;
  let low = 0;
  if (stripped === 0) {
    const version = len > 0 ? from[off]! >> 4 : 0;
    if (version === 4) ethertype = 0x0800;
    else if (version === 6) ethertype = 0x86dd;
  } else {
    const second = stripped === COOKED2_HEADER;
    const addressLength = second ? from[off + 11]! : (from[off + 4]! << 8) | from[off + 5]!;
    const address = off + (second ? 12 : 6);
    const protocolAt = off + (second ? 0 : 14);
    const protocol = (from[protocolAt]! << 8) | from[protocolAt + 1]!;
    isBroadcast = (second ? from[off + 10] : from[off + 1]) === 1;
    if (addressLength === 6) {
      high = (from[address]! << 16) | (from[address + 1]! << 8) | from[address + 2]!;
      low = (from[address + 3]! << 16) | (from[address + 4]! << 8) | from[address + 5]!;
    }
    if (protocol >= 0x0600) ethertype = protocol;
    else if (protocol === 4 && len - stripped <= 1500) ethertype = len - stripped;
  }
  to.fill(isBroadcast ? 0xff : 0, at, at + 6);
  for (let i = 0; i < 3; i++) {
    to[at + 6 + i] = high >> (16 - 8 * i);
    to[at + 9 + i] = low >> (16 - 8 * i);
  }
  to[at + 12] = ethertype >> 8;
  to[at + 13] = ethertype;
}
