import { describe, expect, it } from 'vitest';
import {
  arp,
  ethernet,
  geneve,
  gre,
  gtpu,
  ipInIp,
  ipv4,
  ipv6,
  mpls,
  type Packet,
  pppoe,
  tcp,
  udp,
  vxlan,
} from '#rxsteer/packet/build.js';
import { concatBytes } from '#rxsteer/packet/build-bytes.js';
import { TUNNEL_NAMES, tunnelMask } from '#rxsteer/packet/tunnel.js';
import { policy, steer } from '../policy/support.js';

const outer4 = { src: '192.0.2.1', dst: '198.51.100.2' };
const outer6 = { src: '2001:db8::1', dst: '2001:db8::2' };
const inner4 = ipv4({ src: '10.0.0.1', dst: '10.9.0.2' }, tcp({ sport: 1000, dport: 2000 }));
const inner6 = ipv6({ src: 'fd00::1', dst: 'fd00::2' }, udp({ sport: 3000, dport: 4000 }));
const over = (port: number, payload: Uint8Array) => udp({ sport: 50000, dport: port }, payload);
const gpe = (next: number, bytes: Uint8Array) =>
  concatBytes(Uint8Array.of(0x0c, 0, 0, next, 0, 0, 7, 0), bytes);

/** GRE of this type around a mirrored frame behind its ERSPAN header. */
function mirrored(type: number, sequence: boolean, header: Uint8Array, inner: Uint8Array): Uint8Array {
  const fields = Uint8Array.of(sequence ? 0x10 : 0, 0, type >> 8, type & 255);
  const number = new Uint8Array(sequence ? 4 : 0);
  return ethernet({}, ipv4({ ...outer4, protocol: 47 }, concatBytes(fields, number, header, inner)));
}
const erspan3 = (frameType: number, more: number) =>
  concatBytes(Uint8Array.of(0x20, 1, 0, 7, 0, 0, 0, 1, 0, 0, frameType << 2, more), new Uint8Array(8 * more));

/** Frames by tunnel, around an inner packet. */
const tunnels: [string, (inner: Packet) => Uint8Array][] = [
  ['ipip', (inner) => ethernet({}, ipv4(outer4, ipInIp(inner)))],
  ['ipip', (inner) => ethernet({}, ipv6(outer6, ipInIp(inner)))],
  ['gre', (inner) => ethernet({}, ipv4(outer4, gre({}, inner)))],
  ['gre', (inner) => ethernet({}, ipv4(outer4, gre({ key: 7, sequence: 9 }, inner)))],
  ['gre', (inner) => ethernet({}, ipv6(outer6, gre({}, ethernet({ vlans: [5] }, inner))))],
  ['gre', (inner) => mirrored(0x88be, false, new Uint8Array(0), ethernet({}, inner))],
  [
    'gre',
    (inner) =>
      mirrored(0x88be, true, Uint8Array.of(0x10, 1, 0, 7, 0, 0, 0, 1), ethernet({ vlans: [3] }, inner)),
  ],
  ['gre', (inner) => mirrored(0x22eb, true, erspan3(0, 0), ethernet({}, inner))],
  ['gre', (inner) => mirrored(0x22eb, true, erspan3(0, 1), ethernet({}, inner))],
  ['gre', (inner) => mirrored(0x22eb, true, erspan3(2, 0), inner.bytes)],
  ['nvgre', (inner) => ethernet({}, ipv4(outer4, gre({ key: 7 }, ethernet({}, inner))))],
  ['vxlan', (inner) => ethernet({ vlans: [9] }, ipv4(outer4, over(4789, vxlan(7, ethernet({}, inner)))))],
  ['vxlan-gpe', (inner) => ethernet({}, ipv4(outer4, over(4790, gpe(3, ethernet({}, inner)))))],
  [
    'vxlan-gpe',
    (inner) => ethernet({}, ipv4(outer4, over(4790, gpe(inner.ethertype === 0x800 ? 1 : 2, inner.bytes)))),
  ],
  ['geneve', (inner) => ethernet({}, ipv6(outer6, over(6081, geneve(7, inner))))],
  ['geneve', (inner) => ethernet({}, ipv4(outer4, over(6081, geneve(7, ethernet({}, inner)))))],
  ['gtpu', (inner) => ethernet({}, ipv4(outer4, over(2152, gtpu(7, inner))))],
  ['mpls', (inner) => ethernet({}, mpls([16, 17, 18], inner))],
  ['mpls', (inner) => ethernet({ vlans: [5] }, mpls([16], inner))],
  ['pppoe', (inner) => ethernet({ vlans: [5, 6] }, pppoe(7, inner))],
];

const all = TUNNEL_NAMES.join('+');

describe.each(tunnels)('%s (%#)', (name, wrap) => {
  it.each([
    ['IPv4', inner4],
    ['IPv6', inner6],
  ])('the inner %s packet alone is hashed where the policy asks for it', (_, inner) => {
    const frame = wrap(inner);
    const bare = steer(policy('rss:queues=4'), [ethernet({}, inner)]);
    for (const given of [name, all]) {
      const steering = policy(`rss:queues=4,inner=${given}`);
      const burst = steer(steering, [frame]);
      expect([burst.hash[0], burst.hashType[0], burst.rxq[0]]).toEqual([
        bare.hash[0],
        bare.hashType[0],
        bare.rxq[0],
      ]);
      expect(steering.explain(burst, 0)).toMatch(
        /^inner packet of (gre|[a-z-]+): (tcp|udp)-ipv[46] is enabled/,
      );
    }
  });

  it('the outer one is hashed where it does not', () => {
    const frame = wrap(inner4);
    const outer = steer(policy('rss:queues=4'), [frame]);
    const others = TUNNEL_NAMES.filter(
      (other) => other !== name && !(name === 'nvgre' && other === 'gre'),
    ).join('+');
    const burst = steer(policy(`rss:queues=4,inner=${others}`), [frame]);
    expect([burst.hash[0], burst.hashType[0]]).toEqual([outer.hash[0], outer.hashType[0]]);
  });

  it('cut anywhere it is still some packet', () => {
    const frame = wrap(inner4);
    const steering = policy(`rss:queues=4,inner=${all}`);
    for (let length = 0; length < frame.length; length++) {
      const burst = steer(steering, [frame.slice(0, length)]);
      expect(burst.worker[0]).toBeLessThan(4);
    }
  });
});

describe('what is no tunnel', () => {
  const hashOf = (frame: Uint8Array, given: string) => steer(policy(given), [frame]).hash[0];

  it.each([
    [
      'an ARP packet inside',
      ethernet(
        {},
        ipv4(
          outer4,
          gre(
            {},
            ethernet(
              {},
              arp({
                operation: 1,
                senderMac: '02:00:00:00:00:01',
                senderIp: '10.0.0.1',
                targetIp: '10.0.0.2',
              }),
            ),
          ),
        ),
      ),
    ],
    ['PPP inside', ethernet({}, ipv4(outer4, gre({}, { ...inner4, ethertype: 0x880b })))],
    ['an ERSPAN version that there is not', mirrored(0x88be, true, new Uint8Array(8), ethernet({}, inner4))],
    ['an ERSPAN frame of another type', mirrored(0x22eb, true, erspan3(5, 0), inner4.bytes)],
    ['fragments', ethernet({}, ipv4({ ...outer4, moreFragments: true }, ipInIp(inner4)))],
    [
      'VXLAN without its flag',
      ethernet({}, ipv4(outer4, over(4789, concatBytes(new Uint8Array(8), ethernet({}, inner4))))),
    ],
    [
      'GRE version 1',
      ethernet(
        {},
        ipv4(
          { ...outer4, protocol: 47 },
          concatBytes(Uint8Array.of(0x20, 1, 0x88, 0x0b), new Uint8Array(30)),
        ),
      ),
    ],
    [
      'GTP-U signalling',
      ethernet({}, ipv4(outer4, over(2152, concatBytes(Uint8Array.of(0x30, 1, 0, 20), new Uint8Array(30))))),
    ],
    ['MPLS without a bottom', ethernet({ ethertype: 0x8847 }, new Uint8Array(40))],
    [
      'PPPoE control',
      ethernet(
        { ethertype: 0x8864 },
        concatBytes(Uint8Array.of(0x11, 0, 0, 1, 0, 20, 0xc0, 0x21), new Uint8Array(20)),
      ),
    ],
  ])('%s', (_, frame) => {
    expect(hashOf(frame, `rss:queues=4,inner=${all}`)).toBe(hashOf(frame, 'rss:queues=4'));
  });

  it('GTP-U extension headers are walked', () => {
    const header = concatBytes(
      Uint8Array.of(0x34, 255, 0, 0, 0, 0, 0, 7),
      Uint8Array.of(0, 1, 0, 0x85),
      Uint8Array.of(1, 9, 9, 0),
    );
    const frame = ethernet({}, ipv4(outer4, over(2152, concatBytes(header, inner4.bytes))));
    expect(hashOf(frame, 'rss:queues=4,inner=gtpu')).toBe(hashOf(ethernet({}, inner4), 'rss:queues=4'));
  });
});

it('names', () => {
  expect(tunnelMask(['ipip', 'vxlan'])).toBe(0b1001);
  expect(() => policy('rss:inner=vxlna')).toThrow(
    'policy rss: inner="vxlna": expected one of ipip, gre, nvgre, vxlan',
  );
});
