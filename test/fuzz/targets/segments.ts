/**
 * Software segmentation and checksum completion, driven by virtio-net headers that say anything.
 *
 * Promises: what contradicts itself is refused and changes no byte; the segments that are made carry the payload once,
 * in order, with lengths and checksums that a slow sum over their bytes confirms; nothing outside a segment's slot is
 * written, and nothing outside the super-frame is read.
 */
import { ethernet, ipv4, ipv6, payloadBytes, tcp, udp } from '#rxsteer/packet/build.js';
import { ChecksumResult, completeChecksum, SCTP_CSUM_OFFSET } from '#rxsteer/packet/checksum.js';
import { writeSegment } from '#rxsteer/packet/segment.js';
import { planSegments, SegmentPlan } from '#rxsteer/packet/segment-plan.js';
import { VnetFlag, VnetGso, writeVnet } from '#rxsteer/packet/vnet.js';
import type { FuzzTarget } from '../driver.js';
import { must } from '../promise.js';

const HEADER = 10;
const OFF = 64;
const MOST = 3000;
/** Where segments are written; a fence before and behind. */
const OUT = OFF + MOST + 100;
const pool = new Uint8Array(OUT + MOST + 100);
const other = new Uint8Array(pool.length);
const plan = new SegmentPlan();
const otherPlan = new SegmentPlan();
/** Segments of a frame that are made: first, last and some between. */
const LOOKED_AT = 24;

const four = { src: '192.0.2.1', dst: '198.51.100.7' };
const six = { src: '2001:db8::1', dst: '2001:db8:0:1::2' };
const ports = { sport: 4000, dport: 80 };

/** One's complement sum, two bytes at a time. */
function slowSum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let sum = start;
  for (let at = from; at < to; at += 2) sum += bytes[at]! * 256 + (at + 1 < to ? bytes[at + 1]! : 0);
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  return sum;
}

/** Lays header and frame out, all else with this byte. */
function lay(into: Uint8Array, input: Uint8Array, filler: number): number {
  into.fill(filler);
  into.set(input, OFF - HEADER);
  return input.length - HEADER;
}

/** The segment's own bytes say what its lengths and sums must be. */
function checkSegment(length: number): void {
  const segment = pool.subarray(OUT, OUT + length);
  const { l3, l4, ipv6: isIpv6, tcp: isTcp } = plan;
  const end = segment.length;
  const stated = isIpv6
    ? l3 + 40 + segment[l3 + 4]! * 256 + segment[l3 + 5]!
    : l3 + segment[l3 + 2]! * 256 + segment[l3 + 3]!;
  must(stated === end, `the IP header states ${stated} bytes of ${end}`);
  if (!isIpv6) must(slowSum(segment, l3, l4) === 0xffff, 'the sum of the IPv4 header is wrong');
  if (!isTcp) must(segment[l4 + 4]! * 256 + segment[l4 + 5]! === end - l4, 'the UDP length is wrong');
  // Behind a routing header the pseudo header has another destination: the sender's partial sum says which.
  if (isIpv6 && l4 !== l3 + 40) return;
  const addresses = isIpv6 ? slowSum(segment, l3 + 8, l3 + 40) : slowSum(segment, l3 + 12, l3 + 20);
  const sum = slowSum(segment, l4, end, addresses + (isTcp ? 6 : 17) + (end - l4));
  must(sum === 0xffff, `the transport's sum comes to ${sum.toString(16)}`);
}

function checkSegments(input: Uint8Array): void {
  const length = lay(pool, input, 0xcc);
  const before = pool.slice();
  const count = planSegments(pool, OFF, length, plan);
  lay(other, input, 0x33);
  must(planSegments(other, OFF, length, otherPlan) === count, 'the plan depends on bytes outside the frame');
  must(Buffer.compare(pool, before) === 0, 'planning has written');
  if (count <= 0) return;
  must(plan.headerLength + plan.payloadLength === length, 'headers and payload are not the frame');
  const step = Math.max(1, Math.floor(count / LOOKED_AT));
  for (let k = 0; k < count; k = k === count - 1 ? count : Math.min(k + step, count - 1)) {
    pool.set(before);
    lay(other, input, 0x33);
    const size = writeSegment(pool, OFF, plan, k, OUT);
    must(size === plan.lengthOf(k), `segment ${k} has ${size} bytes, not ${plan.lengthOf(k)}`);
    writeSegment(other, OFF, otherPlan, k, OUT);
    const [here, there] = [pool, other].map((bytes) => bytes.subarray(OUT, OUT + size)) as [
      Uint8Array,
      Uint8Array,
    ];
    must(Buffer.compare(here, there) === 0, `segment ${k} depends on bytes outside the frame`);
    checkSegment(size);
    const from = plan.headerLength + k * plan.segmentSize;
    const payload = input.subarray(HEADER + from, HEADER + from + size - plan.headerLength);
    must(Buffer.compare(here.subarray(plan.headerLength), payload) === 0, `segment ${k} has another payload`);
    must(k < count - 1 || from + payload.length === length, 'the last segment does not end the payload');
    pool.fill(0xcc, OUT - HEADER, OUT + size);
    must(Buffer.compare(pool, before) === 0, `segment ${k} wrote outside its slot`);
  }
}

function checkCompletion(input: Uint8Array): void {
  const length = lay(pool, input, 0xcc);
  const before = pool.slice();
  const start = input[6]! | (input[7]! << 8);
  const offset = input[8]! | (input[9]! << 8);
  const width = offset === SCTP_CSUM_OFFSET ? 4 : 2;
  const inside = start + offset + width <= length;
  const result = completeChecksum(pool, OFF, length, start, offset);
  must(
    (result === ChecksumResult.done) === inside,
    `a checksum at ${start} + ${offset} of ${length}: ${result}`,
  );
  const at = OFF + start + offset;
  if (inside && width === 2) {
    const sum = slowSum(before, OFF + start, OFF + length) ^ 0xffff;
    const stored = pool[at]! * 256 + pool[at + 1]!;
    must(stored === (sum === 0 ? 0xffff : sum), `${stored.toString(16)} is stored, not ${sum.toString(16)}`);
  }
  if (inside) pool.set(before.subarray(at, at + width), at);
  must(Buffer.compare(pool, before) === 0, 'bytes outside the checksum were written');
}

function seed(type: number, size: number, start: number, offset: number, frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + frame.length);
  bytes.set(frame, HEADER);
  writeVnet(bytes, HEADER, start > 0 ? VnetFlag.needsCsum : 0, type, 54, size, start, offset);
  return bytes;
}

export const segments: FuzzTarget = {
  name: 'segments',
  covers: /\/dist\/packet\/(segment|checksum|vnet)\.js/,
  maxBytes: HEADER + MOST,
  seeds: () => [
    seed(VnetGso.tcp4, 500, 34, 16, ethernet({}, ipv4(four, tcp(ports, payloadBytes(1800))))),
    seed(VnetGso.tcp4, 8, 0, 0, ethernet({ vlans: [7] }, ipv4(four, tcp(ports, payloadBytes(99))))),
    seed(VnetGso.tcp6, 700, 54, 16, ethernet({}, ipv6(six, tcp(ports, payloadBytes(1500))))),
    seed(
      VnetGso.tcp6 | VnetGso.ecn,
      64,
      0,
      0,
      ethernet({ vlans: [3, 4] }, ipv6(six, tcp(ports, payloadBytes(200)))),
    ),
    seed(VnetGso.udpL4, 300, 34, 6, ethernet({}, ipv4(four, udp(ports, payloadBytes(1000))))),
    seed(VnetGso.udpL4, 300, 54, 6, ethernet({}, ipv6(six, udp(ports, payloadBytes(901))))),
    seed(VnetGso.udp, 300, 34, 6, ethernet({}, ipv4(four, udp(ports, payloadBytes(400))))),
  ],
  check(input) {
    if (input.length < HEADER) return;
    checkSegments(input);
    checkCompletion(input);
  },
};
