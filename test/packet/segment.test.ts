import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as build from '#rxsteer/packet/build.js';
import { writeSegment } from '#rxsteer/packet/segment.js';
import { planSegments, SEGMENT_MIN, SegmentError, SegmentPlan } from '#rxsteer/packet/segment-plan.js';
import { readVnet, VnetFlag, VnetGso, VnetHeader, writeVnet } from '#rxsteer/packet/vnet.js';

const OFF = 64;
const { ethernet, ipv4, ipv6, udp, tcp, TcpFlag } = build;
const four = { src: '192.0.2.1', dst: '198.51.100.7' };
const six = { src: '2001:db8::1', dst: '2001:db8:0:1::2' };
const plan = new SegmentPlan();

interface Vnet {
  flags?: number;
  type: number;
  size: number;
  start?: number;
  offset?: number;
}

/** Bytes on either side of a slot that must stay as they are. */
const FENCE = 90;

/** A pool with the frame at OFF and its header before it, and room for a segment at `outOf(frame)`; all else is 0xcc. */
function poolWith(frame: Uint8Array, vnet: Vnet): Uint8Array {
  const bytes = new Uint8Array(outOf(frame) + frame.length + FENCE).fill(0xcc);
  bytes.set(frame, OFF);
  // hdr_len is wrong on purpose: it must not matter.
  writeVnet(bytes, OFF, vnet.flags ?? 0, vnet.type, 3, vnet.size, vnet.start ?? 0, vnet.offset ?? 0);
  return bytes;
}

function outOf(frame: Uint8Array): number {
  return OFF + frame.length + 10 + 2 * FENCE;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** All segments, in hex; checks that nothing but the segment and its virtio-net header is written. */
function segments(frame: Uint8Array, vnet: Vnet): string[] {
  const bytes = poolWith(frame, vnet);
  const clean = bytes.slice();
  const at = outOf(frame);
  const count = planSegments(bytes, OFF, frame.length, plan);
  expect(count).toBeGreaterThan(0);
  const out: string[] = [];
  for (let k = 0; k < count; k++) {
    bytes.set(clean);
    const length = writeSegment(bytes, OFF, plan, k, at);
    expect(length).toBe(plan.lengthOf(k));
    out.push(hex(bytes.subarray(at, at + length)));
    expect(hex(bytes.subarray(at - 10, at))).toBe('00'.repeat(10));
    bytes.fill(0xcc, at - 10, at + length);
    expect(Buffer.compare(bytes, clean)).toBe(0);
  }
  return out;
}

const vlanStacks = [[], [100], [{ tpid: 0x88a8, id: 1 }, 2], [3, 4, 5]];

/** A TCP super-frame and what the same stack would have sent segment by segment, made by the builders. */
function tcpCase(
  v6: boolean,
  payload: Uint8Array,
  size: number,
  tags: number,
  o: build.TcpOptions,
  id: number,
) {
  const vlans = vlanStacks[tags]!;
  const wrap = (transport: build.Transport, k: number) =>
    ethernet({ vlans }, v6 ? ipv6(six, transport) : ipv4({ ...four, id: (id + k) & 0xffff }, transport));
  const count = Math.max(1, Math.ceil(payload.length / size));
  const wanted = Array.from({ length: count }, (_, k) => {
    let flags = o.flags!;
    if (k > 0) flags &= ~TcpFlag.cwr;
    if (k < count - 1) flags &= ~(TcpFlag.psh | TcpFlag.fin);
    const seq = (o.seq! + k * size) >>> 0;
    return wrap(tcp({ ...o, flags, seq }, payload.subarray(k * size, (k + 1) * size)), k);
  });
  const l4 = 14 + 4 * vlans.length + (v6 ? 40 : 20);
  return { whole: (checksum: 'partial' | number) => wrap(tcp({ ...o, checksum }, payload), 0), wanted, l4 };
}

describe('TCP', () => {
  const tcpArbitrary = fc.record({
    v6: fc.boolean(),
    length: fc.integer({ min: 0, max: 4000 }),
    size: fc.integer({ min: SEGMENT_MIN, max: 1600 }),
    tags: fc.nat({ max: 3 }),
    flags: fc.nat({ max: 255 }),
    seq: fc.nat({ max: 0xffff_ffff }),
    id: fc.nat({ max: 0xffff }),
    options: fc.uint8Array({ maxLength: 40 }),
    ecn: fc.boolean(),
    partial: fc.boolean(),
  });

  it('makes the segments that the sender would have sent one by one', () => {
    fc.assert(
      fc.property(tcpArbitrary, ({ v6, length, size, tags, flags, seq, id, options, ecn, partial }) => {
        const o = { sport: 40_000, dport: 5201, ack: 77, flags, seq, options };
        const { whole, wanted, l4 } = tcpCase(v6, build.payloadBytes(length), size, tags, o, id);
        const vnet = {
          flags: partial ? VnetFlag.needsCsum : VnetFlag.dataValid,
          type: (v6 ? VnetGso.tcp6 : VnetGso.tcp4) | (ecn ? VnetGso.ecn : 0),
          size,
          start: partial ? l4 : 0,
          offset: partial ? 16 : 0,
        };
        expect(segments(whole(partial ? 'partial' : 0xdead), vnet)).toEqual(wanted.map(hex));
      }),
      { seed: 3, numRuns: 150 },
    );
  });

  it('cuts a 64 KiB frame into 46 segments of 1448 bytes', () => {
    const payload = build.payloadBytes(65_483);
    const o = {
      sport: 1,
      dport: 2,
      seq: 0xffff_0000,
      flags: TcpFlag.ack | TcpFlag.psh,
      options: new Uint8Array(12),
    };
    const { whole, wanted } = tcpCase(false, payload, 1448, 1, o, 0xfff0);
    const got = segments(whole(0), { type: VnetGso.tcp4, size: 1448 });
    expect(got.length).toBe(46);
    expect(got).toEqual(wanted.map(hex));
    const joined = got.map((segment) => segment.slice(2 * (14 + 4 + 20 + 32))).join('');
    expect(joined).toBe(hex(payload));
  });

  it('takes the pseudo header from the partial checksum where a routing header replaces the destination', () => {
    const options = {
      ...six,
      extensions: [build.routingExtension(2, '2001:db8::99')],
      pseudoDst: '2001:db8::99',
    };
    const payload = build.payloadBytes(100);
    const o = { sport: 9, dport: 10, flags: TcpFlag.ack };
    const whole = ethernet({}, ipv6(options, tcp({ ...o, seq: 0, checksum: 'partial' }, payload)));
    const wanted = [0, 40, 80].map((from) =>
      ethernet({}, ipv6(options, tcp({ ...o, seq: from }, payload.subarray(from, from + 40)))),
    );
    const vnet = { flags: VnetFlag.needsCsum, type: VnetGso.tcp6, size: 40, start: 14 + 64, offset: 16 };
    expect(segments(whole, vnet)).toEqual(wanted.map(hex));
  });
});

describe('UDP_L4', () => {
  it('makes one datagram of each segment', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: SEGMENT_MIN, max: 1500 }),
        fc.nat({ max: 3 }),
        fc.nat({ max: 0xffff }),
        (v6, length, size, tags, sport) => {
          const vlans = vlanStacks[tags]!;
          const payload = build.payloadBytes(length);
          const wrap = (part: Uint8Array, k: number, checksum?: 'partial') => {
            const datagram = udp({ sport, dport: 443, ...(checksum && { checksum }) }, part);
            return ethernet({ vlans }, v6 ? ipv6(six, datagram) : ipv4({ ...four, id: k }, datagram));
          };
          const start = 14 + 4 * vlans.length + (v6 ? 40 : 20);
          const vnet = { flags: VnetFlag.needsCsum, type: VnetGso.udpL4, size, start, offset: 6 };
          const wanted: Uint8Array[] = [];
          for (let k = 0; k * size < length; k++)
            wanted.push(wrap(payload.subarray(k * size, (k + 1) * size), k));
          expect(segments(wrap(payload, 0, 'partial'), vnet)).toEqual(wanted.map(hex));
        },
      ),
      { seed: 4, numRuns: 80 },
    );
  });

  it('stores checksum 0 as ffff', () => {
    const bytes = Array.from({ length: 65_536 }, (_, port) => port).find((port) => {
      const packet = ipv4(four, udp({ sport: port, dport: 1 }, new Uint8Array(8)));
      return packet.bytes[26] === 0xff && packet.bytes[27] === 0xff;
    });
    const frame = ethernet({}, ipv4(four, udp({ sport: bytes!, dport: 1 }, new Uint8Array(24))));
    const [first] = segments(frame, { type: VnetGso.udpL4, size: 8 });
    expect(first!.slice(80, 84)).toBe('ffff');
  });
});

describe('contradictions', () => {
  const t4 = (options: Partial<build.Ipv4Options> = {}, o: Partial<build.TcpOptions> = {}) =>
    ethernet({}, ipv4({ ...four, ...options }, tcp({ sport: 1, dport: 2, ...o }, 100)));
  const t6 = (options: Partial<build.Ipv6Options> = {}) =>
    ethernet({}, ipv6({ ...six, ...options }, tcp({ sport: 1, dport: 2 }, 100)));
  const u4 = ethernet({}, ipv4(four, udp({ sport: 1, dport: 2 }, 100)));
  const tunnel = ethernet({}, ipv4(four, udp({ sport: 1, dport: 4789 }, build.vxlan(1, t4()))));
  const { tcp4, tcp6, udpL4 } = VnetGso;
  const need = VnetFlag.needsCsum;
  const { truncated, contradiction, unsupported, tooMany } = SegmentError;

  it.each<[string, Uint8Array, Vnet, number]>([
    ['no GSO type', t4(), { type: 0, size: 50 }, contradiction],
    ['segment size 0', t4(), { type: tcp4, size: 0 }, contradiction],
    ['tiny segments', t4(), { type: tcp4, size: SEGMENT_MIN - 1 }, tooMany],
    ['UFO', u4, { type: VnetGso.udp, size: 50 }, unsupported],
    ['type 2', t4(), { type: 2, size: 50 }, unsupported],
    ['type 0x41', t4(), { type: 0x41, size: 50 }, unsupported],
    ['TCPv6 type on IPv4', t4(), { type: tcp6, size: 50 }, contradiction],
    ['TCPv4 type on IPv6', t6(), { type: tcp4, size: 50 }, contradiction],
    ['TCP type on UDP', u4, { type: tcp4, size: 50 }, contradiction],
    ['UDP type on TCP', t4(), { type: udpL4, size: 50 }, contradiction],
    ['UDP type on TCP over IPv6', t6(), { type: udpL4, size: 50 }, contradiction],
    ['ARP', ethernet({ ethertype: 0x0806 }, 100), { type: tcp4, size: 50 }, contradiction],
    ['a fragment', t4({ moreFragments: true }), { type: tcp4, size: 50 }, contradiction],
    ['a later fragment', t4({ fragmentOffset: 8 }), { type: tcp4, size: 50 }, contradiction],
    [
      'an IPv6 fragment',
      t6({ extensions: [build.fragmentExtension()] }),
      { type: tcp6, size: 50 },
      contradiction,
    ],
    ['version 6 under 0x0800', t4({ version: 6 }), { type: tcp4, size: 50 }, contradiction],
    ['version 4 under 0x86dd', t6({ version: 4 }), { type: tcp6, size: 50 }, contradiction],
    ['IP header of 4 words', t4({ headerWords: 4 }), { type: tcp4, size: 50 }, truncated],
    ['TCP header of 4 words', t4({}, { headerWords: 4 }), { type: tcp4, size: 50 }, truncated],
    ['a frame shorter than the IP length', t4().slice(0, 14 + 20 + 30), { type: tcp4, size: 50 }, 1],
    [
      'TCP options beyond the frame',
      t4({}, { headerWords: 15 }).slice(0, 90),
      { type: tcp4, size: 50 },
      truncated,
    ],
    [
      'checksum start elsewhere',
      t4(),
      { type: tcp4, size: 50, flags: need, start: 30, offset: 16 },
      contradiction,
    ],
    [
      'checksum offset of UDP',
      t4(),
      { type: tcp4, size: 50, flags: need, start: 34, offset: 6 },
      contradiction,
    ],
    ['a tunnel', tunnel, { type: tcp4, size: 50, flags: need, start: 84, offset: 16 }, 2],
    ['half a tunnel', tunnel, { type: tcp4, size: 50, flags: need, start: 80, offset: 16 }, contradiction],
    [
      'an inner checksum beyond the frame',
      tunnel,
      { type: tcp4, size: 50, flags: need, start: 999, offset: 16 },
      contradiction,
    ],
    [
      'an extension header beyond the frame',
      t6({ extensions: [{ type: 0, body: new Uint8Array(6), length: 255 }] }),
      { type: tcp6, size: 50 },
      truncated,
    ],
  ])('%s gets its code', (_name, frame, vnet, code) => {
    expect(planSegments(poolWith(frame, vnet), OFF, frame.length, plan)).toBe(code);
  });

  it('reads nothing beyond the frame, whatever it holds', () => {
    const seeds = [
      t4(),
      t6({ extensions: [build.fragmentExtension(), { type: 60, body: new Uint8Array(14) }] }),
      u4,
      tunnel,
    ];
    const types = [tcp4, tcp6, udpL4, tcp4 | VnetGso.ecn];
    fc.assert(
      fc.property(
        fc.nat({ max: 3 }),
        fc.nat({ max: 3 }),
        fc.nat({ max: 250 }),
        fc.array(fc.tuple(fc.nat({ max: 120 }), fc.nat({ max: 255 })), { maxLength: 6 }),
        fc.nat({ max: 200 }),
        (which, type, length, changes, size) => {
          const frame = seeds[which]!.slice(0, length);
          for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
          // A proxy would be slow and unlike the pool; two different surroundings must give equal results.
          const one = poolWith(frame, { type: types[type]!, size });
          const two = one.slice();
          two.fill(0x11, OFF + frame.length);
          const count = planSegments(one, OFF, frame.length, plan);
          expect(planSegments(two, OFF, frame.length, plan)).toBe(count);
          for (let k = 0; k < count; k++) {
            const at = outOf(frame);
            const n = writeSegment(one, OFF, plan, k, at);
            expect(n).toBeLessThanOrEqual(frame.length);
            writeSegment(two, OFF, plan, k, at);
            expect(Buffer.compare(one.subarray(at, at + n), two.subarray(at, at + n))).toBe(0);
          }
        },
      ),
      { seed: 5, numRuns: 1500 },
    );
  });
});

describe('the virtio-net header', () => {
  it('is 10 little-endian bytes before the frame', () => {
    const bytes = new Uint8Array(32);
    writeVnet(bytes, 20, 1, 0x81, 0x0203, 0x0405, 0x0607, 0x0809);
    expect(Buffer.from(bytes).toString('hex', 8, 22)).toBe(`000001810302050407060908${'00'.repeat(2)}`);
    const header = new VnetHeader();
    readVnet(bytes, 20, header);
    expect(header).toEqual({
      flags: 1,
      gsoType: 0x81,
      hdrLen: 0x0203,
      gsoSize: 0x0405,
      csumStart: 0x0607,
      csumOffset: 0x0809,
    });
  });
});
