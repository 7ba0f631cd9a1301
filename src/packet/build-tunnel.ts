/**
 * Builders of tunnel headers, for nesting inside those of build.ts, which exports them.
 *
 *     ethernet({}, ipv4(outer, udp({ sport: 49152, dport: 4789 }, vxlan(7, ethernet({}, ipv4(inner, tcp(ports)))))))
 */
import { concatBytes, type Packet, type Transport, uint16s, uint32s } from './build-bytes.js';

/** An IP packet inside IP: IPIP (protocol 4) or 6in4 / 6in6 (41). */
export function ipInIp(inner: Packet): Transport {
  const protocol = inner.ethertype === 0x86dd ? 41 : 4;
  return { protocol, bytes: inner.bytes, checksumAt: -1, pseudoHeader: false, partial: false };
}

/** GRE (RFC 2784, 2890) around a packet, or around an Ethernet frame (bare bytes, protocol 0x6558). */
export function gre(options: { key?: number; sequence?: number }, inner: Packet | Uint8Array): Transport {
  const packet = 'ethertype' in inner ? inner : { ethertype: 0x6558, bytes: inner };
  const flags = (options.key === undefined ? 0 : 0x2000) | (options.sequence === undefined ? 0 : 0x1000);
  const bytes = concatBytes(
    uint16s(flags, packet.ethertype),
    options.key === undefined ? new Uint8Array(0) : uint32s(options.key),
    options.sequence === undefined ? new Uint8Array(0) : uint32s(options.sequence),
    packet.bytes,
  );
  return { protocol: 47, bytes, checksumAt: -1, pseudoHeader: false, partial: false };
}

/** VXLAN (RFC 7348) header and inner frame: a payload for `udp` to port 4789. */
export function vxlan(vni: number, frame: Uint8Array): Uint8Array {
  return concatBytes(uint32s(0x0800_0000, vni << 8), frame);
}

/** Geneve (RFC 8926) without options: a payload for `udp` to port 6081. */
export function geneve(vni: number, inner: Packet | Uint8Array): Uint8Array {
  const packet = 'ethertype' in inner ? inner : { ethertype: 0x6558, bytes: inner };
  return concatBytes(uint16s(0, packet.ethertype), uint32s(vni << 8), packet.bytes);
}

/** GTP-U G-PDU without options (3GPP TS 29.281): a payload for `udp` to port 2152. */
export function gtpu(teid: number, inner: Packet): Uint8Array {
  return concatBytes(uint16s(0x30ff, inner.bytes.length), uint32s(teid), inner.bytes);
}

/** An MPLS label stack (RFC 3032), outermost first, around a packet. */
export function mpls(labels: readonly number[], inner: Packet): Packet {
  const entries = labels.map((label, i) => (label << 12) | (i === labels.length - 1 ? 0x100 : 0) | 64);
  return { ethertype: 0x8847, bytes: concatBytes(uint32s(...entries), inner.bytes) };
}

/** A PPPoE session packet (RFC 2516) around a packet. */
export function pppoe(session: number, inner: Packet): Packet {
  const protocol = inner.ethertype === 0x86dd ? 0x0057 : 0x0021;
  const bytes = concatBytes(uint16s(0x1100, session, inner.bytes.length + 2, protocol), inner.bytes);
  return { ethertype: 0x8864, bytes };
}
