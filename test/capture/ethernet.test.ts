import { describe, expect, it } from 'vitest';
import { ethernetLength, writeEthernet } from '#rxsteer/capture/ethernet.js';
import { ethernet, ipv4, ipv6, udp } from '#rxsteer/packet/build.js';
import { bytesOf } from './files.js';

const four = ipv4({ src: '192.0.2.1', dst: '192.0.2.2' }, udp({ sport: 1, dport: 2 }, 'four')).bytes;
const six = ipv6({ src: '2001:db8::1', dst: '2001:db8::2' }, udp({ sport: 1, dport: 2 }, 'six')).bytes;
const NONE = '00:00:00:00:00:00';

/** The frame that a packet becomes; checks that nothing beside it is written or read. */
function convert(linkType: number, packet: Uint8Array): string {
  const from = Buffer.concat([Buffer.alloc(3, 0xaa), packet, Buffer.alloc(9, 0xbb)]);
  const to = new Uint8Array(packet.length + 40).fill(0xcc);
  const length = ethernetLength(linkType, packet.length);
  expect(writeEthernet(linkType, from, 3, packet.length, to, 10)).toBe(length);
  expect(to.subarray(0, 10).every((byte) => byte === 0xcc)).toBe(true);
  expect(to.subarray(10 + length).every((byte) => byte === 0xcc)).toBe(true);
  return Buffer.from(to).toString('hex', 10, 10 + length);
}

function cooked(type: number, protocol: number, addressLength = 6): Buffer {
  const head = bytesOf(false, [2, type], [2, 1], [2, addressLength]);
  return Buffer.concat([head, Buffer.from('0200000000090000', 'hex'), bytesOf(false, [2, protocol]), four]);
}

function cooked2(type: number, protocol: number, addressLength = 6): Buffer {
  const head = bytesOf(false, [2, protocol], [2, 0], [4, 7], [2, 1], [1, type], [1, addressLength]);
  return Buffer.concat([head, Buffer.from('0200000000090000', 'hex'), four]);
}

const frame = (ethertype: number, payload: Uint8Array, src = NONE, dst = NONE) =>
  Buffer.from(ethernet({ src, dst, ethertype }, payload)).toString('hex');

describe('packets as Ethernet frames', () => {
  it('passes Ethernet as it is', () => {
    const packet = ethernet({}, four);
    expect(convert(1, packet)).toBe(Buffer.from(packet).toString('hex'));
    expect(convert(1, packet.subarray(0, 5))).toBe(Buffer.from(packet).toString('hex', 0, 5));
  });

  it.each([12, 14, 101, 228, 229])(
    'gives raw IP of link type %d the ethertype of its version',
    (linkType) => {
      expect(convert(linkType, four)).toBe(frame(0x0800, four));
      expect(convert(linkType, six)).toBe(frame(0x86dd, six));
      expect(convert(linkType, Uint8Array.of(0x15))).toBe(frame(0xffff, Uint8Array.of(0x15)));
      expect(convert(linkType, new Uint8Array(0))).toBe(frame(0xffff, new Uint8Array(0)));
    },
  );

  it.each([
    [113, cooked],
    [276, cooked2],
  ])('takes address and protocol from cooked packets of link type %d', (linkType, make) => {
    const sender = '02:00:00:00:00:09';
    expect(convert(linkType, make(0, 0x0800))).toBe(frame(0x0800, four, sender));
    expect(convert(linkType, make(1, 0x86dd))).toBe(frame(0x86dd, four, sender, 'ff:ff:ff:ff:ff:ff'));
    expect(convert(linkType, make(4, 0x8100, 0))).toBe(frame(0x8100, four));
    expect(convert(linkType, make(0, 4, 8))).toBe(frame(four.length, four));
    expect(convert(linkType, make(0, 0x000c))).toBe(frame(0xffff, four, sender));
  });

  it('has no frame for a packet that ends inside the cooked header', () => {
    expect([ethernetLength(113, 15), ethernetLength(113, 16)]).toEqual([-1, 14]);
    expect([ethernetLength(276, 19), ethernetLength(276, 20)]).toEqual([-1, 14]);
  });
});
