import { describe, expect, it } from 'vitest';
import * as build from '#rxsteer/packet/build.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const { ethernet, ipv4, ipv6, udp, tcp, icmp, icmpv6, sctp, arp } = build;
const four = { src: '66.9.149.187', dst: '161.142.100.80' };
const six = { src: '3ffe:2501:200:1fff::7', dst: '3ffe:2501:200:3::1' };

describe('addresses', () => {
  it.each([
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::', '20010db8000000000000000000000000'],
    ['2001:db8:0:1:2:3:4:5', '20010db8000000010002000300040005'],
    ['fe80::a:b', 'fe8000000000000000000000000a000b'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
  ])('reads %s', (text, bytes) => {
    expect(hex(build.ipv6Bytes(text))).toBe(bytes);
  });

  it.each(['1.2.3', '1.2.3.256', '', ':::', 'fe80::1%eth0', '02:00:00:00:00'])('refuses "%s"', (text) => {
    expect(() => build.ipv4Bytes(text)).toThrow(RangeError);
    expect(() => build.ipv6Bytes(text)).toThrow(RangeError);
    expect(() => build.macBytes(text)).toThrow(RangeError);
  });
});

describe('frames', () => {
  it('builds the classic IPv4 header whose checksum is b861', () => {
    const packet = ipv4(
      { src: '192.168.0.1', dst: '192.168.0.199', protocol: 17, dontFragment: true, totalLength: 115 },
      new Uint8Array(95),
    );
    expect(hex(packet.bytes.subarray(0, 20))).toBe('45000073000040004011b861c0a80001c0a800c7');
  });

  it('lays out Ethernet, tags, addresses, ports and padding', () => {
    const frame = ethernet(
      {
        dst: '02:00:00:00:00:aa',
        src: '02:00:00:00:00:bb',
        vlans: [{ tpid: 0x88a8, id: 5, priority: 7, dei: true }, 9],
        padTo: 70,
      },
      ipv4(four, udp({ sport: 2794, dport: 1766, checksum: 0 }, 'ab')),
    );
    expect(hex(frame)).toBe(
      '0200000000aa0200000000bb88a8f005810000090800' +
        '4500001e0000000040119d2c420995bba18e6450' +
        `0aea06e6000a00006162${'00'.repeat(18)}`,
    );
    expect(frame.length).toBe(70);
  });

  it.each([
    ['UDP', 17, udp({ sport: 1, dport: 2 }, 33)],
    ['TCP', 6, tcp({ sport: 1, dport: 2, seq: 0xfffffff0, options: Uint8Array.of(2, 4, 5, 0xb4, 1) }, 'x')],
    ['ICMPv6', 58, icmpv6({ type: 128, rest: 0x12345678 }, 'ping')],
  ])('gives %s a checksum that verifies in IPv4 and IPv6', (_name, protocol, transport) => {
    expect(build.verifySum(ipv6(six, transport), protocol, 40)).toBe(0xffff);
    if (protocol !== 58) expect(build.verifySum(ipv4(four, transport), protocol, 20)).toBe(0xffff);
  });

  it('stores UDP checksum 0 as ffff', () => {
    const zero = [...Array(65_536).keys()].find((port) => {
      const { bytes } = ipv4(four, udp({ sport: port, dport: 7 }, ''));
      return bytes[26] === 0xff && bytes[27] === 0xff;
    });
    expect(zero).toBeDefined();
    expect(build.verifySum(ipv4(four, udp({ sport: zero!, dport: 7 })), 17, 20)).toBe(0xffff);
  });

  it('stores the pseudo header for partial checksums, and given checksums as they are', () => {
    const partial = ipv4(
      { src: '0.0.0.1', dst: '0.0.0.2' },
      udp({ sport: 1, dport: 2, checksum: 'partial' }, 4),
    );
    expect(hex(partial.bytes.subarray(26, 28))).toBe(hex(build.uint16s(1 + 2 + 17 + 12)));
    const given = ipv4(four, tcp({ sport: 1, dport: 2, checksum: 0x1234 }));
    expect(hex(given.bytes.subarray(36, 38))).toBe('1234');
  });

  it('counts extension headers in their units and chains them', () => {
    const { bytes } = ipv6(
      {
        ...six,
        extensions: [
          { type: 0, body: new Uint8Array(6) },
          build.routingExtension(2, '2001:db8::9'),
          { type: 51, body: new Uint8Array(22) },
          build.fragmentExtension(16, true, 0xcafe),
        ],
      },
      udp({ sport: 1, dport: 2 }, 8),
    );
    expect(bytes[6]).toBe(0);
    expect(hex(bytes.subarray(40, 42))).toBe('2b00');
    expect(hex(bytes.subarray(48, 52))).toBe('33020201');
    expect(hex(bytes.subarray(72, 74))).toBe('2c04');
    expect(hex(bytes.subarray(96, 104))).toBe('110000110000cafe');
    expect((bytes[4]! << 8) | bytes[5]!).toBe(bytes.length - 40);
  });

  it('builds SCTP, ARP, RARP and ICMP as the standards lay them out', () => {
    const packet = ipv4(four, sctp({ sport: 1, dport: 2, tag: 3 }, Uint8Array.of(11, 0, 0, 4)));
    expect(hex(packet.bytes.subarray(20))).toBe('0001000200000003c866090e0b000004');
    const request = {
      operation: 1,
      senderMac: '02:00:00:00:00:01',
      senderIp: '10.0.0.1',
      targetIp: '10.0.0.2',
    };
    expect(hex(arp(request).bytes)).toBe('00010800060400010200000000010a0000010000000000000a000002');
    expect(arp({ ...request, operation: 3 }).ethertype).toBe(0x8035);
    const echo = ipv4(four, icmp({ type: 8, rest: 0x00010002 }));
    expect(hex(echo.bytes.subarray(20))).toBe('0800f7fc00010002');
  });

  it('nests tunnels', () => {
    const inner = ipv4(four, udp({ sport: 1, dport: 2 }));
    expect(hex(build.gre({ key: 5, sequence: 6 }, inner).bytes.subarray(0, 12))).toBe(
      '300008000000000500000006',
    );
    expect(hex(build.vxlan(7, new Uint8Array(0)))).toBe('0800000000000700');
    expect(hex(build.geneve(7, inner).subarray(0, 8))).toBe('0000080000000700');
    expect(hex(build.gtpu(9, inner).subarray(0, 8))).toBe('30ff001c00000009');
    expect(hex(build.mpls([16, 17], inner).bytes.subarray(0, 8))).toBe('0001004000011140');
    expect(hex(build.pppoe(3, inner).bytes.subarray(0, 8))).toBe('11000003001e0021');
    expect(build.ipInIp(ipv6(six, 'x')).protocol).toBe(41);
  });
});
