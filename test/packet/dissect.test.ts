import { describe, expect, it } from 'vitest';
import {
  arp,
  type Extension,
  ethernet,
  fragmentExtension,
  gre,
  homeAddressExtension,
  icmp,
  icmpv6,
  ipInIp,
  ipv4,
  ipv6,
  routingExtension,
  sctp,
  tcp,
  udp,
} from '#rxsteer/packet/build.js';
import { Burst, FrameFlag, Kind } from '#rxsteer/packet/burst.js';
import { describeFrame } from '#rxsteer/packet/describe.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';

const v4 = { src: '192.0.2.1', dst: '198.51.100.2' };
const v6 = { src: '2001:db8::1', dst: '2001:db8::2' };
const ports = { sport: 1000, dport: 2000 };

const names: [string, number][] = [
  ['ipv4', Kind.ipv4],
  ['ipv6', Kind.ipv6],
  ['addresses', Kind.addresses],
  ['ports', Kind.ports],
  ['fragment', Kind.fragment],
  ['extension', Kind.extension],
  ['bad', Kind.bad],
  ['group', Kind.group],
];

/** The frame in a buffer of its own length, dissected. */
function dissect(frame: Uint8Array, flags = 0) {
  const burst = new Burst(frame.slice());
  burst.add(0, frame.length, flags);
  dissectBurst(burst);
  const kind = burst.kind[0]!;
  return {
    burst,
    kind: names.filter(([, bit]) => (kind & bit) !== 0).map(([name]) => name),
    protocol: kind >>> Kind.protocolShift,
    ethertype: burst.ethertype[0]!,
    l3: burst.l3[0]!,
    l4: burst.l4[0]!,
    vlan: burst.vlan[0]!,
    flow: burst.flow[0]!,
    description: describeFrame(burst, 0),
  };
}

describe('plain packets', () => {
  it('IPv4 TCP', () => {
    const { kind, protocol, ethertype, l3, l4, vlan, description } = dissect(
      ethernet({}, ipv4(v4, tcp(ports))),
    );
    expect(kind).toEqual(['ipv4', 'addresses', 'ports']);
    expect({ protocol, ethertype, l3, l4, vlan }).toEqual({
      protocol: 6,
      ethertype: 0x800,
      l3: 14,
      l4: 34,
      vlan: -1,
    });
    expect(description).toEqual({
      length: 54,
      ethertype: '0x0800',
      vlans: [],
      ...v4,
      protocol: 6,
      ...ports,
      fragment: false,
    });
  });

  it('IPv6 UDP', () => {
    const { kind, protocol, l3, l4, description } = dissect(ethernet({}, ipv6(v6, udp(ports, 'x'))));
    expect(kind).toEqual(['ipv6', 'addresses', 'ports']);
    expect({ protocol, l3, l4 }).toEqual({ protocol: 17, l3: 14, l4: 54 });
    expect(description).toMatchObject({ ...v6, ...ports, ethertype: '0x86dd' });
  });

  it('SCTP has ports, ICMP has none', () => {
    expect(dissect(ethernet({}, ipv4(v4, sctp(ports)))).description).toMatchObject({
      protocol: 132,
      ...ports,
    });
    const echo = dissect(ethernet({}, ipv4(v4, icmp({ type: 8, rest: 0x12345678 }))));
    expect(echo.kind).toEqual(['ipv4', 'addresses']);
    expect(echo.description).toMatchObject({ protocol: 1, sport: null, dport: null });
    const echo6 = dissect(ethernet({}, ipv6(v6, icmpv6({ type: 128 }))));
    expect(echo6.kind).toEqual(['ipv6', 'addresses']);
    expect(echo6.protocol).toBe(58);
  });

  it('the MAC words, group addresses', () => {
    const { burst, kind } = dissect(
      ethernet({ dst: '01:00:5e:00:00:fb', src: 'f2:34:56:78:9a:bc' }, ipv4(v4, udp(ports))),
    );
    expect(kind).toContain('group');
    expect([burst.dmacHi[0]!, burst.dmacLo[0]! >>> 0]).toEqual([0x0100, 0x5e0000fb]);
    expect([burst.smacHi[0]!, burst.smacLo[0]! >>> 0]).toEqual([0xf234, 0x56789abc]);
    expect(dissect(ethernet({ dst: 'fe:ff:ff:ff:ff:ff' }, ipv4(v4, udp(ports)))).kind).not.toContain('group');
  });

  it('the MAC words of a burst object that is used again', () => {
    const frame = ethernet({ dst: '02:00:00:00:00:01' }, ipv4(v4, udp(ports)));
    const burst = new Burst(frame.slice());
    burst.add(0, frame.length);
    for (const last of [1, 2, 3]) {
      burst.bytes[5] = last;
      dissectBurst(burst);
      expect([burst.dmacHi[0], burst.dmacLo[0]]).toEqual([0x0200, last]);
    }
  });

  it('what is not IP', () => {
    const request = dissect(
      ethernet(
        {},
        arp({ operation: 1, senderMac: '02:00:00:00:00:01', senderIp: '192.0.2.1', targetIp: '192.0.2.2' }),
      ),
    );
    expect(request).toMatchObject({ kind: [], ethertype: 0x806, l3: -1, l4: -1, flow: 0 });
    const llc = dissect(ethernet({ ethertype: 38 }, Uint8Array.of(0x42, 0x42, 3)));
    expect(llc).toMatchObject({ kind: [], ethertype: 0, flow: 0 });
    expect(llc.description.ethertype).toBeNull();
  });
});

describe('VLAN tags', () => {
  it.each([
    [[{ id: 5 }]],
    [[{ id: 5, tpid: 0x88a8 }, { id: 6 }]],
    [[{ id: 5, tpid: 0x9100 }, { id: 6, tpid: 0x88a8 }, { id: 7 }]],
    [Array.from({ length: 30 }, (_, id) => ({ id }))],
  ])('are walked: %j', (vlans) => {
    for (const packet of [ipv4(v4, tcp(ports)), ipv6(v6, tcp(ports))]) {
      const { description, l3, vlan } = dissect(ethernet({ vlans }, packet));
      expect(description).toMatchObject({ ...ports, vlans: vlans.map(({ id }) => id) });
      expect(l3).toBe(14 + 4 * vlans.length);
      expect(vlan).toBe(vlans[0]!.id);
    }
  });

  it('the outer tag control information is kept whole', () => {
    expect(dissect(ethernet({ vlans: [{ id: 5, priority: 3, dei: true }] }, ipv4(v4, udp(ports)))).vlan).toBe(
      0x7005,
    );
  });

  it('cut off in a tag', () => {
    const frame = ethernet({ vlans: [5, 6] }, ipv4(v4, udp(ports)));
    expect(dissect(frame.slice(0, 17))).toMatchObject({ kind: ['bad'], ethertype: 0, vlan: -1 });
    expect(dissect(frame.slice(0, 21))).toMatchObject({ kind: ['bad'], ethertype: 0, vlan: 5 });
  });
});

describe('IPv4', () => {
  it('options are walked', () => {
    const { l4, description } = dissect(
      ethernet({}, ipv4({ ...v4, options: new Uint8Array(40).fill(1) }, tcp(ports))),
    );
    expect(l4).toBe(14 + 60);
    expect(description).toMatchObject(ports);
  });

  it('DF is no fragment; MF and an offset are', () => {
    expect(dissect(ethernet({}, ipv4({ ...v4, dontFragment: true }, tcp(ports)))).kind).toContain('ports');
    const first = dissect(ethernet({}, ipv4({ ...v4, moreFragments: true }, tcp(ports))));
    expect(first.kind).toEqual(['ipv4', 'addresses', 'fragment']);
    expect(first).toMatchObject({ protocol: 6, l4: -1 });
    expect(dissect(ethernet({}, ipv4({ ...v4, fragmentOffset: 1480 }, udp(ports)))).kind).toContain(
      'fragment',
    );
    expect(dissect(ethernet({}, ipv4({ ...v4, fragmentOffset: 8 }, udp(ports)))).kind).not.toContain('ports');
  });

  it('all fragments of a datagram are one flow, which is not that of whole datagrams', () => {
    const flows = [
      ipv4({ ...v4, moreFragments: true }, udp(ports)),
      ipv4({ ...v4, moreFragments: true, fragmentOffset: 8 }, udp({ sport: 9, dport: 9 })),
      ipv4({ ...v4, fragmentOffset: 16, protocol: 17 }, 'rest'),
      ipv4(v4, udp(ports)),
    ].map((packet) => dissect(ethernet({}, packet)).flow);
    expect(flows[1]).toBe(flows[0]);
    expect(flows[2]).toBe(flows[0]);
    expect(flows[3]).not.toBe(flows[0]);
  });

  it('padding behind the packet is not taken for ports', () => {
    const frame = ethernet({ padTo: 60 }, ipv4({ ...v4, protocol: 6 }, new Uint8Array(2)));
    expect(dissect(frame)).toMatchObject({ kind: ['ipv4', 'addresses', 'bad'], l4: -1 });
  });

  it.each([
    ['longer than the frame', { totalLength: 1500 }, ['ipv4', 'addresses', 'ports', 'bad']],
    ['shorter than its header', { totalLength: 19 }, ['ipv4', 'addresses', 'bad']],
    ['zero', { totalLength: 0 }, ['ipv4', 'addresses', 'ports', 'bad']],
    ['with a header below 20 bytes', { headerWords: 4 }, ['ipv4', 'addresses', 'bad']],
    ['with a header beyond the packet', { headerWords: 15 }, ['ipv4', 'addresses', 'bad']],
    ['of another version', { version: 6 }, ['ipv4', 'bad']],
  ])('%s', (_, wrong, kind) => {
    expect(dissect(ethernet({}, ipv4({ ...v4, ...wrong }, tcp(ports)))).kind).toEqual(kind);
  });

  it('a cut capture does not lie', () => {
    const frame = ethernet({}, ipv4(v4, tcp(ports, 100))).slice(0, 60);
    expect(dissect(frame).kind).toContain('bad');
    expect(dissect(frame, FrameFlag.truncated).kind).toEqual(['ipv4', 'addresses', 'ports']);
  });

  it('a super-frame without a length is whole', () => {
    const frame = ethernet({}, ipv4({ ...v4, totalLength: 0 }, tcp(ports, 100)));
    expect(dissect(frame, FrameFlag.gso).kind).toEqual(['ipv4', 'addresses', 'ports']);
  });

  it('gets what its bytes allow when it is cut', () => {
    const frame = ethernet({}, ipv4(v4, tcp(ports)));
    expect(dissect(frame.slice(0, 38)).kind).toEqual(['ipv4', 'addresses', 'ports', 'bad']);
    expect(dissect(frame.slice(0, 37)).kind).toEqual(['ipv4', 'addresses', 'bad']);
    expect(dissect(frame.slice(0, 34)).kind).toEqual(['ipv4', 'addresses', 'bad']);
    expect(dissect(frame.slice(0, 33)).kind).toEqual(['ipv4', 'bad']);
    expect(dissect(frame.slice(0, 14))).toMatchObject({ kind: ['ipv4', 'bad'], ethertype: 0x800 });
    expect(dissect(frame.slice(0, 13))).toMatchObject({ kind: ['bad'], ethertype: 0, flow: 0 });
  });
});

describe('IPv6', () => {
  const extension = (type: number, body = 6): Extension => ({ type, body: new Uint8Array(body) });

  it('extension headers are walked', () => {
    const { kind, l4, protocol } = dissect(
      ethernet(
        {},
        ipv6(
          { ...v6, extensions: [extension(0), extension(60, 22), routingExtension(0, '2001:db8::9')] },
          tcp(ports),
        ),
      ),
    );
    expect(kind).toEqual(['ipv6', 'addresses', 'ports', 'extension']);
    expect({ l4, protocol }).toEqual({ l4: 54 + 8 + 24 + 24, protocol: 6 });
  });

  it.each([
    ['first', fragmentExtension(0, true, 7)],
    ['later', fragmentExtension(1448, false, 7)],
    ['atomic', fragmentExtension()],
  ])('a Fragment header makes a fragment: %s', (_, header) => {
    const { kind, protocol, l4 } = dissect(ethernet({}, ipv6({ ...v6, extensions: [header] }, udp(ports))));
    expect(kind).toEqual(['ipv6', 'addresses', 'fragment', 'extension']);
    expect({ protocol, l4 }).toEqual({ protocol: 17, l4: -1 });
  });

  it('AH and ESP end the walk, in both versions', () => {
    const ah = dissect(ethernet({}, ipv6({ ...v6, extensions: [extension(51, 22)] }, tcp(ports))));
    expect(ah).toMatchObject({ kind: ['ipv6', 'addresses'], protocol: 51 });
    expect(dissect(ethernet({}, ipv4({ ...v4, protocol: 50 }, 40)))).toMatchObject({
      kind: ['ipv4', 'addresses'],
      protocol: 50,
    });
  });

  it('no next header', () => {
    expect(dissect(ethernet({}, ipv6(v6, '')))).toMatchObject({
      kind: ['ipv6', 'addresses'],
      protocol: 59,
      l4: -1,
    });
  });

  it('an extension header that runs out of the packet', () => {
    const lying = { type: 60, body: new Uint8Array(6), length: 255 };
    expect(dissect(ethernet({}, ipv6({ ...v6, extensions: [lying] }, tcp(ports))))).toMatchObject({
      kind: ['ipv6', 'addresses', 'extension', 'bad'],
      l4: -1,
    });
  });

  it.each([
    ['longer than the frame', { payloadLength: 1500 }, ['ipv6', 'addresses', 'ports', 'bad']],
    ['of zero bytes (jumbo, super-frame)', { payloadLength: 0 }, ['ipv6', 'addresses', 'ports']],
    ['too short for ports', { payloadLength: 3 }, ['ipv6', 'addresses', 'bad']],
    ['of another version', { version: 4 }, ['ipv6', 'bad']],
  ])('%s', (_, wrong, kind) => {
    expect(dissect(ethernet({}, ipv6({ ...v6, ...wrong }, tcp(ports)))).kind).toEqual(kind);
  });

  it('gets what its bytes allow when it is cut', () => {
    const frame = ethernet(
      {},
      ipv6({ ...v6, extensions: [homeAddressExtension('2001:db8::3')] }, tcp(ports)),
    );
    expect(dissect(frame.slice(0, 82)).kind).toEqual(['ipv6', 'addresses', 'ports', 'extension', 'bad']);
    expect(dissect(frame.slice(0, 81)).kind).toEqual(['ipv6', 'addresses', 'extension', 'bad']);
    expect(dissect(frame.slice(0, 55)).kind).toEqual(['ipv6', 'addresses', 'extension', 'bad']);
    expect(dissect(frame.slice(0, 53)).kind).toEqual(['ipv6', 'bad']);
    const fragment = ethernet({}, ipv6({ ...v6, extensions: [fragmentExtension()] }, tcp(ports)));
    expect(dissect(fragment.slice(0, 61)).kind).toEqual([
      'ipv6',
      'addresses',
      'fragment',
      'extension',
      'bad',
    ]);
  });
});

describe('tunnels', () => {
  it('show their outer packet', () => {
    expect(dissect(ethernet({}, ipv4(v4, ipInIp(ipv6(v6, tcp(ports))))))).toMatchObject({
      kind: ['ipv4', 'addresses'],
      protocol: 41,
    });
    expect(dissect(ethernet({}, ipv4(v4, gre({}, ipv4(v4, tcp(ports)))))).protocol).toBe(47);
  });
});

describe('the flow tag', () => {
  const flowOf = (frame: Uint8Array) => dissect(frame).flow;

  it('differs in every field and direction, and is never 0 for IP', () => {
    const frames = [
      ethernet({}, ipv4(v4, tcp(ports))),
      ethernet({}, ipv4(v4, udp(ports))),
      ethernet({}, ipv4(v4, tcp({ ...ports, sport: 1001 }))),
      ethernet({}, ipv4(v4, tcp({ ...ports, dport: 2001 }))),
      ethernet({}, ipv4({ ...v4, src: '192.0.2.3' }, tcp(ports))),
      ethernet({}, ipv4({ ...v4, dst: '192.0.2.3' }, tcp(ports))),
      ethernet({}, ipv4({ src: v4.dst, dst: v4.src }, tcp({ sport: 2000, dport: 1000 }))),
      ethernet({ vlans: [1] }, ipv4(v4, tcp(ports))),
      ethernet({ vlans: [2] }, ipv4(v4, tcp(ports))),
      ethernet({}, ipv6(v6, tcp(ports))),
      ethernet({}, ipv6({ ...v6, src: '2001:db8::3' }, tcp(ports))),
      ethernet({}, ipv4(v4, icmp({ type: 8 }))),
    ];
    const flows = frames.map(flowOf);
    expect(new Set(flows).size).toBe(frames.length);
    expect(flows).not.toContain(0);
  });

  it('depends on nothing else', () => {
    const a = flowOf(ethernet({}, ipv4(v4, tcp({ ...ports, seq: 1 }, 'a'))));
    const b = flowOf(
      ethernet(
        { dst: '02:00:00:00:00:09' },
        ipv4({ ...v4, id: 7, ttl: 3, tos: 8 }, tcp({ ...ports, seq: 9, flags: 2 }, 'bcd')),
      ),
    );
    expect(b).toBe(a);
    const options = flowOf(ethernet({}, ipv4({ ...v4, options: new Uint8Array(4) }, tcp(ports))));
    expect(options).toBe(a);
    const priority = flowOf(ethernet({ vlans: [{ id: 3, priority: 5 }] }, ipv4(v4, tcp(ports))));
    expect(priority).toBe(flowOf(ethernet({ vlans: [3] }, ipv4(v4, tcp(ports)))));
  });

  it('spreads many flows without collisions', () => {
    const seen = new Set<number>();
    for (let host = 0; host < 64; host++) {
      for (let port = 0; port < 128; port++) {
        seen.add(
          flowOf(ethernet({}, ipv4({ ...v4, src: `10.0.0.${host}` }, udp({ sport: port, dport: 53 })))),
        );
      }
    }
    expect(seen.size).toBe(64 * 128);
  });
});
