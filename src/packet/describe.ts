/**
 * A dissected frame in words and addresses, for explanations, tables and tests.
 *
 * Promise: says what dissection found, nothing more: absent values are null. Allocates; not for the hot path.
 */
import { type Burst, Kind } from './burst.js';
import { countTags } from './dissect.js';
import { ETHERNET_HEADER, ETHERTYPE_MIN, VLAN_TAG } from './protocol.js';

/** A dissected frame for people. */
export interface FrameDescription {
  readonly length: number;
  /** After all VLAN tags, `0x0800`; null for LLC frames and frames without one. */
  readonly ethertype: string | null;
  /** VLAN ids, outermost first. */
  readonly vlans: number[];
  readonly src: string | null;
  readonly dst: string | null;
  readonly protocol: number | null;
  readonly sport: number | null;
  readonly dport: number | null;
  readonly fragment: boolean;
}

/** `192.0.2.1` from 4 bytes. */
export function formatIpv4(bytes: Uint8Array): string {
  return bytes.join('.');
}

/** RFC 5952 text of 16 bytes: lower case, the longest run of at least two zero groups as `::`. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let best = -1;
  let longest = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > longest) {
      best = start;
      longest = end - start;
    }
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  return best < 0 ? text(groups) : `${text(groups.slice(0, best))}::${text(groups.slice(best + longest))}`;
}

/** VLAN ids of a frame, outermost first. */
function vlanIds(burst: Burst, i: number): number[] {
  const first = burst.off[i]! + ETHERNET_HEADER;
  return Array.from(
    { length: countTags(burst, i) },
    (_, tag) => burst.view.getUint16(first + VLAN_TAG * tag) & 0xfff,
  );
}

/** What `dissectBurst` found in frame `i`. */
export function describeFrame(burst: Burst, i: number): FrameDescription {
  const kind = burst.kind[i]!;
  const version = kind & Kind.ipMask;
  const ip = burst.l3[i]!;
  const ethertype = burst.ethertype[i]!;
  let src: string | null = null;
  let dst: string | null = null;
  if ((kind & Kind.addresses) !== 0) {
    const bytes = (from: number, length: number) => burst.bytes.slice(ip + from, ip + from + length);
    src = version === Kind.ipv4 ? formatIpv4(bytes(12, 4)) : formatIpv6(bytes(8, 16));
    dst = version === Kind.ipv4 ? formatIpv4(bytes(16, 4)) : formatIpv6(bytes(24, 16));
  }
  const hasPorts = (kind & Kind.ports) !== 0;
  const l4 = burst.l4[i]!;
  return {
    length: burst.len[i]!,
    ethertype: ethertype < ETHERTYPE_MIN ? null : `0x${ethertype.toString(16).padStart(4, '0')}`,
    vlans: vlanIds(burst, i),
    src,
    dst,
    protocol: src === null ? null : (kind >>> Kind.protocolShift) & 0xff,
    sport: hasPorts ? burst.view.getUint16(l4) : null,
    dport: hasPorts ? burst.view.getUint16(l4 + 2) : null,
    fragment: (kind & Kind.fragment) !== 0,
  };
}
