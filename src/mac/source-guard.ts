/**
 * Finds frames that lie about where they come from: what anti-spoofing of a port is made of.
 *
 * Promise: `check` marks each frame of a dissected burst whose addresses are not among those that the port's rules
 * permit. With rules for MAC addresses: the Ethernet source; the sender's hardware address of ARP and RARP; the
 * link-layer address options of neighbour discovery. With rules for IP addresses: the IPv4 source; the sender's
 * address of ARP (and what an ARP probe asks for); the IPv6 source; the target of neighbour advertisements and of
 * duplicate address detection; and no router advertisement or redirect at all. Tagged frames are judged by what is
 * behind the tags.
 *
 * A guest that boots has no address yet, so these are permitted besides: from 0.0.0.0 DHCP (port 68 to 67, broadcast)
 * and IGMP; ARP probes; from :: multicast listener reports, router solicitations and duplicate address detection; and
 * link-local addresses that are made of a permitted MAC address (EUI-64), without MAC rules of the frame's own.
 * It is what OpenStack's port security and libvirt's clean-traffic permit, with IPv6 held as strictly as IPv4.
 *
 * What cannot be judged (an IP or ARP header that is cut short, options that contradict their length) is a lie. What
 * is neither IP nor ARP has a MAC address only, and frames without a whole Ethernet header are left to the forwarder.
 * Frames are read within their bounds; nothing allocates, nothing throws.
 */
import { type Burst, Kind } from '../packet/burst.js';
import { DESCRIPTOR_WORDS, Part } from '../packet/descriptor.js';
import { countTags } from '../packet/dissect.js';
import { ETHERNET_HEADER, EtherType, Protocol, VLAN_TAG } from '../packet/protocol.js';
import type { SourceRules } from './source-rules.js';

const ARP_BYTES = 28;
const ARP_REQUEST = 1;
const IPV6_HEADER = 40;
const IGMP = 2;
const DHCP_PORTS = (68 << 16) | 67;

/** ICMPv6 types. */
const Icmp = {
  listenerReport: 131,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
  redirect: 137,
  listenerReport2: 143,
} as const;
/** Bytes before the options of each type of neighbour discovery, from `routerSolicitation` on. */
const BEFORE_OPTIONS = [8, 16, 24, 24, 40];
/** Source and target link-layer address. */
const LINK_OPTIONS_MAX = 2;

export class SourceGuard {
  private readonly macs: Int32Array | null;
  private readonly ipv4: Int32Array | null;
  private readonly ipv6: Int32Array | null;
  /** Source MAC of the frame that is judged. */
  private high = 0;
  private low = 0;

  constructor(rules: SourceRules) {
    this.macs = rules.macs === null ? null : Int32Array.from(rules.macs);
    this.ipv4 = rules.ipv4 === null ? null : Int32Array.from(rules.ipv4);
    this.ipv6 = rules.ipv6 === null ? null : Int32Array.from(rules.ipv6);
  }

  /** Writes 1 for each frame that lies and 0 for the others; returns how many do. */
  check(burst: Burst, lies: Uint8Array): number {
    const { n } = burst;
    let count = 0;
    for (let i = 0; i < n; i++) {
      const lie = burst.len[i]! >= ETHERNET_HEADER && !this.isTrue(burst, i) ? 1 : 0;
      lies[i] = lie;
      count += lie;
    }
    return count;
  }

  private isTrue(burst: Burst, i: number): boolean {
    const { parts } = burst;
    const part = i * DESCRIPTOR_WORDS;
    this.high = parts[part + Part.macs]! & 0xffff;
    this.low = parts[part + Part.smacLo]!;
    if (!this.isOwnMac(this.high, this.low)) return false;
    switch (burst.ethertype[i]) {
      case EtherType.arp:
        return this.isTrueArp(burst, i, true);
      case EtherType.rarp:
        return this.isTrueArp(burst, i, false);
      case EtherType.ipv4:
        return this.ipv4 === null || this.isTrueIpv4(burst, i, this.ipv4);
      case EtherType.ipv6:
        return this.isTrueIpv6(burst, i);
      default:
        return true;
    }
  }

  /** ARP, or RARP (which QEMU and others send for a guest that has moved), over Ethernet and IPv4. */
  private isTrueArp(burst: Burst, i: number, isArp: boolean): boolean {
    const { view } = burst;
    const at = burst.off[i]! + ETHERNET_HEADER + VLAN_TAG * countTags(burst, i);
    if (burst.off[i]! + burst.len[i]! - at < ARP_BYTES) return false;
    if (view.getInt32(at) !== 0x0001_0800 || view.getUint16(at + 4) !== 0x0604) return false;
    if (!this.isOwnMac(view.getUint16(at + 8), view.getInt32(at + 10))) return false;
    if (this.ipv4 === null) return true;
    const sender = view.getInt32(at + 14);
    if (sender !== 0) return isIn4(this.ipv4, sender);
    // A probe (RFC 5227) claims the address that it asks for.
    return !isArp || view.getUint16(at + 6) !== ARP_REQUEST || isIn4(this.ipv4, view.getInt32(at + 24));
  }

  private isTrueIpv4(burst: Burst, i: number, ipv4: Int32Array): boolean {
    const { view } = burst;
    const kind = burst.kind[i]!;
    if ((kind & Kind.addresses) === 0) return false;
    const l3 = burst.l3[i]!;
    const source = view.getInt32(l3 + 12);
    if (source !== 0) return isIn4(ipv4, source);
    const protocol = (kind >>> Kind.protocolShift) & 0xff;
    if (protocol === IGMP) return true;
    const isDhcp =
      protocol === Protocol.udp && (kind & Kind.ports) !== 0 && view.getInt32(burst.l4[i]!) === DHCP_PORTS;
    return isDhcp && view.getInt32(l3 + 16) === -1;
  }

  private isTrueIpv6(burst: Burst, i: number): boolean {
    const kind = burst.kind[i]!;
    if ((kind & Kind.addresses) === 0) return this.ipv6 === null;
    const { view } = burst;
    const l3 = burst.l3[i]!;
    const l4 = burst.l4[i]!;
    const isIcmp = ((kind >>> Kind.protocolShift) & 0xff) === Protocol.icmpv6;
    // Neighbour discovery in fragments is ignored by whoever receives it (RFC 6980).
    const type = isIcmp && (kind & Kind.fragment) === 0 && l4 >= 0 ? view.getUint8(l4) : -1;
    if (this.ipv6 !== null) {
      const isNone = isZero(view, l3 + 8);
      if (!(isNone ? mayHaveNoSource(type) : this.isOwnIpv6(view, l3 + 8))) return false;
      if (type === Icmp.routerAdvertisement || type === Icmp.redirect) return false;
    }
    if (type < Icmp.routerSolicitation || type > Icmp.redirect) return true;
    const end = Math.min(burst.off[i]! + burst.len[i]!, l3 + IPV6_HEADER + view.getUint16(l3 + 4));
    const options = l4 + BEFORE_OPTIONS[type - Icmp.routerSolicitation]!;
    if (options > end) return false;
    if (this.ipv6 !== null) {
      const claims =
        type === Icmp.neighbourAdvertisement || (type === Icmp.neighbourSolicitation && isZero(view, l3 + 8));
      if (claims && !this.isOwnIpv6(view, l4 + 8)) return false;
    }
    return this.macs === null || this.hasOwnLinkOptions(view, options, end);
  }

  /** Link-layer addresses among the options of neighbour discovery from `at` to `end`. */
  private hasOwnLinkOptions(view: DataView, at: number, end: number): boolean {
    let position = at;
    while (position < end) {
      if (end - position < 8) return false;
      const type = view.getUint8(position);
      const size = 8 * view.getUint8(position + 1);
      if (size === 0 || position + size > end) return false;
      const isLink = type >= 1 && type <= LINK_OPTIONS_MAX;
      if (isLink && !this.isOwnMac(view.getUint16(position + 2), view.getInt32(position + 4))) return false;
      position += size;
    }
    return true;
  }

  private isOwnMac(high: number, low: number): boolean {
    const { macs } = this;
    if (macs === null) return true;
    for (let k = 0; k < macs.length; k += 2) if (macs[k] === high && macs[k + 1] === low) return true;
    return false;
  }

  /** True for an IPv6 address within the rules, or one that is made of a permitted MAC address. */
  private isOwnIpv6(view: DataView, at: number): boolean {
    const ipv6 = this.ipv6!;
    const a = view.getInt32(at);
    const b = view.getInt32(at + 4);
    const c = view.getInt32(at + 8);
    const d = view.getInt32(at + 12);
    for (let k = 0; k < ipv6.length; k += 8) {
      const differs =
        ((a ^ ipv6[k]!) & ipv6[k + 4]!) |
        ((b ^ ipv6[k + 1]!) & ipv6[k + 5]!) |
        ((c ^ ipv6[k + 2]!) & ipv6[k + 6]!) |
        ((d ^ ipv6[k + 3]!) & ipv6[k + 7]!);
      if (differs === 0) return true;
    }
    if (a !== (0xfe800000 | 0) || b !== 0) return false;
    const { macs } = this;
    if (macs === null) return isMadeOf(c, d, this.high, this.low);
    for (let k = 0; k < macs.length; k += 2) if (isMadeOf(c, d, macs[k]!, macs[k + 1]!)) return true;
    return false;
  }
}

function isIn4(prefixes: Int32Array, address: number): boolean {
  for (let k = 0; k < prefixes.length; k += 2) {
    if (((address ^ prefixes[k]!) & prefixes[k + 1]!) === 0) return true;
  }
  return false;
}

function isZero(view: DataView, at: number): boolean {
  return (view.getInt32(at) | view.getInt32(at + 4) | view.getInt32(at + 8) | view.getInt32(at + 12)) === 0;
}

/** What is sent from :: (RFC 4861, RFC 3590). */
function mayHaveNoSource(type: number): boolean {
  return (
    type === Icmp.neighbourSolicitation ||
    type === Icmp.routerSolicitation ||
    type === Icmp.listenerReport ||
    type === Icmp.listenerReport2
  );
}

/** True where an interface identifier is the modified EUI-64 of a MAC address (RFC 4291, appendix A). */
function isMadeOf(c: number, d: number, high: number, low: number): boolean {
  return (
    c === (((high ^ 0x0200) << 16) | ((low >>> 16) & 0xff00) | 0xff) && d === (0xfe000000 | (low & 0xffffff))
  );
}
