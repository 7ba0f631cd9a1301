/**
 * Numbers of the headers that dissection knows.
 *
 * Promise: constants only, so that V8 folds them. Sources: IEEE 802.1Q and 802.1ad, IANA ethertype and protocol
 * number registries; 0x9100 is the pre-standard outer tag that switches still send.
 */

export const EtherType = {
  ipv4: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  /** 802.1Q customer tag. */
  vlan: 0x8100,
  /** 802.1ad service tag. */
  serviceVlan: 0x88a8,
  /** Outer tag of equipment older than 802.1ad. */
  oldServiceVlan: 0x9100,
  ipv6: 0x86dd,
  mpls: 0x8847,
  mplsMulticast: 0x8848,
  /** PPPoE session. */
  pppoe: 0x8864,
} as const;

/** IP protocol numbers (IANA). */
export const Protocol = {
  hopByHop: 0,
  icmp: 1,
  /** IPv4 inside IP. */
  ipip: 4,
  tcp: 6,
  udp: 17,
  /** IPv6 inside IP. */
  ipv6: 41,
  routing: 43,
  fragment: 44,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  none: 59,
  destination: 60,
  sctp: 132,
} as const;

/** Bytes of an Ethernet header without tags, and of one tag. */
export const ETHERNET_HEADER = 14;
export const VLAN_TAG = 4;

/** Smallest value of the type field that is an ethertype and not an LLC length (IEEE 802.3). */
export const ETHERTYPE_MIN = 0x0600;

const names: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  50: 'esp',
  51: 'ah',
  58: 'icmpv6',
  132: 'sctp',
};

/** `tcp`, or `protocol 47` for a number without a name here. */
export function protocolName(protocol: number): string {
  return names[protocol] ?? `protocol ${protocol}`;
}
