/**
 * The first look at the packets of a chunk: which of them are plain packets of flows that are known.
 *
 * Plain: Ethernet with at most one VLAN tag, IPv4 without options, no fragment, TCP, UDP or SCTP with readable ports.
 * Nearly all packets of most captures are; for them one loop takes the place of dissection, flow table and counting,
 * and a policy that decides by flow need not see them (see flow-run.ts). Everything else is left over, in order.
 *
 * Promise: what it says of a plain packet is what dissection says (a test compares). One thread.
 */
import { BURST_MAX, FrameFlag } from '../packet/burst.js';
import { EtherType, Protocol } from '../packet/protocol.js';
import { CHUNK_PACKETS, type Chunk } from './chunk.js';
import { FlowRecord, type FlowTable, hash4 } from './flow-table.js';
import type { MacSet } from './mac-set.js';

// Constants of the module: docs/hot-loops.md.
const TRUNCATED = FrameFlag.truncated;
const {
  words: WORDS,
  ports: PORTS,
  protocol: PROTOCOL,
  sign: SIGN,
  packets: PACKETS,
  bytes: BYTES,
} = FlowRecord;
const DOUBLES = WORDS / 2;
const HEADER = 14;
const TAG = 4;
/** Ethernet, IPv4 and ports. */
const LEAST = HEADER + 24;
const TAG_HEAD = EtherType.vlan;
/** Ethertype IPv4, version 4 and a header of five words. */
const HEAD_IPV4 = (EtherType.ipv4 << 8) | 0x45;
const PORTED = (1 << Protocol.tcp) | (1 << Protocol.udp);
/** Of the first four bytes of a destination MAC address. */
const GROUP_BIT = 1 << 24;
const SCTP = Protocol.sctp;

/** What `sign` is for packets of a flow that are not plain, and for flows that have such packets. */
export const NOT_PLAIN = 2;

/** Counts of the packets that the scan has dealt with. */
export class Scan {
  bytes = 0;
  truncated = 0;
  tagged = 0;
  /** By packet of the chunk: 0 for what is not plain, else what all packets of its flow have in common. */
  readonly sign = new Int32Array(CHUNK_PACKETS);
  /** Packets of the last block that were left over, in order. */
  readonly left = new Int32Array(BURST_MAX);
  #left = 0;
  /** A flow has got its first packet that is not plain, or not like the others. Set to false by whoever asks. */
  turned = false;
  /** All that were left over are plain. */
  isPlain = true;
  readonly #candidates = new Int32Array(BURST_MAX);
  /** Destination MAC address of the last plain packet: the whole first word, and the upper half of the second. */
  #macHigh = 0;
  #macLow = 0;

  constructor(readonly macs: MacSet) {}

  /**
   * Looks at packets `from` … `to - 1`, up to `BURST_MAX`; fills `chunk.flow` of what it deals with.
   * @param view all bytes of the chunk
   * @returns how many were left over
   */
  block(chunk: Chunk, view: DataView, flows: FlowTable, from: number, to: number): number {
    this.#look(chunk, view, flows, from, to);
    this.#count(chunk, view, flows, from, to);
    return this.#left;
  }

  /** Deals with what was left over, where all of it is plain: mostly new flows. Lists it in `chunk.odd`. */
  add(chunk: Chunk, view: DataView, flows: FlowTable): void {
    const { flags, off, odd, wire } = chunk;
    let { odds } = chunk;
    for (let k = 0; k < this.#left; k++) {
      const i = this.left[k]!;
      const own = this.sign[i]!;
      const frame = off[i]!;
      const ip = own === 1 ? frame + HEADER : frame + HEADER + TAG;
      const flow = flows.find4(view, ip, view.getInt32(ip + 20), view.getUint8(ip + 9));
      const { words, doubles } = flows;
      const record = WORDS * flow;
      words[record + PACKETS]! += 1;
      doubles[DOUBLES * flow + BYTES]! += wire[i]!;
      chunk.flow[i] = flow;
      const old = words[record + SIGN]!;
      if (old === 0 || old === own) {
        words[record + SIGN] = own;
        odd[odds++] = (i << 1) | 1;
      } else {
        if (old !== NOT_PLAIN) this.turned = true;
        words[record + SIGN] = NOT_PLAIN;
        odd[odds++] = i << 1;
      }
      const high = view.getInt32(frame);
      if ((high & GROUP_BIT) === 0) this.macs.add(high >>> 16, (high << 16) | view.getUint16(frame + 4));
      this.bytes += wire[i]!;
      if ((flags[i]! & TRUNCATED) !== 0) this.truncated++;
      if (own !== 1) this.tagged++;
    }
    chunk.odds = odds;
  }

  /** Signs the packets and looks up the index: its cache misses do not depend on each other and overlap. */
  #look(chunk: Chunk, view: DataView, flows: FlowTable, from: number, to: number): void {
    const { off, len, flags } = chunk;
    const { sign } = this;
    const candidates = this.#candidates;
    const { index, mask } = flows;
    for (let i = from; i < to; i++) {
      let candidate = -1;
      let own = 0;
      const length = len[i]!;
      if (length >= LEAST) {
        let at = off[i]! & 0x7fffffff;
        let there = length - HEADER;
        let tag = 0;
        let head = view.getInt32(at + 12);
        if (head >>> 16 === TAG_HEAD && length >= LEAST + TAG) {
          tag = (head & 0xffff) + 1;
          head = view.getInt32(at + 16);
          at += TAG;
          there -= TAG;
        }
        if (head >>> 8 === HEAD_IPV4) {
          const total = view.getUint16(at + 16);
          const middle = view.getInt32(at + 20);
          const protocol = middle & 0xff;
          const fits = total <= there || (flags[i]! & TRUNCATED) !== 0;
          const ported = (protocol < 32 && ((PORTED >>> protocol) & 1) === 1) || protocol === SCTP;
          if (fits && ported && total >= 24 && (middle & 0x3fff0000) === 0) {
            own = (tag << 2) | 1;
            const hash = hash4(
              view.getInt32(at + 26),
              view.getInt32(at + 30),
              view.getInt32(at + 34),
              protocol,
            );
            let slot = hash & mask;
            while (index[2 * slot] !== 0 && index[2 * slot + 1] !== hash) slot = (slot + 1) & mask;
            candidate = index[2 * slot]! - 1;
          }
        }
      }
      sign[i] = own;
      candidates[i - from] = candidate;
    }
  }

  /** Compares with the records, and counts what is the same. */
  #count(chunk: Chunk, view: DataView, flows: FlowTable, from: number, to: number): void {
    const { off, flags, flow, wire } = chunk;
    const { sign, left } = this;
    const candidates = this.#candidates;
    const { words, doubles } = flows;
    const { macs } = this;
    let rest = 0;
    let isPlain = true;
    let bytes = 0;
    let truncated = 0;
    let tagged = 0;
    let macHigh = this.#macHigh;
    let macLow = this.#macLow;
    for (let i = from; i < to; i++) {
      const candidate = candidates[i - from]!;
      if (candidate >= 0) {
        const own = sign[i]!;
        const record = WORDS * candidate;
        const frame = off[i]! & 0x7fffffff;
        const at = own === 1 ? frame : frame + TAG;
        const high = view.getInt32(frame);
        const low = view.getUint16(frame + 4);
        if (
          words[record] === view.getInt32(at + 26) &&
          words[record + 1] === view.getInt32(at + 30) &&
          words[record + PORTS] === view.getInt32(at + 34) &&
          words[record + PROTOCOL] === view.getUint8(at + 23) &&
          words[record + SIGN] === own
        ) {
          if (high !== macHigh || low !== macLow) {
            macHigh = high;
            macLow = low;
            if ((high & GROUP_BIT) === 0) macs.add(high >>> 16, (high << 16) | low);
          }
          flow[i] = candidate;
          const size = wire[i]!;
          words[record + PACKETS]! += 1;
          doubles[DOUBLES * candidate + BYTES]! += size;
          bytes += size;
          if ((flags[i]! & TRUNCATED) !== 0) truncated++;
          if (own !== 1) tagged++;
          continue;
        }
      }
      left[rest++] = i;
      if (sign[i] === 0) isPlain = false;
    }
    this.bytes += bytes;
    this.truncated += truncated;
    this.tagged += tagged;
    this.#left = rest;
    this.isPlain = isPlain;
    this.#macHigh = macHigh;
    this.#macLow = macLow;
  }
}
