/**
 * A worker's private cache in front of a shared table of addresses: what the table said about an address in this second.
 *
 * Promise: it is void as a whole as soon as the table's generation or the second changes (`refresh`, once a burst), so
 * what it says is at most as old as the burst; where the table changes all the time, as when two ports fight for an
 * address, a millisecond older at most, so that those who do that do not make all others search for each frame. That the second voids it makes every source go through the table once
 * a second, which is what keeps it young there: `known` says whether that was done, since an address that was only
 * looked up as a destination has not been seen. Lines are chosen by a hash with secret factors, so that nobody
 * can aim at another's line.
 *
 * Direct-mapped; private to one thread; allocates nothing after it was made.
 */
import { secretSeed } from './address-layout.js';

/** 64 KiB if there are that many addresses; only the lines of those that talk are touched. */
const CACHE_BITS = 12;
const CACHE_ENTRIES = 1 << CACHE_BITS;
/** Changes of the table in a second that void the cache at once; later ones wait for the millisecond. */
const VOIDS_AT_ONCE = 1024;
const VOID_MS = 1;
/** Words of a line: key, last four bytes, value, epoch (`FRESH` set where the address was seen as a source). */
const LINE_SHIFT = 2;
const SHIFT = 32 - CACHE_BITS;

export class AddressCache {
  /** The second of the last `refresh`. */
  now = -1;
  private readonly lines = new Int32Array(CACHE_ENTRIES << LINE_SHIFT);
  private readonly lowFactor = secretSeed() | 1;
  private readonly keyFactor = secretSeed() | 1;
  /** Even and never 0; a line's is one more where the address was seen as a source. */
  private epoch = 2;
  private generation = 0;
  private voids = 0;
  private voidedMs = 0;

  /** Voids the cache when the table or the second is another than at the last call. Read `generation` before the table. */
  refresh(generation: number, now: number): void {
    if (now !== this.now) this.voids = 0;
    else if (generation === this.generation) return;
    else if (++this.voids > VOIDS_AT_ONCE) {
      const ms = performance.now();
      if (ms - this.voidedMs < VOID_MS) return;
      this.voidedMs = ms;
    }
    this.generation = generation;
    this.now = now;
    this.epoch = (this.epoch + 2) | 0;
    if (this.epoch === 0) {
      this.lines.fill(0);
      this.epoch = 2;
    }
  }

  /** The line of an address: a multiply-shift hash, by which two addresses share a line with a chance of 1 in 2048. */
  lineOf(key: number, low: number): number {
    return ((Math.imul(low, this.lowFactor) + Math.imul(key, this.keyFactor)) >>> SHIFT) << LINE_SHIFT;
  }

  /** True where the line has this address. */
  has(line: number, key: number, low: number): boolean {
    const { lines } = this;
    return (lines[line + 3]! & -2) === this.epoch && lines[line] === key && lines[line + 1] === low;
  }

  /** True where the line has this address and it was seen as a source in this second. */
  known(line: number, key: number, low: number): boolean {
    const { lines } = this;
    return lines[line + 3] === (this.epoch | 1) && lines[line] === key && lines[line + 1] === low;
  }

  value(line: number): number {
    return this.lines[line + 2]!;
  }

  /** Keeps what the table says. `seen`: as a source. */
  file(line: number, key: number, low: number, value: number, seen: boolean): void {
    const { lines, epoch } = this;
    lines[line] = key;
    lines[line + 1] = low;
    lines[line + 2] = value;
    lines[line + 3] = seen ? epoch | 1 : epoch;
  }
}
