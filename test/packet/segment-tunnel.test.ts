/**
 * Super-frames inside a tunnel are cut into the frames that the sender would have sent one by one: the builders make
 * those, and know nothing of segmentation.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as build from '#rxsteer/packet/build.js';
import { writeSegment } from '#rxsteer/packet/segment.js';
import { planSegments, SegmentError, SegmentPlan } from '#rxsteer/packet/segment-plan.js';
import { VnetFlag, VnetGso, writeVnet } from '#rxsteer/packet/vnet.js';

const { ethernet, ipv4, ipv6, udp, tcp, TcpFlag } = build;
const OFF = 64;
const plan = new SegmentPlan();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

interface Shape {
  readonly outer6: boolean;
  readonly inner6: boolean;
  readonly id: number;
  /** The outer UDP header has a checksum. */
  readonly summed: boolean;
  readonly tags: readonly number[];
}
type Wrap = (shape: Shape, inner: build.Packet, k: number) => Uint8Array;

const outerIp = ({ outer6, id }: Shape, k: number, transport: build.Transport) =>
  outer6
    ? ipv6({ src: '2001:db8::1', dst: '2001:db8::2' }, transport)
    : ipv4({ src: '192.0.2.1', dst: '192.0.2.2', id: (id + k) & 0xffff }, transport);
const overUdp =
  (dport: number, wrap: (inner: build.Packet) => Uint8Array): Wrap =>
  (shape, inner, k) =>
    ethernet(
      { vlans: [...shape.tags] },
      outerIp(shape, k, udp({ sport: 50_000, dport, ...(shape.summed ? {} : { checksum: 0 }) }, wrap(inner))),
    );
const over =
  (wrap: (inner: build.Packet) => build.Transport): Wrap =>
  (shape, inner, k) =>
    ethernet({ vlans: [...shape.tags] }, outerIp(shape, k, wrap(inner)));

/** GRE with a checksum over header and packet (RFC 2784). */
function greSummed(inner: build.Packet): build.Transport {
  const plain = build.gre({}, inner).bytes;
  const bytes = new Uint8Array(plain.length + 4);
  bytes.set(plain.subarray(0, 4));
  bytes[0] = 0x80;
  bytes.set(plain.subarray(4), 8);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes[4] = (sum ^ 0xffff) >>> 8;
  bytes[5] = sum ^ 0xffff;
  return { protocol: 47, bytes, checksumAt: -1, pseudoHeader: false, partial: false };
}

const tunnels: Record<string, Wrap> = {
  vxlan: overUdp(4789, (inner) => build.vxlan(42, ethernet({}, inner))),
  'vxlan on a port of its own, tagged inside': overUdp(8472, (inner) =>
    build.vxlan(42, ethernet({ vlans: [7] }, inner)),
  ),
  geneve: overUdp(6081, (inner) => build.geneve(42, ethernet({}, inner))),
  'geneve without Ethernet': overUdp(6081, (inner) => build.geneve(42, inner)),
  gtpu: overUdp(2152, (inner) => build.gtpu(42, inner)),
  gre: over((inner) => build.gre({}, inner)),
  'gre with a key, around Ethernet': over((inner) => build.gre({ key: 9 }, ethernet({}, inner))),
  'gre with a checksum': over(greSummed),
  'ip in ip': over((inner) => build.ipInIp(inner)),
  mpls: (shape, inner) => ethernet({ vlans: [...shape.tags] }, build.mpls([16, 17], inner)),
};

/** What a stream inside looks like in one piece, and segment by segment. */
function stream(shape: Shape, payload: Uint8Array, size: number, wrap: Wrap) {
  const ports = { sport: 40_000, dport: 5201, ack: 77 };
  const end = TcpFlag.ack | TcpFlag.psh;
  const inner = (k: number, transport: build.Transport) =>
    shape.inner6
      ? ipv6({ src: 'fd00::1', dst: 'fd00::2' }, transport)
      : ipv4({ src: '10.0.0.1', dst: '10.0.0.2', id: (shape.id * 3 + k) & 0xffff }, transport);
  const whole = wrap(shape, inner(0, tcp({ ...ports, seq: 5, flags: end, checksum: 'partial' }, payload)), 0);
  const count = Math.max(1, Math.ceil(payload.length / size));
  const wanted = Array.from({ length: count }, (_, k) => {
    const flags = k === count - 1 ? end : TcpFlag.ack;
    const part = payload.subarray(k * size, (k + 1) * size);
    return hex(wrap(shape, inner(k, tcp({ ...ports, seq: 5 + k * size, flags }, part)), k));
  });
  return { whole, wanted };
}

/** The segments, in hex, or a `SegmentError`. */
function cut(frame: Uint8Array, start: number, size: number, inner6: boolean): string[] | number {
  const out = OFF + frame.length + 100;
  const bytes = new Uint8Array(out + frame.length + 100).fill(0xcc);
  bytes.set(frame, OFF);
  writeVnet(bytes, OFF, VnetFlag.needsCsum, inner6 ? VnetGso.tcp6 : VnetGso.tcp4, 0, size, start, 16);
  const count = planSegments(bytes, OFF, frame.length, plan);
  if (count < 0) return count;
  return Array.from({ length: count }, (_, k) => {
    const length = writeSegment(bytes, OFF, plan, k, out);
    return hex(bytes.subarray(out, out + length));
  });
}

describe('a super-frame in a tunnel', () => {
  it.each(Object.keys(tunnels))('of %s becomes the frames that the sender would have sent', (name) => {
    const shapes = fc.record({
      outer6: fc.boolean(),
      inner6: fc.boolean(),
      id: fc.nat({ max: 0xffff }),
      summed: fc.boolean(),
      tags: fc.constantFrom([], [5], [5, 6]),
    });
    fc.assert(
      fc.property(shapes, fc.nat({ max: 4000 }), fc.integer({ min: 8, max: 1500 }), (shape, length, size) => {
        const { whole, wanted } = stream(shape, build.payloadBytes(length), size, tunnels[name]!);
        expect(cut(whole, whole.length - length - 20, size, shape.inner6)).toEqual(wanted);
      }),
      { seed: 11, numRuns: 40 },
    );
  });

  it('that counts its packets is refused, and so are two tunnels', () => {
    const shape = { outer6: false, inner6: false, id: 1, summed: false, tags: [] };
    const counted = stream(
      shape,
      build.payloadBytes(300),
      100,
      over((inner) => build.gre({ sequence: 5 }, inner)),
    );
    expect(cut(counted.whole, counted.whole.length - 320, 100, false)).toBe(SegmentError.unsupported);
    const twice = stream(
      shape,
      build.payloadBytes(300),
      100,
      over((inner) => build.ipInIp(ipv4({ src: '10.9.0.1', dst: '10.9.0.2' }, build.ipInIp(inner)))),
    );
    expect(cut(twice.whole, twice.whole.length - 320, 100, false)).toBe(SegmentError.contradiction);
  });

  it('is read within the frame only, whatever it holds', () => {
    const shape = { outer6: false, inner6: false, id: 1, summed: true, tags: [5] };
    const frames = Object.values(tunnels).map(
      (wrap) => stream(shape, build.payloadBytes(200), 50, wrap).whole,
    );
    const change = fc.tuple(fc.nat({ max: 140 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(
        fc.nat({ max: frames.length - 1 }),
        fc.nat({ max: 320 }),
        fc.array(change, { maxLength: 5 }),
        fc.integer({ min: -30, max: 30 }),
        (which, length, changes, shift) => {
          const original = frames[which]!;
          const frame = original.slice(0, length);
          for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
          const start = Math.max(0, original.length - 220 + shift);
          const result = cut(frame, start, 50, false);
          // What lies around the frame must not matter.
          const longer = new Uint8Array(frame.length + 60).fill(0x11);
          longer.set(frame);
          const bytes = new Uint8Array(OFF + longer.length).fill(0x22);
          bytes.set(longer, OFF);
          writeVnet(bytes, OFF, VnetFlag.needsCsum, VnetGso.tcp4, 0, 50, start, 16);
          const count = planSegments(bytes, OFF, frame.length, plan);
          expect(count).toBe(typeof result === 'number' ? result : result.length);
        },
      ),
      { seed: 12, numRuns: 1500 },
    );
  });
});
