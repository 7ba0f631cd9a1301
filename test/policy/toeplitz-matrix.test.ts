/**
 * The acceptance list of the kernel's toeplitz self-test as a matrix: {hash alone, RSS table, RPS list} for TCP and
 * UDP over IPv4 and IPv6. The hash is recomputed bit by bit, the queue from the table, the CPU from the list.
 */

import { describe, expect, it } from 'vitest';
import { namedKey } from '#rxsteer/hash/keys.js';
import { toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import { ethernet, ipv4, ipv6, tcp, udp } from '#rxsteer/packet/build.js';
import { concatBytes, ipv4Bytes, ipv6Bytes, uint16s } from '#rxsteer/packet/build-bytes.js';
import { policy, steer } from './support.js';

const key = namedKey('i40e');
const hex = Buffer.from(key).toString('hex');
const modes = ['hash', 'rss', 'rps'] as const;
const transports = ['tcp', 'udp'] as const;
const versions = [4, 6] as const;

const cases = modes.flatMap((mode) =>
  transports.flatMap((transport) => versions.map((version) => [mode, transport, version] as const)),
);

describe('the kernel self-test as a matrix', () => {
  it.each(cases)('%s, %s, IPv%i', (mode, transport, version) => {
    const given =
      mode === 'rps' ? `rps:cpus=3+1+0,hash=toeplitz,key=${hex}` : `rss:queues=6,key=${hex},table=512`;
    const steering = policy(given, { workers: 6 });
    for (let n = 0; n < 20; n++) {
      const ports = { sport: 30000 + 37 * n, dport: 8000 };
      const payload = transport === 'tcp' ? tcp(ports) : udp(ports);
      const addresses =
        version === 4
          ? { src: '203.0.113.7', dst: '198.51.100.9' }
          : { src: '2001:db8::7', dst: '2001:db8:1::9' };
      const toBytes = version === 4 ? ipv4Bytes : ipv6Bytes;
      const frame = ethernet({}, version === 4 ? ipv4(addresses, payload) : ipv6(addresses, payload));
      const input = concatBytes(
        toBytes(addresses.src),
        toBytes(addresses.dst),
        uint16s(ports.sport, ports.dport),
      );
      const hash = toeplitzBitwise(key, input) >>> 0;
      const burst = steer(steering, [frame]);
      expect(burst.hash[0]! >>> 0).toBe(hash);
      if (mode === 'rss') {
        expect([burst.bucket[0], burst.rxq[0], burst.worker[0]]).toEqual([
          hash % 512,
          (hash % 512) % 6,
          (hash % 512) % 6,
        ]);
      }
      if (mode === 'rps') {
        const index = Number((BigInt(hash) * 3n) >> 32n);
        expect([burst.bucket[0], burst.worker[0]]).toEqual([index, [3, 1, 0][index]]);
      }
    }
  });
});
