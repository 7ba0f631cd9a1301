/**
 * Frame headers by kind of flow: protocol, IP version, tunnel, tags, direction.
 *
 * Promise: a template is a correct frame without payload, built by the frame builders; the offsets say where
 * addresses, lengths and checksums lie, so that flows and packets are patched in place.
 */
import {
  ethernet,
  geneve,
  gre,
  gtpu,
  icmp,
  icmpv6,
  ipInIp,
  ipv4,
  ipv6,
  mpls,
  type Packet,
  pppoe,
  sctp,
  type Transport,
  tcp,
  udp,
  type VlanTag,
  vxlan,
} from '../packet/build.js';
import type { TrafficProtocol, TrafficTunnel } from './options.js';

/** What makes two flows have the same headers but for addresses and numbers. */
export interface TemplateKind {
  readonly protocol: TrafficProtocol;
  readonly version: 4 | 6;
  readonly tunnel: TrafficTunnel | null;
  /** 0, 1 (802.1Q) or 2 (802.1ad outside). */
  readonly tags: number;
  readonly reverse: boolean;
}

/** A frame without payload, and where its fields are; -1 where there is no such field. */
export interface Template {
  readonly kind: TemplateKind;
  readonly bytes: Uint8Array;
  /** The outermost IPv4 header of a tunnel. */
  readonly outerL3: number;
  /** The outer UDP header. */
  readonly outerL4: number;
  /** 16-bit lengths outside the inner IP header, which grow with the inner packet. */
  readonly outerLengths: readonly number[];
  /** The tunnel's number (VNI, TEID, label, session). */
  readonly tunnelId: number;
  /** The inner Ethernet header. */
  readonly innerEthernet: number;
  /** The IP header of the flow. */
  readonly l3: number;
  /** Its transport header. */
  readonly l4: number;
}

/** Transport protocol numbers of made flows. */
export function protocolNumber(protocol: TrafficProtocol, version: 4 | 6): number {
  if (protocol === 'icmp') return version === 4 ? 1 : 58;
  return { tcp: 6, udp: 17, sctp: 132 }[protocol];
}

function transportOf({ protocol, version, reverse }: TemplateKind): Transport {
  const ports = { sport: 0, dport: 0 };
  switch (protocol) {
    case 'tcp':
      return tcp({ ...ports, flags: 0 });
    case 'udp':
      return udp(ports);
    case 'sctp':
      // A DATA chunk (RFC 9260, 3.3.1) with a whole message in it: type 0, flags B and E.
      return sctp({ ...ports, tag: 0 }, Uint8Array.of(0, 3, 0, 16, ...new Array<number>(12).fill(0)));
    case 'icmp':
      if (version === 4) return icmp({ type: reverse ? 0 : 8 });
      return icmpv6({ type: reverse ? 129 : 128 });
  }
}

/** Ports of tunnels over UDP. */
const TUNNEL_PORTS: Partial<Record<TrafficTunnel, number>> = { vxlan: 4789, geneve: 6081, gtpu: 2152 };

function wrap(tunnel: TrafficTunnel, inner: Packet): Packet {
  const outer = { src: '172.16.0.0', dst: '172.16.1.0', dontFragment: true };
  const port = TUNNEL_PORTS[tunnel] ?? 0;
  // UDP checksum 0, "none": what VXLAN (RFC 7348), Geneve and GTP-U senders over IPv4 do.
  const ports = { sport: port, dport: port, checksum: 0 };
  switch (tunnel) {
    case 'vxlan':
      return ipv4(outer, udp(ports, vxlan(0, ethernet({}, inner))));
    case 'geneve':
      return ipv4(outer, udp(ports, geneve(0, ethernet({}, inner))));
    case 'gtpu':
      return ipv4(outer, udp(ports, gtpu(0, inner)));
    case 'gre':
      return ipv4(outer, gre({}, inner));
    case 'nvgre':
      return ipv4(outer, gre({ key: 0 }, ethernet({}, inner)));
    case 'ipip':
    case '6in4':
      return ipv4(outer, ipInIp(inner));
    case 'mpls':
      return mpls([0], inner);
    case 'pppoe':
      return pppoe(0, inner);
  }
}

/** Builds the template of a kind. */
export function buildTemplate(kind: TemplateKind): Template {
  const { tunnel, tags, version } = kind;
  const addresses = version === 4 ? { src: '10.0.0.0', dst: '10.0.0.0' } : { src: '::', dst: '::' };
  const inner = (version === 4 ? ipv4 : ipv6)(addresses, transportOf(kind));
  const vlans: VlanTag[] = [];
  if (tags === 2) vlans.push({ tpid: 0x88a8, id: 0 });
  if (tags > 0) vlans.push({ id: 0 });
  const bytes = ethernet({ vlans }, tunnel === null ? inner : wrap(tunnel, inner));
  const l3 = bytes.length - inner.bytes.length;
  const l4 = l3 + (version === 4 ? 20 : 40);
  const link = 14 + 4 * tags;
  const belowIp = tunnel === null || tunnel === 'mpls' || tunnel === 'pppoe';
  const outerL3 = belowIp ? -1 : link;
  const overUdp = tunnel !== null && tunnel in TUNNEL_PORTS;
  const outerL4 = overUdp ? link + 20 : -1;
  const outerLengths = belowIp ? [] : [link + 2];
  if (overUdp) outerLengths.push(outerL4 + 4);
  if (tunnel === 'gtpu') outerLengths.push(outerL4 + 8 + 2);
  if (tunnel === 'pppoe') outerLengths.push(link + 4);
  const hasEthernet = tunnel === 'vxlan' || tunnel === 'geneve' || tunnel === 'nvgre';
  return {
    kind,
    bytes,
    outerL3,
    outerL4,
    outerLengths,
    tunnelId: tunnelIdAt(tunnel, link),
    innerEthernet: hasEthernet ? l3 - 14 : -1,
    l3,
    l4,
  };
}

/** Where the number of a tunnel lies. */
function tunnelIdAt(tunnel: TrafficTunnel | null, link: number): number {
  switch (tunnel) {
    case 'vxlan':
    case 'geneve':
    case 'gtpu':
      return link + 20 + 8 + 4;
    case 'nvgre':
      return link + 20 + 4;
    case 'mpls':
      return link;
    case 'pppoe':
      return link + 2;
    default:
      return -1;
  }
}

/** Writes the number of a tunnel (16 bits at most) where it lies. */
export function putTunnelId(template: Template, view: DataView, at: number, id: number): void {
  const place = at + template.tunnelId;
  switch (template.kind.tunnel) {
    case 'vxlan':
    case 'geneve':
    case 'nvgre':
      view.setUint32(place, (id + 1) << 8);
      break;
    case 'gtpu':
      view.setUint32(place, id + 1);
      break;
    case 'mpls':
      // Labels below 16 are reserved (RFC 3032); bottom of stack, TTL 64.
      view.setUint32(place, ((id + 16) << 12) | 0x100 | 64);
      break;
    case 'pppoe':
      // 0 and 0xffff are no session ids (RFC 2516).
      view.setUint16(place, (id % 0xfffe) + 1);
      break;
  }
}
