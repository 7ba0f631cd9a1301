/**
 * Which header fields of a packet a NIC hashes: the RSS hash types and the choice among the enabled ones.
 *
 * Promise: the choice depends on `Burst.kind` only and is one table lookup a packet. Pure and immutable.
 *
 * Sources: Microsoft's RSS hash types; Intel 82598 datasheet (priority TCP, UDP, IP; `_EX` before plain); virtio
 * 1.2 (numbering, and `_EX` types only for packets that have extension headers); the i40e driver's and DPDK's packet
 * classifier types (fragments are types of their own there).
 * A packet takes its transport type if that is enabled, else its IP type if that is enabled, else none. Fragments
 * have no transport type. What has no type goes to the default queue.
 */
import { unknownName } from '../errors.js';
import { Kind } from '../packet/burst.js';
import { Protocol } from '../packet/protocol.js';

/** Names in the order of their numbers; up to `udp-ipv6-ex` the number is also virtio's hash report value. */
export const HASH_TYPE_NAMES = [
  'none',
  'ipv4',
  'tcp-ipv4',
  'udp-ipv4',
  'ipv6',
  'tcp-ipv6',
  'udp-ipv6',
  'ipv6-ex',
  'tcp-ipv6-ex',
  'udp-ipv6-ex',
  'mac',
  'frag-ipv4',
  'frag-ipv6',
] as const;
/** Name of a hash type; the index in `HASH_TYPE_NAMES` is its number. */
export type HashTypeName = (typeof HASH_TYPE_NAMES)[number];

/** Values of `Burst.hashType`. */
export const HashType = {
  none: 0,
  ipv4: 1,
  tcpIpv4: 2,
  udpIpv4: 3,
  ipv6: 4,
  tcpIpv6: 5,
  udpIpv6: 6,
  ipv6Ex: 7,
  tcpIpv6Ex: 8,
  udpIpv6Ex: 9,
  /** Both MAC addresses of what is not IP (ENA). */
  mac: 10,
  /** The addresses of fragments, where those are types of their own (i40e). */
  fragIpv4: 11,
  fragIpv6: 12,
} as const;

/** The types that only NICs with fragment types have. */
export const FRAGMENT_TYPES: readonly HashTypeName[] = ['frag-ipv4', 'frag-ipv6'];

/** The types of the `generic` NIC: what most hardware can do today. */
export const GENERIC_TYPES: readonly HashTypeName[] = [
  'ipv4',
  'tcp-ipv4',
  'udp-ipv4',
  'ipv6',
  'tcp-ipv6',
  'udp-ipv6',
];

/**
 * How the `_EX` types apply. `intel` (and Microsoft): before the plain type, also for packets without extension
 * headers when only the `_EX` type is enabled. `virtio`: only for packets with extension headers, and then any
 * enabled `_EX` type (the IP one too) before all plain ones.
 */
export type ExRule = 'intel' | 'virtio';

/**
 * What covers fragments. `ip`: the IP type. `own`: a type of their own, and only that; without it they are not hashed,
 * whatever the IP type (i40e: each packet has one classifier type, and each of those its enable bit).
 */
export type FragmentRule = 'ip' | 'own';

/** Bit of a type in a mask: virtio's `1 << (report - 1)`; 0 for none. */
export function hashTypeBit(type: number): number {
  return type === 0 ? 0 : 1 << (type - 1);
}

/** Mask of a list of names. @throws UserError for an unknown one; `none` is allowed and adds nothing. */
export function hashTypeMask(names: readonly string[]): number {
  let mask = 0;
  for (const name of names) {
    const type = HASH_TYPE_NAMES.indexOf(name as HashTypeName);
    if (type < 0) throw unknownName('hash type', name, HASH_TYPE_NAMES);
    mask |= hashTypeBit(type);
  }
  return mask;
}

/** Names of the bits of a mask, in the order of their numbers. */
export function hashTypeList(mask: number): HashTypeName[] {
  return HASH_TYPE_NAMES.filter((_, type) => (mask & hashTypeBit(type)) !== 0);
}

/** True for types that hash ports. */
export function hashesPorts(type: number): boolean {
  return type !== HashType.none && type <= HashType.udpIpv6Ex && type % 3 !== 1;
}

/** True for types with IPv4 addresses; of the others all but `mac` and `none` have IPv6 ones. */
export function isIpv4Type(type: number): boolean {
  return (type >= HashType.ipv4 && type <= HashType.udpIpv4) || type === HashType.fragIpv4;
}

/** True for the types that take their addresses from Mobile IPv6 headers. */
export function isExType(type: number): boolean {
  return type >= HashType.ipv6Ex && type <= HashType.udpIpv6Ex;
}

/** `transport` of a selection index for fragments, which have none. */
const FRAGMENT = 3;

/** Index into a selection table: IP version (2 bits), transport or fragment (2), extension headers (1). */
export function selectionIndex(kind: number): number {
  // Without readable addresses nothing can be hashed, whatever the version.
  if ((kind & Kind.addresses) === 0) return 0;
  let transport = 0;
  if ((kind & Kind.fragment) !== 0) transport = FRAGMENT;
  else if ((kind & Kind.ports) !== 0) {
    const protocol = (kind >>> Kind.protocolShift) & 0xff;
    transport = protocol === Protocol.tcp ? 1 : protocol === Protocol.udp ? 2 : 0;
  }
  return (kind & Kind.ipMask) | (transport << 2) | ((kind & Kind.extension) !== 0 ? 16 : 0);
}

/** Candidates for one kind of packet, best first. */
function candidates(
  version: number,
  transport: number,
  extension: boolean,
  mask: number,
  rule: ExRule,
): number[] {
  if (version === Kind.ipv4) return [transport, 0].map((t) => HashType.ipv4 + t);
  const plain = [HashType.ipv6 + transport, HashType.ipv6];
  const ex = [HashType.ipv6Ex + transport, HashType.ipv6Ex];
  if (rule === 'virtio') return extension ? [...ex, ...plain] : plain;
  const order: number[] = [];
  for (let i = 0; i < 2; i++) {
    // A packet without those headers has the same input under both names; the plain one is reported if enabled.
    if (extension || (mask & hashTypeBit(plain[i]!)) === 0) order.push(ex[i]!, plain[i]!);
    else order.push(plain[i]!);
  }
  return order;
}

/** `table[selectionIndex(kind)]` is the type that a NIC with these enabled types hashes. */
export function selectionTable(
  mask: number,
  rule: ExRule = 'intel',
  fragments: FragmentRule = 'ip',
): Int32Array {
  const table = new Int32Array(32);
  for (let index = 0; index < 32; index++) {
    const version = index & Kind.ipMask;
    const transport = (index >>> 2) & 3;
    if (index === 0 && (mask & hashTypeBit(HashType.mac)) !== 0) table[index] = HashType.mac;
    if (version === 0 || version === 3) continue;
    const wanted =
      transport !== FRAGMENT
        ? candidates(version, transport, (index & 16) !== 0, mask, rule)
        : fragments === 'own'
          ? [version === Kind.ipv4 ? HashType.fragIpv4 : HashType.fragIpv6]
          : candidates(version, 0, (index & 16) !== 0, mask, rule);
    table[index] = wanted.find((type) => (mask & hashTypeBit(type)) !== 0) ?? HashType.none;
  }
  return table;
}

/**
 * `table[kind & 0xffff]`: the same choice with one load and no branch, for burst functions. 64 KiB, of which a
 * traffic mix touches a few lines.
 */
export function selectionByKind(
  mask: number,
  rule: ExRule = 'intel',
  fragments: FragmentRule = 'ip',
): Uint8Array {
  const select = selectionTable(mask, rule, fragments);
  // A policy is compiled while frames wait: a row a protocol, and most protocols have the same one.
  const row = new Uint8Array(256);
  const rowOf = (protocol: number) => {
    const first = protocol << Kind.protocolShift;
    for (let bits = 0; bits < row.length; bits++) row[bits] = select[selectionIndex(first | bits)]!;
    return row;
  };
  const table = new Uint8Array(0x10000);
  const other = rowOf(0);
  for (let protocol = 0; protocol < 256; protocol++) table.set(other, protocol << Kind.protocolShift);
  for (const protocol of [Protocol.tcp, Protocol.udp]) {
    table.set(rowOf(protocol), protocol << Kind.protocolShift);
  }
  return table;
}

/** Why a packet of this kind got `type`, in words, for a NIC with the enabled types of `mask`. */
export function explainHashType(
  kind: number,
  type: number,
  mask: number,
  fragments: FragmentRule = 'ip',
): string {
  const version = kind & Kind.ipMask;
  if (type === HashType.mac) return 'no IP addresses, so mac: both MAC addresses hashed';
  if (version === 0) return 'not an IP packet, so no type applies';
  if ((kind & Kind.addresses) === 0)
    return 'the IP header is cut short or contradicts itself, so no type applies';
  const protocol = (kind >>> Kind.protocolShift) & 0xff;
  if (type !== HashType.none && hashesPorts(type)) {
    return `${HASH_TYPE_NAMES[type]} is enabled: addresses and ports hashed`;
  }
  if (fragments === 'own' && (kind & Kind.fragment) !== 0) {
    const name = HASH_TYPE_NAMES[version === Kind.ipv4 ? HashType.fragIpv4 : HashType.fragIpv6];
    return type === HashType.none
      ? `a fragment, and ${name} is not enabled, so no type applies`
      : `a fragment, so ${name}: addresses hashed`;
  }
  let why: string;
  if ((kind & Kind.fragment) !== 0) why = 'a fragment has no ports to rely on';
  else if (protocol !== Protocol.tcp && protocol !== Protocol.udp) why = 'neither TCP nor UDP';
  else if ((kind & Kind.ports) === 0) why = 'the transport header is cut short';
  else {
    const transport = protocol === Protocol.tcp ? 1 : 2;
    const wanted = (version === Kind.ipv4 ? HashType.ipv4 : HashType.ipv6) + transport;
    const able = (mask & hashTypeBit(wanted)) !== 0;
    why = able ? 'an _EX type comes first' : `${HASH_TYPE_NAMES[wanted]} is not enabled`;
  }
  if (type === HashType.none) {
    const base = HASH_TYPE_NAMES[version === Kind.ipv4 ? HashType.ipv4 : HashType.ipv6];
    return `${why}, and ${base} is not enabled, so no type applies`;
  }
  return `${why}, so ${HASH_TYPE_NAMES[type]}: addresses hashed`;
}
