// The running kernel as oracle for the packet hash. Its key is secret, so values cannot be compared; what can be is
// which frames hash alike: the model (with any key) and the kernel must divide a set of frames into the same classes.

import { release } from 'node:os';
import { describe, expect, test } from 'vitest';
import { rscale } from '#rxsteer/linux/arith.js';
import { LinuxFlowHash } from '#rxsteer/linux/flow-hash.js';
import { type LinuxBehaviour, linuxBehaviour } from '#rxsteer/linux/version.js';
import { eth, hex, ip4, ip6, join, type Part, tagged, tcp, u32, udp } from '../linux/frames.js';
import { byFrame, cannotObserve, observe, toHex } from './kernel.js';

const reason = cannotObserve();
if (reason !== '') console.warn(`kernel tests of the packet hash skipped: ${reason}`);

/**
 * How this kernel makes the hash symmetric, by two pairs of frames of the matrix: addresses swapped without the ports,
 * and addresses 2^31 apart swapped with them. From 6.6 on there is one way; older ones may have the repaired comparison.
 */
function canonicalOf(hash: (frame: number) => number): LinuxBehaviour['canonical'] {
  const { canonical } = linuxBehaviour(release());
  const found =
    hash(0) !== hash(2) ? 'together' : hash(FAR_APART) !== hash(FAR_APART + 1) ? 'signed' : 'sorted';
  if (canonical === 'sorted') expect(found).toBe(canonical);
  else console.warn(`the packet hash of ${release()} is made symmetric in the way called '${found}'`);
  return found;
}

const A = '10.0.0.1';
const B = '10.0.0.2';
const zeros = (n: number) => new Array<number>(n).fill(0);
const inner = ip4(A, B, 17, udp(1000, 53));
const labelled = (label: number, sport: number, dport: number, src = 'fd00::1', dst = 'fd00::2') =>
  eth(0x86dd, ip6(src, dst, 17, udp(sport, dport), label));
const outer4 = (proto: number, payload: Part) => eth(0x0800, ip4('1.1.1.1', '2.2.2.2', proto, payload));
const six = (next: number, payload: Part) => eth(0x86dd, ip6('fd00::1', 'fd00::2', next, payload));

/** Of the pair 2^31 apart. */
const FAR_APART = 12;

/** The property matrix, and corners of the dissector. */
const matrix: Uint8Array[] = [
  eth(0x0800, inner),
  eth(0x0800, ip4(B, A, 17, udp(53, 1000))),
  eth(0x0800, ip4(B, A, 17, udp(1000, 53))),
  eth(0x0800, ip4(A, B, 17, udp(53, 1000))),
  eth(0x0800, ip4(A, B, 17, udp(1000, 53, zeros(40)), { ttl: 3, id: 9 })),
  eth(0x0800, ip4(A, B, 17, udp(1000, 53), { options: [7, 7, 4, 0, 0, 0, 0, 0] })),
  eth(0x0800, ip4(A, B, 6, tcp(1000, 53))),
  eth(0x0800, ip4(A, B, 132, udp(1000, 53))),
  eth(0x0800, ip4(A, B, 33, udp(1000, 53))),
  eth(0x0800, ip4(A, B, 136, udp(1000, 53))),
  eth(0x0800, ip4(A, B, 99, udp(1000, 53))),
  eth(0x0800, ip4(A, B, 17, udp(1000, 54))),
  // 2^31 apart in little-endian order
  eth(0x0800, ip4('10.0.0.1', '10.0.0.129', 17, udp(1, 2))),
  eth(0x0800, ip4('10.0.0.129', '10.0.0.1', 17, udp(2, 1))),
  ...[5, 6, 0x7005, 0x1005].map((tci) => tagged([[0x8100, tci]], 0x0800, inner)),
  tagged([[0x88a8, 5]], 0x0800, inner),
  tagged(
    [
      [0x88a8, 5],
      [0x8100, 7],
    ],
    0x0800,
    inner,
  ),
  tagged(
    [
      [0x88a8, 5],
      [0x8100, 9],
    ],
    0x0800,
    inner,
  ),
  tagged(
    [
      [0x8100, 5],
      [0x8100, 7],
      [0x8100, 1],
    ],
    0x0800,
    inner,
  ),
  tagged(
    [
      [0x8100, 5],
      [0x8100, 7],
      [0x8100, 2],
    ],
    0x0800,
    inner,
  ),
  eth(0x0800, ip4(A, B, 17, udp(1000, 53), { frag: 0x2000 })),
  eth(0x0800, ip4(A, B, 17, udp(7, 8), { frag: 0x2000 })),
  eth(0x0800, ip4(A, B, 17, zeros(16), { frag: 1 })),
  eth(0x0800, ip4(A, B, 17, udp(1000, 53), { frag: 0x4000 })),
  six(44, join(hex('11 00 0001 00000001'), udp(1, 2))),
  six(44, join(hex('11 00 0008 00000001'), zeros(16))),
  six(44, join(hex('11 00 0000 00000001'), udp(1, 2))),
  six(17, udp(1, 2)),
  six(0, join(hex('11 00 0000 00000000'), udp(1, 2))),
  six(0, join(hex('3c 00 0000 00000000'), hex('11 01 0000 00000000'), zeros(8), udp(1, 2))),
  six(43, join(hex('11 00 0000 00000000'), udp(1, 2))),
  six(60, join(hex('2c 00 0000 00000000'), hex('11 00 0001 00000001'), udp(1, 2))),
  eth(0x0800, ip4(A, B, 0, join(hex('11 00 0000 00000000'), udp(1, 2)))),
  eth(0x0800, ip4(A, B, 1, hex('0800 0000 0001 0001'))),
  eth(0x0800, ip4(A, B, 1, hex('0800 0000 0002 0001'))),
  eth(0x0800, ip4(A, B, 50, join(u32(0x11112222), u32(1)))),
  eth(0x0800, ip4(A, B, 50, join(u32(0x22221111), u32(1)))),
  eth(0x0800, ip4(A, B, 50, join(u32(0x11113333), u32(1)))),
  eth(0x0800, ip4(A, B, 51, join(hex('06040000'), u32(1), u32(1)))),
  eth(0x0800, ip4(A, B, 51, join(hex('06040000'), u32(2), u32(1)))),
  outer4(4, inner),
  eth(0x0800, ip4('3.3.3.3', '4.4.4.4', 4, inner)),
  outer4(41, ip6('fd00::1', 'fd00::2', 17, udp(1, 2))),
  six(41, ip6('fd00::3', 'fd00::4', 17, udp(1, 2))),
  // IPv4 in IPv6: bytes 8-11 of the outer source are hashed with the padding of the structure.
  six(4, inner),
  eth(0x86dd, ip6('fd00::7:8', 'fd00::2', 4, inner)),
  eth(0x86dd, ip6('fd00::1:0:1', 'fd00::2', 4, inner)),
  eth(0x86dd, ip6('fd00::1:0:2', 'fd00::9', 4, inner)),
  eth(0x86dd, ip6('fd00::1:1:0:0', 'fd00::9', 4, inner)),
  outer4(47, join(hex('0000 0800'), inner)),
  outer4(47, join(hex('9000 0800 00000000 00000007'), inner)),
  outer4(47, join(hex('2000 0800 00000007'), inner)),
  outer4(47, join(hex('2000 0800 00000008'), inner)),
  outer4(47, join(hex('4000 0800'), inner)),
  outer4(47, join(hex('0002 0800'), inner)),
  outer4(47, join(hex('0001 0800'), inner)),
  outer4(47, join(hex('0000 6558'), eth(0x0800, inner))),
  outer4(47, join(hex('0000 6558'), tagged([[0x8100, 5]], 0x0800, inner))),
  outer4(47, join(hex('0000 0806'), zeros(40))),
  outer4(47, join(hex('2001 880b 0010 0007 0000 0021'), inner)),
  outer4(47, join(hex('2001 880b 0099 0007 0000 0021'), inner)),
  outer4(47, join(hex('2001 880b 0010 0008 0000 0021'), inner)),
  outer4(47, join(hex('2081 880b 0010 0007 00000001 0000 0021'), inner)),
  outer4(137, join(u32(0x00010140), inner)),
  outer4(17, udp(40000, 4789, join(hex('08000000 00000500'), eth(0x0800, inner)))),
  outer4(17, udp(40000, 4789, zeros(80))),
  labelled(0, 1000, 53),
  labelled(0, 53, 1000, 'fd00::2', 'fd00::1'),
  labelled(0x12345, 1000, 53),
  labelled(0x12345, 7, 8, 'fd00::2', 'fd00::1'),
  labelled(0x54321, 1000, 53),
  eth(0x86dd, ip6('fd00::1', 'fd00::2', 0, join(hex('11 00 0000 00000000'), udp(1, 2)), 0x12345)),
  eth(0x0806, join(hex('0001 0800 0604 0001'), zeros(40))),
  eth(0x0806, zeros(46)),
  eth(0x8035, zeros(46)),
  eth(0x88b5, zeros(46)),
  eth(0x88b5, [1, 2, ...zeros(44)]),
  eth(0x88b6, zeros(46)),
  eth(0x8847, join(u32(0x00010140), inner)),
  eth(0x8847, join(u32(0x00020140), inner)),
  eth(0x8847, join(u32(0x00064040), u32(0x00007040), u32(0x00001140), inner)),
  eth(0x8847, join(u32(0x00064040), u32(0x00007040), u32(0x00002140), inner)),
  eth(0x8864, join(hex('1100 0007 0026 0021'), inner)),
  eth(0x8864, join(hex('1100 0009 0026 0021'), inner)),
  eth(0x8864, join(hex('1100 0009 0026 0057'), ip6('fd00::1', 'fd00::2', 17, udp(1, 2)))),
  eth(0x8864, join(hex('1100 0007 0026 c021'), zeros(40))),
  eth(0x8864, join(hex('1200 0007 0026 0021'), inner)),
  eth(0x8863, join(hex('1109 0000 0000'), zeros(40))),
  eth(0x88ca, join(hex('40000000'), zeros(8), hex('01020304'), zeros(30))),
  eth(0x88ca, join(hex('40000001'), zeros(8), hex('01020304'), zeros(30))),
  eth(0x88ca, join(hex('40000000'), zeros(8), hex('01020305'), zeros(30))),
  eth(0x892f, join(hex('0000 0001 0800'), inner)),
  eth(0x88fb, join(hex('0000 0002 0800'), inner)),
  eth(0x4305, join(hex('40 0f 32 01 020000000009'), eth(0x0800, inner))),
  eth(0x4305, join(hex('40 0e 32 01 020000000009'), eth(0x0800, inner))),
  eth(0x4305, join(hex('41 0f 32 01 020000000009'), eth(0x0800, inner))),
  eth(0x88f7, zeros(50)),
  eth(0x8906, zeros(50)),
  eth(0x8902, zeros(50)),
  eth(38, join(hex('4242 03'), zeros(60))),
  eth(39, join(hex('4242 03'), zeros(60))),
  eth(38, join(hex('ffff'), zeros(60))),
  tagged([[0x8100, 5]], 38, join(hex('4242 03'), zeros(60))),
  tagged([[0x8100, 5]], 39, join(hex('4242 03'), zeros(60))),
  // Wrong versions and lengths are not looked at.
  eth(0x0800, join([0x65], inner.slice(1))),
  eth(0x0800, join([0x44], inner.slice(1))),
  eth(0x86dd, join([0x45], ip6('fd00::1', 'fd00::2', 17, udp(1, 2)).slice(1))),
  eth(0x0800, inner.slice(0, 19)),
  eth(0x0800, inner.slice(0, 22)),
  eth(0x0800, inner.slice(0, 23)),
  eth(0x0800, inner.slice(0, 24)),
  eth(0x0800, []),
  eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, []).slice(0, 39)),
  eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, [])),
  eth(0x86dd, ip6('fd00::1', 'fd00::2', 0, [17])),
  outer4(4, inner.slice(0, 10)),
  outer4(47, hex('2000 0800 0000')),
  tagged([[0x8100, 5]], 0x0800, []),
];

/** Chains of IPIP headers around the limit of the walk. */
const ipip = (depth: number, port: number): Uint8Array =>
  depth === 0 ? ip4(A, B, 17, udp(port, 53)) : ip4(`9.9.9.${depth}`, '8.8.8.8', 4, ipip(depth - 1, port));
const chains = [13, 14, 15, 16, 17].flatMap((depth) =>
  [1000, 1001].map((port) => eth(0x0800, ipip(depth, port))),
);

/** Seeded mutations of the above: bytes that select protocols are preferred, and frames are cut. */
function mutations(count: number): Uint8Array[] {
  let state = 20240607;
  const random = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return rscale(state, n);
  };
  const telling = [
    0, 1, 4, 6, 17, 33, 41, 43, 44, 47, 50, 51, 60, 132, 137, 0x45, 0x46, 0x60, 0x08, 0x86, 0xdd, 0x81, 0x20,
  ];
  return Array.from({ length: count }, () => {
    const frame = matrix[random(matrix.length)]!.slice();
    for (let k = random(3) + 1; k > 0; k--) {
      const at = 12 + random(Math.min(frame.length - 12, 52));
      frame[at] = random(2) === 0 ? random(256) : telling[random(telling.length)]!;
    }
    return random(4) === 0 ? frame.slice(0, Math.max(14, frame.length - random(30))) : frame;
  });
}

/** Class numbers in order of first appearance: equal for equal partitions. */
function classes(values: readonly number[]): number[] {
  const ids = new Map<number, number>();
  return values.map((v) => {
    if (!ids.has(v)) ids.set(v, ids.size);
    return ids.get(v)!;
  });
}

describe.skipIf(reason !== '')('packet hash of the running kernel', () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => 3 * i + 1);
  // With RPS on, the hash is taken before the stack strips VLAN tags; one CPU keeps the frames in order.
  const rps = { do: 'write', path: '/sys/class/net/v1/queues/rx-0/rps_cpus', text: '1' };
  const sent = [...matrix, ...chains, ...mutations(400)];

  /** The frames that reached the packet sockets. The stack drops a tagged frame that ends in its tag before them. */
  function arrived(seen: ReadonlyMap<number, unknown>): { frame: Uint8Array; i: number }[] {
    const all = sent.map((frame, i) => ({ frame, i }));
    for (const { frame, i } of all)
      if (!seen.has(i)) expect([0x8100, 0x88a8]).toContain((frame[12]! << 8) | frame[13]!);
    expect(seen.size).toBeGreaterThan(0.95 * sent.length);
    return all.filter(({ i }) => seen.has(i));
  }

  test('the same frames hash alike, and no others', async () => {
    const results = await observe([
      { do: 'veth' },
      rps,
      { do: 'group', name: 'ring', dev: 'v1', mode: 1, count: 1 },
      { do: 'send', frames: sent.map(toHex), cpu: 0, groups: ['ring'], alone: true },
    ]);
    const seen = byFrame(results[3], 'ring');
    const frames = arrived(seen);
    const kernel = frames.map(({ i }) => seen.get(i)!.hash);
    const hasher = new LinuxFlowHash(key, { canonical: canonicalOf((i) => seen.get(i)!.hash) });
    const model = frames.map(({ frame }) => hasher.hashFrame(frame, 0, frame.length));
    expect(kernel.every((h) => h !== 0)).toBe(true);
    const [wanted, got] = [classes(kernel), classes(model)];
    const wrong = frames
      .map(({ frame }, i) => ({ frame: toHex(frame), kernel: wanted[i], model: got[i], i }))
      .filter((f) => f.kernel !== f.model);
    expect(wrong).toEqual([]);
    expect(new Set(wanted).size).toBeGreaterThan(100);
  });

  test('the symmetric hash chooses the fanout member: same frames, same member', async () => {
    const n = 61;
    const results = await observe([
      { do: 'veth' },
      rps,
      { do: 'group', name: 'hash', dev: 'v1', mode: 0, count: n, ring: false },
      { do: 'group', name: 'ring', dev: 'v1', mode: 1, count: 1 },
      { do: 'send', frames: sent.map(toHex), cpu: 0, groups: ['hash', 'ring'], alone: true },
    ]);
    const chosen = byFrame(results[4], 'hash');
    const ring = byFrame(results[4], 'ring');
    const frames = arrived(chosen);
    const canonical = canonicalOf((i) => ring.get(i)!.hash);
    const hasher = new LinuxFlowHash(key, { symmetric: true, canonical });
    const full = new LinuxFlowHash(key, { canonical });
    const memberOf = new Map<number, number>();
    const wrong: unknown[] = [];
    let plain = 0;
    frames.forEach(({ frame, i }) => {
      const h = hasher.hashFrame(frame, 0, frame.length);
      const { member } = chosen.get(i)!;
      if (!memberOf.has(h)) memberOf.set(h, member);
      if (memberOf.get(h) !== member) wrong.push({ i, frame: toHex(frame), member, wanted: memberOf.get(h) });
      // Where both hashes are the same number, the kernel's value predicts the member.
      if (full.hashFrame(frame, 0, frame.length) === h) {
        plain++;
        const predicted = rscale(ring.get(i)!.hash, n);
        if (predicted !== member) wrong.push({ i, frame: toHex(frame), member, predicted });
      }
    });
    expect(wrong).toEqual([]);
    expect(plain).toBeGreaterThan(100);
    // Different hashes spread over nearly all members.
    expect(new Set([...memberOf.values()]).size).toBeGreaterThan(50);
  });
});
