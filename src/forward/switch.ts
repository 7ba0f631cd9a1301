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
 * lookup needs seven of them, so that each worker keeps what the table said in a private `AddressCache`; a decision is
 * at most as old as the call.
 *
 * Learning that was skipped because another thread was changing the table is made up for at the next call, where the
 * address is still unknown then: a station that sends once and listens must not have its frames flooded. It is left out
 * where a port was forgotten meanwhile: its number may be another's by then.
 */
import { AddressCache } from '../mac/address-cache.js';
import {
  BATCH_COUNT,
  type Batch,
  DESCRIPTOR_SHIFT,
  ETHERNET_HEADER_BYTES,
  type Forwarder,
  LENGTH_MASK,
  Out,
  Part,
  VLAN_SHIFT,
  PORT_MASK as WORK_PORT_MASK,
} from './batch.js';
import { PORT_MASK, PORT_STATIC } from './mac-layout.js';
import type { MacTable } from './mac-table.js';
import { Learned } from './mac-table.js';

// Constants of the module: docs/hot-loops.md.
const COUNT = BATCH_COUNT;
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

/** Addresses that can wait to be learned. */
const LATER_MAX = 64;
const LATER_WORDS = 5;

/** First two bytes of an address with the group bit (the lowest bit of the first byte). */
const GROUP = 0x0100;

export class Switch implements Forwarder {
  private readonly cache = new AddressCache();
  /** Learning to be made up for: VLAN id, first two bytes, last four, port, `MacTable.forgotten`. */
  private readonly later = new Int32Array(LATER_MAX * LATER_WORDS);
  private waiting = 0;

  /** @param table attached by this worker's thread */
  constructor(readonly table: MacTable) {}

  decide(batch: Batch, nowSeconds: number): void {
    // Before any read of the table: what is filed is then at least as new as the generation it is filed under.
    this.cache.refresh(this.table.generation(), nowSeconds);
    if (this.waiting > 0) this.learnSkipped();
    const { words, out } = batch;
    const n = batch.n & COUNT;
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

  private learn(vid: number, macHi: number, macLo: number, port: number): void {
    const { cache, table } = this;
    const key = (vid << 16) | macHi;
    const line = cache.lineOf(key, macLo);
    if (cache.known(line, key, macLo)) {
      const at = cache.value(line);
      if (at === port || at >= PORT_STATIC) return;
    }
    const result = table.learn(vid, macHi, macLo, port, cache.now);
    // Where learning was refused or skipped, `foundPort` says what the table holds (another port, or nothing);
    // it is not filed, because the search may have met a slot that was being written.
    if (result <= Learned.moved) cache.file(line, key, macLo, table.foundPort, true);
    else if (result === Learned.contended) this.putOff(vid, macHi, macLo, port, table.forgotten());
  }

  private putOff(vid: number, macHi: number, macLo: number, port: number, forgotten: number): void {
    if (this.waiting === LATER_MAX) return;
    this.later.set([vid, macHi, macLo, port, forgotten], LATER_WORDS * this.waiting++);
  }

  /** Learns what was skipped in the last call. */
  private learnSkipped(): void {
    const { cache, later, table, waiting } = this;
    this.waiting = 0;
    let isContended = false;
    for (let at = 0; at < LATER_WORDS * waiting; at += LATER_WORDS) {
      const [vid, macHi, macLo] = [later[at]!, later[at + 1]!, later[at + 2]!];
      const [port, forgotten] = [later[at + 3]!, later[at + 4]!];
      // One try a call: a holder that was descheduled must not cost a microsecond for each of them.
      isContended ||= table.learnLate(vid, macHi, macLo, port, cache.now, forgotten) === Learned.contended;
      if (isContended) this.putOff(vid, macHi, macLo, port, forgotten);
    }
  }

  private lookup(vid: number, macHi: number, macLo: number): number {
    const { cache, table } = this;
    const key = (vid << 16) | macHi;
    const line = cache.lineOf(key, macLo);
    if (cache.has(line, key, macLo)) {
      const at = cache.value(line);
      return at < 0 ? -1 : at & PORT_MASK;
    }
    const port = table.lookup(vid, macHi, macLo, cache.now);
    cache.file(line, key, macLo, table.foundPort, false);
    return port;
  }
}
