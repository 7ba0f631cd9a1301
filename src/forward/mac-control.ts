/**
 * The MAC table as the main thread uses it: static entries, limits, flushing, listing. Sweeping and repair are those of
 * every table of addresses (`mac/address-upkeep.ts`).
 *
 * Promise: nothing here is called per packet. Changes take the table's lock; unlike a worker, this side waits for
 * it, asleep and at most a second (a worker holds it for microseconds, unless it died: `recover`).
 */
import {
  COUNTER_DOUBLES,
  Header,
  MacCounter,
  type MacCounterName,
  PORT_MASK,
  PORT_STATIC,
  SLOT_USED,
  SLOT_WORDS,
  Slot,
} from './mac-layout.js';
import { MacTable } from './mac-table.js';

/** One entry, as listed. */
export interface MacEntry {
  /** VLAN id, 0 for untagged. */
  readonly vlan: number;
  /** Lower case with colons. */
  readonly mac: string;
  readonly port: number;
  readonly static: boolean;
  /** Seconds since the source was last seen, to the second; 0 for static entries. */
  readonly ageSeconds: number;
}

/** An address that went to another port. */
export interface MacMove {
  readonly vlan: number;
  readonly mac: string;
  readonly from: number;
  readonly to: number;
}

export class MacControl extends MacTable {
  /**
   * Enters an address that never moves or ages; replaces what was there. Does not count towards the port's limit.
   * False when the table is full. Throws RangeError for a port or VLAN that can't be, Error when the lock is stuck.
   */
  addStatic(vlan: number, macHi: number, macLo: number, port: number, now: number): boolean {
    this.checkPort(port);
    if (!(vlan >= 0 && vlan < 4095)) throw new RangeError(`MAC table: VLAN ${vlan} is not from 0 to 4094`);
    const key = SLOT_USED | (vlan << 16) | macHi;
    const low = macLo | 0;
    const enter = () => {
      const old = this.slotOf(key, low);
      if (old >= 0) this.flushSlot(old);
      const slot = this.freeSlot(key, low, now);
      if (slot >= 0) this.writeSlot(slot, key, low, port | PORT_STATIC, 0, now);
      return slot >= 0;
    };
    if (this.locked(enter)) return true;
    // What has aged and was not reclaimed yet makes room.
    this.walk((slot) => {
      if (this.isAged(slot, now)) this.removeAged(slot);
    });
    if (this.locked(enter)) return true;
    this.count(MacCounter.full);
    return false;
  }

  /** Removes one address, static or learned; false when it is not there. */
  remove(vlan: number, macHi: number, macLo: number): boolean {
    return this.locked(() => {
      const slot = this.slotOf(SLOT_USED | (vlan << 16) | macHi, macLo | 0);
      if (slot < 0) return false;
      this.flushSlot(slot);
      return true;
    });
  }

  /** Forgets what was learned at a port (it went down, its guest moved away); static entries stay. Returns how many. */
  flushPort(port: number): number {
    this.checkPort(port);
    return this.flush((slot) => this.words[slot + Slot.port] === port);
  }

  /**
   * Forgets all of a port, static entries too: its number may be given to another one. Returns how many. `waitMs`: how
   * long to wait for each part of the table at most.
   */
  forgetPort(port: number, waitMs?: number): number {
    this.checkPort(port);
    return this.flush((slot) => (this.words[slot + Slot.port]! & PORT_MASK) === port, waitMs);
  }

  private flush(goes: (slot: number) => boolean, waitMs?: number): number {
    let removed = 0;
    // Before the walk: what workers make up for later is not entered behind it.
    this.locked(() => this.words[Header.forgotten]!++, waitMs);
    this.walk((slot) => {
      if (!goes(slot)) return;
      this.flushSlot(slot);
      removed++;
    }, waitMs);
    return removed;
  }

  private flushSlot(slot: number): void {
    this.removeSlot(slot);
    this.count(MacCounter.flushed);
  }

  /** Addresses that may be learned at a port from now on; those it has beyond stay until they age. */
  setLearnLimit(port: number, limit: number): void {
    this.checkPort(port);
    if (!(Number.isInteger(limit) && limit >= 0 && limit <= 0x7fffffff))
      throw new RangeError(`MAC table: learn limit ${limit} is not from 0 to 2147483647`);
    Atomics.store(this.learnedAt, 2 * port + 1, limit);
  }

  /** Stations that went to another port so far. */
  moves(): number {
    let sum = 0;
    for (let at = MacCounter.moved; at < this.counts.length; at += COUNTER_DOUBLES) sum += this.counts[at]!;
    return sum;
  }

  /** The address that changed its port last; null where none has, or where another thread has the table just now. */
  lastMove(): MacMove | null {
    const { words } = this;
    if (!this.lock.tryTake()) return null;
    const high = words[Header.movedHigh]!;
    const move = {
      vlan: (high >>> 16) & 0xfff,
      mac: formatMac(high & 0xffff, words[Header.movedLow]!),
      from: words[Header.movedFrom]!,
      to: words[Header.movedTo]!,
    };
    this.lock.release();
    return high === 0 ? null : move;
  }

  /**
   * Live entries in slot order. Each entry is consistent in itself; entries that change while it runs may be
   * missing. Takes no lock.
   */
  *entries(now: number): Generator<MacEntry> {
    const { words } = this;
    for (let i = 0; i < this.slots; i++) {
      const slot = this.slotsAt + i * SLOT_WORDS;
      for (let attempt = 0; attempt < 100; attempt++) {
        const version = Atomics.load(words, slot + Slot.version);
        const key = Atomics.load(words, slot);
        if ((key & SLOT_USED) === 0) break;
        const low = Atomics.load(words, slot + Slot.keyLow);
        const port = Atomics.load(words, slot + Slot.port);
        const seen = Atomics.load(words, slot + Slot.seen);
        if ((version & 1) !== 0 || Atomics.load(words, slot + Slot.version) !== version) continue;
        const fixed = port >= PORT_STATIC;
        const age = fixed ? 0 : Math.max(0, (now - seen) | 0);
        if (age < this.ageing)
          yield {
            vlan: (key >>> 16) & 0xfff,
            mac: formatMac(key & 0xffff, low),
            port: port & PORT_MASK,
            static: fixed,
            ageSeconds: age,
          };
        break;
      }
    }
  }

  /** Sums over all threads. */
  counters(): Record<MacCounterName, number> {
    const sums = {} as Record<MacCounterName, number>;
    for (const [name, index] of Object.entries(MacCounter) as [MacCounterName, number][]) {
      let sum = 0;
      for (let at = index; at < this.counts.length; at += COUNTER_DOUBLES) sum += this.counts[at]!;
      sums[name] = sum;
    }
    return sums;
  }
}

/** `02:00:00:00:00:01` from the first two and the last four bytes. */
export function formatMac(macHi: number, macLo: number): string {
  const hex = (macHi & 0xffff).toString(16).padStart(4, '0') + (macLo >>> 0).toString(16).padStart(8, '0');
  return hex.replace(/(..)(?!$)/g, '$1:');
}
