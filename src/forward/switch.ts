/**
 * Switch: a learning Ethernet switch over any number of ports (IEEE 802.1D/Q as far as forwarding goes).
 *
 * Promise: the source address of every frame is learned at the port it came from, unless it can't be one (group
 * bit, all zero). A frame goes to the port where its destination was last seen; back to its own port or to a
 * link-local group address (01:80:c2:00:00:00 … 0f) it is `filtered`; unknown, multicast and broadcast
 * destinations are flooded. Addresses are kept per VLAN id of the outer tag; untagged and priority-tagged frames
 * are VLAN 0. The frame itself is never changed.
 *
 * Threads: one `Switch` per worker over one shared `MacTable`. An atomic load costs about 7 ns in Node 20 and a
 * lookup needs seven of them, so that each worker keeps a private direct-mapped cache of what the table said. It
 * is void as a whole as soon as the table's generation or the second changes; both are looked at once per call,
 * so a decision is at most as old as the call. That the second voids it makes every station go through the
 * table once a second, which is what refreshes it.
 *
 * Learning that was skipped because another thread was changing the table is made up for at the next call, where the
 * address is still unknown then: a station that sends once and listens must not have its frames flooded.
 */
import { PORT_MASK, PORT_STATIC } from './mac-layout.js';
import type { MacTable } from './mac-table.js';
import { Learned } from './mac-table.js';
import {
  DESCRIPTOR_SHIFT,
  ETHERNET_HEADER_BYTES,
  type Forwarder,
  LENGTH_MASK,
  Out,
  Part,
  VLAN_SHIFT,
  WORK_COUNT,
  PORT_MASK as WORK_PORT_MASK,
  type Work,
} from './work.js';

// Constants of this module's own, which V8 folds into the loop (see packet/dissect).
const COUNT = WORK_COUNT;
const SHIFT = DESCRIPTOR_SHIFT;
const SIZE = Part.size;
const ORIGIN = Part.origin;
const MACS = Part.macs;
const SMAC_LO = Part.smacLo;
const DMAC_LO = Part.dmacLo;
const LENGTH = LENGTH_MASK;
const PORT = WORK_PORT_MASK;
const VLAN = VLAN_SHIFT;
const HEADER = ETHERNET_HEADER_BYTES;
const FLOOD = Out.flood;
const FILTERED = Out.filtered;
const MALFORMED = Out.malformed;

/** 64 KiB if there are that many stations; only the lines of those that talk are touched. */
const CACHE_BITS = 12;
const CACHE_ENTRIES = 1 << CACHE_BITS;
/** Words of a line: key, last four bytes, port (with `PORT_STATIC`; -1 = unknown), epoch. */
const CACHE_WORDS = 4;

/** Addresses that can wait to be learned. */
const LATER_MAX = 64;

/** First two bytes of an address with the group bit (the lowest bit of the first byte). */
const GROUP = 0x0100;

export class Switch implements Forwarder {
  private readonly cache = new Int32Array(CACHE_ENTRIES * CACHE_WORDS);
  private epoch = 1;
  private generation = 0;
  private now = -1;
  /** Learning to be made up for: VLAN id, first two bytes, last four, port. */
  private readonly later = new Int32Array(LATER_MAX * 4);
  private waiting = 0;

  /** @param table attached by this worker's thread */
  constructor(readonly table: MacTable) {}

  decide(work: Work, nowSeconds: number): void {
    this.refresh(nowSeconds);
    if (this.waiting > 0) this.makeUp();
    const { words, out } = work;
    const n = work.n & COUNT;
    for (let i = 0; i < n; i++) {
      const at = i << SHIFT;
      if ((words[at + SIZE]! & LENGTH) < HEADER) {
        out[i] = MALFORMED;
        continue;
      }
      const origin = words[at + ORIGIN]!;
      const from = origin & PORT;
      const tag = origin >>> VLAN;
      const vid = tag === 0 ? 0 : tag - 1;
      const macs = words[at + MACS]!;
      const sourceHi = macs & 0xffff;
      const sourceLo = words[at + SMAC_LO]!;
      if ((sourceHi & GROUP) === 0 && (sourceHi | sourceLo) !== 0) this.learn(vid, sourceHi, sourceLo, from);
      const hi = macs >>> 16;
      const lo = words[at + DMAC_LO]!;
      if ((hi & GROUP) !== 0) {
        const linkLocal = hi === 0x0180 && (lo & ~15) === (0xc2000000 | 0);
        out[i] = linkLocal ? FILTERED : FLOOD;
        continue;
      }
      const to = this.lookup(vid, hi, lo);
      out[i] = to < 0 ? FLOOD : to === from ? FILTERED : to;
    }
  }

  /** Voids the cache when the table or the second is another than at the last call. */
  private refresh(nowSeconds: number): void {
    // Before any read of the table: an entry is then at least as new as the generation it is filed under.
    const generation = this.table.generation();
    if (generation === this.generation && nowSeconds === this.now) return;
    this.generation = generation;
    this.now = nowSeconds;
    this.epoch = (this.epoch + 1) | 0;
    if (this.epoch === 0) {
      this.cache.fill(0);
      this.epoch = 1;
    }
  }

  private learn(vid: number, macHi: number, macLo: number, port: number): void {
    const { cache } = this;
    const key = (vid << 16) | macHi;
    const at = lineOf(key, macLo);
    const cached = cache[at + 2]!;
    if (cache[at + 3] === this.epoch && cache[at] === key && cache[at + 1] === macLo) {
      if (cached === port || cached >= PORT_STATIC) return;
    }
    const result = this.table.learn(vid, macHi, macLo, port, this.now);
    // Where learning was refused or skipped, `foundPort` says what the table holds (another port, or nothing);
    // it is not filed, because the search may have met a slot that was being written.
    if (result <= Learned.moved) this.file(at, key, macLo, this.table.foundPort);
    else if (result === Learned.contended && this.waiting < LATER_MAX) {
      this.later.set([vid, macHi, macLo, port], 4 * this.waiting++);
    }
  }

  /** Learns what was skipped in the last call. Who is known by now may have moved since then, and stays there. */
  private makeUp(): void {
    const { later, table, waiting } = this;
    this.waiting = 0;
    for (let at = 0; at < 4 * waiting; at += 4) {
      const [vid, macHi, macLo] = [later[at]!, later[at + 1]!, later[at + 2]!];
      if (table.lookup(vid, macHi, macLo, this.now) < 0) this.learn(vid, macHi, macLo, later[at + 3]!);
    }
  }

  private lookup(vid: number, macHi: number, macLo: number): number {
    const { cache } = this;
    const key = (vid << 16) | macHi;
    const at = lineOf(key, macLo);
    let port: number;
    if (cache[at + 3] === this.epoch && cache[at] === key && cache[at + 1] === macLo) port = cache[at + 2]!;
    else {
      this.table.lookup(vid, macHi, macLo, this.now);
      port = this.table.foundPort;
      this.file(at, key, macLo, port);
    }
    return port < 0 ? -1 : port & PORT_MASK;
  }

  private file(at: number, key: number, macLo: number, port: number): void {
    const { cache } = this;
    cache[at] = key;
    cache[at + 1] = macLo;
    cache[at + 2] = port;
    cache[at + 3] = this.epoch;
  }
}

/** Index of the cache line of an address. */
function lineOf(key: number, macLo: number): number {
  const h = Math.imul(macLo ^ Math.imul(key, 0x9e3779b1), 0x85ebca6b);
  return (h >>> (32 - CACHE_BITS)) * CACHE_WORDS;
}
