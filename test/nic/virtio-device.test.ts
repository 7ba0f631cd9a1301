/** A device that does what its driver's control commands say. */
import { describe, expect, it } from 'vitest';
import { namedKey } from '#rxsteer/hash/keys.js';
import { hashTypeMask } from '#rxsteer/nic/hash-types.js';
import {
  encodeVirtioHash,
  encodeVirtioRss,
  encodeVirtioTunnels,
  VIRTIO_HASH_TYPES,
  virtioTunnelMask,
} from '#rxsteer/nic/virtio.js';
import { VirtioDevice } from '#rxsteer/nic/virtio-device.js';
import { ethernet, homeAddressExtension, ipv4, ipv6, sctp, tcp, udp, vxlan } from '#rxsteer/packet/build.js';
import { burstOf } from './support.js';

const [PAIRS, RSS, HASH] = [0, 1, 2];
const limits = { maxKeyBytes: 40, maxTable: 128, hashTypes: VIRTIO_HASH_TYPES, queues: 8 };
const key = namedKey('microsoft');
// The first verification value: 0x51ccc178 over TCP, 0x323e8fc2 over the addresses.
const there = { src: '66.9.149.187', dst: '161.142.100.80' };
const ports = { sport: 2794, dport: 1766 };
const packet = ethernet({}, ipv4(there, tcp(ports)));
const answer = ethernet({}, ipv4({ src: there.dst, dst: there.src }, tcp({ sport: 1766, dport: 2794 })));

const config = (types: Parameters<typeof hashTypeMask>[0], table: number[], unclassifiedQueue = 0) =>
  encodeVirtioRss({ hashTypes: hashTypeMask(types), unclassifiedQueue, table, maxTxQueue: 7, key });

function received(device: VirtioDevice, ...frames: Uint8Array[]) {
  const burst = burstOf(...frames);
  device.receive(burst);
  return frames.map((_, i) => ({
    queue: burst.rxq[i],
    bucket: burst.bucket[i],
    report: [burst.hashType[i], burst.hash[i]! >>> 0],
  }));
}

describe('a virtio-net device', () => {
  it('uses queue 0 and reports nothing before any command, and again after a reset', () => {
    const device = new VirtioDevice(limits);
    const first = [{ queue: 0, bucket: -1, report: [0, 0] }];
    expect(received(device, packet)).toEqual(first);
    expect(device.control(4, RSS, config(['tcp-ipv4'], [5]))).toEqual({ ok: true });
    expect(received(device, packet)[0]!.queue).toBe(5);
    device.reset();
    expect(received(device, packet)).toEqual(first);
  });

  it('RSS: table by the low bits, what no type covers to the unclassified queue', () => {
    const device = new VirtioDevice(limits);
    device.control(4, RSS, config(['tcp-ipv4', 'ipv4'], [0, 1, 2, 3, 4, 5, 6, 7], 6));
    expect(
      received(
        device,
        packet,
        ethernet({}, ipv4(there, udp(ports))),
        ethernet({ ethertype: 0x88cc }, 'lldp'),
      ),
    ).toEqual([
      { queue: 0x78 & 7, bucket: 0x78 & 7, report: [2, 0x51ccc178] },
      { queue: 0xc2 & 7, bucket: 0xc2 & 7, report: [1, 0x323e8fc2] },
      { queue: 6, bucket: -1, report: [0, 0] },
    ]);
  });

  it('the _EX types apply to packets with extension headers only', () => {
    const device = new VirtioDevice(limits);
    device.control(4, RSS, config(['tcp-ipv6-ex', 'ipv6'], [1]));
    const v6 = { src: '2001:db8::1', dst: '2001:db8::2' };
    const mobile = ipv6({ ...v6, extensions: [homeAddressExtension('2001:db8::9')] }, tcp(ports));
    expect(
      received(
        device,
        ethernet({}, ipv6(v6, tcp(ports))),
        ethernet({}, mobile),
        ethernet({}, ipv6(v6, sctp(ports))),
      ).map(({ report }) => report[0]),
    ).toEqual([4, 8, 4]);
  });

  it('a refused command changes nothing', () => {
    const device = new VirtioDevice(limits);
    device.control(4, RSS, config(['tcp-ipv4'], [3]));
    for (const [group, command, data, reason] of [
      [4, RSS, config(['tcp-ipv4'], [1, 2, 3]), 'a power of two is needed'],
      [4, RSS, config(['tcp-ipv4'], [8]), 'receive queues 0 to 7'],
      [4, RSS, new Uint8Array(5), 'at least 8 are needed'],
      [4, HASH, new Uint8Array(12), 'hash config of 12 bytes'],
      [4, PAIRS, Uint8Array.of(9, 0), '9 queue pairs: two bytes with 1 to 8'],
      [4, PAIRS, Uint8Array.of(0, 0), '0 queue pairs'],
      [4, PAIRS, Uint8Array.of(1), '1 bytes'],
      [7, 0, encodeVirtioTunnels(1 << 3), 'unknown types 0x8'],
      [9, 1, new Uint8Array(4), 'class 9 command 1 is not known'],
    ] as const) {
      const result = device.control(group, command, data);
      expect(result).toEqual({ ok: false, reason: expect.stringContaining(reason) });
      expect(received(device, packet)).toEqual([{ queue: 3, bucket: 0, report: [2, 0x51ccc178] }]);
    }
  });

  it('automatic: a flow comes back on the queue on which the driver sent it, unsolicited ones on queue 0', () => {
    const device = new VirtioDevice(limits);
    device.control(4, PAIRS, Uint8Array.of(4, 0));
    expect(received(device, answer)[0]!.queue).toBe(0);
    device.transmit(burstOf(packet), 3);
    expect(received(device, answer)[0]).toEqual({ queue: 3, bucket: -1, report: [0, 0] });
    device.transmit(burstOf(packet), 1);
    expect(received(device, answer)[0]!.queue).toBe(1);
    // A queue beyond the enabled pairs is none.
    device.transmit(burstOf(packet), 6);
    expect(received(device, answer)[0]!.queue).toBe(0);
  });

  it('the last accepted command rules: pairs end RSS, a hash config reports without steering', () => {
    const device = new VirtioDevice(limits);
    device.control(4, RSS, config(['tcp-ipv4'], [5]));
    device.control(4, PAIRS, Uint8Array.of(2, 0));
    expect(received(device, packet)[0]!.queue).toBe(0);
    device.control(4, HASH, encodeVirtioHash(hashTypeMask(['ipv4']), key));
    expect(received(device, packet)[0]).toEqual({ queue: 0, bucket: -1, report: [1, 0x323e8fc2] });
    device.transmit(burstOf(answer), 1);
    expect(received(device, packet)[0]!.queue).toBe(1);
  });

  it('a packet for a queue under reset is dropped with RSS; automatic steering takes another', () => {
    const device = new VirtioDevice(limits);
    device.control(4, RSS, config(['tcp-ipv4'], [5]));
    device.stopQueue(5);
    expect(received(device, packet)[0]!.queue).toBe(-1);
    device.enableQueue(5);
    expect(received(device, packet)[0]!.queue).toBe(5);
    device.control(4, PAIRS, Uint8Array.of(2, 0));
    device.stopQueue(0);
    expect(received(device, packet)[0]!.queue).toBe(1);
    device.stopQueue(1);
    expect(received(device, packet)[0]!.queue).toBe(-1);
  });

  it('an enabled tunnel has its inner packet hashed', () => {
    const device = new VirtioDevice(limits);
    device.control(4, RSS, config(['tcp-ipv4', 'udp-ipv4'], [1]));
    const outer = ipv4(
      { src: '10.0.0.1', dst: '10.0.0.2' },
      udp({ sport: 9, dport: 4789 }, vxlan(1, packet)),
    );
    expect(received(device, ethernet({}, outer))[0]!.report[0]).toBe(3);
    device.control(7, 0, encodeVirtioTunnels(virtioTunnelMask(['vxlan'])));
    expect(received(device, ethernet({}, outer), packet).map(({ report }) => report)).toEqual([
      [2, 0x51ccc178],
      [2, 0x51ccc178],
    ]);
  });
});
