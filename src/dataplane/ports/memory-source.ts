/**
 * The memory source: a seeded generator of Ethernet + IPv4 + UDP frames.
 *
 * Promise: frame number i is a pure function of (options, port, i), and i lies in the port's shared state words, so
 * that a restarted worker goes on with the frame after the last one that was handed out. Flows are visited in
 * rounds, every flow once a round in an order that differs from round to round, so the sequence number of a flow is
 * the round number: receivers see a gap or a swap without any table in the generator. Elephants (`memory-mix.ts`) are
 * visited between the others, as often as their share asks for; their sequence numbers count their own rounds.
 *
 * Threads: one receiver object, used by the worker that polls the queue; the state words are written by it only.
 *
 * Speed: headers come from one prebuilt 60-byte template per flow, copied as 32-bit words (slots are aligned; a
 * call of `set` or `copyWithin` costs more than 15 stores; little-endian, as every machine that Node runs packets on);
 * checksums are patched from precomputed sums.
 */

import { performance } from 'node:perf_hooks';
import { ethernet, ipv4, udp } from '../../packet/build.js';
import { foldSum, pseudoSum4, putUint16, storeIpv4Checksum, sum16 } from '../../packet/checksum.js';
import { STAMP_HIGH_WORD, STAMP_LOW_WORD, stampHigh, stampLow } from '../latency.js';
import { HEADROOM, SMALL_SLOT_BYTES } from '../layout.js';
import { ReceiveStatus } from '../native.js';
import type { FramePool } from '../pool.js';
import { divideSource, placeInTurn, SHARE_ONE, type SourcePart } from './memory-mix.js';
import type { MemorySourceOptions } from './memory-options.js';
import type { ReceiveArrays, Receiver } from './port.js';

/** Where a frame says which it is, relative to its start: 16-bit mark, 32-bit flow id, 32-bit sequence number. */
export const STAMP_MARK_OFFSET = 42;
export const STAMP_FLOW_OFFSET = 44;
export const STAMP_SEQUENCE_OFFSET = 48;
export const STAMP_MARK = 0x5258;

/** Frame lengths of `imix`, 7 : 4 : 1 (Ethernet 64, 594 and 1518 bytes with FCS), spread over 12 frames. */
const IMIX = Int32Array.of(60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60);

const TEMPLATE_BYTES = 60;
const TEMPLATE_WORDS = 15;
/** Templates lie this far apart: a cache line. */
const TEMPLATE_STRIDE = 16;
const TEMPLATE_SHIFT = 4;

// Constants of this module's own, which V8 folds into the loop (see packet/dissect).
const SLOT_BYTES = SMALL_SLOT_BYTES;
const FRAME_AT = HEADROOM;

/** How far, in milliseconds, a source with a rate may fall behind and still catch up. */
const CATCH_UP_MS = 250;

/** One step of a 32-bit mixing function (the finaliser of MurmurHash3): equal inputs, equal outputs. */
function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function macText(first: number, number: number): string {
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  return `02:${hex(first)}:${[24, 16, 8, 0].map((shift) => hex((number >>> shift) & 255)).join(':')}`;
}

/** The MAC of guest g (0 …): 02:00:00:00:00:01 …. */
export function guestMac(g: number): string {
  return macText(0, g + 1);
}

/** The source MAC of the frames of port `port`. */
export function sourceMac(port: number): string {
  return macText(1, port + 1);
}

/** A frame of `length` bytes with all that the flows have in common, by the ordinary builders. */
function commonFrame(port: number, length: number): Uint8Array {
  return ethernet(
    { dst: guestMac(0), src: sourceMac(port) },
    ipv4(
      { src: '10.0.0.0', dst: '11.0.0.0', dontFragment: true },
      udp({ sport: 0, dport: 0 }, new Uint8Array(length - 42)),
    ),
  );
}

/** Makes `frame` the frame of flow `flow` with sequence number 0; a million flows must not take seconds. */
function becomeFlow(frame: Uint8Array, options: MemorySourceOptions, port: number, flow: number): void {
  const guest = (flow % options.guests) + 1;
  // An odd multiplier and an xor permute 24 bits: addresses look random and no two flows share one.
  const address = Math.imul(flow ^ mix(options.seed), 0x9e3779b1);
  const ports = mix(options.seed ^ mix(flow + 0x10000 * (port + 1)));
  putUint16(frame, 2, guest >>> 16);
  putUint16(frame, 4, guest);
  for (const [at, value] of [
    [27, address],
    [31, guest],
  ] as const) {
    frame[at] = value >>> 16;
    putUint16(frame, at + 1, value);
  }
  putUint16(frame, 34, 1024 + ((ports & 0xffff) % 64_512));
  putUint16(frame, 36, 1024 + ((ports >>> 16) % 64_512));
  putUint16(frame, STAMP_MARK_OFFSET, STAMP_MARK);
  putUint16(frame, STAMP_FLOW_OFFSET, (port << 8) | (flow >>> 16));
  putUint16(frame, STAMP_FLOW_OFFSET + 2, flow);
  storeIpv4Checksum(frame, 14, 20);
  putUint16(frame, 40, 0);
  const length = frame.length - 34;
  const checksum = sum16(frame, 34, length, pseudoSum4(frame, 14, 17, length)) ^ 0xffff;
  putUint16(frame, 40, checksum === 0 ? 0xffff : checksum);
}

/** A frame of flow `flow`, sequence number 0: for whoever has to know where it will go. The same array every time. */
export function flowFrames(options: MemorySourceOptions, port: number): (flow: number) => Uint8Array {
  const frame = commonFrame(port, TEMPLATE_BYTES);
  return (flow) => {
    becomeFlow(frame, options, port, flow);
    return frame;
  };
}

export class MemorySource implements Receiver {
  readonly descriptor = -1;
  /** The ordinary flows' templates, then the elephants'. */
  private readonly templates: Int32Array;
  /** Per template: sums without the fields that depend on length and sequence number. */
  private readonly ipSum: Int32Array;
  private readonly udpSums: Int32Array;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  /** Step from flow to flow within a round: coprime to the number of flows, so that a round visits each once. */
  private readonly step: number;
  private readonly flows: number;
  private readonly elephants: number;
  // The position, decoded: the next ordinary frame is number `place` of round `round` and of template `flow`; the
  // next elephant's likewise. `credit` reaches SHARE_ONE when an elephant is next.
  private heavyPlace = 0;
  private heavyRound = 0;
  private credit = 0;
  private index = 0;
  private round = 0;
  private place = 0;
  private flow = 0;
  private phase = 0;
  // Clock of a source with a rate: `base` frames had been given at `startMs`.
  private startMs = -1;
  private base = 0;

  /**
   * @param port index of the port: flow ids and source MACs of several sources differ
   * @param worker the home worker, whose slots are taken
   * @param state two shared words: the number of the next frame, low and high half
   * @param clock what stamps are read from
   * @param part the flows of this receive queue; default: all
   */
  constructor(
    private readonly options: MemorySourceOptions,
    port: number,
    private readonly pool: FramePool,
    private readonly worker: number,
    private readonly arrays: ReceiveArrays,
    private readonly state: Int32Array,
    private readonly clock: () => number = () => performance.now() * 1e6,
    private readonly part: SourcePart = divideSource(options, placeInTurn(options))[0]!,
  ) {
    const { seed } = options;
    const { ordinary, heavy } = part;
    const flows = ordinary.length;
    this.flows = flows;
    this.elephants = heavy.length;
    const count = flows + heavy.length;
    this.bytes = pool.bytes;
    this.words = new Int32Array(pool.bytes.buffer, pool.bytes.byteOffset, pool.bytes.length >> 2);
    this.templates = new Int32Array(count * TEMPLATE_STRIDE);
    this.ipSum = new Int32Array(count);
    this.udpSums = new Int32Array(count);
    const templateBytes = new Uint8Array(this.templates.buffer);
    const frame = commonFrame(port, options.size === 0 ? TEMPLATE_BYTES : options.size);
    const length = frame.length - 34;
    for (let t = 0; t < count; t++) {
      const at = t * TEMPLATE_STRIDE * 4;
      becomeFlow(frame, options, port, t < flows ? ordinary[t]! : heavy[t - flows]!);
      templateBytes.set(frame.subarray(0, TEMPLATE_BYTES), at);
      templateBytes.fill(0, at + 40, at + 42);
      // One's complement arithmetic: the sum over all but a field is the complement of what the field must hold
      // less the parts that change.
      const ipChecksum = (frame[24]! << 8) | frame[25]!;
      const udpChecksum = (frame[40]! << 8) | frame[41]!;
      this.ipSum[t] = foldSum((ipChecksum ^ 0xffff) + ((length + 20) ^ 0xffff));
      this.udpSums[t] = foldSum((udpChecksum ^ 0xffff) + (foldSum(2 * length) ^ 0xffff));
    }
    const rounds = Math.max(1, flows);
    let step = 1 + (mix(seed ^ 0x5eed) % rounds);
    while (gcd(step, rounds) !== 1) step++;
    this.step = step % rounds;
    this.seek(this.state[0]! >>> 0, this.state[1]! >>> 0);
  }

  /** First flow of a round. */
  private firstOf(round: number): number {
    return mix(mix(this.options.seed) ^ (round | 0)) % this.flows;
  }

  private seek(low: number, high: number): void {
    const { flows, elephants } = this;
    this.index = high * 0x1_0000_0000 + low;
    // Once a start, so BigInt may do what doubles cannot.
    const credits = BigInt(this.index) * BigInt(this.part.heavyShare);
    this.credit = Number(credits % BigInt(SHARE_ONE));
    const heavy = elephants === 0 ? 0 : Number(credits / BigInt(SHARE_ONE));
    if (elephants > 0) {
      this.heavyRound = Math.floor(heavy / elephants);
      this.heavyPlace = heavy - this.heavyRound * elephants;
    }
    const ordinary = this.index - heavy;
    if (flows > 0) {
      this.round = Math.floor(ordinary / flows);
      this.place = ordinary - this.round * flows;
      // Below 2^40: exact.
      this.flow = (this.firstOf(this.round) + this.step * this.place) % flows;
    }
    this.phase = this.index % 12;
  }

  finished(): boolean {
    return this.index >= this.part.packets;
  }

  dueInMs(now: number): number {
    if (this.finished()) return Number.POSITIVE_INFINITY;
    const { burst } = this.options;
    const { rate } = this.part;
    if (rate === 0 || this.startMs < 0) return 0;
    const given = this.index - this.base;
    // The burst that the next frame belongs to is due when all frames before it should have been given.
    const dueMs = this.startMs + ((given - (given % burst)) * 1000) / rate;
    return dueMs > now ? dueMs - now : 0;
  }

  /** How many of `max` frames are due by now. */
  private due(max: number): number {
    const { burst } = this.options;
    const { rate, packets } = this.part;
    const most = Math.min(max, packets - this.index);
    if (rate === 0) return most;
    const now = performance.now();
    if (this.startMs < 0) {
      this.startMs = now;
      this.base = this.index;
    }
    const behindMs = now - this.startMs - ((this.index - this.base) * 1000) / rate;
    // After a stall the schedule moves: a burst of seconds' worth of frames is no rate.
    if (behindMs > CATCH_UP_MS + (burst * 1000) / rate) this.startMs += behindMs - CATCH_UP_MS;
    const dueBursts = Math.floor(((now - this.startMs) * rate) / (1000 * burst)) + 1;
    const due = dueBursts * burst - (this.index - this.base);
    return Math.min(due, most);
  }

  receive(max: number): number {
    const { status, id: ids, off: offs, len: lens, flags } = this.arrays;
    // No `fill`: a call into C++ for six words.
    for (let k = 0; k < status.length; k++) status[k] = 0;
    const most = this.due(max);
    if (most <= 0) return 0;
    const { size } = this.options;
    const { words, bytes, templates, step, udpSums, flows, elephants } = this;
    const share = this.part.heavyShare;
    // Frames of every size that a source has fit into small slots.
    const n = this.pool.takeSmall(this.worker, ids, most);
    if (n < most) status[ReceiveStatus.stopped] = 1;
    let { flow, place, round, phase, credit, heavyPlace, heavyRound } = this;
    for (let i = 0; i < n; i++) {
      let t = flow;
      let sequence = round;
      credit += share;
      if (credit >= SHARE_ONE) {
        credit -= SHARE_ONE;
        t = flows + heavyPlace;
        sequence = heavyRound;
        heavyPlace++;
        if (heavyPlace === elephants) {
          heavyPlace = 0;
          heavyRound++;
        }
      } else {
        place++;
        if (place === flows) {
          place = 0;
          round++;
          flow = this.firstOf(round);
        } else {
          flow += step;
          if (flow >= flows) flow -= flows;
        }
      }
      const length = size === 0 ? IMIX[phase]! : size;
      const off = Math.imul(ids[i]!, SLOT_BYTES) + FRAME_AT;
      let to = off >> 2;
      const from = t << TEMPLATE_SHIFT;
      let udpSum = udpSums[t]! + (sequence & 0xffff) + (sequence >>> 16) + 2 * (length - 34);
      udpSum = (udpSum & 0xffff) + (udpSum >>> 16);
      udpSum = ((udpSum & 0xffff) + (udpSum >>> 16)) ^ 0xffff;
      if (udpSum === 0) udpSum = 0xffff;
      words[to] = templates[from]!;
      words[to + 1] = templates[from + 1]!;
      words[to + 2] = templates[from + 2]!;
      words[to + 3] = templates[from + 3]!;
      words[to + 4] = templates[from + 4]!;
      words[to + 5] = templates[from + 5]!;
      words[to + 6] = templates[from + 6]!;
      words[to + 7] = templates[from + 7]!;
      words[to + 8] = templates[from + 8]!;
      words[to + 9] = templates[from + 9]!;
      // Checksum and sequence number, 0 in the template, in the byte order of the machine's words.
      words[to + 10] = templates[from + 10]! | (udpSum >>> 8) | ((udpSum & 0xff) << 8);
      words[to + 11] = templates[from + 11]!;
      words[to + 12] =
        (sequence << 24) | ((sequence & 0xff00) << 8) | ((sequence >>> 8) & 0xff00) | (sequence >>> 24);
      words[to + 13] = templates[from + 13]!;
      words[to + 14] = templates[from + 14]!;
      to += TEMPLATE_WORDS;
      if (size === 0) {
        let ipSum = this.ipSum[t]! + length - 14;
        ipSum = ((ipSum & 0xffff) + (ipSum >>> 16)) ^ 0xffff;
        bytes[off + 16] = (length - 14) >>> 8;
        bytes[off + 17] = length - 14;
        bytes[off + 24] = ipSum >>> 8;
        bytes[off + 25] = ipSum;
        bytes[off + 38] = (length - 34) >>> 8;
        bytes[off + 39] = length - 34;
      }
      // Up to 3 bytes beyond the frame, still inside the slot. On shared memory `fill` of words takes a third of
      // the time of `fill` or `set` of bytes.
      if (length > TEMPLATE_BYTES) words.fill(0, to, (off + length + 3) >> 2);
      offs[i] = off;
      lens[i] = length;
      flags[i] = 0;
      phase = phase === 11 ? 0 : phase + 1;
    }
    if (this.options.stamp) this.stamp(n);
    this.credit = credit;
    this.heavyPlace = heavyPlace;
    this.heavyRound = heavyRound;
    this.flow = flow;
    this.place = place;
    this.round = round;
    this.phase = phase;
    this.index += n;
    this.state[0] = this.index | 0;
    this.state[1] = Math.floor(this.index / 0x1_0000_0000);
    return n;
  }

  /** Writes into frames 0 … n - 1 of the arrays when they were due, and that they have no checksum. */
  private stamp(n: number): void {
    const { words, bytes } = this;
    const { off } = this.arrays;
    const { burst } = this.options;
    const { rate } = this.part;
    let ns = this.clock();
    if (rate > 0) {
      const now = performance.now();
      const given = this.index - this.base;
      ns -= (now - this.startMs - ((given - (given % burst)) * 1000) / rate) * 1e6;
    }
    const low = stampLow(ns);
    const high = stampHigh(ns);
    for (let i = 0; i < n; i++) {
      const at = off[i]!;
      words[(at >> 2) + STAMP_LOW_WORD] = low;
      words[(at >> 2) + STAMP_HIGH_WORD] = high;
      bytes[at + 40] = 0;
      bytes[at + 41] = 0;
    }
  }

  close(): void {}
}
