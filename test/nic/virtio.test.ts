import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { namedKey } from '#rxsteer/hash/keys.js';
import {
  checkVirtioRss,
  decodeVirtioHash,
  decodeVirtioRss,
  decodeVirtioTunnels,
  encodeVirtioHash,
  encodeVirtioRss,
  encodeVirtioTunnels,
  readHashReport,
  VIRTIO_HASH_HEADER,
  type VirtioRssConfig,
  virtioTunnelMask,
  writeHashReport,
} from '#rxsteer/nic/virtio.js';

const config: VirtioRssConfig = {
  hashTypes: 0x3f,
  unclassifiedQueue: 3,
  table: [0, 1, 2, 3],
  maxTxQueue: 4,
  key: namedKey('microsoft'),
};
const limits = { maxKeyBytes: 40, maxTable: 128, hashTypes: 0x3f, queues: 4 };

describe('the RSS command', () => {
  it('has the layout of the specification, little-endian', () => {
    const bytes = encodeVirtioRss(config);
    expect(Buffer.from(bytes.slice(0, 19)).toString('hex')).toBe(
      '3f00000003000300' + '0000010002000300' + '040028',
    );
    expect(bytes.slice(19)).toEqual(config.key);
    expect(bytes).toHaveLength(8 + 8 + 3 + 40);
  });

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(
        fc.record({
          hashTypes: fc.integer({ min: 0, max: 0xffffffff }),
          unclassifiedQueue: fc.integer({ min: 0, max: 65535 }),
          table: fc.array(fc.integer({ min: 0, max: 65535 }), { minLength: 1, maxLength: 300 }),
          maxTxQueue: fc.integer({ min: 0, max: 65535 }),
          key: fc.uint8Array({ maxLength: 255 }),
        }),
        (one) => {
          const bytes = encodeVirtioRss(one);
          expect(decodeVirtioRss(bytes)).toEqual(one);
          expect(() => decodeVirtioRss(bytes.slice(0, -1))).toThrow('virtio rss config: ');
          expect(() => decodeVirtioRss(new Uint8Array([...bytes, 0]))).toThrow('virtio rss config: ');
        },
      ),
    );
  });

  it('is accepted within the limits of the device', () => {
    expect(() => checkVirtioRss(config, limits)).not.toThrow();
  });

  it.each<[Partial<VirtioRssConfig>, string]>([
    [{ table: [0, 1, 2] }, 'table of 3 entries: a power of two is needed'],
    [{ table: [] }, 'table of 0 entries'],
    [{ table: new Array(256).fill(0) }, 'table of 256 entries: the device has 128 at most'],
    [{ table: [0, 4] }, 'queue 4: receive queues 0 to 3 are enabled'],
    [{ unclassifiedQueue: 9 }, 'queue 9'],
    [{ hashTypes: 0x7f }, 'hash types that the device does not support: ipv6-ex'],
    [{ key: new Uint8Array(41) }, 'key of 41 bytes: the device takes 40 at most'],
  ])('%j is refused', (wrong, message) => {
    expect(() => checkVirtioRss({ ...config, ...wrong }, limits)).toThrow(message);
  });
});

it('the hash command', () => {
  const bytes = encodeVirtioHash(0x107, config.key);
  expect(Buffer.from(bytes.slice(0, 13)).toString('hex')).toBe('07010000' + '0000000000000000' + '28');
  expect(decodeVirtioHash(bytes)).toEqual({ hashTypes: 0x107, key: config.key });
  expect(() => decodeVirtioHash(bytes.slice(0, 20))).toThrow('hash config of 20 bytes');
  bytes[5] = 1;
  expect(() => decodeVirtioHash(bytes)).toThrow('reserved fields are not 0');
});

it('the hash report', () => {
  const view = new DataView(new ArrayBuffer(VIRTIO_HASH_HEADER + 3));
  writeHashReport(view, 3, 0x51ccc178 | 0, 2);
  expect(Buffer.from(view.buffer).toString('hex')).toBe(
    '000000' + '000000000000000000000000' + '78c1cc51' + '0200' + '0000',
  );
  expect(readHashReport(view, 3)).toEqual({ hash: 0x51ccc178, type: 2, name: 'tcp-ipv4' });
  view.setUint16(19, 77, true);
  expect(readHashReport(view, 3).name).toBeNull();
});

it('tunnel types', () => {
  expect(virtioTunnelMask(['gre', 'vxlan', 'geneve'])).toBe(0b1010111);
  const bytes = encodeVirtioTunnels(virtioTunnelMask(['vxlan', 'ipip']));
  expect(Buffer.from(bytes).toString('hex')).toBe('90000000');
  expect(decodeVirtioTunnels(bytes)).toEqual(['vxlan', 'ipip']);
  expect(() => decodeVirtioTunnels(encodeVirtioTunnels(1 << 3))).toThrow('unknown types 0x8');
  expect(() => decodeVirtioTunnels(new Uint8Array(3))).toThrow('3 bytes, 4 are needed');
  expect(() => virtioTunnelMask(['mpls'])).toThrow('virtio has no hash tunnel type mpls; known: gre, vxlan');
});
