/** Frames of a guest, true ones and lies, held against the addresses that its port may use. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SourceGuard } from '#rxsteer/mac/source-guard.js';
import { parseSources } from '#rxsteer/mac/source-rules.js';
import {
  arp,
  concatBytes,
  ethernet,
  homeAddressExtension,
  icmpv6,
  ipv4,
  ipv6,
  ipv6Bytes,
  macBytes,
  type Packet,
  tcp,
  udp,
} from '#rxsteer/packet/build.js';
import { BURST_MAX, Burst, Kind } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';

const OWN = '52:54:00:00:00:05';
const OTHER = '52:54:00:00:00:06';
const GATEWAY = '02:00:00:00:00:01';
const IP = '10.0.0.5';
const IP6 = '2001:db8::5';
/** EUI-64 of OWN, OTHER. */
const LINK = 'fe80::5054:ff:fe00:5';
const OTHER_LINK = 'fe80::5054:ff:fe00:6';
const ALL_NODES = 'ff02::1';

const guardOf = (mac?: string, ip?: string) => new SourceGuard(parseSources('--port p', mac, ip)!);
const both = guardOf(OWN, `${IP}+${IP6}`);
const macOnly = guardOf(OWN);
const ipOnly = guardOf(undefined, `${IP}+${IP6}`);

function lies(guard: SourceGuard, ...frames: readonly Uint8Array[]): number[] {
  const burst = burstOf(frames);
  const marks = new Uint8Array(BURST_MAX).fill(7);
  const count = guard.check(burst, marks);
  const result = [...marks.subarray(0, frames.length)];
  expect(count).toBe(result.filter((mark) => mark === 1).length);
  return result;
}

function burstOf(frames: readonly Uint8Array[]): Burst {
  // Each frame in the midst of other bytes, which nobody may look at.
  const burst = new Burst(concatBytes(...frames.flatMap((frame) => [new Uint8Array(64).fill(0xff), frame])));
  let at = 0;
  for (const frame of frames) {
    burst.add(at + 64, frame.length);
    at += 64 + frame.length;
  }
  dissectBurst(burst);
  return burst;
}

const from4 = (src: string, mac = OWN, vlans: number[] = []) =>
  ethernet({ src: mac, vlans }, ipv4({ src, dst: '10.0.0.9' }, udp({ sport: 1, dport: 2 })));
const from6 = (src: string, mac = OWN) =>
  ethernet({ src: mac }, ipv6({ src, dst: '2001:db8::9' }, tcp({ sport: 1, dport: 2 })));
const arpFrom = (
  senderMac: string,
  senderIp: string,
  targetIp: string,
  operation = 1,
  vlans: number[] = [],
) =>
  ethernet({ src: OWN, dst: 'ff:ff:ff:ff:ff:ff', vlans }, arp({ operation, senderMac, senderIp, targetIp }));
const option = (type: number, mac: string) => concatBytes(Uint8Array.of(type, 1), macBytes(mac));
const icmp6 = (
  type: number,
  src: string,
  body: Uint8Array,
  extensions: Parameters<typeof ipv6>[0]['extensions'] = [],
) => ethernet({ src: OWN }, ipv6({ src, dst: ALL_NODES, hopLimit: 255, extensions }, icmpv6({ type }, body)));
const solicitation = (src: string, target: string, ...options: Uint8Array[]) =>
  icmp6(135, src, concatBytes(ipv6Bytes(target), ...options));
const advertisement = (src: string, target: string, ...options: Uint8Array[]) =>
  icmp6(136, src, concatBytes(ipv6Bytes(target), ...options));
const dhcp = (sport: number, dport: number, dst: string) =>
  ethernet({ src: OWN, dst: 'ff:ff:ff:ff:ff:ff' }, ipv4({ src: '0.0.0.0', dst }, udp({ sport, dport }, 300)));
const cut = (frame: Uint8Array, bytes: number) => frame.slice(0, bytes);

describe('frames that are let pass', () => {
  it.each<[string, Uint8Array]>([
    ['IPv4 from its address', from4(IP)],
    ['the same behind a VLAN tag, or two', from4(IP, OWN, [5])],
    ['the same behind two tags', from4(IP, OWN, [5, 6])],
    ['IPv6 from its address', from6(IP6)],
    ['IPv6 from its link-local address', from6(LINK)],
    ['DHCP without an address', dhcp(68, 67, '255.255.255.255')],
    [
      'IGMP without an address',
      ethernet(
        { src: OWN },
        ipv4({ src: '0.0.0.0', dst: '224.0.0.22' }, { ...udp({ sport: 1, dport: 1 }), protocol: 2 }),
      ),
    ],
    ['an ARP request and a gratuitous one', arpFrom(OWN, IP, '10.0.0.1')],
    ['a gratuitous ARP', arpFrom(OWN, IP, IP)],
    ['an ARP probe for its address', arpFrom(OWN, '0.0.0.0', IP)],
    ['a RARP announcement', arpFrom(OWN, '0.0.0.0', '0.0.0.0', 3)],
    ['ARP behind a tag', arpFrom(OWN, IP, '10.0.0.1', 1, [5])],
    ['duplicate address detection', solicitation('::', IP6)],
    ['detection for the link-local address', solicitation('::', LINK)],
    ['a neighbour solicitation', solicitation(IP6, '2001:db8::1', option(1, OWN))],
    ['a neighbour advertisement', advertisement(IP6, IP6, option(2, OWN))],
    ['a router solicitation', icmp6(133, LINK, option(1, OWN))],
    ['a router solicitation without an address', icmp6(133, '::', new Uint8Array(0))],
    ['a multicast listener report without an address', icmp6(143, '::', new Uint8Array(20))],
    ['an echo request', icmp6(128, IP6, new Uint8Array(20))],
    ['something else than IP', ethernet({ src: OWN, ethertype: 0x88b5 }, 50)],
    ['a runt, which is the forwarder’s', cut(from4('10.0.0.6', OTHER), 13)],
  ])('%s', (_, frame) => {
    expect(lies(both, frame)).toEqual([0]);
    expect(lies(macOnly, frame)).toEqual([0]);
    expect(lies(ipOnly, frame)).toEqual([0]);
  });
});

describe('lies', () => {
  // Whether rules for MAC addresses alone, or for IP addresses alone, see it.
  it.each<[string, Uint8Array, boolean, boolean]>([
    ['another MAC address', from4(IP, OTHER), true, false],
    ['another MAC address behind a tag', from4(IP, GATEWAY, [7]), true, false],
    ['another MAC address, no IP', ethernet({ src: GATEWAY, ethertype: 0x88b5 }, 50), true, false],
    ['a group address as source', from4(IP, '01:00:5e:00:00:01'), true, false],
    ['another IPv4 address', from4('10.0.0.1'), false, true],
    ['another IPv4 address behind tags', from4('10.0.0.1', OWN, [7, 8]), false, true],
    ['no IPv4 address, and no DHCP', from4('0.0.0.0'), false, true],
    ['DHCP to a single host', dhcp(68, 67, '10.0.0.1'), false, true],
    ['a DHCP server without an address', dhcp(67, 68, '255.255.255.255'), false, true],
    ['an IPv4 header that is cut short', cut(from4(IP), 30), false, true],
    [
      'a wrong version of IP',
      ethernet({ src: OWN, ethertype: 0x0800 }, new Uint8Array(40).fill(0x65)),
      false,
      true,
    ],
    ['another IPv6 address', from6('2001:db8::6'), false, true],
    ["another's link-local address", from6(OTHER_LINK), false, true],
    ['no IPv6 address, and no discovery', from6('::'), false, true],
    ['ARP of another IPv4 address', arpFrom(OWN, '10.0.0.1', '10.0.0.7'), false, true],
    ['an ARP reply of another', arpFrom(OWN, '10.0.0.1', '10.0.0.7', 2), false, true],
    ['a gratuitous ARP of another', arpFrom(OWN, '10.0.0.1', '10.0.0.1', 1, [9]), false, true],
    ["ARP of another's hardware address", arpFrom(GATEWAY, IP, '10.0.0.7'), true, false],
    ['RARP of another', arpFrom(OTHER, '0.0.0.0', '0.0.0.0', 3), true, false],
    ["an ARP probe for another's address", arpFrom(OWN, '0.0.0.0', '10.0.0.1'), false, true],
    ['ARP that is cut short', cut(arpFrom(OWN, IP, '10.0.0.1'), 41), true, true],
    [
      'ARP of another kind of hardware',
      ethernet({ src: OWN, ethertype: 0x0806 }, new Uint8Array(46)),
      true,
      true,
    ],
    ['an advertisement of another’s address', advertisement(IP6, '2001:db8::1', option(2, OWN)), false, true],
    ['an advertisement of another’s hardware', advertisement(IP6, IP6, option(2, GATEWAY)), true, false],
    [
      'the same as the second option',
      advertisement(IP6, IP6, concatBytes(Uint8Array.of(14, 1), new Uint8Array(6)), option(2, GATEWAY)),
      true,
      false,
    ],
    [
      'the same behind an extension header',
      icmp6(136, IP6, concatBytes(ipv6Bytes('2001:db8::1')), [homeAddressExtension(IP6)]),
      false,
      true,
    ],
    [
      'a solicitation with another’s hardware',
      solicitation(IP6, '2001:db8::1', option(1, OTHER)),
      true,
      false,
    ],
    ['detection of another’s address', solicitation('::', '2001:db8::1'), false, true],
    ['options of no length', advertisement(IP6, IP6, new Uint8Array(8)), true, false],
    [
      'options longer than the packet',
      advertisement(IP6, IP6, concatBytes(Uint8Array.of(2, 9), macBytes(OWN))),
      true,
      false,
    ],
    ['an advertisement that is cut short', cut(advertisement(IP6, IP6), 70), true, true],
    ['a router advertisement', icmp6(134, LINK, new Uint8Array(8)), false, true],
    ['a redirect', icmp6(137, LINK, new Uint8Array(32)), false, true],
    ['a router solicitation with another’s hardware', icmp6(133, LINK, option(1, OTHER)), true, false],
  ])('%s', (_, frame, seenByMac, seenByIp) => {
    expect(lies(both, frame)).toEqual([1]);
    expect(lies(macOnly, frame)).toEqual([seenByMac ? 1 : 0]);
    expect(lies(ipOnly, frame)).toEqual([seenByIp ? 1 : 0]);
  });

  it('are told among true frames', () => {
    expect(lies(both, from4(IP), from4('10.0.0.6'), from6(IP6), from4(IP, OTHER), from4(IP))).toEqual([
      0, 1, 0, 1, 0,
    ]);
  });
});

describe('rules', () => {
  it('take several addresses and prefixes', () => {
    const guard = guardOf(`${OWN}+${OTHER}`, '10.0.0.4/30+192.0.2.0/24+2001:db8:1::/48+fe80::/64');
    const addresses = ['10.0.0.3', '10.0.0.4', '10.0.0.7', '10.0.0.8', '192.0.2.200', '192.0.3.1'];
    expect(lies(guard, ...addresses.map((ip) => from4(ip, OTHER)))).toEqual([1, 0, 0, 1, 0, 1]);
    const six = ['2001:db8:1::', '2001:db8:1:ffff::9', '2001:db8:2::', 'fe80::1', 'fe80:0:0:1::1'];
    expect(lies(guard, ...six.map((ip) => from6(ip)))).toEqual([0, 0, 1, 0, 1]);
    expect(lies(guardOf(undefined, '0.0.0.0/0+::/0'), from4('8.8.8.8'), from6('::1'))).toEqual([0, 0]);
    // Addresses of one kind only: nothing of the other.
    expect(lies(guardOf(undefined, IP), from4(IP), from6(IP6), from6(LINK))).toEqual([0, 1, 0]);
    expect(lies(guardOf(undefined, IP6), from4(IP), from6(IP6))).toEqual([1, 0]);
  });

  it.each([
    ['mac=52:54:00:00:00', undefined, '--port p: mac=: "52:54:00:00:00" is not a MAC address'],
    ['mac=01:00:5e:00:00:01', undefined, 'a group address or none is nobody'],
    ['mac=00:00:00:00:00:00', undefined, 'a group address or none is nobody'],
    ['mac=', undefined, 'is not a MAC address'],
    [undefined, 'ip=10.0.0', '--port p: ip=10.0.0: expected an address or prefix such as'],
    [undefined, 'ip=10.0.0.1/33', 'ip=10.0.0.1/33: prefix length: expected a whole number from 0 to 32'],
    [undefined, 'ip=::1/129', 'from 0 to 128'],
    [undefined, 'ip=10.0.0.1/', 'prefix length'],
    [undefined, 'ip=10.0.0.1/8/8', 'expected an address or prefix'],
    [undefined, 'ip=fe80::1%eth0', 'expected an address or prefix'],
    [undefined, 'ip=10.0.0.1++10.0.0.2', 'ip=: expected an address'],
    [undefined, `ip=${Array(65).fill('10.0.0.1').join('+')}`, '65 addresses: there can be 64 at most'],
  ])('%s %s is refused', (mac, ip, message) => {
    expect(() => parseSources('--port p', mac?.slice(4), ip?.slice(3))).toThrow(message);
  });
});

it('judges any bytes within their bounds, and what has a foreign source never passes', () => {
  const heads: (Packet | undefined)[] = [
    undefined,
    arp({ operation: 1, senderMac: OWN, senderIp: IP, targetIp: IP }),
  ];
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 120 }),
      fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x8035, 0x8100),
      fc.boolean(),
      fc.nat(1),
      (bytes, ethertype, own, head) => {
        const body = heads[head] === undefined ? bytes : concatBytes(heads[head].bytes, bytes);
        const frame = ethernet({ src: own ? OWN : OTHER, ethertype }, body);
        const [lie] = lies(both, frame);
        if (!own) expect(lie).toBe(1);
      },
    ),
    { numRuns: 300 },
  );
});

it('frames that are taken out of a burst leave the others as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: BURST_MAX }), (marks) => {
      const frames = marks.map((_, n) =>
        n % 7 === 3
          ? cut(from4(IP), 30)
          : from4(`10.0.1.${n}`, n % 2 === 0 ? OWN : OTHER, n % 3 === 0 ? [n] : []),
      );
      const burst = burstOf(frames);
      const before = burstOf(frames);
      const kept = marks.flatMap((mark, n) => (mark ? [] : [n]));
      // Read before, too: they are unpacked from what moves.
      expect(burst.smacLo.length).toBe(BURST_MAX);
      burst.remove(Uint8Array.from(marks, Number));
      expect(burst.n).toBe(kept.length);
      expect(burst.bad).toBe(kept.filter((n) => (before.kind[n]! & Kind.bad) !== 0).length);
      kept.forEach((n, at) => {
        for (const field of [
          'id',
          'off',
          'len',
          'flags',
          'kind',
          'ethertype',
          'l3',
          'l4',
          'vlan',
          'flow',
        ] as const) {
          expect(burst[field][at]).toBe(before[field][n]);
        }
        expect(burst.parts.subarray(8 * at, 8 * at + 8)).toEqual(before.parts.subarray(8 * n, 8 * n + 8));
        expect([burst.smacLo[at], burst.dmacHi[at]]).toEqual([before.smacLo[n], before.dmacHi[n]]);
      });
    }),
    { numRuns: 50 },
  );
});
