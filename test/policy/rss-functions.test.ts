import { describe, expect, it } from 'vitest';
import { crc32, crc32c } from '#rxsteer/hash/crc.js';
import { parseHex, toHex } from '#rxsteer/hash/hex.js';
import { namedKey } from '#rxsteer/hash/keys.js';
import { toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import {
  ethernet,
  fragmentExtension,
  homeAddressExtension,
  ipv4,
  ipv6,
  tcp,
  udp,
} from '#rxsteer/packet/build.js';
import { policy, steer } from './support.js';

const v4 = { src: '66.9.149.187', dst: '161.142.100.80' };
const v6 = { src: '3ffe:2501:200:1fff::7', dst: '3ffe:2501:200:3::1' };
const ports = { sport: 2794, dport: 1766 };
const frames = [
  ethernet({}, ipv4(v4, tcp(ports))),
  ethernet({}, ipv4({ ...v4, moreFragments: true }, udp(ports, 8))),
  ethernet({ vlans: [3] }, ipv6(v6, udp(ports))),
  ethernet({}, ipv6({ ...v6, extensions: [homeAddressExtension('2001:db8::9')] }, tcp(ports))),
];
/** Inputs as Microsoft's definition gives them, with the home address in the place of the source. */
const inputs = [
  '420995bba18e64500aea06e6',
  '420995bba18e6450',
  '3ffe250102001fff0000000000000007' + '3ffe2501020000030000000000000001' + '0aea06e6',
  '20010db8000000000000000000000009' + '3ffe2501020000030000000000000001' + '0aea06e6',
].map((hex) => parseHex(hex, 'test'));
const types = 'ipv4+tcp-ipv4+udp-ipv4+ipv6+tcp-ipv6+udp-ipv6+tcp-ipv6-ex';

describe('hash functions of NICs', () => {
  it.each([
    ['crc32c', (input: Uint8Array) => crc32c(input)],
    ['crc32', (input: Uint8Array) => crc32(input)],
    ['xor8', (input: Uint8Array) => input.reduce((a, b) => a ^ b, 0)],
    ['toeplitz', (input: Uint8Array) => toeplitzBitwise(namedKey('microsoft'), input)],
  ])('%s is that of the input bytes', (name, expected) => {
    const steering = policy(`rss:queues=4,function=${name},types=${types}`);
    const burst = steer(steering, frames);
    inputs.forEach((input, i) => {
      expect(burst.hash[i], `frame ${i}`).toBe(expected(input));
      expect(burst.bucket[i]).toBe(burst.hash[i]! & 127);
      const { hash } = steering.decision(burst, i);
      expect(hash).toMatchObject({ function: name, input: Buffer.from(input).toString('hex') });
      expect(hash?.key === null).toBe(name !== 'toeplitz');
    });
  });

  it('xor8 has 8 bits', () => {
    expect(() => policy('rss:queues=4,function=xor8,table=512')).toThrow('xor8 has 8 bits, at most 256');
  });

  it.each([
    ['rss:nic=igb-82576,queues=2,function=crc32c', 'function=crc32c: igb-82576 has toeplitz'],
    ['rss:queues=2,function=crc32,key=microsoft', 'key: goes with function=toeplitz, not crc32'],
    ['rss:queues=2,function=crc32,symmetric=xor', 'symmetric: goes with function=toeplitz'],
    ['rss:queues=2,function=sip', 'function="sip": expected one of toeplitz, crc32c, crc32, xor8'],
    ['rss:nic=mlx5,queues=2,types=mac', 'types: mlx5 does not hash MAC addresses'],
    ['rss:queues=2,types=mac+ipv4,symmetric=xor', 'symmetric=xor: goes with IP addresses and ports only'],
    ['pools:types=mac', 'igb-82576 does not hash MAC addresses'],
  ])('%s is refused', (text, message) => {
    expect(() => policy(text)).toThrow(message);
  });
});

describe('ENA', () => {
  const arp = ethernet(
    { src: '52:54:00:00:00:01', dst: '52:54:00:00:00:02', ethertype: 0x0806 },
    new Uint8Array(28),
  );
  const macs = parseHex('525400000002525400000001', 'test');
  const reversed = namedKey('microsoft').reverse();

  it('hashes both MAC addresses of what is not IP, with the reversed key and its start value', () => {
    const steering = policy('rss:nic=ena,queues=8,key=microsoft');
    const burst = steer(steering, [
      arp,
      frames[0]!,
      new Uint8Array(11),
      ethernet({}, new Uint8Array([0x45, 0])),
    ]);
    expect(burst.hash[0]).toBe(toeplitzBitwise(reversed, macs, -1));
    expect(burst.hash[1]).toBe(toeplitzBitwise(reversed, inputs[0]!, -1));
    expect(steering.decision(burst, 0).hash).toMatchObject({
      type: 'mac',
      input: '525400000002525400000001',
    });
    expect(steering.explain(burst, 0)).toContain('no IP addresses, so mac: both MAC addresses hashed; 0x');
    // Too short for its addresses; a runt has none.
    expect([burst.hashType[2], burst.hash[2]]).toEqual([0, 0]);
  });

  it('the first generations sort, and have 16 bits in both halves', () => {
    const steering = policy('rss:nic=ena-old,queues=8');
    const key = namedKey('enaFixed');
    const back = ethernet({}, ipv4({ src: v4.dst, dst: v4.src }, tcp({ sport: 1766, dport: 2794 })));
    const mirrored = arp.slice();
    mirrored.set(arp.subarray(6, 12), 0);
    mirrored.set(arp.subarray(0, 6), 6);
    const burst = steer(steering, [frames[0]!, back, arp, mirrored]);
    const sorted = parseHex('420995bba18e645006e60aea', 'test');
    const low = toeplitzBitwise(key, sorted, -1) & 0xffff;
    expect(burst.hash[0]! >>> 0).toBe(low * 0x10001);
    expect(burst.hash[1]).toBe(burst.hash[0]);
    expect(burst.hash[2]).toBe(burst.hash[3]);
    expect(burst.hash[2]! >>> 16).toBe(burst.hash[2]! & 0xffff);
  });

  it('CRC32 can be chosen', () => {
    const burst = steer(policy('rss:nic=ena,queues=8,function=crc32'), [frames[0]!]);
    expect(burst.hash[0]).toBe(crc32(inputs[0]!));
  });
});

describe('XL710', () => {
  const KEY_52 = toHex(namedKey('i40e'));
  const frag6 = ethernet({}, ipv6({ ...v6, extensions: [fragmentExtension()] }, udp(ports)));

  it('hashes the addresses of fragments by types of their own', () => {
    const steering = policy(`rss:nic=i40e-xl710,key=${KEY_52},queues=16`);
    const burst = steer(steering, [frames[1]!, frag6]);
    const key = parseHex(KEY_52, 'test');
    const expected = [inputs[1]!, inputs[2]!.slice(0, 32)].map((input) => toeplitzBitwise(key, input));
    expect([burst.hash[0], burst.hash[1]]).toEqual(expected);
    expect(steering.decision(burst, 0).hash).toMatchObject({ type: 'frag-ipv4', input: '420995bba18e6450' });
    expect(steering.explain(burst, 1)).toMatch(/^a fragment, so frag-ipv6: addresses hashed; 0x/);
  });

  it('gives fragments queue 0 where only their type is off', () => {
    const steering = policy('rss:nic=i40e-xl710,types=ipv4+udp-ipv4+ipv6,queues=16');
    const burst = steer(steering, [frames[1]!, frag6]);
    expect([burst.hashType[0], burst.rxq[0], burst.hashType[1], burst.rxq[1]]).toEqual([0, 0, 0, 0]);
    expect(steering.explain(burst, 0)).toBe(
      'a fragment, and frag-ipv4 is not enabled, so no type applies -> default queue 0',
    );
  });

  it('has these types alone', () => {
    expect(() => policy('rss:types=ipv4+frag-ipv6')).toThrow(
      'policy rss: types: frag-ipv6: the IP types of generic cover fragments; i40e-xl710 has types for them',
    );
  });
});
