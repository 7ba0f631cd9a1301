/**
 * The MAC table as the main thread uses it: static entries, limits, flushing, sweeping, listing, repair.
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
  SLOT_DELETED,
  SLOT_EMPTY,
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

const LOCK_WAIT_MS = 1000;
/** Slots looked at under one lock: less than a microsecond. */
const PART_SLOTS = 64;

export class MacControl extends MacTable {
  /**
   * Enters an address that never moves or ages; replaces what was there. Does not count towards the port's limit.
   * False when the table is full. Throws RangeError for a port or VLAN that can't be, Error when the lock is stuck.
   */
  addStatic(vlan: number, macHi: number, macLo: number, port: number, now: number): boolean {
    this.checkPort(port);
    if (!(vlan >= 0 && vlan < 4095)) throw new RangeError(`MAC table: VLAN ${vlan} is not from 0 to 4094`);
    return this.locked(() => {
      const key = SLOT_USED | (vlan << 16) | macHi;
      const low = macLo | 0;
      const old = this.slotOf(key, low);
      if (old >= 0) this.removeSlot(old, MacCounter.flushed);
      let slot = this.freeSlot(key, low, now);
      if (slot < 0 && this.sweepLocked(now) > 0) slot = this.freeSlot(key, low, now);
      if (slot < 0) {
        this.count(MacCounter.full);
        return false;
      }
      this.writeSlot(slot, key, low, port | PORT_STATIC, now);
      return true;
    });
  }

  /** Removes one address, static or learned; false when it is not there. */
  remove(vlan: number, macHi: number, macLo: number): boolean {
    return this.locked(() => {
      const slot = this.slotOf(SLOT_USED | (vlan << 16) | macHi, macLo | 0);
      if (slot < 0) return false;
      this.removeSlot(slot, MacCounter.flushed);
      return true;
    });
  }

  /** Forgets what was learned at a port (it went down, its guest moved away); static entries stay. Returns how many. */
  flushPort(port: number): number {
    this.checkPort(port);
    return this.removeWhere(MacCounter.flushed, (slot) => this.words[slot + Slot.port] === port);
  }

  /** Forgets all of a port, static entries too: its number may be given to another one. Returns how many. */
  forgetPort(port: number): number {
    this.checkPort(port);
    return this.removeWhere(
      MacCounter.flushed,
      (slot) => (this.words[slot + Slot.port]! & PORT_MASK) === port,
    );
  }

  /** Reclaims every aged slot; call it every few seconds so that workers never have to. Returns how many. */
  sweep(now: number): number {
    const reclaimed = this.removeWhere(MacCounter.aged, (slot) => this.isAged(slot, now));
    // What came between two parts is young.
    this.locked(() => this.noteSwept(now));
    return reclaimed;
  }

  /**
   * Removes the used slots of which `goes` is true. The lock is given back between parts of the table, so that a worker
   * that learns meanwhile gets it within the time that it tries.
   */
  private removeWhere(reason: number, goes: (slot: number) => boolean): number {
    let removed = 0;
    for (let from = 0; from < this.slots; from += PART_SLOTS) {
      const end = Math.min(from + PART_SLOTS, this.slots);
      this.locked(() => {
        for (let i = from; i < end; i++) {
          const slot = this.slotsAt + i * SLOT_WORDS;
          if ((this.words[slot]! & SLOT_USED) === 0 || !goes(slot)) continue;
          this.removeSlot(slot, reason);
          removed++;
        }
      });
    }
    return removed;
  }

  /** Addresses that may be learned at a port from now on; those it has beyond stay until they age. */
  setLearnLimit(port: number, limit: number): void {
    this.checkPort(port);
    if (!(Number.isInteger(limit) && limit >= 0 && limit <= 0x7fffffff))
      throw new RangeError(`MAC table: learn limit ${limit} is not from 0 to 2147483647`);
    Atomics.store(this.learnedAt, 2 * port + 1, limit);
  }

  /** Addresses learned at a port, aged ones that were not yet reclaimed included. */
  learnedOn(port: number): number {
    this.checkPort(port);
    return Atomics.load(this.learnedAt, 2 * port);
  }

  /** Entries in the table: learned, aged but not yet reclaimed, static. */
  size(): number {
    return Atomics.load(this.words, Header.used);
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

  /**
   * Call after the thread with that user id has ended: if it held the lock, drops the slot it was writing, counts
   * anew, restores that nothing lies behind an empty slot, and gives the lock back. True when there was need to.
   */
  recover(user: number): boolean {
    const { words } = this;
    if (Atomics.compareExchange(words, Header.lock, user + 1, this.user + 1) !== user + 1) return false;
    this.learnedAt.forEach((_, at) => {
      if (at % 2 === 0) Atomics.store(this.learnedAt, at, 0);
    });
    let used = 0;
    for (let i = 0; i < this.slots; i++) {
      const slot = this.slotsAt + i * SLOT_WORDS;
      if ((Atomics.load(words, slot + Slot.version) & 1) !== 0) {
        // Half written. Deleted, not empty: its neighbours may have relied on it.
        Atomics.store(words, slot, SLOT_DELETED);
        Atomics.add(words, slot + Slot.version, 1);
      }
      if ((words[slot]! & SLOT_USED) === 0) continue;
      used++;
      const port = words[slot + Slot.port]!;
      if (port < PORT_STATIC) Atomics.add(this.learnedAt, 2 * port, 1);
    }
    Atomics.store(words, Header.used, used);
    this.emptyDeleted();
    Atomics.add(words, Header.generation, 1);
    this.unlock();
    return true;
  }

  /** Turns deleted slots into empty ones where the next slot is empty, going backwards round the table twice. */
  private emptyDeleted(): void {
    for (let k = 2 * this.slots - 1; k >= 0; k--) {
      const slot = this.slotsAt + (k & this.mask) * SLOT_WORDS;
      const next = this.slotsAt + ((k + 1) & this.mask) * SLOT_WORDS;
      if (this.words[slot] === SLOT_DELETED && this.words[next] === SLOT_EMPTY)
        Atomics.store(this.words, slot, SLOT_EMPTY);
    }
  }

  /** Under the lock: the slot of a key, aged or not, or -1. */
  private slotOf(key: number, macLo: number): number {
    let at = this.home(key, macLo);
    for (let probe = 0; probe < this.probes; probe++, at = (at + 1) & this.mask) {
      const slot = this.slotsAt + at * SLOT_WORDS;
      const high = this.words[slot]!;
      if (high === SLOT_EMPTY) return -1;
      if (high === key && this.words[slot + Slot.keyLow] === macLo) return slot;
    }
    return -1;
  }

  private locked<T>(change: () => T): T {
    const deadline = performance.now() + LOCK_WAIT_MS;
    while (!this.tryLock()) {
      const holder = Atomics.load(this.words, Header.lock);
      if (performance.now() > deadline)
        throw new Error(`MAC table: user ${holder - 1} does not give the lock back`);
      // Nobody notifies: this is a sleep that the change of the word cuts short only before it begins.
      if (holder !== 0) Atomics.wait(this.words, Header.lock, holder, 1);
    }
    try {
      return change();
    } finally {
      this.unlock();
    }
  }

  private checkPort(port: number): void {
    if (!(Number.isInteger(port) && port >= 0 && 2 * port < this.learnedAt.length))
      throw new RangeError(`MAC table: no port ${port} among ${this.learnedAt.length / 2}`);
  }
}

/** `02:00:00:00:00:01` from the first two and the last four bytes. */
export function formatMac(macHi: number, macLo: number): string {
  const hex = (macHi & 0xffff).toString(16).padStart(4, '0') + (macLo >>> 0).toString(16).padStart(8, '0');
  return hex.replace(/(..)(?!$)/g, '$1:');
}
