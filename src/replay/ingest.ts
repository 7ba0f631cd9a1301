/**
 * What is the same for all policies: dissection, flows, the clock and the facts about the capture.
 *
 * Promise: one pass; `take` fills flow and time of a chunk's packets and counts them. Memory grows with the number of
 * flows only. One thread.
 */
import { Burst, Field, FrameFlag, Kind } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import type { Chunk } from './chunk.js';
import { type ClockOptions, VirtualClock } from './clock.js';
import { FlowTable } from './flow-table.js';
import { MacSet } from './mac-set.js';
import type { CaptureFacts } from './result.js';

// This module's own constants, which V8 folds into the loop (see packet/dissect).
const KIND = Field.kind;
const VLAN = Field.vlan;
const DMAC_HI = Field.dmacHi;
const DMAC_LO = Field.dmacLo;
const LEN = Field.len;
const FLAGS = Field.flags;
const ADDRESSES = Kind.addresses;
const FRAGMENT = Kind.fragment;
const GROUP = Kind.group;
const TRUNCATED = FrameFlag.truncated;

/** Facts that only the reader knows. */
export interface ReadFacts {
  readonly files: number;
  readonly warnings: readonly string[];
}

/** Called with each burst, dissected, that begins at packet `from` of the chunk. */
export type BurstTaker = (burst: Burst, chunk: Chunk, from: number) => void;

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
  #burst: Burst | null = null;

  constructor(options: ClockOptions = {}) {
    this.clock = new VirtualClock(options);
  }

  /** Completes the chunk; `each` gets every burst, none longer than `spanNs`, while its dissection is at hand. */
  take(
    chunk: Chunk,
    isNewFile: boolean,
    each: BurstTaker | null = null,
    spanNs = Number.POSITIVE_INFINITY,
  ): void {
    if (isNewFile) this.clock.nextFile();
    if (this.#burst === null || this.#burst.bytes !== chunk.bytes) this.#burst = new Burst(chunk.bytes);
    const burst = this.#burst;
    chunk.first = this.packets;
    const { n } = chunk;
    this.clock.stamp(chunk);
    for (let from = 0; from < n; ) {
      const count = chunk.load(burst, from, spanNs);
      dissectBurst(burst);
      this.#count(burst, chunk, from);
      this.flows.countBurst(burst, chunk.flow, chunk.wire, from);
      // Every flow number in the burst is below it.
      chunk.flows = this.flows.count;
      if (each !== null) each(burst, chunk, from);
      from += count;
    }
    this.packets += n;
    chunk.flows = this.flows.count;
  }

  #count(burst: Burst, chunk: Chunk, from: number): void {
    const { n, words } = burst;
    const { wire } = chunk;
    let bytes = 0;
    let truncated = 0;
    let tagged = 0;
    let notIp = 0;
    let fragments = 0;
    for (let i = 0; i < n; i++) {
      const kind = words[KIND + i]!;
      bytes += wire[from + i]!;
      if ((words[FLAGS + i]! & TRUNCATED) !== 0) truncated++;
      if (words[VLAN + i]! >= 0) tagged++;
      if ((kind & ADDRESSES) === 0) notIp++;
      else if ((kind & FRAGMENT) !== 0) fragments++;
      if ((kind & GROUP) === 0 && words[LEN + i]! >= 6)
        this.#macs.add(words[DMAC_HI + i]!, words[DMAC_LO + i]!);
    }
    this.#bytes += bytes;
    this.#truncated += truncated;
    this.#tagged += tagged;
    this.#notIp += notIp;
    this.#fragments += fragments;
  }

  /** Everything counted so far. */
  facts({ files, warnings }: ReadFacts): CaptureFacts {
    const { clock } = this;
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
      bytes: this.#bytes,
      flows: this.flows.count,
      truncated: this.#truncated,
      notIp: this.#notIp,
      fragments: this.#fragments,
      vlanTagged: this.#tagged,
      seconds: clock.elapsed / 1e9,
      destinationMacs: this.#macs.size,
      warnings: all,
    };
  }
}
