/**
 * The traffic maker: packets one after the other into one buffer.
 *
 * Promise: exactly `plan.packets` packets; lengths and checksums are right; the sequence is a function of the plan
 * alone. `next(at)` writes a frame to `bytes[at…]` and says in the fields what it is; nothing is allocated per
 * packet. TCP flows begin with SYN (and, both ways, shake hands) and their sequence numbers advance by the payload;
 * acknowledgements name what was sent.
 *
 * Payload is one fixed text, so the sum over any length of it is known beforehand and a checksum takes the same few
 * additions for 60 bytes as for 1500. It lies at the end of the buffer, so that copying it is a move inside it.
 */
import { SeededRandom } from '../hash/random.js';
import { foldSum, sctpCrc } from '../packet/checksum.js';
import { ArrivalClock } from './arrivals.js';
import { type BucketTargets, targetBuckets } from './bucket-targets.js';
import { FlowTable, mix32 } from './flows.js';
import { FragmentCutter, fragmentPlan } from './fragments.js';
import type { TrafficPlan } from './options.js';
import { Permutation } from './permutation.js';
import { apportion, apportionGroups, flowWeights, Schedule } from './shares.js';
import { drawSize, FRAME_MIN } from './sizes.js';
import type { TransportWriter } from './transport-writer.js';

/** What was seen of a flow. */
export const Seen = { whole: 1, fragment: 2 } as const;

const PAYLOAD_BYTES = 65_536;
/** Room for a frame: the longest one with all headers. */
export const FRAME_ROOM = 66_048;
/** Bytes that `next` may write into, from 0. */
export const WINDOW_BYTES = 1 << 20;

const SYN = 0x02;
const ACK = 0x10;
const PUSH = 0x18;
/** Size from which the last fragment is full anyway. */
const LAST_MAX = 1514;

const TCP = 0;
const UDP = 1;
const SCTP = 2;
const PROTOCOL_CODE = { tcp: TCP, udp: UDP, sctp: SCTP, icmp: 3 } as const;

/** A text that no dissector mistakes for a message of its own. */
function fillPayload(bytes: Uint8Array): void {
  const text = 'rxsteer test traffic. ';
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i % text.length);
}

export class TrafficMaker implements TransportWriter {
  /** Frames are written here: `WINDOW_BYTES` for the caller, then the payload. */
  readonly bytes: Uint8Array = new Uint8Array(WINDOW_BYTES + PAYLOAD_BYTES);
  readonly view: DataView = new DataView(this.bytes.buffer);
  readonly flows: FlowTable;
  /** Set where the plan has an imbalance. */
  readonly targets: BucketTargets | null;
  /** Datagrams of each flow. */
  readonly counts: Float64Array;

  // About the last packet.
  /** Nanoseconds since the first packet. */
  time = 0;
  flow = 0;
  /** 0 to the guest, 1 from it. */
  way = 0;
  isFragment = false;

  /** Packets so far. */
  made = 0;
  /** Fragments as they lie on the wire, and fragments inside tunnels. */
  fragments = 0;
  innerFragments = 0;
  /** `Seen` bits by entry of the flow table. */
  readonly seen: Uint8Array;

  readonly #clock: ArrivalClock;
  readonly #random: SeededRandom;
  readonly #schedule: Schedule;
  readonly #payloadSums = new Uint16Array(PAYLOAD_BYTES);
  readonly #cutter: FragmentCutter;
  /** Which datagrams are cut: numbers below `two` in two, those below `two + three` in three. */
  readonly #cut: { readonly order: Permutation; readonly two: number; readonly three: number } | null;
  #datagram = 0;
  /** The datagram that is being cut lies in a tunnel. */
  #isInner = false;
  #ipId: number;

  // By flow.
  readonly #phase: Uint8Array;
  /** Next sequence number of each entry. */
  readonly #sequence: Int32Array;

  // By template: what the loop reads of it.
  readonly #kindLength: Int32Array;
  readonly #kindL3: Int32Array;
  readonly #kindL4: Int32Array;
  readonly #kindVersion: Int32Array;
  readonly #kindProtocol: Int32Array;
  readonly #kindOuter: Int32Array;
  readonly #kindLengths: readonly (readonly number[])[];

  /** @throws UserError for an imbalance that the policy cannot have. */
  constructor(readonly plan: TrafficPlan) {
    const { packets, seed } = plan;
    this.flows = new FlowTable(plan);
    const { n, ways, templates } = this.flows;
    this.targets = plan.imbalance === undefined ? null : targetBuckets(this.flows, plan.imbalance, seed);
    const weights = flowWeights(n, plan.zipf, plan.elephants, plan.elephantShare);
    const cut = fragmentPlan(packets, plan.fragments);
    const datagrams = packets - cut.two - 2 * cut.three;
    this.counts =
      this.targets === null
        ? apportion(weights, datagrams)
        : apportionGroups(weights, this.targets.hot, plan.imbalance!.share, datagrams);
    this.#schedule = new Schedule(this.counts, seed ^ 0x6f726465);
    this.#cut =
      cut.two + cut.three === 0 ? null : { ...cut, order: new Permutation(datagrams, seed ^ 0x66726167) };
    this.#clock = new ArrivalClock(plan.arrivals, plan.rate, plan.burst, seed ^ 0x74696d65);
    this.#random = new SeededRandom(seed ^ 0x7061636b);
    this.#ipId = this.#random.next() & 0xffff;
    this.seen = new Uint8Array(n * ways);
    this.#phase = new Uint8Array(n);
    this.#sequence = Int32Array.from({ length: n * ways }, (_, entry) => mix32(entry ^ seed ^ 0x69736e));
    const payload = this.bytes.subarray(WINDOW_BYTES);
    fillPayload(payload);
    let sum = 0;
    for (let i = 0; i < PAYLOAD_BYTES; i++) {
      this.#payloadSums[i] = sum;
      sum = foldSum(sum + (payload[i]! << ((i & 1) === 0 ? 8 : 0)));
    }
    this.#cutter = new FragmentCutter(this.flows, payload);
    this.#kindLength = Int32Array.from(templates, ({ bytes }) => bytes.length);
    this.#kindL3 = Int32Array.from(templates, ({ l3 }) => l3);
    this.#kindL4 = Int32Array.from(templates, ({ l4 }) => l4);
    this.#kindVersion = Int32Array.from(templates, ({ kind }) => kind.version);
    this.#kindProtocol = Int32Array.from(templates, ({ kind }) => PROTOCOL_CODE[kind.protocol]);
    this.#kindOuter = Int32Array.from(templates, ({ outerL3 }) => outerL3);
    this.#kindLengths = templates.map(({ outerLengths }) => outerLengths);
  }

  /** Writes the next frame to `bytes[at…]` (`at` at most WINDOW_BYTES - FRAME_ROOM); its length, or 0 at the end. */
  next(at: number): number {
    if (this.made >= this.plan.packets) return 0;
    this.made++;
    this.time = this.#clock.next();
    const cutter = this.#cutter;
    if (cutter.left === 0) {
      const datagram = this.#datagram++;
      this.flow = this.#schedule.flowOf(datagram);
      const size = drawSize(this.plan.sizes, this.#random);
      const cut = this.#cut;
      const number = cut === null ? 0 : cut.order.at(datagram);
      if (cut === null || number >= cut.two + cut.three) {
        this.isFragment = false;
        return this.#whole(at, size);
      }
      this.#startFragments(number < cut.two ? 2 : 3, size);
    }
    if (this.#isInner) this.innerFragments++;
    else this.fragments++;
    this.isFragment = true;
    return cutter.next(this.bytes, this.view, at);
  }

  /** Chooses the direction of the flow's next packet and, for TCP, its flags. */
  #flags(flow: number, protocol: number): number {
    const { ways } = this.flows;
    const phase = this.#phase[flow]!;
    if (phase === 3) {
      this.way = ways === 2 ? this.#random.next() & 1 : 0;
      return PUSH;
    }
    if (protocol !== TCP || ways === 1) {
      // Without answers (or without a handshake) the first packet opens, the rest is data.
      this.#phase[flow] = 3;
      this.way = 0;
      return protocol === TCP ? SYN : PUSH;
    }
    this.#phase[flow] = phase + 1;
    this.way = phase === 1 ? 1 : 0;
    return phase === 0 ? SYN : phase === 1 ? SYN | ACK : ACK;
  }

  /** A packet that is no fragment; gives its length. */
  #whole(at: number, size: number): number {
    const { flows, bytes, view } = this;
    const flow = this.flow;
    const ways = flows.ways;
    const protocol = this.#kindProtocol[flows.kinds[flow * ways]!]!;
    const flags = this.#flags(flow, protocol);
    const entry = flow * ways + this.way;
    this.seen[entry]! |= Seen.whole;
    const kind = flows.kinds[entry]!;
    const headers = this.#kindLength[kind]!;
    // Word by word: `set` would make an object of the source.
    const from = flows.view;
    const start = entry * flows.stride;
    for (let i = 0; i < headers; i += 4) view.setInt32(at + i, from.getInt32(start + i));
    let extra = size > headers && (flags & PUSH) === PUSH ? size - headers : 0;
    // SCTP pads chunks to words, and a DATA chunk has data (RFC 9260, 3.3.1).
    if (protocol === SCTP) extra = Math.max(4, extra & ~3);
    this.#finish(at, entry, kind, extra, flags);
    if (extra > 0) bytes.copyWithin(at + headers, WINDOW_BYTES, WINDOW_BYTES + extra);
    const length = headers + extra;
    if (protocol === SCTP) this.storeCrc(bytes, view, at + this.#kindL4[kind]!, length - this.#kindL4[kind]!);
    if (length >= FRAME_MIN) return length;
    bytes.fill(0, at + length, at + FRAME_MIN);
    return FRAME_MIN;
  }

  /** Lengths, numbers and checksums of the packet at `at` that has `extra` bytes of payload. */
  #finish(at: number, entry: number, kind: number, extra: number, flags: number): void {
    const { view, flows } = this;
    if (this.#kindOuter[kind]! >= 0) {
      const sum = foldSum(flows.sumOuter[entry]! + extra);
      view.setUint16(at + this.#kindOuter[kind]! + 10, sum ^ 0xffff);
    }
    const lengths = this.#kindLengths[kind]!;
    for (let i = 0; i < lengths.length; i++) {
      view.setUint16(at + lengths[i]!, view.getUint16(at + lengths[i]!) + extra);
    }
    const l3 = at + this.#kindL3[kind]!;
    if (this.#kindVersion[kind] === 4) {
      const id = this.#ipId;
      this.#ipId = (id + 1) & 0xffff;
      view.setUint16(l3 + 2, view.getUint16(l3 + 2) + extra);
      view.setUint16(l3 + 4, id);
      view.setUint16(l3 + 10, foldSum(flows.sumIp[entry]! + extra + id) ^ 0xffff);
    } else {
      view.setUint16(l3 + 4, view.getUint16(l3 + 4) + extra);
    }
    this.transport(view, at + this.#kindL4[kind]!, entry, kind, extra, flags);
  }

  /** Numbers and checksum of the transport header at `l4`. */
  transport(view: DataView, l4: number, entry: number, kind: number, extra: number, flags: number): void {
    const sequence = this.#sequence[entry]!;
    const base = this.flows.sumL4[entry]! + extra + this.#payloadSums[extra]!;
    switch (this.#kindProtocol[kind]) {
      case TCP: {
        this.#sequence[entry] = sequence + extra + ((flags & SYN) !== 0 ? 1 : 0);
        const ack = (flags & ACK) === 0 ? 0 : this.#acknowledged(entry);
        view.setInt32(l4 + 4, sequence);
        view.setInt32(l4 + 8, ack);
        view.setUint8(l4 + 13, flags);
        const sum = base + (sequence >>> 16) + (sequence & 0xffff) + (ack >>> 16) + (ack & 0xffff) + flags;
        view.setUint16(l4 + 16, foldSum(sum) ^ 0xffff);
        return;
      }
      case UDP: {
        // The length counts twice, in the header and in the pseudo header.
        view.setUint16(l4 + 4, 8 + extra);
        const checksum = foldSum(base + extra) ^ 0xffff;
        view.setUint16(l4 + 6, checksum === 0 ? 0xffff : checksum);
        return;
      }
      case SCTP:
        this.#sequence[entry] = sequence + 1;
        view.setUint16(l4 + 14, 16 + extra);
        view.setInt32(l4 + 16, sequence);
        view.setUint16(l4 + 22, sequence & 0xffff);
        return;
      default: {
        this.#sequence[entry] = sequence + 1;
        const number = sequence & 0xffff;
        view.setUint16(l4 + 6, number);
        // ICMP has no pseudo header, ICMPv6 has one: only there the length counts.
        const length = this.#kindVersion[kind] === 4 ? 0 : extra;
        view.setUint16(l4 + 2, foldSum(base - extra + length + number) ^ 0xffff);
      }
    }
  }

  /** What the other side has sent so far; without answers, a constant. */
  #acknowledged(entry: number): number {
    if (this.flows.ways === 2) return this.#sequence[entry ^ 1]!;
    return (mix32(entry ^ this.plan.seed ^ 0x61636b) + 1) | 0;
  }

  /** Begins a datagram of so many fragments. */
  #startFragments(pieces: number, size: number): void {
    const { flows } = this;
    const protocol = this.#kindProtocol[flows.kinds[this.flow * flows.ways]!]!;
    // A handshake does not come in fragments; the datagram is data whatever the flow has seen.
    if (protocol === TCP && this.#phase[this.flow] !== 3) this.#phase[this.flow] = 3;
    this.#flags(this.flow, protocol);
    const entry = this.flow * flows.ways + this.way;
    this.seen[entry]! |= Seen.fragment;
    this.#isInner = flows.templates[flows.kinds[entry]!]!.kind.tunnel !== null;
    this.#cutter.start(this, entry, pieces, Math.min(size, LAST_MAX), this.#ipId);
    this.#ipId = (this.#ipId + 1) & 0xffff;
  }

  /** Stores the CRC of the SCTP packet of `length` bytes at `l4`. */
  storeCrc(bytes: Uint8Array, view: DataView, l4: number, length: number): void {
    view.setUint32(l4 + 8, 0);
    view.setUint32(l4 + 8, sctpCrc(bytes, l4, length), true);
  }
}
