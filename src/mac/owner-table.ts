/**
 * Owners of guests: which worker does all work of a MAC address, and of a port.
 *
 * Promise: one table for all workers of a forwarder, in shared memory; reading takes no lock and allocates nothing;
 * a guest that was seen by any worker is owned for all of them. Placement is deterministic for a given order of
 * arrivals: fewest owned guests (for the worker's weight), ties to the lowest worker id. A guest that has sent nothing
 * from its port for `ageingSeconds` is forgotten, a configured one never; so a host whose guests come and go does not
 * run out of room. What guests can do to the table is bounded as in every table of addresses (`address-table.ts`).
 *
 * An insert that finds the lock taken gives up instead of waiting (a worker that holds frames never waits for
 * another): the guest's next packet brings it again.
 *
 * Keyed by (VLAN, MAC); VLAN 0 stands for untagged and priority-tagged frames, `ANY_VLAN` for owners that were
 * configured without a VLAN.
 */
import { PORT_MASK, PORT_STATIC, SLOT_USED, SLOT_WORDS, Slot } from './address-layout.js';
import { AddressUpkeep } from './address-upkeep.js';
import {
  ANY_VLAN,
  attachOwners,
  OWNER_PORTS_MAX,
  OWNER_WORKERS_MAX,
  type OwnerEntry,
  type OwnerLimits,
  preparedOwners,
} from './owner-layout.js';
import { OwnerLoads } from './owner-loads.js';

export {
  ANY_VLAN,
  OWNER_PORTS_MAX,
  OWNER_WORKERS_MAX,
  type OwnerEntry,
  type OwnerLimits,
  ownerTableBytes,
} from './owner-layout.js';

/** No owner. */
export const NO_OWNER = -1;

/** What insertion came to. */
export const Learned = { known: 0, added: 1, full: 2, busy: 3 } as const;

// Fields of what `lookup` gives: worker, and the port with `PORT_STATIC` for configured owners.
const WORKER_MASK = 0x0fff;
const PORT_SHIFT = 12;
/** Behind the owners of ports: how many owners hold on every VLAN. */
const ANY_AT = OWNER_PORTS_MAX;

/** Owners of guests in shared memory. */
export class OwnerTable extends AddressUpkeep {
  /** The second by which guests age, from the caller's clock; 0 where nothing ages. All users of a table have one clock. */
  now = 0;
  readonly limits: OwnerLimits;
  protected readonly title = 'owner table';
  /** Owners of the ports + 1; behind them, how many owners hold on every VLAN. */
  readonly #ports: Int32Array;
  readonly #loads: OwnerLoads;

  /** Attaches to `shared` (zeroed, or already in use by other workers with the same limits). */
  constructor(shared: SharedArrayBuffer, limits: OwnerLimits) {
    super(preparedOwners(shared, limits), limits.user ?? OWNER_WORKERS_MAX);
    this.limits = limits;
    const { ports, loads } = attachOwners(shared, limits.guests);
    this.#ports = ports;
    this.#loads = new OwnerLoads(loads, limits);
  }

  /** Guests in the table, with those that have aged and were not swept yet. */
  get guests(): number {
    return this.size();
  }

  /** Guests that a worker owns. */
  load(worker: number): number {
    return this.#loads.of(worker);
  }

  /** Owner of a port: configured, or that of the first guest learned there, or `port mod workers`. */
  portOwner(port: number): number {
    const owner = this.knownPortOwner(port);
    return owner >= 0 ? owner : port % this.limits.workers;
  }

  /** The owner that a port was given or has learned, or `NO_OWNER`. */
  knownPortOwner(port: number): number {
    return port < OWNER_PORTS_MAX ? this.#ports[port]! - 1 : NO_OWNER;
  }

  /** Sets the owner of a port, for what has no owner itself. @throws RangeError for a port beyond `OWNER_PORTS_MAX`. */
  setPortOwner(port: number, worker: number): void {
    this.checkPort(port);
    Atomics.store(this.#ports, port, worker + 1);
  }

  /** Carries a port's owner over from another table, unless it has one or the worker does not exist here. */
  adoptPort(port: number, worker: number): void {
    if (worker >= this.limits.workers || this.knownPortOwner(port) >= 0) return;
    this.setPortOwner(port, worker);
  }

  /**
   * Owner of a guest, or `NO_OWNER`. `high` and `low` are the MAC words of a burst, `vlan` the VLAN id (0 where
   * untagged).
   */
  find(vlan: number, high: number, low: number): number {
    const found = this.lookup(vlan, high, low);
    return found < 0 ? NO_OWNER : found & WORKER_MASK;
  }

  /** As `find`, with the port: one word for private caches, see `workerIn` and `portIn`; -1 where there is no owner. */
  lookup(vlan: number, high: number, low: number): number {
    this.seek(keyOf(vlan, high), low | 0, this.now);
    if (this.foundPort < 0) {
      if (this.#ports[ANY_AT] === 0) return -1;
      this.seek(keyOf(ANY_VLAN, high), low | 0, this.now);
      if (this.foundPort < 0) return -1;
    }
    return this.foundOwner | (this.foundPort << PORT_SHIFT);
  }

  /** Port on which a guest was seen last, or -1 for unknown and configured ones. */
  portOf(vlan: number, high: number, low: number): number {
    this.seek(keyOf(vlan, high), low | 0, this.now);
    return this.foundPort >= PORT_STATIC ? -1 : this.foundPort;
  }

  /** True for an owner that was configured. */
  isConfigured(vlan: number, high: number, low: number): boolean {
    return this.lookup(vlan, high, low) >= 0 && this.foundPort >= PORT_STATIC;
  }

  /**
   * Remembers a guest seen on a port; `worker` below 0 means the least loaded one. Gives a `Learned` value.
   * The first guest of a port that has no owner yet makes its owner the port's too (so nothing is learned on
   * uplinks, which many strangers share). A guest that is behind another port keeps it: see `relocate`.
   * @throws RangeError for a port beyond `OWNER_PORTS_MAX`
   */
  learn(vlan: number, high: number, low: number, port: number, worker: number): number {
    const known = this.find(vlan, high, low);
    if (known >= 0) {
      if (this.foundPort === port) this.refresh(this.now);
      this.#claimPort(port, known);
      return Learned.known;
    }
    this.checkPort(port);
    // A flood at a limit does not take the lock for each frame, see `MacTable.learn`.
    if (this.isSwept(this.now) && (this.atLimit(port) || this.isFull())) return Learned.full;
    if (!this.lock.tryTake()) return Learned.busy;
    const result = this.#enter(vlan, high, low, port, worker);
    this.lock.release();
    return result;
  }

  /** Under the lock. */
  #enter(vlan: number, high: number, low: number, port: number, worker: number): number {
    const { now } = this;
    // Another worker may have been faster.
    if (this.find(vlan, high, low) >= 0) return Learned.known;
    if ((this.atLimit(port) || this.isFull()) && !this.isSwept(now)) this.sweepPart(now);
    if (this.atLimit(port)) return Learned.full;
    const owner = worker >= 0 && this.#loads.hasRoom(worker, this.guests) ? worker : this.#loads.least();
    if (!this.#insert(keyOf(vlan, high), low | 0, port, owner)) return Learned.full;
    this.#claimPort(port, owner);
    return Learned.added;
  }

  #claimPort(port: number, worker: number): void {
    if (this.knownPortOwner(port) >= 0 || port >= OWNER_PORTS_MAX) return;
    Atomics.compareExchange(this.#ports, port, 0, worker + 1);
  }

  /**
   * Sets a configured owner; repeating it is harmless (every worker compiles the same configuration). For set-up only:
   * it may wait for the lock. Gives false when the table is full. @throws Error as `locked`.
   */
  configure(vlan: number, high: number, low: number, worker: number): boolean {
    return this.#enterOnce({ vlan, high, low, worker, port: -1 }, worker);
  }

  /**
   * Enters a guest of another table with its owner (a worker that does not exist here: the least loaded one) and port,
   * unless it is there already. False when there is no room. For the control thread. @throws Error as `locked`.
   */
  adopt(entry: OwnerEntry): boolean {
    return this.#enterOnce(entry, entry.worker < this.limits.workers ? entry.worker : -1);
  }

  #enterOnce({ vlan, high, low, port }: OwnerEntry, worker: number): boolean {
    const key = keyOf(vlan, high);
    if (port >= 0) this.checkPort(port);
    this.seek(key, low | 0, this.now);
    if (this.foundPort >= 0) return true;
    return this.locked(() => {
      this.seek(key, low | 0, this.now);
      if (this.foundPort >= 0) return true;
      if (port >= 0 && this.atLimit(port)) return false;
      const owner = worker >= 0 ? worker : this.#loads.least();
      return this.#insert(key, low | 0, port < 0 ? PORT_STATIC : port, owner);
    });
  }

  /**
   * Gives a guest another owner and keeps the loads right; false for an unknown guest. For the control thread.
   * @throws Error as `locked`.
   */
  move(vlan: number, high: number, low: number, worker: number): boolean {
    const key = keyOf(vlan, high);
    this.seek(key, low | 0, this.now);
    if (this.foundPort < 0) return false;
    return this.locked(() => {
      this.seek(key, low | 0, this.now);
      if (this.foundPort < 0) return false;
      this.#give(this.foundSlot, worker);
      return true;
    });
  }

  /**
   * A learned guest announced itself on another port: it is behind that one now and counts there, and `worker` (if not
   * negative) owns it from now on. False for unknown and configured guests, where nothing changes, where the port has
   * its share of guests, and where another thread has the table (announcements are repeated). Any worker may call it.
   */
  relocate(vlan: number, high: number, low: number, port: number, worker: number): boolean {
    const key = keyOf(vlan, high);
    if (!this.#mayRelocate(key, low, port) || !this.lock.take()) return false;
    const may = this.#mayRelocate(key, low, port);
    if (may) {
      const slot = this.foundSlot;
      const before = this.foundOwner;
      const owner = worker >= 0 && this.#loads.hasRoom(worker, this.guests) ? worker : before;
      this.movePort(slot, port, owner, this.now);
      this.#loads.add(before, -1);
      this.#loads.add(owner, 1);
    }
    this.lock.release();
    return may;
  }

  #mayRelocate(key: number, low: number, port: number): boolean {
    this.seek(key, low | 0, this.now);
    const { foundPort } = this;
    if (foundPort < 0 || foundPort >= PORT_STATIC || foundPort === port) return false;
    this.checkPort(port);
    return !this.atLimit(port);
  }

  /**
   * The consumer of a port runs on `worker` now: that owns the port and, as far as the bound permits, the guests that
   * were learned there. Returns how many guests have changed owner. For the control thread, again and again: guests that
   * a worker is changing just now are left for the next time. Never waits.
   */
  followPort(port: number, worker: number): number {
    const { words } = this;
    if (this.knownPortOwner(port) !== worker) this.setPortOwner(port, worker);
    const isTheirs = (slot: number) =>
      (words[slot]! & SLOT_USED) !== 0 &&
      words[slot + Slot.port] === port &&
      words[slot + Slot.owner] !== worker &&
      this.#loads.hasRoom(worker, this.guests);
    let moved = 0;
    const end = this.slotsAt + this.slots * SLOT_WORDS;
    for (let slot = this.slotsAt; slot < end; slot += SLOT_WORDS) {
      if (!isTheirs(slot) || !this.lock.tryTake()) continue;
      if (isTheirs(slot)) {
        this.#give(slot, worker);
        moved++;
      }
      this.lock.release();
    }
    return moved;
  }

  /**
   * All guests, by VLAN and address; those that change meanwhile may be missing. For the control thread. Takes no lock.
   */
  *entries(): Generator<OwnerEntry> {
    const { words, now } = this;
    const found: OwnerEntry[] = [];
    const end = this.slotsAt + this.slots * SLOT_WORDS;
    for (let slot = this.slotsAt; slot < end; slot += SLOT_WORDS) {
      const version = Atomics.load(words, slot + Slot.version);
      const key = Atomics.load(words, slot);
      if ((key & SLOT_USED) === 0 || this.isAged(slot, now)) continue;
      const port = Atomics.load(words, slot + Slot.port);
      const entry = {
        vlan: (key >>> 16) & ANY_VLAN,
        high: key & 0xffff,
        low: Atomics.load(words, slot + Slot.keyLow),
        worker: Atomics.load(words, slot + Slot.owner),
        port: port >= PORT_STATIC ? -1 : port & PORT_MASK,
      };
      if ((version & 1) === 0 && Atomics.load(words, slot + Slot.version) === version) found.push(entry);
    }
    yield* found.sort((a, b) => a.vlan - b.vlan || a.high - b.high || (a.low >>> 0) - (b.low >>> 0));
  }

  // What follows runs under the lock.

  /** False when the table is full. `port` may be `PORT_STATIC`. */
  #insert(key: number, low: number, port: number, owner: number): boolean {
    const slot = this.freeSlot(key, low, this.now);
    if (slot < 0) return false;
    this.writeSlot(slot, key, low, port, owner, this.now);
    this.#loads.add(owner, 1);
    if (key === keyOf(ANY_VLAN, key & 0xffff)) Atomics.add(this.#ports, ANY_AT, 1);
    return true;
  }

  #give(slot: number, worker: number): void {
    const before = this.words[slot + Slot.owner]!;
    if (before === worker) return;
    this.beginSlot(slot);
    Atomics.store(this.words, slot + Slot.owner, worker);
    this.endSlot(slot);
    this.#loads.add(before, -1);
    this.#loads.add(worker, 1);
  }

  protected override removeSlot(slot: number): void {
    this.#loads.add(this.words[slot + Slot.owner]!, -1);
    super.removeSlot(slot);
  }

  protected override recount(): void {
    this.#loads.clear();
    const end = this.slotsAt + this.slots * SLOT_WORDS;
    for (let slot = this.slotsAt; slot < end; slot += SLOT_WORDS) {
      if ((this.words[slot]! & SLOT_USED) !== 0) this.#loads.add(this.words[slot + Slot.owner]!, 1);
    }
  }
}

/** Worker in what `lookup` gave. */
export function workerIn(found: number): number {
  return found & WORKER_MASK;
}

/** Port in what `lookup` gave; no port that there is for configured owners. */
export function portIn(found: number): number {
  return found >>> PORT_SHIFT;
}

function keyOf(vlan: number, high: number): number {
  return SLOT_USED | (vlan << 16) | high;
}
