/**
 * Software GSO: cuts a super-frame with a virtio-net header into frames that fit a wire.
 *
 * Promise: the segments are those that the kernel's skb_gso_segment makes: payload in order, `gso_size` bytes
 * each, full checksums; TCP sequence numbers consecutive, CWR on the first only, FIN and PSH on the last only; IPv4
 * identification counting up; each UDP_L4 segment a datagram of its own. VLAN tags are copied, and so is a tunnel, its
 * lengths and checksums put right. The caller gives the slots, so nothing is allocated here; what `planSegments` found
 * out lies in a `SegmentPlan` that is reused (`segment-plan.ts`).
 */
import { foldSum, internetChecksum, putUint16, storeIpv4Checksum, sum16 } from './checksum.js';
import { Outer, type SegmentPlan } from './segment-plan.js';
import { clearVnet } from './vnet.js';

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
  for (let h = plan.outers - 1; h >= 0; h--) finishOuter(bytes, outOff, outOff + length, plan, h, k);
  return length;
}

/** Makes header `h` of the tunnel that of segment `k`; what is inside it is finished. `end` is the segment's. */
function finishOuter(
  bytes: Uint8Array,
  outOff: number,
  end: number,
  plan: SegmentPlan,
  h: number,
  k: number,
): void {
  const at = outOff + plan.outerAt[h]!;
  switch (plan.outerKind[h]) {
    case Outer.ipv4:
      putUint16(bytes, at + 2, end - at);
      putUint16(bytes, at + 4, ((bytes[at + 4]! << 8) | bytes[at + 5]!) + k);
      storeIpv4Checksum(bytes, at, (bytes[at]! & 15) * 4);
      break;
    case Outer.ipv6:
      putUint16(bytes, at + 4, end - at - 40);
      break;
    case Outer.udp: {
      putUint16(bytes, at + 4, end - at);
      // 0 = the sender computes none.
      if (bytes[at + 6] === 0 && bytes[at + 7] === 0) break;
      putUint16(bytes, at + 6, 0);
      const sum = sum16(bytes, at, end - at, foldSum(plan.outerPseudo[h]! + end - at)) ^ 0xffff;
      putUint16(bytes, at + 6, sum === 0 ? 0xffff : sum);
      break;
    }
    case Outer.gre:
      putUint16(bytes, at + 4, 0);
      putUint16(bytes, at + 4, internetChecksum(bytes, at, end - at));
      break;
    default:
      // GTP-U: bytes behind the first 8.
      putUint16(bytes, at + 2, end - at - 8);
  }
}
