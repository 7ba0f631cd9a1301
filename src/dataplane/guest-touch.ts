/**
 * Which workers have sent to which guest: the destination MACs that a worker has transmitted or delivered to.
 *
 * Promise: each worker notes every unicast destination once, up to `GUESTS_MAX`; merged over workers this tells how
 * many distinct workers touched each guest's transmit queue, which is what MAC steering keeps at one. Destinations
 * beyond the limit are left out, and `full` says so.
 *
 * Threads: one table per worker in shared memory, written by that worker, read by anyone at any time: an entry's
 * second word is stored last and is never 0, so a reader that sees it has the whole entry (on machines that reorder
 * stores a reader may miss the newest one for a moment).
 */
import type { Carver } from './layout.js';

const SLOTS = 8192;
/** Half of the slots, so that searches stay short. */
export const GUESTS_MAX = SLOTS / 2;
const VALID = 1 << 16;

/** One worker's table: number of guests, then two words a slot. */
export function carveTouch(carver: Carver): Int32Array {
  return carver.words(2 + 2 * SLOTS);
}

export class GuestTouch {
  constructor(private readonly words: Int32Array) {}

  /** A frame to this address was transmitted or delivered by this worker. */
  note(high: number, low: number): void {
    const { words } = this;
    const x = Math.imul(low ^ high, 0x9e3779b1);
    let at = 2 + ((x >>> 19) << 1);
    const key = high | VALID;
    for (;;) {
      const found = words[at + 1]!;
      if (found === key && words[at] === low) return;
      if (found === 0) break;
      at = at === 2 * SLOTS ? 2 : at + 2;
    }
    this.insert(at, key, low);
  }

  private insert(at: number, key: number, low: number): void {
    const { words } = this;
    if (words[0]! >= GUESTS_MAX) {
      words[1] = 1;
      return;
    }
    words[at] = low;
    Atomics.store(words, at + 1, key);
    words[0]!++;
  }
}

/** How many distinct workers have sent to each guest. */
export interface GuestWorkers {
  readonly high: number;
  readonly low: number;
  workers: number;
}

/** Merges the tables of all workers (any thread); most workers first, then by address. */
export function mergeTouch(tables: readonly Int32Array[]): { guests: GuestWorkers[]; full: boolean } {
  const found = new Map<number, GuestWorkers>();
  for (const words of tables) {
    if (words[0] === 0) continue;
    for (let at = 2; at < 2 + 2 * SLOTS; at += 2) {
      const key = Atomics.load(words, at + 1);
      if (key === 0) continue;
      const high = key & 0xffff;
      const low = words[at]!;
      // 48 bits: exact as a number.
      const mac = high * 2 ** 32 + (low >>> 0);
      const guest = found.get(mac);
      if (guest === undefined) found.set(mac, { high, low, workers: 1 });
      else guest.workers++;
    }
  }
  const guests = [...found.entries()].sort(([a, x], [b, y]) => y.workers - x.workers || a - b);
  return { guests: guests.map(([, guest]) => guest), full: tables.some((words) => words[1] === 1) };
}
