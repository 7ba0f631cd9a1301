// The layout that is hashed, byte by byte, and the equalities that a kernel shows.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rscale } from '#rxsteer/linux/arith.js';
import { LinuxFlowHash, type LinuxFlowHashOptions } from '#rxsteer/linux/flow-hash.js';
import { SipHash } from '#rxsteer/linux/siphash.js';
import { Burst, Kind } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { eth, hex, ip4, ip6, join, type Part, tagged, tcp, u16, u32, udp, v6 } from './frames.js';

const KEY = Uint8Array.from({ length: 16 }, (_, i) => 0x40 + 7 * i);
const H = (frame: Uint8Array, options?: LinuxFlowHashOptions) =>
  new LinuxFlowHash(KEY, options).hashFrame(frame, 0, frame.length);
const S = (frame: Uint8Array) => H(frame, { symmetric: true });
const sip = (bytes: Uint8Array) => new SipHash(KEY).hashBytes(bytes, 0, bytes.length);

const A = '10.0.0.1';
const B = '10.0.0.2';
const zeros = (n: number) => new Array<number>(n).fill(0);
const base4 = (l4: Part = udp(1000, 53), proto = 17) => ip4(A, B, proto, l4);
const base = eth(0x0800, base4());

describe('layout', () => {
  test('IPv4 UDP: 48 bytes, the last four of them padding', () => {
    // Smaller in little-endian order first: 10.0.0.1 < 10.0.0.2, and 0x3500 (53) < 0xe803 (1000).
    const bytes = hex('0800 11 00 | 00000000 | 0000000000000000 0000000000000000 | 00000000');
    expect(H(base)).toBe(sip(join(bytes, hex('0035 03e8 | 00000000 | 0a000001 0a000002 | 00000000'))));
  });

  test('IPv6 TCP: 72 bytes', () => {
    const frame = eth(0x86dd, ip6('fd00::2', 'fd00::1', 6, tcp(80, 443)));
    const bytes = hex(
      '86dd 06 00 | 00000000 | 0000000000000000 0000000000000000 | 00000000 0050 01bb 00000000',
    );
    expect(H(frame)).toBe(sip(join(bytes, v6('fd00::1'), v6('fd00::2'), zeros(4))));
  });

  test('a VLAN tag: id and priority in host order, TPID and inner type as on the wire', () => {
    const frame = tagged([[0x8100, 0x7005]], 0x0800, base4());
    const bytes = hex('0800 11 00 | 00000000 | 0560 8100 0800 0000 | 0000000000000000 | 00000000');
    expect(H(frame)).toBe(sip(join(bytes, hex('0035 03e8 00000000 0a000001 0a000002 00000000'))));
  });

  test('a flow label: in host order, no ports', () => {
    const frame = eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, udp(1, 2), 0x12345));
    const bytes = join(hex('86dd 11 00 | 45230100'), zeros(28), v6('fd00::1'), v6('fd00::2'), zeros(4));
    expect(H(frame)).toBe(sip(bytes));
  });

  test('no addresses: 40 bytes; GRE key at its place; TIPC node: 44 bytes', () => {
    expect(H(eth(0x0806, zeros(46)))).toBe(sip(join(hex('0806 0000'), zeros(36))));
    const gre = eth(0x0800, ip4('1.1.1.1', '2.2.2.2', 47, join(hex('2000 0800 0a0b0c0d'), base4())));
    const bytes = join(
      hex('0800 11 00'),
      zeros(20),
      hex('0a0b0c0d 0035 03e8 00000000 0a000001 0a000002 00000000'),
    );
    expect(H(gre)).toBe(sip(bytes));
    const tipc = eth(0x88ca, join(hex('40000000'), zeros(8), hex('01020304'), zeros(20)));
    expect(H(tipc)).toBe(sip(join(hex('88ca 0000'), zeros(32), hex('01020304 00000000'))));
  });
});

describe('equalities for skb_get_hash', () => {
  const same: [string, Uint8Array, Uint8Array][] = [
    ['reverse direction', base, eth(0x0800, ip4(B, A, 17, udp(53, 1000)))],
    ['only addresses swapped', base, eth(0x0800, ip4(B, A, 17, udp(1000, 53)))],
    ['only ports swapped', base, eth(0x0800, ip4(A, B, 17, udp(53, 1000)))],
    ['ttl, id and payload', base, eth(0x0800, ip4(A, B, 17, udp(1000, 53, zeros(99)), { ttl: 3, id: 9 }))],
    ['IPv4 options', base, eth(0x0800, ip4(A, B, 17, udp(1000, 53), { options: [7, 7, 4, 0, 0, 0, 0, 0] }))],
    ['IPIP', base, eth(0x0800, ip4('1.1.1.1', '2.2.2.2', 4, base4()))],
    ['4in6 from an address with zeros at 8-11', base, eth(0x86dd, ip6('fd00::1', 'fd00::2', 4, base4()))],
    ['GRE without key', base, eth(0x0800, ip4('1.1.1.1', '2.2.2.2', 47, join(hex('0000 0800'), base4())))],
    [
      'GRE with checksum and sequence',
      base,
      eth(0x0800, ip4('1.1.1.1', '2.2.2.2', 47, join(hex('9000 0800 00000000 00000007'), base4()))),
    ],
    ['GRE with Ethernet', base, eth(0x0800, ip4('1.1.1.1', '2.2.2.2', 47, join(hex('0000 6558'), base)))],
    ['PPPoE session', base, eth(0x8864, join(hex('1100 0007 0022 0021'), base4()))],
    ['HSR tag', base, eth(0x892f, join(hex('0000 0001 0800'), base4()))],
    ['batman-adv unicast', base, eth(0x4305, join(hex('40 0f 32 01 020000000009'), base))],
    [
      'id of the second VLAN tag',
      tagged(
        [
          [0x88a8, 5],
          [0x8100, 7],
        ],
        0x0800,
        base4(),
      ),
      tagged(
        [
          [0x88a8, 5],
          [0x8100, 9],
        ],
        0x0800,
        base4(),
      ),
    ],
    [
      'drop-eligible bit',
      tagged([[0x8100, 5]], 0x0800, base4()),
      tagged([[0x8100, 0x1005]], 0x0800, base4()),
    ],
    [
      'fragments, first one with other ports',
      eth(0x0800, ip4(A, B, 17, udp(7, 8), { frag: 0x2000 })),
      eth(0x0800, ip4(A, B, 17, zeros(8), { frag: 1 })),
    ],
    [
      'IPv6 fragments',
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 44, join(hex('11 00 0001 00000001'), udp(1, 2)))),
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 44, join(hex('11 00 0008 00000001'), zeros(8)))),
    ],
    [
      'IPv6 extension headers are walked',
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, udp(1, 2))),
      eth(
        0x86dd,
        ip6(
          'fd00::1',
          'fd00::2',
          0,
          join(hex('3c 00 0000 00000000'), hex('11 01 0000 00000000'), zeros(8), udp(1, 2)),
        ),
      ),
    ],
    [
      'IPv6 without label, reverse',
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, udp(1000, 53))),
      eth(0x86dd, ip6('fd00::2', 'fd00::1', 17, udp(53, 1000))),
    ],
    [
      'IPv6 with one label: ports and direction',
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, udp(1000, 53), 5)),
      eth(0x86dd, ip6('fd00::2', 'fd00::1', 17, udp(7, 8), 5)),
    ],
    [
      'ICMP id',
      eth(0x0800, ip4(A, B, 1, hex('0800 0000 0001 0001'))),
      eth(0x0800, ip4(A, B, 1, hex('0800 0000 0002 0001'))),
    ],
    [
      'halves of the ESP SPI',
      eth(0x0800, ip4(A, B, 50, join(u32(0x11112222), u32(1)))),
      eth(0x0800, ip4(A, B, 50, join(u32(0x22221111), u32(1)))),
    ],
    [
      'inside of VXLAN',
      eth(0x0800, ip4(A, B, 17, udp(40000, 4789, join(hex('08000000 00000500'), base)))),
      eth(0x0800, ip4(A, B, 17, udp(40000, 4789, zeros(60)))),
    ],
    ['ARP: addresses', eth(0x0806, [...zeros(20), 1, 2]), eth(0x0806, zeros(46))],
    ['unknown ethertype: content', eth(0x88b5, [1, 2, 3]), eth(0x88b5, zeros(46))],
    ['MPLS: labels', eth(0x8847, u32(0x00010140)), eth(0x8847, u32(0x00020140))],
    ['LLC: length', eth(38, join(hex('4242 03'), zeros(60))), eth(39, join(hex('4242 03'), zeros(60)))],
    [
      'PPTP: length half of the key',
      eth(0x0800, ip4(A, B, 47, join(hex('2001 880b 0010 0007 0000 0021'), base4()))),
      eth(0x0800, ip4(A, B, 47, join(hex('2001 880b 0099 0007 0000 0021'), base4()))),
    ],
  ];
  test.each(same)('equal: %s', (_name, a, b) => {
    expect(H(a)).toBe(H(b));
  });

  const differ: [string, Uint8Array, Uint8Array][] = [
    ['TCP and UDP', base, eth(0x0800, base4(tcp(1000, 53), 6))],
    ['another port', base, eth(0x0800, base4(udp(1000, 54)))],
    ['a VLAN tag', base, tagged([[0x8100, 5]], 0x0800, base4())],
    ['VLAN id', tagged([[0x8100, 5]], 0x0800, base4()), tagged([[0x8100, 6]], 0x0800, base4())],
    ['VLAN priority', tagged([[0x8100, 5]], 0x0800, base4()), tagged([[0x8100, 0x6005]], 0x0800, base4())],
    ['TPID', tagged([[0x8100, 5]], 0x0800, base4()), tagged([[0x88a8, 5]], 0x0800, base4())],
    ['a fragment', base, eth(0x0800, ip4(A, B, 17, udp(1000, 53), { frag: 0x2000 }))],
    ['GRE key', base, eth(0x0800, ip4('1.1.1.1', '2.2.2.2', 47, join(hex('2000 0800 00000007'), base4())))],
    [
      'ESP SPI',
      eth(0x0800, ip4(A, B, 50, join(u32(0x11112222), u32(1)))),
      eth(0x0800, ip4(A, B, 50, join(u32(0x11112223), u32(1)))),
    ],
    [
      'AH SPI',
      eth(0x0800, ip4(A, B, 51, join(hex('06040000'), u32(1), u32(1)))),
      eth(0x0800, ip4(A, B, 51, join(hex('06040000'), u32(2), u32(1)))),
    ],
    [
      'flow label',
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, udp(1, 2), 1)),
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, udp(1, 2), 2)),
    ],
    [
      'first next header, with a label',
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, udp(1, 2), 1)),
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 0, join(hex('11 00 0000 00000000'), udp(1, 2)), 1)),
    ],
    ['ethertype', eth(0x88b5, zeros(46)), eth(0x88b6, zeros(46))],
    ['raw 802.3 and LLC', eth(38, join(hex('ffff'), zeros(60))), eth(38, join(hex('4242 03'), zeros(60)))],
    // A tag in front makes the length field an ethertype of its own.
    [
      'length of tagged LLC',
      tagged([[0x8100, 5]], 38, hex('424203')),
      tagged([[0x8100, 5]], 39, hex('424203')),
    ],
    // The padding: 4 bytes of the outer IPv6 source are still behind the inner IPv4 addresses.
    ['4in6, outer source bytes 8-11', base, eth(0x86dd, ip6('fd00::1:0:1', 'fd00::2', 4, base4()))],
    [
      'PPTP call id',
      eth(0x0800, ip4(A, B, 47, join(hex('2001 880b 0010 0007 0000 0021'), base4()))),
      eth(0x0800, ip4(A, B, 47, join(hex('2001 880b 0010 0008 0000 0021'), base4()))),
    ],
  ];
  test.each(differ)('different: %s', (_name, a, b) => {
    expect(H(a)).not.toBe(H(b));
  });

  test('an entropy label counts only where the kernel collects it', () => {
    const stack = (entropy: number) =>
      eth(0x8847, join(u32(0x00064040), u32(0x00007040), u32((entropy << 12) | 0x140)));
    expect(H(stack(1))).toBe(H(stack(2)));
    expect(H(stack(1), { mplsEntropy: true })).not.toBe(H(stack(2), { mplsEntropy: true }));
    const bytes = join(hex('8847 0000'), zeros(20), hex('00012345'), zeros(12));
    expect(H(stack(0x12345), { mplsEntropy: true })).toBe(sip(bytes));
  });
});

describe('symmetric hash (fanout, tun)', () => {
  test('is the packet hash for plain IPv4', () => {
    expect(S(base)).toBe(H(base));
  });
  test('ignores VLAN tags, flow labels and GRE keys', () => {
    expect(S(tagged([[0x8100, 5]], 0x0800, base4()))).toBe(S(base));
    const labelled = (label: number, sport: number) =>
      eth(0x86dd, ip6('fd00::1', 'fd00::2', 17, udp(sport, 2), label));
    expect(S(labelled(5, 1))).toBe(S(labelled(0, 1)));
    expect(S(labelled(5, 1))).not.toBe(S(labelled(5, 3)));
    expect(S(eth(0x0800, ip4(A, B, 47, join(hex('2000 0800 00000007'), base4()))))).toBe(S(base));
  });
});

describe('older kernels', () => {
  const cross = eth(0x0800, ip4(B, A, 17, udp(1000, 53)));
  const reverse = eth(0x0800, ip4(B, A, 17, udp(53, 1000)));
  test('before 6.0 addresses and ports were swapped together', () => {
    expect(H(cross, { canonical: 'together' })).not.toBe(H(base, { canonical: 'together' }));
    expect(H(reverse, { canonical: 'together' })).toBe(H(base, { canonical: 'together' }));
    const self = (s: number, d: number) => eth(0x0800, ip4(A, A, 17, udp(s, d)));
    expect(H(self(1, 2), { canonical: 'together' })).toBe(H(self(2, 1), { canonical: 'together' }));
  });
  test('6.0 to 6.5 failed for addresses 2^31 apart (in little-endian order)', () => {
    const there = eth(0x0800, ip4('10.0.0.1', '10.0.0.129', 17, udp(1, 2)));
    const back = eth(0x0800, ip4('10.0.0.129', '10.0.0.1', 17, udp(2, 1)));
    expect(H(there, { canonical: 'signed' })).not.toBe(H(back, { canonical: 'signed' }));
    expect(H(there)).toBe(H(back));
    expect(H(cross, { canonical: 'signed' })).toBe(H(base, { canonical: 'signed' }));
  });
});

describe('bounds', () => {
  const ipip = (depth: number): Uint8Array =>
    depth === 0 ? base4() : ip4(`9.9.9.${depth}`, '8.8.8.8', 4, ipip(depth - 1));
  test('the walk ends after 15 further headers with what it has', () => {
    expect(H(eth(0x0800, ipip(15)))).toBe(H(base));
    expect(H(eth(0x0800, ipip(16)))).not.toBe(H(base));
    // The innermost header is not reached: another content makes no difference.
    const deep = eth(0x0800, ipip(16));
    const other = deep.slice();
    other[deep.length - 12] = 99;
    expect(H(other)).toBe(H(deep));
  });

  test('a frame is hashed the same wherever it lies, and bytes around it do not count', () => {
    const frames = [base, eth(0x86dd, ip6('fd00::1', 'fd00::2', 6, tcp(1, 2)))];
    const interesting = fc.constantFrom(
      0,
      4,
      6,
      17,
      41,
      43,
      44,
      47,
      50,
      51,
      60,
      137,
      0x45,
      0x60,
      0x08,
      0x86,
      0xdd,
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...frames),
        fc.array(fc.tuple(fc.nat(80), fc.oneof(interesting, fc.nat(255))), { maxLength: 8 }),
        fc.nat(90),
        fc.uint8Array({ maxLength: 30 }),
        fc.constantFrom(0x0800, 0x86dd, 0x8100, 0x8864, 0x88ca, 0x8847, 0x4305, 0x892f, 0x1234, 40),
        fc.boolean(),
        (frame, changes, cut, around, type, symmetric) => {
          const mutated = frame.slice(0, Math.min(frame.length, cut + 1));
          if (mutated.length > 13) mutated.set(u16(type), 12);
          for (const [at, value] of changes) if (at < mutated.length && at > 13) mutated[at] = value;
          const hasher = new LinuxFlowHash(KEY, { symmetric, mplsEntropy: true });
          const alone = hasher.hashFrame(mutated, 0, mutated.length);
          const placed = join(around, mutated, around);
          expect(hasher.hashFrame(placed, around.length, mutated.length)).toBe(alone);
          expect(alone).not.toBe(0);
          expect(alone).toBe(alone | 0);
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('a million mutated and cut frames: what lies around a frame is never read', () => {
    const inner = base4();
    const seeds = [
      base,
      eth(
        0x86dd,
        ip6(
          'fd00::9',
          'fd00::2',
          60,
          join(hex('2b 00 0000 00000000'), hex('06 00 0000 00000000'), tcp(1, 2)),
        ),
      ),
      tagged(
        [
          [0x88a8, 5],
          [0x8100, 6],
        ],
        0x0800,
        inner,
      ),
      eth(0x0800, ip4(A, B, 47, join(hex('b000 6558 00000000 00000007 00000001'), eth(0x0800, inner)))),
      eth(0x0800, ip4(A, B, 47, join(hex('3081 880b 0010 0007 00000001 00000002 0000 0021'), inner))),
      eth(0x8864, join(hex('1100 0007 0022 0057'), ip6('fd00::9', 'fd00::2', 17, udp(1, 2)))),
      eth(0x4305, join(hex('40 0f 32 01 020000000009'), tagged([[0x8100, 3]], 0x0800, inner))),
      eth(0x8847, join(u32(0x00007040), u32(0x00005140), inner)),
    ];
    const telling = [
      0, 1, 4, 6, 17, 41, 43, 44, 47, 50, 51, 60, 137, 0x45, 0x4f, 0x60, 0x08, 0x81, 0x86, 0xff,
    ];
    const hashers = [true, false].map(
      (symmetric) => new LinuxFlowHash(KEY, { symmetric, mplsEntropy: true }),
    );
    const room = 200;
    const zero = new Uint8Array(room);
    const ones = new Uint8Array(room).fill(255);
    let state = 1;
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return rscale(state, n);
    };
    let wrong = 0;
    for (let k = 0; k < 1_000_000; k++) {
      const seed = seeds[k & 7]!;
      const length = random(3) === 0 ? random(seed.length + 1) : seed.length;
      const at = 10 + random(16);
      for (let i = 0; i < length; i++) zero[at + i] = ones[at + i] = seed[i]!;
      for (let m = random(4); m > 0 && length > 12; m--) {
        const o = at + 12 + random(length - 12);
        zero[o] = ones[o] = random(2) === 0 ? random(256) : telling[random(telling.length)]!;
      }
      const hasher = hashers[(k >> 3) & 1]!;
      if (hasher.hashFrame(zero, at, length) !== hasher.hashFrame(ones, at, length)) wrong++;
      zero.fill(0, at, at + length);
      ones.fill(255, at, at + length);
    }
    expect(wrong).toBe(0);
  });

  test('empty and short frames have the hash of no protocol', () => {
    expect(H(new Uint8Array(0))).toBe(sip(new Uint8Array(40)));
    expect(H(new Uint8Array(13))).toBe(sip(new Uint8Array(40)));
  });
});

describe('bursts', () => {
  /** The fields that the fast path reads, as a dissector writes them for plain frames. */
  function plain(burst: Burst, i: number, ip: 4 | 6, transport: number, l4: number): void {
    burst.l3[i] = burst.off[i]! + 14;
    burst.l4[i] = burst.l3[i]! + l4;
    burst.kind[i] =
      (ip === 4 ? Kind.ipv4 : Kind.ipv6) | Kind.addresses | Kind.ports | (transport << Kind.protocolShift);
  }

  test('plain frames by their dissection, others by walking: equal to hashFrame', () => {
    const cases: [Uint8Array, ((b: Burst, i: number) => void) | null][] = [
      [base, (b, i) => plain(b, i, 4, 17, 20)],
      [eth(0x0800, base4(tcp(5, 6), 6)), (b, i) => plain(b, i, 4, 6, 20)],
      [eth(0x0800, ip4(A, B, 17, udp(1, 2), { options: zeros(8) })), (b, i) => plain(b, i, 4, 17, 28)],
      [eth(0x86dd, ip6('fd00::9', 'fd00::2', 6, tcp(1, 2))), (b, i) => plain(b, i, 6, 6, 40)],
      [eth(0x86dd, ip6('fd00::9', 'fd00::2', 17, udp(1, 2))), (b, i) => plain(b, i, 6, 17, 40)],
      [eth(0x86dd, ip6('fd00::9', 'fd00::2', 17, udp(1, 2), 0x10000)), (b, i) => plain(b, i, 6, 17, 40)],
      [eth(0x86dd, ip6('fd00::9', 'fd00::2', 17, udp(1, 2), 7)), (b, i) => plain(b, i, 6, 17, 40)],
      [tagged([[0x8100, 5]], 0x0800, base4()), null],
      [eth(0x0806, zeros(46)), null],
    ];
    for (const symmetric of [false, true]) {
      const bytes = join(...cases.map(([f]) => f));
      const burst = new Burst(bytes);
      let off = 0;
      for (const [frame, describeFrame] of cases) {
        const i = burst.add(off, frame.length);
        burst.l3[i] = -1;
        burst.l4[i] = -1;
        describeFrame?.(burst, i);
        off += frame.length;
      }
      const hasher = new LinuxFlowHash(KEY, { symmetric });
      hasher.hashBurst(burst);
      cases.forEach(([frame], i) => {
        expect(burst.hash[i]).toBe(H(frame, { symmetric }));
      });
    }
  });

  test('with the real dissection, over mutated and cut frames of all kinds: equal to hashFrame', () => {
    const seeds = [
      base,
      eth(0x0800, ip4(A, B, 6, tcp(1, 2), { options: [1, 1, 1, 1] })),
      eth(0x86dd, ip6('fd00::9', 'fd00::2', 6, tcp(1, 2))),
      eth(0x86dd, ip6('fd00::9', 'fd00::2', 17, udp(1, 2), 9)),
      eth(0x86dd, ip6('fd00::9', 'fd00::2', 0, join(hex('11 00 0000 00000000'), udp(1, 2)))),
      tagged([[0x8100, 5]], 0x0800, base4()),
      tagged([[0x9100, 5]], 0x0800, base4()),
      tagged([[0x8100, 5 + 64]], 0x0800, ip4(A, B, 6, tcp(1, 2))),
      tagged([[0x88a8, 5]], 0x0800, ip4(A, B, 6, tcp(1, 2))),
      tagged([[0x8100, 0x3005]], 0x86dd, ip6('fd00::9', 'fd00::2', 6, tcp(1, 2))),
      tagged([[0x8100, 5]], 0x86dd, ip6('fd00::9', 'fd00::2', 17, udp(1, 2))),
      eth(0x0800, ip4(A, B, 132, udp(1, 2))),
      eth(0x0800, ip4(A, B, 4, base4())),
    ];
    const telling = fc.constantFrom(0, 4, 6, 17, 41, 44, 47, 132, 0x45, 0x46, 0x44, 0x65, 0x60, 0x20);
    const change = fc.tuple(fc.integer({ min: 12, max: 64 }), fc.oneof(telling, fc.nat(255)));
    const frame = fc.record({
      seed: fc.constantFrom(...seeds),
      changes: fc.array(change, { maxLength: 3 }),
      cut: fc.oneof(fc.constant(999), fc.nat(70)),
      padding: fc.nat(8),
    });
    const options = [{ symmetric: false }, { symmetric: true }, { canonical: 'together' as const }];
    const hashers = options.map((o) => [new LinuxFlowHash(KEY, o), new LinuxFlowHash(KEY, o)] as const);
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 64 }), (parts) => {
        const frames = parts.map(({ seed, changes, cut, padding }) => {
          const mutated = join(seed.slice(0, cut), zeros(padding));
          for (const [at, value] of changes) if (at < mutated.length) mutated[at] = value;
          return mutated;
        });
        const burst = new Burst(join(...frames));
        let off = 0;
        for (const f of frames) {
          burst.add(off, f.length);
          off += f.length;
        }
        dissectBurst(burst);
        for (const [whole, single] of hashers) {
          whole.hashBurst(burst);
          frames.forEach((f, i) => {
            expect(burst.hash[i]).toBe(single.hashFrame(f, 0, f.length));
          });
        }
      }),
      { numRuns: 500 },
    );
  });
});
