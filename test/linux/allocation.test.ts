// No burst function may allocate: the heap is measured around many bursts after a warm-up.

import { expect, test } from 'vitest';
import { LinuxFlowHash } from '#rxsteer/linux/flow-hash.js';
import { onlineCpus, RpsQueue } from '#rxsteer/linux/rps.js';
import { DevFlowTable, RpsMap, SockFlowTable } from '#rxsteer/linux/rps-tables.js';
import { BURST_MAX, Burst, Kind } from '#rxsteer/packet/burst.js';
import { eth, ip4, ip6, join, tagged, tcp, udp } from './frames.js';

/** A full burst of mixed frames; `dissected` fills the fields of the plain ones. */
function mixed(dissected: boolean): Burst {
  const frames = Array.from({ length: BURST_MAX }, (_, i) => {
    const inner = ip4('10.0.0.1', `10.0.1.${i}`, 17, udp(1000 + i, 53));
    if (i % 8 === 5) return tagged([[0x8100, i]], 0x0800, inner);
    if (i % 8 === 6) return eth(0x0800, ip4('1.1.1.1', '2.2.2.2', 4, inner));
    if (i % 8 === 7) return eth(0x86dd, ip6('fd00::1', 'fd00::2', 6, tcp(i, 80)));
    return eth(0x0800, inner);
  });
  const burst = new Burst(join(...frames));
  let off = 0;
  frames.forEach((frame, i) => {
    burst.add(off, frame.length);
    if (dissected && i % 8 !== 5 && i % 8 !== 6) {
      const six = i % 8 === 7;
      burst.l3[i] = off + 14;
      burst.l4[i] = off + 14 + (six ? 40 : 20);
      burst.kind[i] =
        Kind.addresses | Kind.ports | (six ? Kind.ipv6 : Kind.ipv4) | ((six ? 6 : 17) << Kind.protocolShift);
    }
    off += frame.length;
  });
  return burst;
}

/** Bytes that the heap grew by while `work` ran often, after a warm-up; the least of some tries. */
function growth(work: () => void): number {
  for (let i = 0; i < 3000; i++) work();
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt++) {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 1000; i++) work();
    const bytes = process.memoryUsage().heapUsed - before;
    if (bytes >= 0 && bytes < least) least = bytes;
  }
  return least;
}

// 64,000 packets: one number or object per packet would be 750 KB at least.
const LIMIT = 64_000;

test.each([true, false])('hashing (dissected: %s)', (dissected) => {
  const burst = mixed(dissected);
  const hasher = new LinuxFlowHash(Uint8Array.from({ length: 16 }, (_, i) => i * 11));
  expect(growth(() => hasher.hashBurst(burst))).toBeLessThan(LIMIT);
});

test.each(['linux', 'strict'] as const)('steering in %s order', (order) => {
  const burst = mixed(true);
  new LinuxFlowHash(Uint8Array.from({ length: 16 }, (_, i) => i * 11)).hashBurst(burst);
  const sock = new SockFlowTable(4096, 4);
  for (let i = 0; i < burst.n; i += 2) sock.record(burst.hash[i]!, i & 3);
  const queue = new RpsQueue({
    map: new RpsMap([0, 1, 2, 3]),
    flows: new DevFlowTable(256),
    sock,
    online: onlineCpus(4),
    order,
  });
  const heads = new Int32Array(4);
  const tails = new Int32Array(4);
  expect(growth(() => queue.steerBurst(burst, heads, tails, 0))).toBeLessThan(LIMIT);
});
