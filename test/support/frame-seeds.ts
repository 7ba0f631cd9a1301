/**
 * One frame of each shape that dissection knows, for mutation, and what its descriptor has to say, read byte by byte.
 */
import {
  concatBytes,
  ethernet,
  fragmentExtension,
  geneve,
  gre,
  gtpu,
  homeAddressExtension,
  icmp,
  ipv4,
  ipv6,
  mpls,
  pppoe,
  routingExtension,
  sctp,
  tcp,
  udp,
  vxlan,
} from '#rxsteer/packet/build.js';
import { GROUP_BIT, VLAN_SHIFT } from '#rxsteer/packet/descriptor.js';

const v4 = { src: '192.0.2.1', dst: '198.51.100.2' };
const v6 = { src: '2001:db8::1', dst: '2001:db8::2' };
const ports = { sport: 1000, dport: 2000 };

/** Frames of all shapes: tags, options, fragments, extension headers, tunnels. New arrays every time. */
export const frameSeeds = (): Uint8Array[] => [
  ethernet({}, ipv4(v4, tcp(ports, 10))),
  ethernet({}, ipv4(v4, udp(ports))),
  ethernet({ vlans: [5] }, ipv4({ ...v4, options: new Uint8Array(12) }, tcp(ports))),
  ethernet({ vlans: [{ id: 5, tpid: 0x88a8 }, 6] }, ipv6(v6, udp(ports, 4))),
  ethernet({}, ipv4({ ...v4, moreFragments: true }, udp(ports, 16))),
  ethernet({}, ipv6({ ...v6, extensions: [fragmentExtension(0, true)] }, tcp(ports))),
  ethernet(
    {},
    ipv6(
      { ...v6, extensions: [homeAddressExtension('2001:db8::3'), routingExtension(2, '2001:db8::4')] },
      udp(ports),
    ),
  ),
  ethernet({}, ipv6({ ...v6, extensions: [{ type: 0, body: new Uint8Array(14) }] }, sctp(ports))),
  ethernet({}, ipv4(v4, gre({ key: 1 }, ipv4(v4, icmp({ type: 8 }))))),
  ethernet({}, ipv4(v4, udp({ sport: 9, dport: 4789 }, vxlan(1, ethernet({}, ipv4(v4, tcp(ports))))))),
  ethernet({}, ipv4(v4, udp({ sport: 9, dport: 6081 }, geneve(1, ipv6(v6, tcp(ports)))))),
  ethernet({}, ipv4(v4, udp({ sport: 9, dport: 2152 }, gtpu(1, ipv4(v4, tcp(ports)))))),
  ethernet({ vlans: [3] }, mpls([16, 17], ipv4(v4, tcp(ports)))),
  ethernet({}, pppoe(1, ipv6(v6, udp(ports)))),
  gtpuWithExtensions(),
];

/** GTP-U with two extension headers of 4 bytes: flags, then the chain behind the optional fields. */
function gtpuWithExtensions(): Uint8Array {
  const chain = Uint8Array.of(0, 0, 0, 0x85, 1, 0, 0, 0x85, 1, 0, 0, 0);
  const inner = ipv4(v4, tcp(ports));
  const bytes = concatBytes(chain, inner.bytes);
  const frame = ethernet({}, ipv4(v4, udp({ sport: 9, dport: 2152 }, gtpu(1, { ...inner, bytes }))));
  frame[42] = 0x34;
  return frame;
}

/** The words of a descriptor that dissection packs, read from the frame byte by byte. */
export function descriptorParts(frame: Uint8Array, id: number, vlan: number, port: number): number[] {
  const number = (at: number, bytes: number, least: number) => {
    let value = 0;
    for (let k = 0; k < bytes; k++) value = (value << 8) | frame[at + k]!;
    return frame.length < least ? 0 : value;
  };
  const group = frame.length > 0 && (frame[0]! & 1) === 1 ? GROUP_BIT : 0;
  const macs = (number(0, 2, 6) << 16) | number(6, 2, 12);
  const tag = vlan < 0 ? 0 : (vlan & 0xfff) + 1;
  return [number(2, 4, 6), frame.length | group, number(8, 4, 12), id, macs, port | (tag << VLAN_SHIFT)];
}
