/**
 * What the main thread does with a table of addresses as a whole: walks, sweeps, repair.
 *
 * Promise: nothing here is called per packet, and a worker that learns meanwhile gets the lock within the time that it
 * tries, because a walk gives it back between parts. `walk` waits for the lock, asleep and at most `LOCK_WAIT_MS`;
 * `sweep`, which timers call, hardly waits: it gives up and may be tried again. Neither waits for a dead holder for
 * ever: that is for `recover`.
 */
import {
  Header,
  PORT_STATIC,
  SLOT_DELETED,
  SLOT_EMPTY,
  SLOT_USED,
  SLOT_WORDS,
  Slot,
} from './address-layout.js';
import { AddressTable, PART_SLOTS } from './address-table.js';

/** A worker holds the lock for microseconds; so long it is waited for where somebody wants the change. */
const LOCK_WAIT_MS = 1000;
/** The same where a timer can come back later, and how often a sweep waits at most. */
const SWEEP_WAIT_MS = 1;
const SWEEP_WAITS = 20;

export abstract class AddressUpkeep extends AddressTable {
  /** What the table is called in messages. */
  protected abstract readonly title: string;
  /** Where a sweep goes on, and what it has reclaimed so far. */
  private sweptTo = 0;
  private reclaimed = 0;
  /** The sweep under way: the generation when it began, and whether it has changed a slot. */
  private began = 0;
  private changed = false;
  /** When the oldest of the entries that age was seen, as far as the sweep under way has come. */
  private oldest = 0;
  /** Of this generation no entry is old enough before this second: a sweep finds nothing. -1: not known. */
  private idleGeneration = -1;
  private idleUntil = 0;

  /** Runs a change under the lock. @throws Error when another thread does not give it back in time. */
  protected locked<T>(change: () => T, waitMs = LOCK_WAIT_MS): T {
    if (!this.lock.takeWithin(waitMs)) {
      throw new Error(`${this.title}: user ${this.lock.holder} does not give the lock back`);
    }
    try {
      return change();
    } finally {
      this.lock.release();
    }
  }

  /** Calls `visit` with each used slot, under the lock. @throws Error as `locked`. */
  protected walk(visit: (slot: number) => void, waitMs = LOCK_WAIT_MS): void {
    for (let from = 0; from < this.slots; from += PART_SLOTS) {
      this.locked(() => this.visitPart(from, visit), waitMs);
    }
  }

  /**
   * Reclaims every aged slot; call it every few seconds so that workers need not. Returns how many, or -1 when it gave
   * up because another thread has the lock: call it again then, it goes on where it stopped. Never throws.
   */
  sweep(now: number): number {
    if (this.sweptTo === 0) {
      const generation = this.generation();
      if (generation === this.idleGeneration && ((now - this.idleUntil) | 0) < 0)
        return this.sweepNothing(now);
      this.began = generation;
      this.changed = false;
      this.oldest = now | 0;
    }
    let waits = 0;
    const visit = (slot: number) => {
      if (!this.isAged(slot, now)) {
        const seen = Atomics.load(this.words, slot + Slot.seen);
        if (((seen - this.oldest) | 0) < 0 && Atomics.load(this.words, slot + Slot.port) < PORT_STATIC)
          this.oldest = seen;
        return;
      }
      this.removeAged(slot);
      this.reclaimed++;
    };
    for (; this.sweptTo < this.slots; this.sweptTo += PART_SLOTS) {
      if (!this.lock.tryTake() && (++waits > SWEEP_WAITS || !this.lock.takeWithin(SWEEP_WAIT_MS))) return -1;
      try {
        this.visitPart(this.sweptTo, visit);
        this.emptyPart(this.sweptTo);
        // What came between two parts is young.
        if (this.sweptTo + PART_SLOTS >= this.slots) this.noteSwept(now);
      } finally {
        this.lock.release();
      }
    }
    // A refresh moves an entry on only, and whatever else happens to one is another generation.
    this.idleGeneration = this.changed || this.generation() !== this.began ? -1 : this.began;
    this.idleUntil = (this.oldest + this.ageing) | 0;
    const { reclaimed } = this;
    this.sweptTo = 0;
    this.reclaimed = 0;
    return reclaimed;
  }

  /** What a sweep does where it would find nothing: walking a large table costs a machine at rest most of what it spends. */
  private sweepNothing(now: number): number {
    if (!this.lock.tryTake()) return 0;
    this.noteSwept(now);
    this.lock.release();
    return 0;
  }

  /**
   * Under the lock: empties the deleted slots of a part that no present key is searched across. Without it a table whose
   * addresses come and go has no empty slot left some day, and every search for an absent one goes to the bound.
   */
  private emptyPart(from: number): void {
    const { words, slotsAt, mask, probes } = this;
    const end = Math.min(from + PART_SLOTS, this.slots);
    // The lowest slot, counted on round the table, where the search for a key begins that lies behind.
    let needed = Number.POSITIVE_INFINITY;
    let last = -1;
    for (let i = end + probes - 2; i >= from; i--) {
      const slot = slotsAt + (i & mask) * SLOT_WORDS;
      const key = words[slot]!;
      if ((key & SLOT_USED) !== 0) {
        const home = this.home(key, words[slot + Slot.keyLow]!);
        needed = Math.min(needed, i - ((i - home) & mask));
      } else if (key === SLOT_DELETED && i < end && needed > i) {
        Atomics.store(words, slot, SLOT_EMPTY);
        this.changed = true;
        last = i;
      }
    }
    if (last !== from) return;
    // Deleted slots right before an empty one are needed by nobody either.
    for (let i = (from - 1) & mask; words[slotsAt + i * SLOT_WORDS] === SLOT_DELETED; i = (i - 1) & mask) {
      Atomics.store(words, slotsAt + i * SLOT_WORDS, SLOT_EMPTY);
    }
  }

  private visitPart(from: number, visit: (slot: number) => void): void {
    const end = Math.min(from + PART_SLOTS, this.slots);
    for (let i = from; i < end; i++) {
      const slot = this.slotsAt + i * SLOT_WORDS;
      if ((this.words[slot]! & SLOT_USED) !== 0) visit(slot);
    }
  }

  /** Entries in the table: learned, aged but not yet reclaimed, those that never age. */
  size(): number {
    return Atomics.load(this.words, Header.used);
  }

  /**
   * Call after the thread with that user id has ended: if it held the lock, drops the slot it was writing, counts
   * anew, restores that nothing lies behind an empty slot, and gives the lock back. True when there was need to.
   */
  recover(user: number): boolean {
    const { words } = this;
    if (!this.lock.takeFrom(user)) return false;
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
    this.recount();
    Atomics.add(words, Header.generation, 1);
    this.lock.release();
    return true;
  }

  /** Under the lock, in `recover`: counts what the table counts besides. */
  protected recount(): void {}

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
  protected slotOf(key: number, macLo: number): number {
    let at = this.home(key, macLo);
    for (let probe = 0; probe < this.probes; probe++, at = (at + 1) & this.mask) {
      const slot = this.slotsAt + at * SLOT_WORDS;
      const high = this.words[slot]!;
      if (high === SLOT_EMPTY) return -1;
      if (high === key && this.words[slot + Slot.keyLow] === macLo) return slot;
    }
    return -1;
  }

  /** Addresses learned at a port, aged ones that were not yet reclaimed included. */
  learnedOn(port: number): number {
    this.checkPort(port);
    return Atomics.load(this.learnedAt, 2 * port);
  }

  protected checkPort(port: number): void {
    if (!(Number.isInteger(port) && port >= 0 && 2 * port < this.learnedAt.length))
      throw new RangeError(`${this.title}: no port ${port} among ${this.learnedAt.length / 2}`);
  }
}
