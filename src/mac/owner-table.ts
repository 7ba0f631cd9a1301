/**
 * Owners of guests: which worker does all work of a MAC address, and of a port.
 *
 * Promise: one table for all workers of a forwarder, in shared memory; reading takes no lock and allocates nothing;
 * a guest that was seen by any worker is owned for all of them. Placement is deterministic for a given order of
 * arrivals: fewest owned guests (for the worker's weight), ties to the lowest worker id.
 *
 * Memory order: a slot is filled by one thread under the insert word, its key's high word last and with a
 * sequentially consistent store. Readers use plain loads (an Atomics call costs more than the whole rest of the
 * look-up, measured), so on a machine that reorders loads they may see part of a slot that is being filled: a key
 * word that is still 0 does not match, and a value without its valid bit counts as "no owner yet". Words never tear.
 * Slots are never emptied, so a probe sequence only ever grows. An insert that finds the word taken gives up instead of waiting (a worker that holds
 * frames never waits for another): the guest's next packet brings it again.
 *
 * Keyed by (VLAN, MAC); VLAN 0 stands for untagged and priority-tagged frames, `ANY_VLAN` for owners that were
 * configured without a VLAN.
 */

/** Key of owners that hold on every VLAN. */
export const ANY_VLAN = 4095;

/** No owner. */
export const NO_OWNER = -1;

/** What insertion came to. */
export const Learned = { known: 0, added: 1, full: 2, busy: 3 } as const;

/** How long `recover` believes that the insert word's holder may be alive. */
const STUCK_MS = 20;

const HEADER_WORDS = 32;
const INSERT_WORD = 0;
const GUESTS_WORD = 1;
const ANY_WORD = 2;
const SLOT_WORDS = 4;

// Words of a slot.
const KEY_HIGH = 0;
const KEY_LOW = 1;
const VALUE = 2;

// Fields of the value word: worker, valid, configured, port.
const WORKER_MASK = 0x0fff;
const VALID = 0x4000;
const CONFIGURED = 0x8000;
const PORT_SHIFT = 16;

/** Workers and ports that the table has room for, whatever is in use: its size then depends on `guests` only. */
export const OWNER_WORKERS_MAX = 1024;
export const OWNER_PORTS_MAX = 256;

/** A guest in the table. */
export interface OwnerEntry {
  /** VLAN id, or `ANY_VLAN`. */
  readonly vlan: number;
  /** MAC as the words of a burst. */
  readonly high: number;
  readonly low: number;
  readonly worker: number;
  /** Port on which it was seen last; -1 for configured owners. */
  readonly port: number;
}

/** Limits of an owner table. */
export interface OwnerLimits {
  /** Workers that may own, at most `OWNER_WORKERS_MAX`. */
  readonly workers: number;
  /** Guests that are remembered at most; slots are twice as many. */
  readonly guests: number;
  /** Guests that one port may bring, so that one sender of forged addresses cannot fill the table. */
  readonly guestsPerPort: number;
  /** Share of each worker in what is placed by load; 0 = nothing is placed there. Absent = all alike. */
  readonly weights?: readonly number[];
  /**
   * A worker that is asked for (the port's) is given only while it owns at most so many times its share of all
   * guests, rounded up; else the least loaded one. Absent = always.
   */
  readonly bound?: number;
}

function slotsFor(guests: number): number {
  return 2 ** Math.ceil(Math.log2(2 * Math.max(1, guests)));
}

/** Bytes of shared memory that a table for so many guests needs. */
export function ownerTableBytes(guests: number): number {
  return 4 * (HEADER_WORDS + OWNER_WORKERS_MAX + 2 * OWNER_PORTS_MAX + SLOT_WORDS * slotsFor(guests));
}

/** Owners of guests in shared memory. */
export class OwnerTable {
  readonly limits: OwnerLimits;
  readonly #words: Int32Array;
  readonly #loadAt: number;
  readonly #portOwnerAt: number;
  readonly #portGuestsAt: number;
  readonly #slotsAt: number;
  readonly #slotMask: number;

  /** Attaches to `shared` (zeroed, or already in use by other workers with the same limits). */
  constructor(shared: SharedArrayBuffer, limits: OwnerLimits) {
    const needed = ownerTableBytes(limits.guests);
    if (shared.byteLength < needed) {
      throw new RangeError(`owner table needs ${needed} bytes, ${shared.byteLength} are given`);
    }
    this.limits = limits;
    this.#words = new Int32Array(shared, 0, needed / 4);
    this.#loadAt = HEADER_WORDS;
    this.#portOwnerAt = this.#loadAt + OWNER_WORKERS_MAX;
    this.#portGuestsAt = this.#portOwnerAt + OWNER_PORTS_MAX;
    this.#slotsAt = this.#portGuestsAt + OWNER_PORTS_MAX;
    this.#slotMask = slotsFor(limits.guests) - 1;
  }

  /** Guests in the table. */
  get guests(): number {
    return Atomics.load(this.#words, GUESTS_WORD);
  }

  /** Guests that a worker owns. */
  load(worker: number): number {
    return Atomics.load(this.#words, this.#loadAt + worker);
  }

  /** Owner of a port: configured, or that of the first guest learned there, or `port mod workers`. */
  portOwner(port: number): number {
    const owner = this.#words[this.#portOwnerAt + port]!;
    return owner > 0 ? owner - 1 : port % this.limits.workers;
  }

  /** Sets the owner of a port, for what has no owner of its own. */
  setPortOwner(port: number, worker: number): void {
    Atomics.store(this.#words, this.#portOwnerAt + port, worker + 1);
  }

  /**
   * Owner of a guest, or `NO_OWNER`. `high` and `low` are the MAC words of a burst, `vlan` the VLAN id (0 where
   * untagged).
   */
  find(vlan: number, high: number, low: number): number {
    const value = this.#value(vlan, high, low);
    if (value >= 0) return value & WORKER_MASK;
    if (this.#words[ANY_WORD] === 0) return NO_OWNER;
    const any = this.#value(ANY_VLAN, high, low);
    return any >= 0 ? any & WORKER_MASK : NO_OWNER;
  }

  /** Port on which a guest was seen last, or -1 for unknown and configured ones. */
  portOf(vlan: number, high: number, low: number): number {
    const value = this.#value(vlan, high, low);
    return value < 0 || (value & CONFIGURED) !== 0 ? -1 : value >>> PORT_SHIFT;
  }

  /** True for an owner that was configured. */
  isConfigured(vlan: number, high: number, low: number): boolean {
    const value = this.#value(vlan, high, low);
    if (value >= 0) return (value & CONFIGURED) !== 0;
    return this.#value(ANY_VLAN, high, low) >= 0;
  }

  /**
   * Remembers a guest seen on a port; `worker` below 0 means the least loaded one. Gives a `Learned` value.
   * The first guest of a port that has no owner yet makes its owner the port's too (so nothing is learned on
   * uplinks, which many strangers share).
   */
  learn(vlan: number, high: number, low: number, port: number, worker: number): number {
    const words = this.#words;
    const known = this.find(vlan, high, low);
    if (known >= 0) {
      const portOwner = this.#portOwnerAt + port;
      if (words[portOwner] === 0) Atomics.compareExchange(words, portOwner, 0, known + 1);
      return Learned.known;
    }
    if (Atomics.compareExchange(words, INSERT_WORD, 0, 1) !== 0) return Learned.busy;
    try {
      // Another worker may have been faster.
      if (this.find(vlan, high, low) >= 0) return Learned.known;
      if (words[this.#portGuestsAt + port]! >= this.limits.guestsPerPort) return Learned.full;
      const owner = worker >= 0 && this.#hasRoom(worker) ? worker : this.#leastLoaded();
      if (!this.#insert(vlan, high, low, owner | (port << PORT_SHIFT))) return Learned.full;
      Atomics.add(words, this.#portGuestsAt + port, 1);
      if (Atomics.load(words, this.#portOwnerAt + port) === 0) this.setPortOwner(port, owner);
      return Learned.added;
    } finally {
      Atomics.store(words, INSERT_WORD, 0);
    }
  }

  /**
   * Sets a configured owner; repeating it is harmless (every worker compiles the same configuration). Waits for
   * the insert word: for set-up only. Gives false when the table is full.
   */
  configure(vlan: number, high: number, low: number, worker: number): boolean {
    const words = this.#words;
    while (Atomics.compareExchange(words, INSERT_WORD, 0, 1) !== 0);
    try {
      if (this.#value(vlan, high, low) >= 0) return true;
      if (!this.#insert(vlan, high, low, worker | CONFIGURED)) return false;
      if (vlan === ANY_VLAN) Atomics.store(words, ANY_WORD, 1);
      return true;
    } finally {
      Atomics.store(words, INSERT_WORD, 0);
    }
  }

  /** Gives a guest another owner and keeps the loads right; false for an unknown guest. For the control thread. */
  move(vlan: number, high: number, low: number, worker: number): boolean {
    const slot = this.#slot(vlan, high, low);
    if (slot < 0) return false;
    const words = this.#words;
    const old = Atomics.load(words, slot + VALUE);
    Atomics.store(words, slot + VALUE, (old & ~WORKER_MASK) | worker);
    Atomics.sub(words, this.#loadAt + (old & WORKER_MASK), 1);
    Atomics.add(words, this.#loadAt + worker, 1);
    return true;
  }

  /** All guests, in no order; those that are entered meanwhile may be missing. For the control thread. */
  *entries(): Generator<OwnerEntry> {
    const words = this.#words;
    for (let slot = this.#slotsAt; slot < words.length; slot += SLOT_WORDS) {
      const key = Atomics.load(words, slot + KEY_HIGH);
      const value = Atomics.load(words, slot + VALUE);
      if (key === 0 || (value & VALID) === 0) continue;
      yield {
        vlan: (key >>> 16) - 1,
        high: key & 0xffff,
        low: words[slot + KEY_LOW]!,
        worker: value & WORKER_MASK,
        port: (value & CONFIGURED) !== 0 ? -1 : value >>> PORT_SHIFT,
      };
    }
  }

  /**
   * Enters a guest of another table with its owner (a worker that does not exist here: the least loaded one) and port,
   * unless it is there already. False when there is no room. For the control thread, before workers use the table.
   */
  adopt({ vlan, high, low, worker, port }: OwnerEntry): boolean {
    if (this.#slot(vlan, high, low) >= 0) return true;
    const words = this.#words;
    if (port >= 0 && words[this.#portGuestsAt + port]! >= this.limits.guestsPerPort) return false;
    const owner = worker < this.limits.workers ? worker : this.#leastLoaded();
    if (!this.#insert(vlan, high, low, owner | (port < 0 ? CONFIGURED : port << PORT_SHIFT))) return false;
    if (port >= 0) Atomics.add(words, this.#portGuestsAt + port, 1);
    else if (vlan === ANY_VLAN) Atomics.store(words, ANY_WORD, 1);
    return true;
  }

  /** The owner that a port was given or has learned, or `NO_OWNER`. */
  knownPortOwner(port: number): number {
    return this.#words[this.#portOwnerAt + port]! - 1;
  }

  /** Carries a port's owner over from another table, unless it has one or the worker does not exist here. */
  adoptPort(port: number, worker: number): void {
    if (worker >= this.limits.workers || this.knownPortOwner(port) >= 0) return;
    this.setPortOwner(port, worker);
  }

  /**
   * A learned guest announced itself on another port: it is behind that one now, and `worker` (if not negative) owns
   * it from now on. False for unknown and configured guests, and where nothing changes. Any worker may call it: of
   * two announcements at once the last wins, and the loads stay right because the old value is exchanged.
   */
  relocate(vlan: number, high: number, low: number, port: number, worker: number): boolean {
    const slot = this.#slot(vlan, high, low);
    if (slot < 0) return false;
    const words = this.#words;
    const old = Atomics.load(words, slot + VALUE);
    if ((old & CONFIGURED) !== 0 || old >>> PORT_SHIFT === port) return false;
    const owner = worker >= 0 && this.#hasRoom(worker) ? worker : old & WORKER_MASK;
    if (Atomics.compareExchange(words, slot + VALUE, old, owner | VALID | (port << PORT_SHIFT)) !== old) {
      return false;
    }
    Atomics.sub(words, this.#loadAt + (old & WORKER_MASK), 1);
    Atomics.add(words, this.#loadAt + owner, 1);
    return true;
  }

  /**
   * The consumer of a port runs on `worker` now: that owns the port and, as far as the bound permits, the guests that
   * were learned there. Returns how many guests have changed owner. For the control thread; workers may learn and
   * relocate meanwhile.
   */
  followPort(port: number, worker: number): number {
    const words = this.#words;
    if (words[this.#portOwnerAt + port] !== worker + 1) this.setPortOwner(port, worker);
    let moved = 0;
    for (let at = this.#slotsAt; at < words.length; at += SLOT_WORDS) {
      if (words[at + KEY_HIGH] === 0) continue;
      const old = Atomics.load(words, at + VALUE);
      if ((old & VALID) === 0 || (old & CONFIGURED) !== 0 || old >>> PORT_SHIFT !== port) continue;
      const before = old & WORKER_MASK;
      if (before === worker || !this.#hasRoom(worker)) continue;
      if (Atomics.compareExchange(words, at + VALUE, old, (old & ~WORKER_MASK) | worker) !== old) continue;
      Atomics.sub(words, this.#loadAt + before, 1);
      Atomics.add(words, this.#loadAt + worker, 1);
      moved++;
    }
    return moved;
  }

  /**
   * Frees the insert word after a worker died while it held it. For the supervising thread, once the worker is dead:
   * a live worker gives the word back within microseconds (also when it throws), so a word that stays taken for
   * `STUCK_MS` is the dead one's.
   */
  recover(): void {
    const words = this.#words;
    const deadline = performance.now() + STUCK_MS;
    while (Atomics.load(words, INSERT_WORD) !== 0) {
      if (performance.now() < deadline) continue;
      Atomics.store(words, INSERT_WORD, 0);
      return;
    }
  }

  /** Fewest guests for its weight, one more counted; ties to the lowest id. */
  #leastLoaded(): number {
    const { weights, workers } = this.limits;
    let best = -1;
    let least = 0;
    let leastWeight = 1;
    for (let worker = 0; worker < workers; worker++) {
      const weight = weights?.[worker] ?? 1;
      if (weight === 0) continue;
      const load = this.load(worker) + 1;
      // load / weight < least / leastWeight, without rounding.
      if (best < 0 || load * leastWeight < least * weight) {
        best = worker;
        least = load;
        leastWeight = weight;
      }
    }
    return Math.max(0, best);
  }

  /** True while one more guest keeps a worker within the bound. */
  #hasRoom(worker: number): boolean {
    const { bound, weights, workers } = this.limits;
    if (bound === undefined) return true;
    const share = (weights?.[worker] ?? 1) / (weights?.reduce((a, b) => a + b, 0) ?? workers);
    return this.load(worker) + 1 <= Math.ceil(bound * share * (this.guests + 1));
  }

  /** Index of the first word of a guest's slot, or -1. */
  #slot(vlan: number, high: number, low: number): number {
    const words = this.#words;
    const key = keyHigh(vlan, high);
    let index = slotHash(key, low) & this.#slotMask;
    for (;;) {
      const slot = this.#slotsAt + index * SLOT_WORDS;
      const found = words[slot + KEY_HIGH]!;
      if (found === 0) return -1;
      if (found === key && words[slot + KEY_LOW] === low) return slot;
      index = (index + 1) & this.#slotMask;
    }
  }

  /** Value word of a guest, or -1 (values never have the sign bit: ports stay below 2^15). */
  #value(vlan: number, high: number, low: number): number {
    const slot = this.#slot(vlan, high, low);
    if (slot < 0) return -1;
    const value = this.#words[slot + VALUE]!;
    return (value & VALID) === 0 ? -1 : value;
  }

  /** Under the insert word. False when the table is full: at most half of the slots are used, so probes end. */
  #insert(vlan: number, high: number, low: number, value: number): boolean {
    const words = this.#words;
    if (Atomics.load(words, GUESTS_WORD) >= this.limits.guests) return false;
    const key = keyHigh(vlan, high);
    let index = slotHash(key, low) & this.#slotMask;
    while (words[this.#slotsAt + index * SLOT_WORDS] !== 0) index = (index + 1) & this.#slotMask;
    const slot = this.#slotsAt + index * SLOT_WORDS;
    words[slot + KEY_LOW] = low;
    words[slot + VALUE] = value | VALID;
    Atomics.store(words, slot + KEY_HIGH, key);
    Atomics.add(words, GUESTS_WORD, 1);
    Atomics.add(words, this.#loadAt + (value & WORKER_MASK), 1);
    return true;
  }
}

/** VLAN and first two address bytes; never 0, which marks an empty slot. */
function keyHigh(vlan: number, high: number): number {
  return ((vlan + 1) << 16) | high;
}

function slotHash(key: number, low: number): number {
  const x = Math.imul(key ^ Math.imul(low, 0x9e3779b1), 0x85ebca6b);
  return x ^ (x >>> 15);
}
