/**
 * One level of tunnel: where the inner packet of a dissected frame starts.
 *
 * Promise: bounded by the frame, allocation free, pure. Only policies that ask for inner headers come here. Lengths
 * in tunnel headers are believed only as far as the frame goes; a header that does not fit is no tunnel.
 *
 * Sources: RFC 2003, 4213 (IPIP, 6in4), 2784 and 2890 (GRE), the ERSPAN draft (draft-foschiano-erspan), RFC 7637
 * (NVGRE), 7348 (VXLAN), the VXLAN-GPE draft, 8926
 * (Geneve), 3GPP TS 29.281 (GTP-U), RFC 3032 (MPLS), 2516 (PPPoE). Names and the rule "the inner header alone, one
 * level" are virtio's (hash tunnel types).
 */
import { type Burst, Field, Kind } from './burst.js';
import { countTags, dissectFrom } from './dissect.js';
import { ETHERNET_HEADER, EtherType, Protocol, VLAN_TAG } from './protocol.js';

/** Tunnels whose inner packet can be found. */
export const TUNNEL_NAMES = [
  'ipip',
  'gre',
  'nvgre',
  'vxlan',
  'vxlan-gpe',
  'geneve',
  'gtpu',
  'mpls',
  'pppoe',
] as const;
/** One of `TUNNEL_NAMES`. */
export type TunnelName = (typeof TUNNEL_NAMES)[number];

const IPIP = 0;
const GRE = 1;
const NVGRE = 2;
const VXLAN = 3;
const VXLAN_GPE = 4;
const GENEVE = 5;
const GTPU = 6;
const MPLS = 7;
const PPPOE = 8;

const TYPE_TEB = 0x6558;
const TYPE_ERSPAN = 0x88be;
const TYPE_ERSPAN3 = 0x22eb;
/** Frame types of ERSPAN III. */
const ERSPAN_ETHERNET = 0;
const ERSPAN_IP = 2;
const GTPU_G_PDU = 255;

/** What dissection says of a packet. */
const INNER_FIELDS = [Field.kind, Field.ethertype, Field.l3, Field.l4, Field.vlan, Field.flow];

/** Mask of tunnel names: bit n is `TUNNEL_NAMES[n]`. */
export function tunnelMask(names: readonly TunnelName[]): number {
  return names.reduce((mask, name) => mask | (1 << TUNNEL_NAMES.indexOf(name)), 0);
}

/** Results of `findInner`: ethertype of what follows, and where. Scratch of one caller. */
export class InnerPacket {
  ethertype = 0;
  position = 0;
  /** Index into `TUNNEL_NAMES`, -1 for none. */
  tunnel = -1;
  /** The inner packet is a mirrored frame (ERSPAN). */
  isMirrored = false;

  /** Takes a result; gives true. */
  set(tunnel: number, ethertype: number, position: number): boolean {
    this.tunnel = tunnel;
    this.ethertype = ethertype;
    this.position = position;
    return true;
  }
}

/** True when frame `i` is a tunnel of `mask`; says in `out` which one and where its inner packet starts. */
export function findInner(burst: Burst, i: number, mask: number, out: InnerPacket): boolean {
  const { view } = burst;
  out.tunnel = -1;
  out.isMirrored = false;
  const kind = burst.kind[i]!;
  const end = burst.off[i]! + burst.len[i]!;
  if ((kind & Kind.ipMask) === 0) return findBelowIp(burst, i, mask, out);
  const at = burst.l4[i]!;
  if (at < 0) return false;
  const protocol = (kind >>> Kind.protocolShift) & 0xff;
  if (protocol === Protocol.ipip || protocol === Protocol.ipv6) {
    if ((mask & (1 << IPIP)) === 0) return false;
    return out.set(IPIP, protocol === Protocol.ipip ? EtherType.ipv4 : EtherType.ipv6, at);
  }
  if (protocol === Protocol.gre) return findGre(view, at, end, mask, out);
  if (protocol !== Protocol.udp || end - at < 16) return false;
  const inner = at + 8;
  switch (view.getUint16(at + 2)) {
    case 4789:
      if ((mask & (1 << VXLAN)) === 0 || (view.getUint8(inner) & 8) === 0) return false;
      return setEthernet(view, inner + 8, end, VXLAN, out);
    case 4790: {
      if ((mask & (1 << VXLAN_GPE)) === 0) return false;
      const next = (view.getUint8(inner) & 4) === 0 ? 3 : view.getUint8(inner + 3);
      if (next === 3) return setEthernet(view, inner + 8, end, VXLAN_GPE, out);
      if (next !== 1 && next !== 2) return false;
      return out.set(VXLAN_GPE, next === 1 ? EtherType.ipv4 : EtherType.ipv6, inner + 8);
    }
    case 6081: {
      if ((mask & (1 << GENEVE)) === 0 || view.getUint8(inner) >>> 6 !== 0) return false;
      const payload = inner + 8 + (view.getUint8(inner) & 0x3f) * 4;
      const type = view.getUint16(inner + 2);
      if (type === TYPE_TEB) return setEthernet(view, payload, end, GENEVE, out);
      return payload < end && out.set(GENEVE, type, payload);
    }
    case 2152:
      return (mask & (1 << GTPU)) !== 0 && findGtpu(view, inner, end, out);
    default:
      return false;
  }
}

function setEthernet(view: DataView, at: number, end: number, tunnel: number, out: InnerPacket): boolean {
  if (end - at < ETHERNET_HEADER) return false;
  return out.set(tunnel, view.getUint16(at + 12), at + ETHERNET_HEADER);
}

/** The IP version nibble says what follows. */
function setIp(view: DataView, at: number, end: number, tunnel: number, out: InnerPacket): boolean {
  if (at >= end) return false;
  const version = view.getUint8(at) >>> 4;
  if (version !== 4 && version !== 6) return false;
  return out.set(tunnel, version === 4 ? EtherType.ipv4 : EtherType.ipv6, at);
}

function findGre(view: DataView, at: number, end: number, mask: number, out: InnerPacket): boolean {
  const flags = view.getUint16(at);
  // Version 0 without source routing; checksum, key and sequence number are four bytes each.
  if ((flags & 0x4007) !== 0) return false;
  const type = view.getUint16(at + 2);
  const hasKey = (flags & 0x2000) !== 0;
  const payload =
    at + 4 + ((flags & 0x8000) !== 0 ? 4 : 0) + (hasKey ? 4 : 0) + ((flags & 0x1000) !== 0 ? 4 : 0);
  const isNvgre = hasKey && type === TYPE_TEB;
  const tunnel = isNvgre && (mask & (1 << NVGRE)) !== 0 ? NVGRE : GRE;
  if ((mask & (1 << tunnel)) === 0) return false;
  if (type === TYPE_TEB) return setEthernet(view, payload, end, tunnel, out);
  if (type === TYPE_ERSPAN || type === TYPE_ERSPAN3) {
    return findMirrored(view, payload, end, type, (flags & 0x1000) !== 0, out);
  }
  return payload < end && out.set(tunnel, type, payload);
}

/**
 * A mirrored frame: ERSPAN I has no header, II one of 8 bytes (told by GRE's sequence number), III one of 12 with 8 more
 * where its last bit says so.
 */
function findMirrored(
  view: DataView,
  at: number,
  end: number,
  type: number,
  isNumbered: boolean,
  out: InnerPacket,
): boolean {
  out.isMirrored = true;
  if (type === TYPE_ERSPAN) {
    if (!isNumbered) return setEthernet(view, at, end, GRE, out);
    if (end - at < 8 || view.getUint8(at) >>> 4 !== 1) return false;
    return setEthernet(view, at + 8, end, GRE, out);
  }
  if (end - at < 12 || view.getUint8(at) >>> 4 !== 2) return false;
  const frame = at + 12 + ((view.getUint8(at + 11) & 1) !== 0 ? 8 : 0);
  const frameType = (view.getUint8(at + 10) >>> 2) & 0x1f;
  if (frameType === ERSPAN_ETHERNET) return setEthernet(view, frame, end, GRE, out);
  return frameType === ERSPAN_IP && setIp(view, frame, end, GRE, out);
}

function findGtpu(view: DataView, at: number, end: number, out: InnerPacket): boolean {
  const flags = view.getUint8(at);
  // Version 1, GTP (not GTP'), a G-PDU.
  if (flags >>> 4 !== 3 || view.getUint8(at + 1) !== GTPU_G_PDU) return false;
  let position = at + 8;
  if ((flags & 7) !== 0) {
    // Sequence number, N-PDU number and type of the next extension header are there together.
    position += 4;
    if (position > end) return false;
    let next = (flags & 4) !== 0 ? view.getUint8(position - 1) : 0;
    while (next !== 0) {
      if (position >= end) return false;
      const size = view.getUint8(position) * 4;
      if (size === 0 || position + size > end) return false;
      position += size;
      next = view.getUint8(position - 1);
    }
  }
  return setIp(view, position, end, GTPU, out);
}

/** MPLS and PPPoE: their ethertypes end the outer dissection. */
function findBelowIp(burst: Burst, i: number, mask: number, out: InnerPacket): boolean {
  const { view } = burst;
  const type = burst.ethertype[i]!;
  const end = burst.off[i]! + burst.len[i]!;
  const isMpls = type === EtherType.mpls || type === EtherType.mplsMulticast;
  if (!isMpls && type !== EtherType.pppoe) return false;
  if ((mask & (1 << (isMpls ? MPLS : PPPOE))) === 0) return false;
  // Dissection keeps no offset for what is not IP.
  let position = burst.off[i]! + ETHERNET_HEADER + VLAN_TAG * countTags(burst, i);
  if (!isMpls) {
    // Version and type 1, session data; then the PPP protocol.
    if (end - position < 8 || view.getUint16(position) !== 0x1100) return false;
    const ppp = view.getUint16(position + 6);
    if (ppp !== 0x0021 && ppp !== 0x0057) return false;
    return out.set(PPPOE, ppp === 0x0021 ? EtherType.ipv4 : EtherType.ipv6, position + 8);
  }
  for (;;) {
    if (end - position < 4) return false;
    const bottom = (view.getUint8(position + 2) & 1) === 1;
    position += 4;
    if (bottom) return setIp(view, position, end, MPLS, out);
  }
}

/**
 * Fills `inner` (a burst over the same bytes) with the frames of `outer` and the dissection of their inner packets:
 * kind, ethertype, l3, l4, vlan and flow of the inner packet where a frame is a tunnel of `mask`, else the outer
 * values, also where what is inside is not IP. `tunnels[i]` becomes the index of the tunnel's name, or -1.
 */
export function dissectInnerBurst(
  outer: Burst,
  inner: Burst,
  mask: number,
  tunnels: Int8Array,
  scratch: InnerPacket,
): void {
  const { n } = outer;
  inner.n = n;
  inner.words.set(outer.words);
  inner.hasMacs = outer.hasMacs;
  for (let i = 0; i < n; i++) {
    const found = findInner(outer, i, mask, scratch);
    tunnels[i] = scratch.tunnel;
    if (!found) continue;
    const end = outer.off[i]! + outer.len[i]!;
    dissectFrom(inner, i, scratch.ethertype, scratch.position, end, outer.kind[i]! & Kind.group);
    if ((inner.kind[i]! & Kind.ipMask) !== 0) continue;
    // What is inside is not IP (ARP, PPP, …): nothing there to hash, so the outer packet stands.
    for (const field of INNER_FIELDS) inner.words[field + i] = outer.words[field + i]!;
    tunnels[i] = -1;
  }
}
