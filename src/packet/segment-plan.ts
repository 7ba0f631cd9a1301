/**
 * Where the headers of a super-frame are, and what changes in them from segment to segment.
 *
 * Promise: the headers are read from the frame, `hdr_len` is ignored, and whatever contradicts itself (guests write
 * these fields) gets a `SegmentError`; no byte outside the frame is read. What was found lies in a `SegmentPlan` that is
 * reused, so nothing is allocated.
 *
 * A super-frame may lie in one tunnel: the virtio-net header then speaks of the inner transport header and says nothing
 * of the tunnel. UDP tunnels (VXLAN, Geneve, GTP-U and whatever else), GRE without sequence numbers, IP in IP and MPLS
 * are followed. Inside UDP, GRE and MPLS the inner IP header is found from the inner transport header backwards, by its
 * version, protocol and length, so that no tunnel's header need be known but those that have a length.
 * Source: net/ipv4/udp_offload.c (`__skb_udp_tunnel_segment`), gre_offload.c, ip_tunnel_core.c.
 */
import { foldSum, pseudoSum4, pseudoSum6 } from './checksum.js';
import { EtherType, Protocol } from './protocol.js';
import { readVnet, VnetFlag, VnetGso, VnetHeader } from './vnet.js';

/** Why a super-frame cannot be segmented: negative results of `planSegments`. */
export const SegmentError = {
  /** A header does not lie wholly in the frame, or its length field is impossible. */
  truncated: -1,
  /** The virtio-net header does not describe this frame (type, checksum position, segment size 0, a fragment). */
  contradiction: -2,
  /** UFO, a type that nobody knows, or a tunnel that counts its packets. */
  unsupported: -3,
  /** Segments of less than `SEGMENT_MIN` bytes: an attack by amplification. */
  tooMany: -4,
} as const;

/** Smallest `gso_size` (the kernel's TCP_MIN_GSO_SIZE): a 64 KiB frame gives at most 8,192 segments. */
export const SEGMENT_MIN = 8;

/** Headers of a tunnel that change from segment to segment. */
export const Outer = { ipv4: 0, ipv6: 1, udp: 2, gre: 3, gtpu: 4 } as const;
/** Most of them: IP, UDP, GTP-U. */
const OUTERS = 4;

/** What `planSegments` found out about one super-frame; offsets are relative to the frame. */
export class SegmentPlan {
  /** Number of segments. */
  count = 0;
  /** Bytes of all headers, copied into every segment. */
  headerLength = 0;
  /** Payload bytes in all segments together. */
  payloadLength = 0;
  /** Payload bytes of every segment but the last. */
  segmentSize = 0;
  /** The IP header right before the transport header, and that. */
  l3 = 0;
  l4 = 0;
  ipv6 = false;
  tcp = false;
  /** Sum of the pseudo header without the length. */
  pseudo = 0;
  /** Headers of a tunnel, outermost first: what they are (`Outer`), where, and for UDP the pseudo header's sum. */
  outers = 0;
  readonly outerKind = new Int32Array(OUTERS);
  readonly outerAt = new Int32Array(OUTERS);
  readonly outerPseudo = new Int32Array(OUTERS);
  readonly vnet = new VnetHeader();
  /** Of the IP header that was looked at last: protocol of what follows, and where that is. */
  next = 0;
  end = 0;

  /** Bytes of segment k, headers included. */
  lengthOf(k: number): number {
    const from = k * this.segmentSize;
    const rest = this.payloadLength - from;
    return this.headerLength + Math.min(rest, this.segmentSize);
  }

  /** Notes a header of a tunnel; false when there are more than one tunnel has. */
  outer(kind: number, at: number, pseudo = 0): boolean {
    if (this.outers === OUTERS) return false;
    this.outerKind[this.outers] = kind;
    this.outerAt[this.outers] = at;
    this.outerPseudo[this.outers] = pseudo;
    this.outers++;
    return true;
  }
}

const u16 = (bytes: Uint8Array, at: number) => (bytes[at]! << 8) | bytes[at + 1]!;

/** Looks at the IP header at `at` (absolute): sets `next` and `end`; 0 or a `SegmentError`. */
function readIp(bytes: Uint8Array, at: number, ethertype: number, end: number, plan: SegmentPlan): number {
  if (ethertype === EtherType.ipv4) {
    if (at + 20 > end) return SegmentError.truncated;
    if (bytes[at]! >> 4 !== 4) return SegmentError.contradiction;
    // A fragment (MF or offset) has no transport header of its own to copy.
    if ((bytes[at + 6]! & 0x3f) !== 0 || bytes[at + 7] !== 0) return SegmentError.contradiction;
    const length = (bytes[at]! & 15) * 4;
    if (length < 20) return SegmentError.truncated;
    plan.next = bytes[at + 9]!;
    plan.end = at + length;
    return 0;
  }
  if (ethertype !== EtherType.ipv6) return SegmentError.contradiction;
  if (at + 40 > end) return SegmentError.truncated;
  if (bytes[at]! >> 4 !== 6) return SegmentError.contradiction;
  let next = bytes[at + 6]!;
  let position = at + 40;
  // Hop-by-hop 0, routing 43, destination options 60: at least 8 bytes each, so the loop ends.
  while (next === 0 || next === 43 || next === 60) {
    if (position + 8 > end) return SegmentError.truncated;
    next = bytes[position]!;
    position += (bytes[position + 1]! + 1) * 8;
  }
  plan.next = next;
  plan.end = position;
  return 0;
}

/**
 * The inner IP header that ends at the transport header at `l4` and begins at `least` or later, or -1. IPv4 where the
 * type permits it and version, protocol and length agree; else IPv6 without extension headers.
 */
function innerIp(bytes: Uint8Array, least: number, l4: number, end: number, type: number): number {
  const protocol = type === VnetGso.udpL4 ? Protocol.udp : Protocol.tcp;
  if (type !== VnetGso.tcp6) {
    for (let words = 5; words <= 15; words++) {
      const at = l4 - words * 4;
      if (at < least) break;
      if (bytes[at] === (0x40 | words) && bytes[at + 9] === protocol && u16(bytes, at + 2) === end - at)
        return at;
    }
  }
  const at = l4 - 40;
  const six = type !== VnetGso.tcp4 && at >= least && bytes[at]! >> 4 === 6 && bytes[at + 6] === protocol;
  return six && u16(bytes, at + 4) === end - l4 ? at : -1;
}

/** Follows the tunnel whose header the IP header at `at` leads to: the inner IP header's position or a `SegmentError`. */
function enterTunnel(
  bytes: Uint8Array,
  off: number,
  at: number,
  ipv6: boolean,
  end: number,
  plan: SegmentPlan,
  target: number,
): number {
  const { next, end: header } = plan;
  if (!plan.outer(ipv6 ? Outer.ipv6 : Outer.ipv4, at - off)) return SegmentError.unsupported;
  if (next === Protocol.ipip || next === Protocol.ipv6) return header;
  const type = plan.vnet.gsoType & ~VnetGso.ecn;
  let least = header + 4;
  if (next === Protocol.udp) {
    least = header + 8;
    if (least > end) return SegmentError.truncated;
    const pseudo = ipv6 ? pseudoSum6(bytes, at, next, 0) : pseudoSum4(bytes, at, next, 0);
    if (!plan.outer(Outer.udp, header - off, pseudo)) return SegmentError.unsupported;
    if (u16(bytes, header + 2) === 2152 && !plan.outer(Outer.gtpu, least - off))
      return SegmentError.unsupported;
  } else if (next === Protocol.gre) {
    if (least > end) return SegmentError.truncated;
    const flags = bytes[header]!;
    // Sequence numbers, routing and versions beyond 0.
    if ((flags & 0x50) !== 0 || (bytes[header + 1]! & 7) !== 0) return SegmentError.unsupported;
    if ((flags & 0x80) !== 0 && !plan.outer(Outer.gre, header - off)) return SegmentError.unsupported;
  } else return SegmentError.contradiction;
  const inner = innerIp(bytes, least, target, end, type);
  return inner < 0 ? SegmentError.contradiction : inner;
}

/**
 * Finds the transport header that the virtio-net header speaks of: the outermost one, or, where its checksum starts
 * elsewhere, the one inside a tunnel. Sets `l3`, `l4` (relative), `ipv6`; 0 or a `SegmentError`.
 */
function findTransport(bytes: Uint8Array, off: number, end: number, plan: SegmentPlan): number {
  const { vnet } = plan;
  const type = vnet.gsoType & ~VnetGso.ecn;
  const protocol = type === VnetGso.udpL4 ? Protocol.udp : Protocol.tcp;
  const target = (vnet.flags & VnetFlag.needsCsum) !== 0 ? off + vnet.csumStart : -1;
  let at = off + 14;
  if (at > end) return SegmentError.truncated;
  let ethertype = u16(bytes, at - 2);
  while (ethertype === 0x8100 || ethertype === 0x88a8 || ethertype === 0x9100) {
    at += 4;
    if (at > end) return SegmentError.truncated;
    ethertype = u16(bytes, at - 2);
  }
  plan.outers = 0;
  if (ethertype === EtherType.mpls || ethertype === EtherType.mplsMulticast) {
    if (target < 0 || target > end) return SegmentError.contradiction;
    at = innerIp(bytes, at + 4, target, end, type);
    if (at < 0) return SegmentError.contradiction;
    ethertype = bytes[at]! >> 4 === 4 ? EtherType.ipv4 : EtherType.ipv6;
  }
  for (let depth = 0; ; depth++) {
    const problem = readIp(bytes, at, ethertype, end, plan);
    if (problem < 0) return problem;
    const ipv6 = ethertype === EtherType.ipv6;
    if (plan.next === protocol && (target < 0 || target === plan.end)) {
      if (type === (ipv6 ? VnetGso.tcp4 : VnetGso.tcp6)) return SegmentError.contradiction;
      plan.ipv6 = ipv6;
      plan.l3 = at - off;
      plan.l4 = plan.end - off;
      return 0;
    }
    if (target < 0 || target > end || depth > 0) return SegmentError.contradiction;
    at = enterTunnel(bytes, off, at, ipv6, end, plan, target);
    if (at < 0) return at;
    if (at >= end) return SegmentError.truncated;
    ethertype = bytes[at]! >> 4 === 6 ? EtherType.ipv6 : EtherType.ipv4;
  }
}

/**
 * Examines the super-frame at `off` (its virtio-net header before it) and fills `plan`. Returns the number of
 * segments (>= 1), or a `SegmentError`.
 */
export function planSegments(bytes: Uint8Array, off: number, len: number, plan: SegmentPlan): number {
  const vnet = plan.vnet;
  readVnet(bytes, off, vnet);
  const type = vnet.gsoType & ~VnetGso.ecn;
  if (type === VnetGso.none || vnet.gsoSize === 0) return SegmentError.contradiction;
  if (type !== VnetGso.tcp4 && type !== VnetGso.tcp6 && type !== VnetGso.udpL4)
    return SegmentError.unsupported;
  const end = off + len;
  const problem = findTransport(bytes, off, end, plan);
  if (problem < 0) return problem;
  const tcp = type !== VnetGso.udpL4;
  const protocol = tcp ? Protocol.tcp : Protocol.udp;
  const l3 = off + plan.l3;
  const l4 = off + plan.l4;
  let payload = l4 + 8;
  if (tcp) {
    if (l4 + 20 > end) return SegmentError.truncated;
    const headerLength = (bytes[l4 + 12]! >> 4) * 4;
    if (headerLength < 20) return SegmentError.truncated;
    payload = l4 + headerLength;
  }
  if (payload > end) return SegmentError.truncated;
  const needsCsum = (vnet.flags & VnetFlag.needsCsum) !== 0;
  if (needsCsum && vnet.csumOffset !== (tcp ? 16 : 6)) return SegmentError.contradiction;
  if (vnet.gsoSize < SEGMENT_MIN) return SegmentError.tooMany;
  plan.tcp = tcp;
  plan.headerLength = payload - off;
  plan.payloadLength = end - payload;
  plan.segmentSize = vnet.gsoSize;
  plan.count = plan.payloadLength === 0 ? 1 : Math.ceil(plan.payloadLength / vnet.gsoSize);
  if (plan.ipv6 && needsCsum && l4 !== l3 + 40) {
    // Routing headers and home addresses change the pseudo header: take the sender's sum, less the whole length.
    const field = l4 + (tcp ? 16 : 6);
    plan.pseudo = foldSum(u16(bytes, field) + (foldSum(end - l4) ^ 0xffff));
  } else {
    plan.pseudo = plan.ipv6 ? pseudoSum6(bytes, l3, protocol, 0) : pseudoSum4(bytes, l3, protocol, 0);
  }
  return plan.count;
}
