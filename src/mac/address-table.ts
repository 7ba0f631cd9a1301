/**
 * A table of (VLAN id, MAC address), shared by all workers: what the switch's MAC table and the owner table of MAC
 * steering have in common. Guests fill it, so it is made for hostile ones.
 *
 * Promise: a lookup takes no lock, waits for nobody and looks at `PROBE_MAX` slots at most. The slot hash has a secret
 * seed, so that nobody can choose addresses that share a slot; each port has a limit; addresses age. Changes are made
 * under one lock (`SharedLock`), which is held for microseconds: a thread that walks through the table gives it back
 * between parts. Pure: `now` (seconds) comes from the caller.
 *
 * Open addressing, linear probing. A key keeps its slot until it is removed; no entry ever moves to another slot.
 *
 * Races, and why each is harmless. (All shared words are read and written with `Atomics`: only sequentially
 * consistent accesses are ordered in JavaScript's memory model. They cost about 7 ns each in Node 20, so workers
 * keep a private cache in front, see address-cache.ts.)
 *
 * 1. Two writers: all changes of keys, ports, owners and counts are made under the lock. A writer searches again after
 *    it has the lock, so that no key is entered twice.
 * 2. Reader against writer of the same slot: the writer makes the version odd, writes, makes it even. A reader
 *    that sees our key in `keyHigh` reads version, fields, `keyHigh` again, version; an odd or changed version
 *    means try again, and after three tries it goes on as if the slot were another's: the address is unknown. A
 *    slot of which a key word differs needs no version: that is one word, and "not ours" was true when it was read.
 * 3. Reader against removal: a search ends at an empty slot. A slot becomes empty only when no key that is present is
 *    searched across it: at once when the next one is empty, else it is `SLOT_DELETED` until a sweep finds that. A key removed and entered
 *    again in an earlier slot while a reader is on its way is missed: it was absent in between.
 * 4. Refreshing `seen` is done without the lock, by compare-and-swap from the value that was read together with
 *    the key. If the slot got another owner meanwhile the swap fails, unless that one was seen in the very second
 *    that we read: then it is refreshed too early by less than the time that this worker slept. Inserting
 *    overwrites `seen`, so a late swap on a freed slot leaves nothing behind.
 * 5. Clocks of workers may differ by a second: `seen` never goes back through a refresh, and ages are int32
 *    differences, so that a `seen` from the future is simply young.
 * 6. Ageing happens at lookup (an old entry is not found) and needs no writer. Reclaiming the slot is done under
 *    the lock after looking at `seen` again; a refresh that comes after that look is lost, as if its frame had
 *    come after the reclaiming.
 * 7. A thread that dies with the lock leaves at most one odd slot and wrong counts: `recover`.
 */

import { SharedLock } from '../sync/shared-lock.js';
import {
  attachAddresses,
  Header,
  PORT_STATIC,
  PROBE_MAX,
  SLOT_DELETED,
  SLOT_EMPTY,
  SLOT_USED,
  SLOT_WORDS,
  Slot,
} from './address-layout.js';

/** Tries to read a slot that is being written. */
const READ_TRIES = 3;
/** Slots looked at under one lock: about a microsecond. */
export const PART_SLOTS = 128;
/** Parts that workers reclaim in a second at most; the main thread sweeps the rest. */
const PARTS_A_SECOND = 64;

/** The table as one thread uses it. */
export class AddressTable {
  /** Port of the entry that the last `seek` found, with `PORT_STATIC`; -1 when it found none. */
  foundPort = -1;
  /** Its owner, where there was one. */
  foundOwner = 0;

  protected readonly words: Int32Array;
  protected readonly learnedAt: Int32Array;
  protected readonly counts: Float64Array;
  protected readonly slotsAt: number;
  protected readonly slots: number;
  protected readonly mask: number;
  /** Slots of a search. */
  protected readonly probes: number;
  protected readonly ageing: number;
  protected readonly capacity: number;
  protected readonly lock: SharedLock;
  protected foundSlot = -1;
  protected foundSeen = 0;
  private readonly seed: number;

  /**
   * @param memory a table (`initialiseAddresses`)
   * @param user this thread's id among the users of the table's lock
   */
  constructor(
    readonly memory: SharedArrayBuffer,
    readonly user: number,
  ) {
    const views = attachAddresses(memory);
    this.words = views.words;
    this.learnedAt = views.learned;
    this.counts = views.counters;
    this.slotsAt = views.slotsAt;
    this.slots = this.words[Header.slots]!;
    this.mask = this.slots - 1;
    this.probes = Math.min(PROBE_MAX, this.slots);
    this.ageing = this.words[Header.ageing]!;
    this.capacity = this.words[Header.capacity]!;
    this.seed = this.words[Header.seed]!;
    this.lock = new SharedLock(this.words, Header.lock, user);
  }

  /** Changes with every change of a key, a port or an owner, not with refreshes. Read it before what is to be cached. */
  generation(): number {
    return Atomics.load(this.words, Header.generation);
  }

  /** Finds a live entry; results in `foundSlot`, `foundPort` (-1 when there is none), `foundSeen` and `foundOwner`. */
  protected seek(key: number, macLo: number, now: number): void {
    const { words, mask, slotsAt, probes } = this;
    this.foundPort = -1;
    let at = this.home(key, macLo);
    for (let probe = 0; probe < probes; probe++, at = (at + 1) & mask) {
      const slot = slotsAt + at * SLOT_WORDS;
      const high = Atomics.load(words, slot);
      if (high === SLOT_EMPTY) return;
      // Neighbours of the same maker have the same high word; either word alone says "not ours".
      if (high !== key || Atomics.load(words, slot + Slot.keyLow) !== macLo) continue;
      for (let attempt = 0; attempt < READ_TRIES; attempt++) {
        const version = Atomics.load(words, slot + Slot.version);
        if ((version & 1) !== 0) continue;
        const low = Atomics.load(words, slot + Slot.keyLow);
        const port = Atomics.load(words, slot + Slot.port);
        const seen = Atomics.load(words, slot + Slot.seen);
        const owner = Atomics.load(words, slot + Slot.owner);
        const again = Atomics.load(words, slot);
        if (Atomics.load(words, slot + Slot.version) !== version) continue;
        if (low !== macLo || again !== key) break;
        // Every key is in the table at most once: an aged one is the end of the search, too.
        if (port < PORT_STATIC && ((now - seen) | 0) >= this.ageing) return;
        this.foundSlot = slot;
        this.foundPort = port;
        this.foundSeen = seen;
        this.foundOwner = owner;
        return;
      }
    }
  }

  /** First slot of a key's search. A seeded mix (Murmur3's finaliser), not cryptographic: see `PROBE_MAX`. */
  protected home(key: number, macLo: number): number {
    let h = Math.imul(macLo ^ this.seed, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15) ^ key, 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 13) ^ this.seed, 0x27d4eb2f);
    return (h ^ (h >>> 16)) & this.mask;
  }

  /** After `seek` has found an entry whose address was seen as a source: it is as young as can be. */
  protected refresh(now: number): void {
    const seen = this.foundSeen;
    if (((now - seen) | 0) > 0) Atomics.compareExchange(this.words, this.foundSlot + Slot.seen, seen, now);
  }

  /** Workers may reclaim no more in this second: a look at the limits without the lock says all. */
  protected isSwept(now: number): boolean {
    return ((Atomics.load(this.words, Header.swept) - now) | 0) >= 0;
  }

  protected atLimit(port: number): boolean {
    return Atomics.load(this.learnedAt, 2 * port) >= Atomics.load(this.learnedAt, 2 * port + 1);
  }

  protected isFull(): boolean {
    return Atomics.load(this.words, Header.used) >= this.capacity;
  }

  // What follows runs under the lock.

  /**
   * The slot for a key that has no live entry: its own aged one, else the first free or aged one of its search;
   * -1 when the table or the search is full. What was in it is removed.
   */
  protected freeSlot(key: number, macLo: number, now: number): number {
    const { words, mask, slotsAt, probes } = this;
    let at = this.home(key, macLo);
    let free = -1;
    for (let probe = 0; probe < probes; probe++, at = (at + 1) & mask) {
      const slot = slotsAt + at * SLOT_WORDS;
      const high = Atomics.load(words, slot);
      if (high === SLOT_EMPTY) {
        if (free < 0) free = slot;
        break;
      }
      if (high === SLOT_DELETED) {
        if (free < 0) free = slot;
      } else if (high === key && Atomics.load(words, slot + Slot.keyLow) === macLo) {
        // Its own: has to go, or the key would be in the table twice.
        this.removeAged(slot);
        if (free < 0) free = slot;
        break;
      } else if (free < 0 && this.isAged(slot, now)) {
        this.removeAged(slot);
        free = slot;
      }
    }
    return free >= 0 && words[Header.used]! < this.capacity ? free : -1;
  }

  protected isAged(slot: number, now: number): boolean {
    if (Atomics.load(this.words, slot + Slot.port) >= PORT_STATIC) return false;
    return ((now - Atomics.load(this.words, slot + Slot.seen)) | 0) >= this.ageing;
  }

  /** Fills a free slot; `port` may carry `PORT_STATIC`. */
  protected writeSlot(
    slot: number,
    key: number,
    macLo: number,
    port: number,
    owner: number,
    now: number,
  ): void {
    const { words } = this;
    this.beginSlot(slot);
    Atomics.store(words, slot + Slot.keyLow, macLo);
    Atomics.store(words, slot + Slot.port, port);
    Atomics.store(words, slot + Slot.owner, owner);
    Atomics.store(words, slot + Slot.seen, now);
    Atomics.store(words, slot + Slot.keyHigh, key);
    this.endSlot(slot);
    words[Header.used]!++;
    if (port < PORT_STATIC) this.addLearned(port, 1);
  }

  /** The learned entry of a slot is behind another port now. The new port's limit was looked at. */
  protected movePort(slot: number, port: number, owner: number, now: number): void {
    const { words } = this;
    const before = Atomics.load(words, slot + Slot.port);
    this.beginSlot(slot);
    Atomics.store(words, slot + Slot.port, port);
    Atomics.store(words, slot + Slot.owner, owner);
    Atomics.store(words, slot + Slot.seen, now);
    this.endSlot(slot);
    this.addLearned(before, -1);
    this.addLearned(port, 1);
    words[Header.movedHigh] = words[slot]!;
    words[Header.movedLow] = words[slot + Slot.keyLow]!;
    words[Header.movedFrom] = before;
    words[Header.movedTo] = port;
  }

  protected removeAged(slot: number): void {
    this.removeSlot(slot);
  }

  /** Removes the entry of a used slot, and empties it and deleted slots before it where nothing lies behind. */
  protected removeSlot(slot: number): void {
    const { words, mask, slotsAt } = this;
    const port = Atomics.load(words, slot + Slot.port);
    const at = (slot - slotsAt) / SLOT_WORDS;
    const next = slotsAt + ((at + 1) & mask) * SLOT_WORDS;
    const last = Atomics.load(words, next) === SLOT_EMPTY;
    this.beginSlot(slot);
    Atomics.store(words, slot, last ? SLOT_EMPTY : SLOT_DELETED);
    this.endSlot(slot);
    words[Header.used]!--;
    if (port < PORT_STATIC) this.addLearned(port, -1);
    if (!last) return;
    for (let back = (at - 1) & mask; ; back = (back - 1) & mask) {
      const before = slotsAt + back * SLOT_WORDS;
      if (Atomics.load(words, before) !== SLOT_DELETED) return;
      Atomics.store(words, before, SLOT_EMPTY);
    }
  }

  /**
   * A worker found a limit reached: reclaims the aged entries of one part of the table, the next one each time. A table
   * of one part is done at once. Bounded in a second, too, so that a flood at the limit does not keep others from
   * the lock.
   */
  protected sweepPart(now: number): void {
    const { words, slotsAt, slots } = this;
    if (words[Header.handSecond] !== now) {
      words[Header.handSecond] = now;
      words[Header.handParts] = 0;
    }
    const hand = words[Header.hand]!;
    const from = hand >= slots ? 0 : hand;
    const end = Math.min(from + PART_SLOTS, slots);
    for (let i = from; i < end; i++) {
      const slot = slotsAt + i * SLOT_WORDS;
      if ((words[slot]! & SLOT_USED) !== 0 && this.isAged(slot, now)) this.removeAged(slot);
    }
    words[Header.hand] = end;
    const parts = words[Header.handParts]! + 1;
    words[Header.handParts] = parts;
    if (parts >= PARTS_A_SECOND || parts * PART_SLOTS >= slots) this.noteSwept(now);
  }

  /** Workers need not look for aged entries in this second any more. */
  protected noteSwept(now: number): void {
    if (!this.isSwept(now)) Atomics.store(this.words, Header.swept, now);
  }

  protected beginSlot(slot: number): void {
    Atomics.add(this.words, slot + Slot.version, 1);
  }

  protected endSlot(slot: number): void {
    Atomics.add(this.words, slot + Slot.version, 1);
    Atomics.add(this.words, Header.generation, 1);
  }

  private addLearned(port: number, change: number): void {
    Atomics.add(this.learnedAt, 2 * port, change);
  }
}
