/**
 * The MAC table: which port a (VLAN id, address) was last seen on; shared by all workers.
 *
 * Promise: a lookup takes no lock and waits for nobody. Learning that changes the table takes a lock that is tried for
 * about a microsecond, longer than a change takes; where another thread still has it (it is sweeping, or was
 * descheduled), the learning is skipped and counted: the station's next frame will do. A skipped or lost learning costs
 * a flood, never a wrong port. Pure: `now` (seconds) comes from the caller.
 *
 * Open addressing, linear probing. A key keeps its slot until it is removed; no entry ever moves to another slot.
 *
 * Races, and why each is harmless. (All shared words are read and written with `Atomics`: only sequentially
 * consistent accesses are ordered in JavaScript's memory model. They cost about 7 ns each in Node 20, so the
 * switch keeps a private cache in front, see switch.ts.)
 *
 * 1. Two writers: all changes of keys, ports and counts are made under the lock. A writer searches again after it
 *    has the lock, so that no key is entered twice.
 * 2. Reader against writer of the same slot: the writer makes the version odd, writes, makes it even. A reader
 *    that sees our key in `keyHigh` reads version, fields, `keyHigh` again, version; an odd or changed version
 *    means try again, and after three tries it goes on as if the slot were another's: the frame is flooded. A
 *    slot whose `keyHigh` differs needs no version: that is one word, and "not ours" was true when it was read.
 * 3. Reader against removal: a search ends at an empty slot. A slot becomes empty only when the next one is empty
 *    (else `SLOT_DELETED`), so no key that is present ever lies beyond an empty slot. A key removed and entered
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
 * 7. A thread that dies with the lock leaves at most one odd slot and wrong counts: `MacControl.recover`.
 */
import {
  attachMacMemory,
  COUNTER_DOUBLES,
  Header,
  MacCounter,
  PORT_MASK,
  PORT_STATIC,
  PROBE_MAX,
  SLOT_DELETED,
  SLOT_EMPTY,
  SLOT_USED,
  SLOT_WORDS,
  Slot,
} from './mac-layout.js';

/** What became of a frame's source address. */
export const Learned = {
  /** It is in the table at this port (or anywhere as a static entry). */
  known: 0,
  /** It is in the table now, it was not before. */
  learned: 1,
  /** It was at another port. */
  moved: 2,
  /** Skipped: another thread is changing the table. */
  contended: 3,
  /** Refused: the port has its share of addresses. */
  limited: 4,
  /** Refused: the table is full. */
  full: 5,
} as const;

/** Tries to read a slot that is being written. */
const READ_TRIES = 3;
/** Looks at the lock before learning is skipped, at about 7 ns each. Stations that wake at once come at once. */
const LOCK_TRIES = 128;

/** The table as one thread uses it. */
export class MacTable {
  /** Port of the entry that the last `lookup` or `learn` found, with `PORT_STATIC`; -1 when it found none. */
  foundPort = -1;

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
  private readonly seed: number;
  private readonly row: number;
  private foundSlot = -1;
  private foundSeen = 0;

  /**
   * @param memory from `createMacTable`
   * @param user this thread's id among the users of the table: its lock owner id and its row of counters
   */
  constructor(
    readonly memory: SharedArrayBuffer,
    readonly user: number,
  ) {
    const views = attachMacMemory(memory);
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
    this.row = user * COUNTER_DOUBLES;
    if (!(user >= 0 && user < this.words[Header.users]!))
      throw new RangeError(`MAC table: no user ${user} among ${this.words[Header.users]}`);
  }

  /** Changes with every change of a key or a port, not with refreshes. Read it before what is to be cached. */
  generation(): number {
    return Atomics.load(this.words, Header.generation);
  }

  /**
   * The port where the address was last seen, or -1 (unknown or aged). `vlan` is the VLAN id, 0 for untagged.
   */
  lookup(vlan: number, macHi: number, macLo: number, now: number): number {
    this.find(SLOT_USED | (vlan << 16) | macHi, macLo | 0, now);
    return this.foundPort < 0 ? -1 : this.foundPort & PORT_MASK;
  }

  /**
   * Takes note that the address was seen as a source on `port`; one of `Learned`. The caller has sorted out
   * addresses that can't be sources (group, zero).
   */
  learn(vlan: number, macHi: number, macLo: number, port: number, now: number): number {
    const key = SLOT_USED | (vlan << 16) | macHi;
    const low = macLo | 0;
    this.find(key, low, now);
    const found = this.foundPort;
    if (found >= PORT_STATIC) return Learned.known;
    if (found === port) {
      const seen = this.foundSeen;
      if (((now - seen) | 0) > 0) Atomics.compareExchange(this.words, this.foundSlot + Slot.seen, seen, now);
      return Learned.known;
    }
    // A flood of new addresses must not hold the lock against the other ports' learning. After a sweep in this
    // second nothing can age before the next, so the answer would be the same under the lock.
    if (this.isSwept(now)) {
      if (this.atLimit(port)) {
        this.count(MacCounter.learnLimited);
        return Learned.limited;
      }
      if (found < 0 && Atomics.load(this.words, Header.used) >= this.capacity) {
        this.count(MacCounter.full);
        return Learned.full;
      }
    }
    if (!this.tryLockAgain()) {
      this.count(MacCounter.contended);
      return Learned.contended;
    }
    const result = this.change(key, low, port, now);
    this.unlock();
    return result;
  }

  /** Under the lock: enters or moves a learned address. */
  private change(key: number, macLo: number, port: number, now: number): number {
    this.find(key, macLo, now);
    const found = this.foundPort;
    if (found >= PORT_STATIC || found === port) return Learned.known;
    if (this.atLimit(port)) {
      // Aged addresses that nobody has reclaimed yet don't count: at most one sweep a second finds them.
      if (!this.isSwept(now)) this.sweepLocked(now);
      if (this.atLimit(port)) {
        this.count(MacCounter.learnLimited);
        return Learned.limited;
      }
    }
    if (found >= 0) {
      const slot = this.foundSlot;
      this.beginSlot(slot);
      Atomics.store(this.words, slot + Slot.port, port);
      Atomics.store(this.words, slot + Slot.seen, now);
      this.endSlot(slot);
      this.addLearned(found, -1);
      this.addLearned(port, 1);
      this.foundPort = port;
      this.count(MacCounter.moved);
      return Learned.moved;
    }
    let slot = this.freeSlot(key, macLo, now);
    if (slot < 0 && !this.isSwept(now)) {
      this.sweepLocked(now);
      slot = this.freeSlot(key, macLo, now);
    }
    if (slot < 0) {
      this.count(MacCounter.full);
      return Learned.full;
    }
    this.writeSlot(slot, key, macLo, port, now);
    this.foundPort = port;
    this.count(MacCounter.learned);
    return Learned.learned;
  }

  /** No address can be aged and not reclaimed: there was a sweep in this second or (another's clock) a later one. */
  private isSwept(now: number): boolean {
    return ((Atomics.load(this.words, Header.swept) - now) | 0) >= 0;
  }

  private atLimit(port: number): boolean {
    return Atomics.load(this.learnedAt, 2 * port) >= Atomics.load(this.learnedAt, 2 * port + 1);
  }

  /** Finds a live entry; results in `foundSlot`, `foundPort` (-1 when there is none) and `foundSeen`. */
  private find(key: number, macLo: number, now: number): void {
    const { words, mask, slotsAt, probes } = this;
    this.foundPort = -1;
    let at = this.home(key, macLo);
    for (let probe = 0; probe < probes; probe++, at = (at + 1) & mask) {
      const slot = slotsAt + at * SLOT_WORDS;
      const high = Atomics.load(words, slot);
      if (high === SLOT_EMPTY) return;
      if (high !== key) continue;
      for (let attempt = 0; attempt < READ_TRIES; attempt++) {
        const version = Atomics.load(words, slot + Slot.version);
        if ((version & 1) !== 0) continue;
        const low = Atomics.load(words, slot + Slot.keyLow);
        const port = Atomics.load(words, slot + Slot.port);
        const seen = Atomics.load(words, slot + Slot.seen);
        const again = Atomics.load(words, slot);
        if (Atomics.load(words, slot + Slot.version) !== version) continue;
        if (low !== macLo || again !== key) break;
        // Every key is in the table at most once: an aged one is the end of the search, too.
        if (port < PORT_STATIC && ((now - seen) | 0) >= this.ageing) return;
        this.foundSlot = slot;
        this.foundPort = port;
        this.foundSeen = seen;
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

  // What follows runs under the lock.

  protected tryLock(): boolean {
    return Atomics.compareExchange(this.words, Header.lock, 0, this.user + 1) === 0;
  }

  private tryLockAgain(): boolean {
    for (let k = 0; k < LOCK_TRIES; k++) {
      if (Atomics.load(this.words, Header.lock) === 0 && this.tryLock()) return true;
    }
    return false;
  }

  /** Publishes and gives the lock back. */
  protected unlock(): void {
    Atomics.store(this.words, Header.lock, 0);
  }

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
        this.removeSlot(slot, MacCounter.aged);
        if (free < 0) free = slot;
        break;
      } else if (free < 0 && this.isAged(slot, now)) {
        this.removeSlot(slot, MacCounter.aged);
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
  protected writeSlot(slot: number, key: number, macLo: number, port: number, now: number): void {
    const { words } = this;
    this.beginSlot(slot);
    Atomics.store(words, slot + Slot.keyLow, macLo);
    Atomics.store(words, slot + Slot.port, port);
    Atomics.store(words, slot + Slot.seen, now);
    Atomics.store(words, slot + Slot.keyHigh, key);
    this.endSlot(slot);
    words[Header.used]!++;
    if (port < PORT_STATIC) this.addLearned(port, 1);
  }

  /** Removes the entry of a used slot, and empties it and deleted slots before it where nothing lies behind. */
  protected removeSlot(slot: number, reason: number): void {
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
    this.count(reason);
    if (!last) return;
    for (let back = (at - 1) & mask; ; back = (back - 1) & mask) {
      const before = slotsAt + back * SLOT_WORDS;
      if (Atomics.load(words, before) !== SLOT_DELETED) return;
      Atomics.store(words, before, SLOT_EMPTY);
    }
  }

  /** Reclaims every aged slot; returns how many. About 10 ns a slot: 0.3 ms for the default table. */
  protected sweepLocked(now: number): number {
    const { words, slotsAt } = this;
    const end = slotsAt + this.slots * SLOT_WORDS;
    let reclaimed = 0;
    for (let slot = slotsAt; slot < end; slot += SLOT_WORDS) {
      if ((words[slot]! & SLOT_USED) === 0 || !this.isAged(slot, now)) continue;
      this.removeSlot(slot, MacCounter.aged);
      reclaimed++;
    }
    this.noteSwept(now);
    return reclaimed;
  }

  /** The whole table has been swept. */
  protected noteSwept(now: number): void {
    if (!this.isSwept(now)) Atomics.store(this.words, Header.swept, now);
  }

  private beginSlot(slot: number): void {
    Atomics.add(this.words, slot + Slot.version, 1);
  }

  private endSlot(slot: number): void {
    Atomics.add(this.words, slot + Slot.version, 1);
    Atomics.add(this.words, Header.generation, 1);
  }

  private addLearned(port: number, change: number): void {
    Atomics.add(this.learnedAt, 2 * port, change);
  }

  protected count(counter: number): void {
    this.counts[this.row + counter]!++;
  }
}
