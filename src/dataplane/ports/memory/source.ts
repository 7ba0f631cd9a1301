/**
 * The memory source: a seeded generator of Ethernet + IPv4 + UDP frames.
 *
 * Promise: frame number i is a pure function of (options, port, i), and i lies in the port's shared state words, so
 * that a restarted worker goes on with the frame after the last one that was handed out. Flows are visited in
 * rounds, every flow once a round in an order that differs from round to round, so the sequence number of a flow is
 * the round number: receivers see a gap or a swap without any table in the generator. Elephants (`mix.ts`) are
 * visited between the others, as often as their share asks for; their sequence numbers count their own rounds.
 *
 * Threads: one receiver object, used by the worker that polls the queue; the state words are written by it only.
 *
 * With the addon `NativeMemorySource` makes the same frames in one call a burst (`native-source.ts`).
 *
 * Speed: headers come from one prebuilt 60-byte template per flow, copied by words (slots are aligned; a
 * call of `set` or `copyWithin` costs more than 15 stores; little-endian, as every machine that Node runs packets on);
 * checksums are patched from precomputed sums.
 */

import { ReceiveStatus } from '../../../addon/native.js';
import { BURST_COUNT } from '../../../packet/burst.js';
import { ClockTime, type ThreadClock } from '../../memory/clock.js';
import { STAMP_HIGH_WORD, STAMP_LOW_WORD, stampHigh, stampLow } from '../../memory/latency.js';
import { HEADROOM, SMALL_SLOT_BYTES } from '../../memory/layout.js';
import type { FramePool } from '../../memory/pool.js';
import type { ReceiveArrays, Receiver } from '../port.js';
import { divideSource, placeInTurn, SHARE_ONE, type SourcePart } from './mix.js';
import type { MemorySourceOptions } from './options.js';
import { firstOfRound, IMIX, indexIn, placeOf, sourceStep, untilDue } from './position.js';
import { SourceTemplates, STAMP_FLOW_OFFSET, TEMPLATE_BYTES, TEMPLATE_STRIDE } from './templates.js';

const TEMPLATE_WORDS = TEMPLATE_BYTES / 4;
const TEMPLATE_SHIFT = Math.log2(TEMPLATE_STRIDE);

// Constants of the module: docs/hot-loops.md.
const SLOT_BYTES = SMALL_SLOT_BYTES;
const FRAME_AT = HEADROOM;
const COUNT = BURST_COUNT;
/** Offsets are below 2^31 bytes: an index of a word of the pool has 29 bits. */
const WORD_INDEX = 0x1fffffff;

/** How far, in milliseconds, a source with a rate may fall behind and still catch up. */
const CATCH_UP_MS = 250;

export class MemorySource implements Receiver {
  readonly descriptor = -1;
  /** Ordinary flows and elephants of this queue; their templates lie in this order. */
  private readonly flows: number;
  private readonly elephants: number;
  /** Template of each flow id. */
  private readonly templateOf: Int32Array;
  // The elephants' position; `credit` reaches SHARE_ONE when one is next.
  private heavyPlace = 0;
  private heavyRound = 0;
  private credit = 0;
  private readonly templates: Int32Array;
  /** Per flow: sums without the fields that depend on length and sequence number. */
  private readonly ipSum: Int32Array;
  private readonly udpSums: Int32Array;
  private readonly words: Int32Array;
  /**
   * The same memory in pieces of 8 bytes, for copying the first 40 bytes of a header: half as many moves. None of
   * these pieces is ever a NaN, whose bits a move might change: its last two bytes would have to be 0xf0 … 0xff and
   * 0x7f or 0xff, and they are addresses and lengths that are not.
   */
  private readonly wide: Float64Array;
  private readonly wideTemplates: Float64Array;
  private readonly bytes: Uint8Array;
  /** Step from flow to flow within a round: coprime to the number of flows, so that a round visits each once. */
  private readonly step: number;
  // The position, decoded: frame `index` is number `place` of round `round` and belongs to `flow`.
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
   * @param clock what stamps and rates are read from
   * @param part the flows of this receive queue; default: all
   */
  constructor(
    private readonly options: MemorySourceOptions,
    port: number,
    private readonly pool: FramePool,
    private readonly worker: number,
    private readonly arrays: ReceiveArrays,
    private readonly state: Int32Array,
    private readonly clock: ThreadClock,
    private readonly part: SourcePart = divideSource(options, placeInTurn(options))[0]!,
  ) {
    const flows = part.ordinary.length;
    this.flows = flows;
    this.elephants = part.heavy.length;
    const templates = new SourceTemplates(options, port, part);
    this.templates = templates.words;
    this.templateOf = templates.of;
    this.ipSum = templates.ipSums;
    this.udpSums = templates.udpSums;
    this.bytes = pool.bytes;
    this.words = new Int32Array(pool.bytes.buffer, pool.bytes.byteOffset, pool.bytes.length >> 2);
    this.wide = new Float64Array(pool.bytes.buffer, pool.bytes.byteOffset, pool.bytes.length >> 3);
    this.wideTemplates = new Float64Array(this.templates.buffer);
    this.step = sourceStep(options.seed, flows);
    const at = placeOf(options, part, indexIn(state));
    this.index = at.index;
    this.round = at.round;
    this.place = at.place;
    this.flow = at.flow;
    this.heavyRound = at.heavyRound;
    this.heavyPlace = at.heavyPlace;
    this.credit = at.credit;
    this.phase = at.phase;
  }

  finished(): boolean {
    return this.index >= this.part.packets;
  }

  dueInMs(now: number): number {
    if (this.finished()) return Number.POSITIVE_INFINITY;
    return untilDue(now, this.startMs, this.index - this.base, this.options.burst, this.part.rate);
  }

  /** How many of `max` frames are due by now. */
  private due(max: number): number {
    const { burst } = this.options;
    const { rate, packets } = this.part;
    const most = Math.min(max, packets - this.index);
    if (rate === 0) return most;
    this.clock.look();
    const now = this.clock.times[ClockTime.ms]!;
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
    // Frames of every size that a source has fit into small slots.
    const n = this.pool.takeSmall(this.worker, ids, most);
    if (n < most) status[ReceiveStatus.stopped] = 1;
    const { size } = this.options;
    const end = n & COUNT;
    const length = size | 0;
    for (let i = 0; i < end; i++) {
      offs[i] = (Math.imul(ids[i]!, SLOT_BYTES) + FRAME_AT) | 0;
      flags[i] = 0;
      lens[i] = length;
    }
    if (size === 0) this.mix(n);
    if (this.elephants === 0) this.writeOrdinary(0, n);
    else this.writeWithElephants(n);
    if (size === 0) this.finishMix(n);
    else if (size > TEMPLATE_BYTES) for (let i = 0; i < n; i++) this.clearRest(offs[i]!, size);
    if (this.options.stamp) this.stamp(n);
    this.index += n;
    this.state[0] = this.index | 0;
    this.state[1] = Math.floor(this.index / 0x1_0000_0000);
    return n;
  }

  /** Frames first … end - 1 of ordinary flows, round by round: what a round shares is outside the loop over its frames. */
  private writeOrdinary(first: number, end: number): void {
    const { flows, step } = this;
    for (let i = first; i < end; ) {
      const count = Math.min(end - i, flows - this.place);
      this.flow = this.writeHeaders(i, i + count, this.flow, step, flows, this.round);
      i += count;
      this.place += count;
      if (this.place === flows) {
        this.place = 0;
        this.round++;
        this.flow = firstOfRound(this.options.seed, this.round, flows);
      }
    }
  }

  /** Frames 0 … n - 1 with the elephants among them. */
  private writeWithElephants(n: number): void {
    const { flows, elephants } = this;
    const share = this.part.heavyShare;
    let plain = 0;
    for (let i = 0; i < n; i++) {
      this.credit += share;
      if (this.credit < SHARE_ONE) continue;
      this.credit -= SHARE_ONE;
      if (plain < i) this.writeOrdinary(plain, i);
      plain = i + 1;
      this.writeHeaders(i, i + 1, flows + this.heavyPlace, 0, flows + elephants, this.heavyRound);
      this.heavyPlace++;
      if (this.heavyPlace === elephants) {
        this.heavyPlace = 0;
        this.heavyRound++;
      }
    }
    if (plain < n) this.writeOrdinary(plain, n);
  }

  /** Writes the first 60 bytes of frames from … to - 1, all of one round, with the checksum that their length makes. Returns the template after the last. */
  private writeHeaders(
    first: number,
    end: number,
    start: number,
    step: number,
    flows: number,
    number: number,
  ): number {
    const { words, templates, wide, wideTemplates, udpSums } = this;
    const round = number | 0;
    const { off: offs, len: lens } = this.arrays;
    const roundSum = ((round & 0xffff) + (round >>> 16) - 68) | 0;
    // The byte order of the machine's words.
    const sequence = (round << 24) | ((round & 0xff00) << 8) | ((round >>> 8) & 0xff00) | (round >>> 24);
    // Masks and `| 0`: ranges that V8 knows (see `BURST_COUNT`), and machine integers.
    const stride = step | 0;
    const count = flows | 0;
    const last = end & COUNT;
    let flow = start | 0;
    for (let i = first & COUNT; i < last; i++) {
      const to = (offs[i]! >> 2) & WORD_INDEX;
      const from = (flow << TEMPLATE_SHIFT) & WORD_INDEX;
      let sum = (udpSums[flow]! + roundSum + (lens[i]! << 1)) | 0;
      sum = (sum & 0xffff) + (sum >>> 16);
      sum = ((sum & 0xffff) + (sum >>> 16)) ^ 0xffff;
      if (sum === 0) sum = 0xffff;
      const wideTo = to >> 1;
      const wideFrom = from >> 1;
      wide[wideTo] = wideTemplates[wideFrom]!;
      wide[wideTo + 1] = wideTemplates[wideFrom + 1]!;
      wide[wideTo + 2] = wideTemplates[wideFrom + 2]!;
      wide[wideTo + 3] = wideTemplates[wideFrom + 3]!;
      wide[wideTo + 4] = wideTemplates[wideFrom + 4]!;
      // Checksum and sequence number are 0 in the template.
      words[to + 10] = templates[from + 10]! | (sum >>> 8) | ((sum & 0xff) << 8);
      words[to + 11] = templates[from + 11]!;
      words[to + 12] = sequence;
      words[to + 13] = 0;
      words[to + 14] = 0;
      flow = (flow + stride) | 0;
      if (flow >= count) flow = (flow - count) | 0;
    }
    return flow;
  }

  /** Chooses the lengths of a mix. */
  private mix(n: number): void {
    const { len } = this.arrays;
    let { phase } = this;
    for (let i = 0; i < n; i++) {
      len[i] = IMIX[phase]!;
      phase = phase === 11 ? 0 : phase + 1;
    }
    this.phase = phase;
  }

  /** What depends on the length in a mix: length fields, IP checksum, the bytes behind the template. */
  private finishMix(n: number): void {
    const { bytes } = this;
    const { off, len } = this.arrays;
    for (let i = 0; i < n; i++) {
      const at = off[i]!;
      const length = len[i]!;
      const flow = this.flowAt(at);
      let ipSum = this.ipSum[this.templateOf[flow]!]! + length - 14;
      ipSum = ((ipSum & 0xffff) + (ipSum >>> 16)) ^ 0xffff;
      bytes[at + 16] = (length - 14) >>> 8;
      bytes[at + 17] = length - 14;
      bytes[at + 24] = ipSum >>> 8;
      bytes[at + 25] = ipSum;
      bytes[at + 38] = (length - 34) >>> 8;
      bytes[at + 39] = length - 34;
      if (length > TEMPLATE_BYTES) this.clearRest(at, length);
    }
  }

  /** The flow that the frame at `at` says it is of. */
  private flowAt(at: number): number {
    const { bytes } = this;
    const flow = at + STAMP_FLOW_OFFSET;
    return (bytes[flow + 1]! << 16) | (bytes[flow + 2]! << 8) | bytes[flow + 3]!;
  }

  /**
   * Zeroes what follows the template in a frame; up to 3 bytes more, still inside the slot. On shared memory `fill` of
   * words takes a third of the time of `fill` or `set` of bytes.
   */
  private clearRest(at: number, length: number): void {
    this.words.fill(0, (at >> 2) + TEMPLATE_WORDS, (at + length + 3) >> 2);
  }

  /** Writes into frames 0 … n - 1 of the arrays when they were due, and that they have no checksum. */
  private stamp(n: number): void {
    const { words, bytes } = this;
    const { off } = this.arrays;
    const { burst } = this.options;
    const { rate } = this.part;
    this.clock.look();
    let ns = this.clock.times[ClockTime.ns]!;
    if (rate > 0) {
      const now = this.clock.times[ClockTime.ms]!;
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
