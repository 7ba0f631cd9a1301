/**
 * What is the same for all policies: flows, the clock and the facts about the capture.
 *
 * Promise: one pass; `take` fills flow and time of a chunk's packets, counts them, and lists those that are not plain
 * packets of flows that are known (`odd`). Memory grows with the number of
 * flows only. One thread.
 */
import { BURST_MAX, Burst, Field, FrameFlag, Kind } from '../packet/burst.js';
import { DESCRIPTOR_WORDS, Part } from '../packet/descriptor.js';
import { dissectBurst } from '../packet/dissect.js';
import type { ChoiceFacts } from './choice.js';
import type { Chunk } from './chunk.js';
import { type ClockOptions, VirtualClock } from './clock.js';
import { FlowRecord, FlowTable } from './flow-table.js';
import { MacSet } from './mac-set.js';
import type { CaptureFacts } from './result.js';
import { NOT_PLAIN, Scan } from './scan.js';

// Constants of the module: docs/hot-loops.md.
const KIND = Field.kind;
const VLAN = Field.vlan;
const LEN = Field.len;
const FLAGS = Field.flags;
const ADDRESSES = Kind.addresses;
const FRAGMENT = Kind.fragment;
const GROUP = Kind.group;
const TRUNCATED = FrameFlag.truncated;
const PART_WORDS = DESCRIPTOR_WORDS;
const DMAC_LO = Part.dmacLo;
const MACS = Part.macs;

/** Facts that only the reader knows. */
export interface ReadFacts extends ChoiceFacts {
  readonly files: number;
  readonly warnings: readonly string[];
  readonly interrupted: boolean;
}

/** Timestamps of damaged captures may be beyond all dates. */
function isoTime(ms: number | null): string | null {
  const date = new Date(ms ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

export class Ingest {
  readonly flows = new FlowTable();
  readonly clock: VirtualClock;
  packets = 0;
  #bytes = 0;
  #truncated = 0;
  #notIp = 0;
  #fragments = 0;
  #tagged = 0;
  readonly #macs = new MacSet();
  readonly #scan = new Scan(this.#macs);
  /** Of a burst that was left over. */
  readonly #flow = new Int32Array(BURST_MAX);
  readonly #wire = new Float64Array(BURST_MAX);
  #burst: Burst | null = null;

  constructor(options: ClockOptions = {}) {
    this.clock = new VirtualClock(options);
  }

  /** Completes the chunk. */
  take(chunk: Chunk, isNewFile: boolean): void {
    if (isNewFile) this.clock.nextFile();
    if (this.#burst === null || this.#burst.bytes !== chunk.bytes)
      this.#burst = new Burst(chunk.bytes, false);
    const burst = this.#burst;
    chunk.first = this.packets;
    chunk.odds = 0;
    this.clock.stamp(chunk);
    const { n } = chunk;
    const scan = this.#scan;
    scan.turned = false;
    for (let from = 0; from < n; from += BURST_MAX) {
      const to = Math.min(from + BURST_MAX, n);
      const left = scan.block(chunk, burst.view, this.flows, from, to);
      if (left === 0) continue;
      // Flows are numbered as they appear, so that only what is plain altogether can do without the long way.
      if (scan.isPlain) scan.add(chunk, burst.view, this.flows);
      else this.#takeLeft(chunk, burst, left);
    }
    if (scan.turned) this.#listAgain(chunk);
    this.packets += n;
    chunk.flows = this.flows.count;
  }

  /** Dissects and counts what the scan has left over, and lists it. */
  #takeLeft(chunk: Chunk, burst: Burst, left: number): void {
    const scan = this.#scan;
    const { left: rest, sign: signs } = scan;
    const { odd } = chunk;
    const flow = this.#flow;
    const wire = this.#wire;
    const from = chunk.odds;
    for (let i = 0; i < left; i++) {
      odd[from + i] = rest[i]! << 1;
      wire[i] = chunk.wire[rest[i]!]!;
    }
    chunk.odds = from + left;
    chunk.loadOdd(burst, from);
    dissectBurst(burst);
    this.#count(burst, wire);
    this.flows.countBurst(burst, flow, wire, 0);
    const { words } = this.flows;
    for (let i = 0; i < left; i++) {
      const index = rest[i]!;
      chunk.flow[index] = flow[i]!;
      if (flow[i]! < 0) continue;
      const at = FlowRecord.words * flow[i]! + FlowRecord.sign;
      const own = signs[index]!;
      const old = words[at]!;
      if (own !== 0 && (old === 0 || old === own)) {
        words[at] = own;
        odd[from + i] = (index << 1) | 1;
      } else {
        if (old !== 0 && old !== NOT_PLAIN) scan.turned = true;
        words[at] = NOT_PLAIN;
      }
    }
  }

  /** A flow has got a packet that is not plain: none of its packets in the chunk counts as plain. */
  #listAgain(chunk: Chunk): void {
    const { n, odd, flow } = chunk;
    const { words } = this.flows;
    const entries = odd.slice(0, chunk.odds);
    let next = 0;
    let odds = 0;
    for (let i = 0; i < n; i++) {
      const isListed = next < entries.length && entries[next]! >> 1 === i;
      const entry = isListed ? entries[next++]! : i << 1;
      const isMixed = flow[i]! >= 0 && words[FlowRecord.words * flow[i]! + FlowRecord.sign] === NOT_PLAIN;
      if (isMixed) odd[odds++] = i << 1;
      else if (isListed) odd[odds++] = entry;
    }
    chunk.odds = odds;
  }

  #count(burst: Burst, wire: Float64Array): void {
    const { n, words, parts } = burst;
    let bytes = 0;
    let truncated = 0;
    let tagged = 0;
    let notIp = 0;
    let fragments = 0;
    for (let i = 0; i < n; i++) {
      const kind = words[KIND + i]!;
      bytes += wire[i]!;
      if ((words[FLAGS + i]! & TRUNCATED) !== 0) truncated++;
      if (words[VLAN + i]! >= 0) tagged++;
      if ((kind & ADDRESSES) === 0) notIp++;
      else if ((kind & FRAGMENT) !== 0) fragments++;
      if ((kind & GROUP) === 0 && words[LEN + i]! >= 6) {
        const part = i * PART_WORDS;
        this.#macs.add(parts[part + MACS]! >>> 16, parts[part + DMAC_LO]!);
      }
    }
    this.#bytes += bytes;
    this.#truncated += truncated;
    this.#tagged += tagged;
    this.#notIp += notIp;
    this.#fragments += fragments;
  }

  /** Everything counted so far. */
  facts({ files, warnings, ...read }: ReadFacts): CaptureFacts {
    const { clock } = this;
    const scan = this.#scan;
    const all = [...warnings];
    if (clock.backwards > 0) {
      all.push(`${clock.backwards} packets are older than one before them: they get its time`);
    }
    if (this.packets > 1 && clock.elapsed === 0) {
      all.push(
        'the capture has no useful timestamps: without --gap all packets arrive at once on virtual time',
      );
    }
    return {
      files,
      packets: this.packets,
      bytes: this.#bytes + scan.bytes,
      flows: this.flows.count,
      truncated: this.#truncated + scan.truncated,
      notIp: this.#notIp,
      fragments: this.#fragments,
      vlanTagged: this.#tagged + scan.tagged,
      start: isoTime(clock.startMs),
      seconds: clock.elapsed / 1e9,
      destinationMacs: this.#macs.size,
      ...read,
      warnings: all,
    };
  }
}
