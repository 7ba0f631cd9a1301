/**
 * Frame builders for tests, generators and examples: each layer is a function that takes the layer above it.
 *
 *     ethernet({ vlans: [100] }, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 1, dport: 2 }, 'hello')))
 *
 * Promise: lengths and checksums are right unless an option overrides them (tests need wrong ones too). Addresses
 * are text. Every call returns a new array; not for hot paths. Impossible values throw RangeError.
 */
import {
  concatBytes,
  ipv4Bytes,
  ipv6Bytes,
  macBytes,
  type Packet,
  type Payload,
  payloadBytes,
  type Transport,
  uint16s,
  uint32s,
} from './build-bytes.js';
import { foldSum, internetChecksum, pseudoSum4, pseudoSum6, putUint16, sctpCrc, sum16 } from './checksum.js';

export * from './build-bytes.js';
export * from './build-tunnel.js';

/** An 802.1Q or 802.1ad tag. */
export interface VlanTag {
  /** Tag protocol; default 0x8100. */
  readonly tpid?: number;
  /** VLAN id, 0 … 4095. */
  readonly id: number;
  /** Priority, 0 … 7; default 0. */
  readonly priority?: number;
  /** Drop eligible; default false. */
  readonly dei?: boolean;
}

/** Fields of an Ethernet header. */
export interface EthernetOptions {
  /** Default 02:00:00:00:00:02. */
  readonly dst?: string;
  /** Default 02:00:00:00:00:01. */
  readonly src?: string;
  /** Outermost first; a number is a VLAN id under 0x8100. */
  readonly vlans?: readonly (number | VlanTag)[];
  /** Overrides the payload's; needed when the payload is bare bytes. */
  readonly ethertype?: number;
  /** Zero bytes are added up to this length; 60 is Ethernet's minimum without FCS. Default 0. */
  readonly padTo?: number;
}

/** An Ethernet II frame without FCS. */
export function ethernet(options: EthernetOptions, payload: Packet | Payload): Uint8Array {
  const packet =
    typeof payload === 'object' && 'ethertype' in payload
      ? payload
      : { ethertype: 0, bytes: payloadBytes(payload) };
  const tags = (options.vlans ?? []).map((tag) => {
    const { tpid = 0x8100, id, priority = 0, dei = false } = typeof tag === 'number' ? { id: tag } : tag;
    return uint16s(tpid, (priority << 13) | (dei ? 0x1000 : 0) | id);
  });
  const frame = concatBytes(
    macBytes(options.dst ?? '02:00:00:00:00:02'),
    macBytes(options.src ?? '02:00:00:00:00:01'),
    ...tags,
    uint16s(options.ethertype ?? packet.ethertype),
    packet.bytes,
  );
  const missing = (options.padTo ?? 0) - frame.length;
  return missing > 0 ? concatBytes(frame, new Uint8Array(missing)) : frame;
}

/** Fields of an IPv4 header; all but the addresses have defaults. */
export interface Ipv4Options {
  readonly src: string;
  readonly dst: string;
  /** Overrides the transport's; needed when the payload is bare bytes. */
  readonly protocol?: number;
  /** Option bytes, padded to a multiple of 4; 40 at most. */
  readonly options?: Uint8Array;
  readonly tos?: number;
  readonly id?: number;
  readonly dontFragment?: boolean;
  readonly moreFragments?: boolean;
  /** In bytes, a multiple of 8. */
  readonly fragmentOffset?: number;
  readonly ttl?: number;
  /** Overrides of derived fields, for damaged packets. */
  readonly totalLength?: number;
  readonly checksum?: number;
  readonly version?: number;
  readonly headerWords?: number;
}

function isTransport(payload: Transport | Payload): payload is Transport {
  return typeof payload === 'object' && 'protocol' in payload;
}

/** The transport's bytes with the checksum filled in; `pseudo` gives the pseudo header's sum for a length. */
function finish(transport: Transport, pseudo: (length: number) => number): Uint8Array {
  const { bytes, checksumAt, pseudoHeader, partial, protocol } = transport;
  if (checksumAt < 0) return bytes;
  const out = bytes.slice();
  const start = pseudoHeader ? pseudo(out.length) : 0;
  const checksum = partial ? start : sum16(out, 0, out.length, start) ^ 0xffff;
  putUint16(out, checksumAt, protocol === 17 && checksum === 0 ? 0xffff : checksum);
  return out;
}

/** An IPv4 packet (RFC 791). */
export function ipv4(options: Ipv4Options, payload: Transport | Payload): Packet {
  const optionBytes = options.options ?? new Uint8Array(0);
  const headerLength = 20 + Math.ceil(optionBytes.length / 4) * 4;
  if (headerLength > 60) throw new RangeError('IPv4 options: at most 40 bytes');
  const header = new Uint8Array(headerLength);
  header[0] = ((options.version ?? 4) << 4) | (options.headerWords ?? headerLength / 4);
  header[1] = options.tos ?? 0;
  putUint16(header, 4, options.id ?? 0);
  const flags = (options.dontFragment ? 0x4000 : 0) | (options.moreFragments ? 0x2000 : 0);
  putUint16(header, 6, flags | ((options.fragmentOffset ?? 0) >> 3));
  header[8] = options.ttl ?? 64;
  header[9] = options.protocol ?? (isTransport(payload) ? payload.protocol : 0);
  header.set(ipv4Bytes(options.src), 12);
  header.set(ipv4Bytes(options.dst), 16);
  header.set(optionBytes, 20);
  const body = isTransport(payload)
    ? finish(payload, (length) => pseudoSum4(header, 0, payload.protocol, length))
    : payloadBytes(payload);
  putUint16(header, 2, options.totalLength ?? headerLength + body.length);
  putUint16(header, 10, options.checksum ?? internetChecksum(header, 0, headerLength));
  return { ethertype: 0x0800, bytes: concatBytes(header, body) };
}

/** An IPv6 extension header: `body` is what follows the next-header and length bytes. */
export interface Extension {
  /** 0 hop-by-hop, 43 routing, 44 fragment, 51 AH, 60 destination options, …. */
  readonly type: number;
  /** Padded with zeros to the header's unit. */
  readonly body: Uint8Array;
  /** Overrides the header's own length field, for damaged packets. */
  readonly length?: number;
}

/** An IPv6 Fragment header (RFC 8200, 4.5); `offset` in bytes, a multiple of 8. All zero: an atomic fragment. */
export function fragmentExtension(offset = 0, more = false, id = 0): Extension {
  return { type: 44, body: concatBytes(uint16s(offset | (more ? 1 : 0)), uint32s(id)) };
}

/** A routing header with one address: type 2 (RFC 6275) or 0 (RFC 5095), `segmentsLeft` 1 by default. */
export function routingExtension(type: number, address: string, segmentsLeft = 1): Extension {
  const body = concatBytes(Uint8Array.of(type, segmentsLeft, 0, 0, 0, 0), ipv6Bytes(address));
  return { type: 43, body };
}

/** Destination options with a home address (RFC 6275, 6.3). */
export function homeAddressExtension(address: string): Extension {
  return { type: 60, body: concatBytes(Uint8Array.of(1, 2, 0, 0, 201, 16), ipv6Bytes(address)) };
}

/** Fields of an IPv6 header; all but the addresses have defaults. */
export interface Ipv6Options {
  readonly src: string;
  readonly dst: string;
  /** Overrides the last next-header value; needed when the payload is bare bytes. */
  readonly protocol?: number;
  readonly extensions?: readonly Extension[];
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly hopLimit?: number;
  /** Overrides of derived fields, for damaged packets. */
  readonly payloadLength?: number;
  readonly version?: number;
  /** Addresses of the pseudo header where an extension header replaces them. */
  readonly pseudoSrc?: string;
  readonly pseudoDst?: string;
}

function extensionBytes(extension: Extension, next: number): Uint8Array {
  // AH counts in 32-bit words less 2 (RFC 4302), the others in 8-byte units less 1; Fragment has a fixed size.
  const unit = extension.type === 51 ? 4 : 8;
  const total = Math.ceil((extension.body.length + 2) / unit) * unit;
  const length = extension.type === 44 ? 0 : extension.type === 51 ? total / 4 - 2 : total / 8 - 1;
  const out = new Uint8Array(total);
  out[0] = next;
  out[1] = extension.length ?? length;
  out.set(extension.body, 2);
  return out;
}

/** An IPv6 packet (RFC 8200). */
export function ipv6(options: Ipv6Options, payload: Transport | Payload): Packet {
  const extensions = options.extensions ?? [];
  const protocol = options.protocol ?? (isTransport(payload) ? payload.protocol : 59);
  const headers = extensions.map((extension, i) =>
    extensionBytes(extension, extensions[i + 1]?.type ?? protocol),
  );
  const header = new Uint8Array(40);
  const label = ((options.trafficClass ?? 0) << 20) | (options.flowLabel ?? 0);
  header.set(uint32s(((options.version ?? 6) << 28) | label));
  header[6] = extensions[0]?.type ?? protocol;
  header[7] = options.hopLimit ?? 64;
  header.set(ipv6Bytes(options.src), 8);
  header.set(ipv6Bytes(options.dst), 24);
  const pseudo = concatBytes(
    new Uint8Array(8),
    ipv6Bytes(options.pseudoSrc ?? options.src),
    ipv6Bytes(options.pseudoDst ?? options.dst),
  );
  const body = isTransport(payload)
    ? finish(payload, (length) => pseudoSum6(pseudo, 0, payload.protocol, length))
    : payloadBytes(payload);
  const rest = concatBytes(...headers, body);
  putUint16(header, 4, options.payloadLength ?? rest.length);
  return { ethertype: 0x86dd, bytes: concatBytes(header, rest) };
}

/** A number is stored as it is; 'partial' stores the pseudo header's sum (see `Transport.partial`). */
export type ChecksumOption = number | 'partial';

function transport(protocol: number, bytes: Uint8Array, at: number, checksum?: ChecksumOption): Transport {
  if (typeof checksum === 'number') putUint16(bytes, at, checksum);
  return {
    protocol,
    bytes,
    checksumAt: typeof checksum === 'number' ? -1 : at,
    pseudoHeader: protocol !== 1,
    partial: checksum === 'partial',
  };
}

/** Fields of a UDP header. */
export interface UdpOptions {
  readonly sport: number;
  readonly dport: number;
  readonly length?: number;
  /** Default: computed; 0 = none. */
  readonly checksum?: ChecksumOption;
}

/** A UDP datagram (RFC 768). */
export function udp(options: UdpOptions, payload: Payload = 0): Transport {
  const body = payloadBytes(payload);
  const header = uint16s(options.sport, options.dport, options.length ?? body.length + 8, 0);
  return transport(17, concatBytes(header, body), 6, options.checksum);
}

/** Bits of the TCP flags byte. */
export const TcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;

/** Fields of a TCP header. */
export interface TcpOptions {
  readonly sport: number;
  readonly dport: number;
  readonly seq?: number;
  readonly ack?: number;
  /** `TcpFlag` bits; default ACK. */
  readonly flags?: number;
  readonly window?: number;
  readonly urgent?: number;
  /** Option bytes, padded to a multiple of 4; 40 at most. */
  readonly options?: Uint8Array;
  readonly headerWords?: number;
  readonly checksum?: ChecksumOption;
}

/** A TCP segment (RFC 9293). */
export function tcp(options: TcpOptions, payload: Payload = 0): Transport {
  const optionBytes = options.options ?? new Uint8Array(0);
  const headerLength = 20 + Math.ceil(optionBytes.length / 4) * 4;
  if (headerLength > 60) throw new RangeError('TCP options: at most 40 bytes');
  const header = new Uint8Array(headerLength);
  header.set(uint16s(options.sport, options.dport));
  header.set(uint32s(options.seq ?? 0, options.ack ?? 0), 4);
  header[12] = (options.headerWords ?? headerLength / 4) << 4;
  header[13] = options.flags ?? TcpFlag.ack;
  header.set(uint16s(options.window ?? 65_535, 0, options.urgent ?? 0), 14);
  header.set(optionBytes, 20);
  return transport(6, concatBytes(header, payloadBytes(payload)), 16, options.checksum);
}

/** An SCTP packet (RFC 9260): `chunks` as bytes, CRC32C computed unless given. */
export function sctp(
  options: { sport: number; dport: number; tag?: number; checksum?: number },
  chunks: Payload = 0,
): Transport {
  const header = concatBytes(uint16s(options.sport, options.dport), uint32s(options.tag ?? 0, 0));
  const bytes = concatBytes(header, payloadBytes(chunks));
  const crc = options.checksum ?? sctpCrc(bytes, 0, bytes.length);
  for (let i = 0; i < 4; i++) bytes[8 + i] = crc >>> (8 * i);
  return { protocol: 132, bytes, checksumAt: -1, pseudoHeader: false, partial: false };
}

/** An ICMP message (RFC 792); `rest` is the second header word (identifier and sequence of an echo). */
export function icmp(
  options: { type: number; code?: number; rest?: number; checksum?: number },
  payload: Payload = 0,
): Transport {
  const header = concatBytes(
    Uint8Array.of(options.type, options.code ?? 0, 0, 0),
    uint32s(options.rest ?? 0),
  );
  return transport(1, concatBytes(header, payloadBytes(payload)), 2, options.checksum);
}

/** An ICMPv6 message (RFC 4443). */
export function icmpv6(
  options: { type: number; code?: number; rest?: number; checksum?: number },
  payload: Payload = 0,
): Transport {
  return { ...icmp(options, payload), protocol: 58, pseudoHeader: true };
}

/** Fields of an ARP or RARP packet. */
export interface ArpOptions {
  /** 1 request, 2 reply, 3 RARP request, 4 RARP reply. */
  readonly operation: number;
  readonly senderMac: string;
  readonly senderIp: string;
  /** Default 00:00:00:00:00:00. */
  readonly targetMac?: string;
  readonly targetIp: string;
}

/** An ARP packet (RFC 826), or RARP (RFC 903) for operations 3 and 4. */
export function arp(options: ArpOptions): Packet {
  const bytes = concatBytes(
    uint16s(1, 0x0800, 0x0604, options.operation),
    macBytes(options.senderMac),
    ipv4Bytes(options.senderIp),
    macBytes(options.targetMac ?? '00:00:00:00:00:00'),
    ipv4Bytes(options.targetIp),
  );
  return { ethertype: options.operation > 2 ? 0x8035 : 0x0806, bytes };
}

/** The sum over a transport segment and its pseudo header: 0xffff where the checksum is right. */
export function verifySum(packet: Packet, protocol: number, l4: number): number {
  const { bytes, ethertype } = packet;
  const length = bytes.length - l4;
  const pseudo =
    ethertype === 0x86dd ? pseudoSum6(bytes, 0, protocol, length) : pseudoSum4(bytes, 0, protocol, length);
  return foldSum(sum16(bytes, l4, length, pseudo));
}
