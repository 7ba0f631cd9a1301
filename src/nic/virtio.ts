/**
 * Virtio-net RSS and hash report: the control commands and the receive header, as a device sees them.
 *
 * Promise: encodes and decodes exactly the layouts of virtio 1.2 (5.1.6.5.6 to 5.1.6.5.8; hash tunnel types as in
 * the 1.3 drafts), little-endian; a command that a device must refuse is a UserError that says why. Pure.
 */
import { UserError } from '../errors.js';
import type { TunnelName } from '../packet/tunnel.js';
import { HASH_TYPE_NAMES, HashType, hashTypeList } from './hash-types.js';

/** Feature bits. */
export const VirtioFeature = { mq: 22, hashTunnel: 51, hashReport: 57, rss: 60, rssContext: 64 } as const;

/** Class and commands of the control queue. */
export const VIRTIO_CLASS_MQ = 4;
/** Commands of class `VIRTIO_CLASS_MQ`. */
export const VirtioMqCommand = { vqPairsSet: 0, rssConfig: 1, hashConfig: 2 } as const;

/** Class of the hash tunnel command; its only command is 0. */
export const VIRTIO_CLASS_TUNNEL = 7;
/** Class of RSS contexts (1.4). */
export const VIRTIO_CLASS_CONTEXT = 9;
/** Commands of class `VIRTIO_CLASS_CONTEXT`; their data is not modelled. Ids are from 1, a device reset clears all. */
export const VirtioContextCommand = { capGet: 0, add: 1, mod: 2, del: 3 } as const;

/** All hash types that virtio knows: bits 0 to 8. */
export const VIRTIO_HASH_TYPES = 0x1ff;

/** Bits of the tunnel types, by name; `gre` is RFC 2784's, RFC 2890's and RFC 7676's (bits 0 to 2). */
const TUNNEL_BITS: readonly (readonly [TunnelName, number])[] = [
  ['gre', 0b111],
  ['vxlan', 1 << 4],
  ['vxlan-gpe', 1 << 5],
  ['geneve', 1 << 6],
  ['ipip', 1 << 7],
  ['nvgre', 1 << 8],
];

/** What a device offers in its configuration space. */
export interface VirtioRssLimits {
  /** rss_max_key_size, at least 40. */
  readonly maxKeyBytes: number;
  /** rss_max_indirection_table_length, at least 128. */
  readonly maxTable: number;
  /** supported_hash_types. */
  readonly hashTypes: number;
  /** Enabled receive queues. */
  readonly queues: number;
}

/** VIRTIO_NET_CTRL_MQ_RSS_CONFIG. */
export interface VirtioRssConfig {
  readonly hashTypes: number;
  /** Receive queue of what no type covers. */
  readonly unclassifiedQueue: number;
  /** Receive queues; a power of two of them. */
  readonly table: readonly number[];
  /** Highest transmit queue that the driver uses. */
  readonly maxTxQueue: number;
  readonly key: Uint8Array;
}

function refuse(what: string): never {
  throw new UserError(`virtio rss config: ${what}`);
}

/** Checks a configuration as a device must. @throws UserError */
export function checkVirtioRss(config: VirtioRssConfig, limits: VirtioRssLimits): void {
  const size = config.table.length;
  if (size === 0 || (size & (size - 1)) !== 0) refuse(`table of ${size} entries: a power of two is needed`);
  if (size > limits.maxTable) refuse(`table of ${size} entries: the device has ${limits.maxTable} at most`);
  if (config.key.length > limits.maxKeyBytes) {
    refuse(`key of ${config.key.length} bytes: the device takes ${limits.maxKeyBytes} at most`);
  }
  const unknown = config.hashTypes & ~limits.hashTypes;
  if (unknown !== 0) {
    const names = hashTypeList(unknown & VIRTIO_HASH_TYPES).join(', ') || `0x${unknown.toString(16)}`;
    refuse(`hash types that the device does not support: ${names}`);
  }
  const queue = [...config.table, config.unclassifiedQueue].find((q) => q < 0 || q >= limits.queues);
  if (queue !== undefined) refuse(`queue ${queue}: receive queues 0 to ${limits.queues - 1} are enabled`);
}

/** Bytes of the command's data. Queue fields hold the receive queue's index (virtqueue index / 2). */
export function encodeVirtioRss(config: VirtioRssConfig): Uint8Array {
  const table = config.table.length;
  const bytes = new Uint8Array(8 + 2 * table + 3 + config.key.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, config.hashTypes, true);
  view.setUint16(4, table - 1, true);
  view.setUint16(6, config.unclassifiedQueue, true);
  config.table.forEach((queue, i) => {
    view.setUint16(8 + 2 * i, queue, true);
  });
  view.setUint16(8 + 2 * table, config.maxTxQueue, true);
  view.setUint8(10 + 2 * table, config.key.length);
  bytes.set(config.key, 11 + 2 * table);
  return bytes;
}

/** Reads the command's data. @throws UserError where it is cut short or too long. */
export function decodeVirtioRss(bytes: Uint8Array): VirtioRssConfig {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (length: number) => {
    if (bytes.length < length) refuse(`${bytes.length} bytes, at least ${length} are needed`);
  };
  need(8);
  const table = view.getUint16(4, true) + 1;
  const tail = 8 + 2 * table;
  need(tail + 3);
  const keyBytes = view.getUint8(tail + 2);
  need(tail + 3 + keyBytes);
  if (bytes.length > tail + 3 + keyBytes) refuse(`${bytes.length} bytes, ${tail + 3 + keyBytes} are meant`);
  return {
    hashTypes: view.getUint32(0, true),
    unclassifiedQueue: view.getUint16(6, true),
    table: Array.from({ length: table }, (_, i) => view.getUint16(8 + 2 * i, true)),
    maxTxQueue: view.getUint16(tail, true),
    key: bytes.slice(tail + 3, tail + 3 + keyBytes),
  };
}

/** VIRTIO_NET_CTRL_MQ_HASH_CONFIG: types and key, without steering. */
export function encodeVirtioHash(hashTypes: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 8 + 1 + key.length);
  new DataView(bytes.buffer).setUint32(0, hashTypes, true);
  bytes[12] = key.length;
  bytes.set(key, 13);
  return bytes;
}

/** Reads it. @throws UserError where it is cut short or its reserved fields are not 0. */
export function decodeVirtioHash(bytes: Uint8Array): { hashTypes: number; key: Uint8Array } {
  if (bytes.length < 13 || bytes.length !== 13 + bytes[12]!) refuse(`hash config of ${bytes.length} bytes`);
  if (bytes.slice(4, 12).some((byte) => byte !== 0)) refuse('hash config: reserved fields are not 0');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { hashTypes: view.getUint32(0, true), key: bytes.slice(13) };
}

/** Bytes of the receive header with a hash report, and where the report lies. */
export const VIRTIO_HASH_HEADER = 20;
const REPORT_AT = 12;

/** Writes hash value and report type (the numbers of `HashType`) into a receive header at `at`. */
export function writeHashReport(view: DataView, at: number, hash: number, type: number): void {
  view.setUint32(at + REPORT_AT, hash >>> 0, true);
  view.setUint16(at + REPORT_AT + 4, type, true);
  view.setUint16(at + REPORT_AT + 6, 0, true);
}

/** Reads them. The type's name is null for numbers that virtio does not have. */
export function readHashReport(
  view: DataView,
  at: number,
): { hash: number; type: number; name: string | null } {
  const type = view.getUint16(at + REPORT_AT + 4, true);
  return {
    hash: view.getUint32(at + REPORT_AT, true),
    type,
    name: type <= HashType.udpIpv6Ex ? HASH_TYPE_NAMES[type]! : null,
  };
}

/** Mask of the hash tunnel command (class 7) for tunnels by name. @throws UserError for one that virtio lacks. */
export function virtioTunnelMask(names: readonly TunnelName[]): number {
  return names.reduce((mask, name) => {
    const found = TUNNEL_BITS.find(([known]) => known === name);
    if (found === undefined) {
      const known = TUNNEL_BITS.map(([tunnel]) => tunnel).join(', ');
      throw new UserError(`virtio has no hash tunnel type ${name}; known: ${known}`);
    }
    return mask | found[1];
  }, 0);
}

/** Data of the hash tunnel command. */
export function encodeVirtioTunnels(mask: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, mask, true);
  return bytes;
}

/** Names of the tunnels of that data. @throws UserError for another length, and for bits without a known tunnel. */
export function decodeVirtioTunnels(bytes: Uint8Array): TunnelName[] {
  if (bytes.length !== 4)
    throw new UserError(`virtio hash tunnel command: ${bytes.length} bytes, 4 are needed`);
  const mask = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const unknown = TUNNEL_BITS.reduce((rest, [, bits]) => rest & ~bits, mask);
  if (unknown !== 0)
    throw new UserError(`virtio hash tunnel command: unknown types 0x${(unknown >>> 0).toString(16)}`);
  return TUNNEL_BITS.filter(([, bits]) => (mask & bits) !== 0).map(([name]) => name);
}
