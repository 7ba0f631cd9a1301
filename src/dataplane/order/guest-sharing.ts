/**
 * Which workers have sent to which guest: the destination MACs that a worker has transmitted or delivered to.
 *
 * Promise: each worker notes every unicast destination once, as far as there is room; merged over workers this tells
 * how many distinct workers touched each guest's transmit queue, which is what MAC steering keeps at one. Destinations
 * without room are left out, and `full` says so.
 *
 * Anybody who can send a frame through can enter an address, so: the hash has secret factors, a search looks at
 * `PROBES` places, found or not, and an address that was not sent to for `AGE_MINUTES` gives its place to another.
 *
 * A table apart from the one of `mac/address-table.ts`, because every frame passes here, known destination or not. That
 * one with its private cache in front (one row of 8192 addresses a worker) costs the same for what the cache holds: 7 ns
 * against 8 with 1000 guests. For what it does not, atomic loads are paid: 128 ns against 22 with 8000 guests in a cache of
 * 64 KiB, and 150 to 220 ns against 40 in a flood of addresses nobody has, which any guest can send, whatever the cache. It
 * would need 0.6 to 0.8 MiB a worker for these 64 KiB, too. (Medians of 15 runs of two million notes, Node 20.)
 *
 * Threads: one table per worker in shared memory, written by that worker, read by anyone at any time. An entry is
 * taken away before its place is written anew, its second word last, so a reader sees a whole entry or none (on
 * machines that reorder stores it may miss the newest one for a moment).
 */
import { secretSeed } from '../../mac/address-layout.js';
import type { Carver } from '../memory/layout.js';

const SLOT_BITS = 13;
const SLOTS = 1 << SLOT_BITS;
/** Places that a search looks at: two cache lines. */
const PROBES = 8;
/** As addresses age elsewhere. */
const AGE_MINUTES = 5;

// Words of the header: destinations entered, and the seed with `FULL`.
const ENTERED = 0;
const SEED = 1;
const FULL = 1;
const HEADER = 2;

// The second word of an entry: first two bytes, VALID, the minute in which it was sent to.
const VALID = 1 << 16;
const KEY_MASK = VALID | 0xffff;
const MINUTE_SHIFT = 17;
const MINUTE_MASK = 0x3fff;
const HASH_SHIFT = 32 - SLOT_BITS;
const SPREAD = 0x45d9_f3b5 | 0;

/** One worker's table: header, then two words a slot. */
export function carveGuests(carver: Carver): Int32Array {
  return carver.words(HEADER + 2 * SLOTS);
}

/** Odd, and nothing that the mixed words give away. */
function factorOf(seed: number): number {
  const h = Math.imul(seed ^ (seed >>> 16), 0x7feb352d);
  return Math.imul(h ^ (h >>> 15), 0x846ca68b) | 1;
}

export class GuestTable {
  private readonly seed: number;
  private readonly factor: number;
  /** The high word that was mixed last. */
  private lastHigh = -1;
  private mixed = 0;
  /** What the second word of an entry of this minute has besides the address. */
  private stamp = VALID;
  private minute = 0;

  constructor(private readonly words: Int32Array) {
    // Kept with the table: the next one to write it has to find what is there.
    if (words[SEED] === 0) words[SEED] = secretSeed() & ~FULL || 2;
    this.seed = words[SEED]! & ~FULL;
    this.factor = factorOf(this.seed);
  }

  /** The time by which entries age, in seconds; now and then. */
  tick(seconds: number): void {
    this.minute = ((seconds / 60) | 0) & MINUTE_MASK;
    this.stamp = VALID | (this.minute << MINUTE_SHIFT);
  }

  /** A frame to this address was transmitted or delivered by this worker. */
  note(high: number, low: number): void {
    const { words } = this;
    // Two products: with one, some secrets put guests that are numbered through next to each other. Most guests have the same high word: it is mixed anew only when it changes.
    const mixed = high === this.lastHigh ? this.mixed : this.mix(high);
    const h = Math.imul(low ^ mixed, this.factor);
    const at = ((Math.imul(h ^ (h >>> 16), SPREAD) >>> HASH_SHIFT) << 1) + HEADER;
    if (words[at + 1] === (high | this.stamp) && words[at] === low) return;
    this.search(at, high, low);
  }

  /** Whether it was sent to this address and its place was not given to another. Changes nothing. */
  knows(high: number, low: number): boolean {
    const { words } = this;
    let at = this.home(high, low);
    for (let probe = 0; probe < PROBES; probe++, at = at === 2 * SLOTS ? HEADER : at + 2) {
      const found = Atomics.load(words, at + 1);
      if (found === 0) return false;
      if ((found & KEY_MASK) === (high | VALID) && Atomics.load(words, at) === low) return true;
    }
    return false;
  }

  /** Index of the first place that is looked at; `note` has the same written out. */
  private home(high: number, low: number): number {
    const h = Math.imul(low ^ this.mix(high), this.factor);
    return ((Math.imul(h ^ (h >>> 16), SPREAD) >>> HASH_SHIFT) << 1) + HEADER;
  }

  private mix(high: number): number {
    this.lastHigh = high;
    let h = Math.imul(high ^ this.seed, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
    this.mixed = h ^ (h >>> 13) ^ this.seed;
    return this.mixed;
  }

  private search(home: number, high: number, low: number): void {
    const { words } = this;
    const key = high | VALID;
    let free = -1;
    let at = home;
    for (let probe = 0; probe < PROBES; probe++, at = at === 2 * SLOTS ? HEADER : at + 2) {
      const found = words[at + 1]!;
      if ((found & KEY_MASK) === key && words[at] === low) {
        if (found !== (high | this.stamp)) Atomics.store(words, at + 1, high | this.stamp);
        return;
      }
      if (found === 0) {
        if (free < 0) free = at;
        // Places are never emptied, so nothing lies behind.
        break;
      }
      if (free < 0 && this.isAged(found)) free = at;
    }
    if (free < 0) {
      words[SEED] = words[SEED]! | FULL;
      return;
    }
    if (words[free + 1] !== 0) {
      // The one that was there is told no more.
      words[SEED] = words[SEED]! | FULL;
      Atomics.store(words, free + 1, 0);
    } else words[ENTERED]!++;
    Atomics.store(words, free, low);
    Atomics.store(words, free + 1, high | this.stamp);
  }

  private isAged(found: number): boolean {
    return ((this.minute - (found >>> MINUTE_SHIFT)) & MINUTE_MASK) >= AGE_MINUTES;
  }
}

/** Whether a worker's table has an address (any thread). */
export function hasGuest(words: Int32Array, high: number, low: number): boolean {
  // Before its worker has entered anything the table has no seed yet, and it is not for a reader to make one.
  return words[ENTERED] !== 0 && new GuestTable(words).knows(high, low | 0);
}

/** How many distinct workers have sent to each guest. */
export interface GuestWorkers {
  readonly high: number;
  readonly low: number;
  workers: number;
}

/** Merges the tables of all workers (any thread); most workers first, then by address. */
export function mergeGuests(tables: readonly Int32Array[]): { guests: GuestWorkers[]; full: boolean } {
  const found = new Map<number, GuestWorkers>();
  for (const words of tables) {
    if (words[ENTERED] === 0) continue;
    for (let at = HEADER; at < HEADER + 2 * SLOTS; at += 2) {
      const key = Atomics.load(words, at + 1);
      if (key === 0) continue;
      const high = key & 0xffff;
      const low = Atomics.load(words, at);
      // Another one has got the place meanwhile.
      if ((Atomics.load(words, at + 1) & KEY_MASK) !== (key & KEY_MASK)) continue;
      // 48 bits: exact as a number.
      const mac = high * 2 ** 32 + (low >>> 0);
      const guest = found.get(mac);
      if (guest === undefined) found.set(mac, { high, low, workers: 1 });
      else guest.workers++;
    }
  }
  const guests = [...found.entries()].sort(([a, x], [b, y]) => y.workers - x.workers || a - b);
  return {
    guests: guests.map(([, guest]) => guest),
    full: tables.some((words) => (words[SEED]! & FULL) !== 0),
  };
}
