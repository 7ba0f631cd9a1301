/**
 * Software GSO: cuts a super-frame with a virtio-net header into frames that fit a wire.
 *
 * Promise: the segments are those that the kernel's skb_gso_segment makes: payload in order, `gso_size` bytes
 * each, full checksums; TCP sequence numbers consecutive, CWR on the first only, FIN and PSH on the last only; IPv4
 * identification counting up; each UDP_L4 segment a datagram of its own. VLAN tags are copied. The caller gives the
 * slots, so nothing is allocated here; what `planSegments` found out lies in a `SegmentPlan` that is reused.
 *
 * The headers are read from the frame, `hdr_len` is ignored, and whatever contradicts itself (guests write these
 * fields) gets a `SegmentError` and touches no byte outside the frame.
 */
import { foldSum, pseudoSum4, pseudoSum6, putUint16, storeIpv4Checksum, sum16 } from './checksum.js';
import { clearVnet, readVnet, VnetFlag, VnetGso, VnetHeader } from './vnet.js';

/** Why a super-frame cannot be segmented: negative results of `planSegments`. */
export const SegmentError = {
  /** A header does not lie wholly in the frame, or its length field is impossible. */
  truncated: -1,
  /** The virtio-net header does not describe this frame (type, checksum position, segment size 0, a fragment). */
  contradiction: -2,
  /** UFO, or a type that nobody knows. */
  unsupported: -3,
  /** Segments of less than `SEGMENT_MIN` bytes: an attack by amplification. */
  tooMany: -4,
} as const;

/** Smallest `gso_size` (the kernel's TCP_MIN_GSO_SIZE): a 64 KiB frame gives at most 8,192 segments. */
export const SEGMENT_MIN = 8;

const TCP = 6;
const UDP = 17;

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
  l3 = 0;
  l4 = 0;
  ipv6 = false;
  tcp = false;
  /** Sum of the pseudo header without the length. */
  pseudo = 0;
  readonly vnet = new VnetHeader();

  /** Bytes of segment k, headers included. */
  lengthOf(k: number): number {
    const from = k * this.segmentSize;
    const rest = this.payloadLength - from;
    return this.headerLength + Math.min(rest, this.segmentSize);
  }
}

/**
 * Offset of the transport header behind IPv6 extension headers (possibly beyond `end`, the frame's end), or a
 * `SegmentError`.
 */
function walkIpv6(bytes: Uint8Array, l3: number, end: number, wanted: number): number {
  let next = bytes[l3 + 6]!;
  let at = l3 + 40;
  // Hop-by-hop 0, routing 43, destination options 60: at least 8 bytes each, so the loop ends.
  while (next === 0 || next === 43 || next === 60) {
    if (at + 8 > end) return SegmentError.truncated;
    next = bytes[at]!;
    at += (bytes[at + 1]! + 1) * 8;
  }
  return next === wanted ? at : SegmentError.contradiction;
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
  let l3 = off + 14;
  if (l3 > end) return SegmentError.truncated;
  let ethertype = (bytes[l3 - 2]! << 8) | bytes[l3 - 1]!;
  while (ethertype === 0x8100 || ethertype === 0x88a8 || ethertype === 0x9100) {
    l3 += 4;
    if (l3 > end) return SegmentError.truncated;
    ethertype = (bytes[l3 - 2]! << 8) | bytes[l3 - 1]!;
  }
  const tcp = type !== VnetGso.udpL4;
  const protocol = tcp ? TCP : UDP;
  const ipv6 = ethertype === 0x86dd;
  let l4: number;
  if (ipv6) {
    if (type === VnetGso.tcp4) return SegmentError.contradiction;
    if (l3 + 40 > end) return SegmentError.truncated;
    if (bytes[l3]! >> 4 !== 6) return SegmentError.contradiction;
    l4 = walkIpv6(bytes, l3, end, protocol);
    if (l4 < 0) return l4;
  } else {
    if (ethertype !== 0x0800 || type === VnetGso.tcp6) return SegmentError.contradiction;
    if (l3 + 20 > end) return SegmentError.truncated;
    if (bytes[l3]! >> 4 !== 4 || bytes[l3 + 9] !== protocol) return SegmentError.contradiction;
    // A fragment (MF or offset) has no transport header of its own to copy.
    if ((bytes[l3 + 6]! & 0x3f) !== 0 || bytes[l3 + 7] !== 0) return SegmentError.contradiction;
    const headerLength = (bytes[l3]! & 15) * 4;
    if (headerLength < 20) return SegmentError.truncated;
    l4 = l3 + headerLength;
  }
  let payload = l4 + 8;
  if (tcp) {
    if (l4 + 20 > end) return SegmentError.truncated;
    const headerLength = (bytes[l4 + 12]! >> 4) * 4;
    if (headerLength < 20) return SegmentError.truncated;
    payload = l4 + headerLength;
  }
  if (payload > end) return SegmentError.truncated;
  const needsCsum = (vnet.flags & VnetFlag.needsCsum) !== 0;
  // Inside a tunnel these point at the inner header, whose outer headers nobody could adjust.
  if (needsCsum && (vnet.csumStart !== l4 - off || vnet.csumOffset !== (tcp ? 16 : 6)))
    return SegmentError.contradiction;
  if (vnet.gsoSize < SEGMENT_MIN) return SegmentError.tooMany;
  plan.ipv6 = ipv6;
  plan.tcp = tcp;
  plan.l3 = l3 - off;
  plan.l4 = l4 - off;
  plan.headerLength = payload - off;
  plan.payloadLength = end - payload;
  plan.segmentSize = vnet.gsoSize;
  plan.count = plan.payloadLength === 0 ? 1 : Math.ceil(plan.payloadLength / vnet.gsoSize);
  if (ipv6 && needsCsum && l4 !== l3 + 40) {
    // Routing headers and home addresses change the pseudo header: take the sender's sum, less the whole length.
    const field = l4 + (tcp ? 16 : 6);
    plan.pseudo = foldSum(((bytes[field]! << 8) | bytes[field + 1]!) + (foldSum(end - l4) ^ 0xffff));
  } else {
    plan.pseudo = ipv6 ? pseudoSum6(bytes, l3, protocol, 0) : pseudoSum4(bytes, l3, protocol, 0);
  }
  return plan.count;
}

/**
 * Writes segment `k` (0 … count-1) of the super-frame at `off` to `outOff`, with an empty virtio-net header before
 * it; returns its length (`plan.lengthOf(k)`). The slot at `outOff` must not overlap the super-frame.
 */
export function writeSegment(
  bytes: Uint8Array,
  off: number,
  plan: SegmentPlan,
  k: number,
  outOff: number,
): number {
  const length = plan.lengthOf(k);
  const headerLength = plan.headerLength;
  const skipped = k * plan.segmentSize;
  const payload = off + headerLength + skipped;
  bytes.copyWithin(outOff, off, off + headerLength);
  bytes.copyWithin(outOff + headerLength, payload, payload + length - headerLength);
  clearVnet(bytes, outOff);
  const l3 = outOff + plan.l3;
  const l4 = outOff + plan.l4;
  if (plan.ipv6) {
    putUint16(bytes, l3 + 4, length - plan.l3 - 40);
  } else {
    putUint16(bytes, l3 + 2, length - plan.l3);
    putUint16(bytes, l3 + 4, ((bytes[l3 + 4]! << 8) | bytes[l3 + 5]!) + k);
    storeIpv4Checksum(bytes, l3, plan.l4 - plan.l3);
  }
  const transportLength = length - plan.l4;
  let field = l4 + 6;
  if (plan.tcp) {
    field = l4 + 16;
    const low = ((bytes[l4 + 6]! << 8) | bytes[l4 + 7]!) + (skipped & 0xffff);
    const high = ((bytes[l4 + 4]! << 8) | bytes[l4 + 5]!) + (skipped >>> 16) + (low >>> 16);
    putUint16(bytes, l4 + 4, high);
    putUint16(bytes, l4 + 6, low);
    let flags = bytes[l4 + 13]!;
    if (k > 0) flags &= ~0x80;
    if (k < plan.count - 1) flags &= ~0x09;
    bytes[l4 + 13] = flags;
  } else {
    putUint16(bytes, l4 + 4, transportLength);
  }
  putUint16(bytes, field, 0);
  const sum = sum16(bytes, l4, transportLength, foldSum(plan.pseudo + transportLength)) ^ 0xffff;
  putUint16(bytes, field, !plan.tcp && sum === 0 ? 0xffff : sum);
  return length;
}
