/**
 * Small parts of the frame builders: text to bytes, and the types that pass between layers.
 *
 * Promise: see build.ts, which exports all of this.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { putUint16 } from './checksum.js';

/** Bytes, text (UTF-8), or a number of bytes with the pattern 0, 1, 2 … 255, 0 …. */
export type Payload = Uint8Array | string | number;

/** A transport segment whose checksum the IP builder fills in, since it covers the IP addresses. */
export interface Transport {
  /** IP protocol number. */
  readonly protocol: number;
  readonly bytes: Uint8Array;
  /** Offset of the checksum in `bytes`; -1: there is none to fill in, or it was given. */
  readonly checksumAt: number;
  /** ICMP has no pseudo header. */
  readonly pseudoHeader: boolean;
  /** Store only the pseudo header's sum, as for VIRTIO_NET_HDR_F_NEEDS_CSUM. */
  readonly partial: boolean;
}

/** A packet of the network layer with its ethertype. */
export interface Packet {
  readonly ethertype: number;
  readonly bytes: Uint8Array;
}

export function payloadBytes(payload: Payload): Uint8Array {
  if (typeof payload === 'number') return Uint8Array.from({ length: payload }, (_, i) => i & 0xff);
  return typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
}

/** `02:00:00:00:00:01` as 6 bytes. */
export function macBytes(text: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) throw new RangeError(`"${text}" is not a MAC address`);
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
}

/** `192.0.2.1` as 4 bytes. */
export function ipv4Bytes(text: string): Uint8Array {
  if (!isIPv4(text)) throw new RangeError(`"${text}" is not an IPv4 address`);
  return Uint8Array.from(text.split('.'), Number);
}

/** `2001:db8::1` (also `::ffff:192.0.2.1`) as 16 bytes. */
export function ipv6Bytes(text: string): Uint8Array {
  if (!isIPv6(text) || text.includes('%')) throw new RangeError(`"${text}" is not an IPv6 address`);
  const groups = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)];
          const [a, b, c, d] = ipv4Bytes(group) as unknown as [number, number, number, number];
          return [(a << 8) | b, (c << 8) | d];
        });
  const [left = '', right] = text.split('::');
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const all = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  const out = new Uint8Array(16);
  all.forEach((group, i) => {
    putUint16(out, i * 2, group);
  });
  return out;
}

/** All parts one behind the other, as a new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Big-endian 16-bit values as bytes. */
export function uint16s(...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(values.length * 2);
  values.forEach((value, i) => {
    putUint16(out, i * 2, value);
  });
  return out;
}

/** Big-endian 32-bit values as bytes. */
export function uint32s(...values: readonly number[]): Uint8Array {
  return uint16s(...values.flatMap((value) => [(value >>> 16) & 0xffff, value & 0xffff]));
}
