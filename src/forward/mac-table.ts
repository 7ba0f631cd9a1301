/**
 * The MAC table: which port a (VLAN id, address) was last seen on; shared by all workers.
 *
 * Promise: a lookup takes no lock and waits for nobody. Learning that changes the table takes a lock that is tried for
 * about a microsecond, longer than a change takes; where another thread still has it (it is sweeping, or was
 * descheduled), the learning is skipped and counted: the station's next frame will do. A skipped or lost learning costs
 * a flood, never a wrong port. A flood of new addresses at a limit is refused without the lock, but for a bounded share
 * of each second. How slots, races and ageing work: `mac/address-table.ts`.
 */
import { AddressUpkeep } from '../mac/address-upkeep.js';
import { COUNTER_DOUBLES, Header, MacCounter, PORT_MASK, PORT_STATIC, SLOT_USED } from './mac-layout.js';

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

/** The table as one thread uses it. */
export class MacTable extends AddressUpkeep {
  protected readonly title: string = 'MAC table';
  private readonly row: number;

  /**
   * @param memory from `createMacTable`
   * @param user this thread's id among the users of the table: its lock owner id and its row of counters
   */
  constructor(memory: SharedArrayBuffer, user: number) {
    super(memory, user);
    this.row = user * COUNTER_DOUBLES;
    if (!(user >= 0 && user < this.words[Header.users]!))
      throw new RangeError(`MAC table: no user ${user} among ${this.words[Header.users]}`);
  }

  /**
   * The port where the address was last seen, or -1 (unknown or aged). `vlan` is the VLAN id, 0 for untagged.
   */
  lookup(vlan: number, macHi: number, macLo: number, now: number): number {
    this.seek(SLOT_USED | (vlan << 16) | macHi, macLo | 0, now);
    return this.foundPort < 0 ? -1 : this.foundPort & PORT_MASK;
  }

  /**
   * Takes note that the address was seen as a source on `port`; one of `Learned`. The caller has sorted out
   * addresses that can't be sources (group, zero).
   */
  learn(vlan: number, macHi: number, macLo: number, port: number, now: number): number {
    const key = SLOT_USED | (vlan << 16) | macHi;
    const low = macLo | 0;
    this.seek(key, low, now);
    const found = this.foundPort;
    if (found >= PORT_STATIC) return Learned.known;
    if (found === port) {
      this.refresh(now);
      return Learned.known;
    }
    // A flood of new addresses must not hold the lock against the other ports' learning. Once workers have reclaimed
    // what they may in this second, the answer would be the same under the lock.
    if (this.isSwept(now)) {
      const refused = this.refusal(port, found);
      if (refused !== Learned.known) return refused;
    }
    if (!this.lock.take()) {
      this.count(MacCounter.contended);
      return Learned.contended;
    }
    const result = this.change(key, low, port, now);
    this.lock.release();
    return result;
  }

  /** Changes when all addresses of a port are forgotten; see `learnLate`. */
  forgotten(): number {
    return Atomics.load(this.words, Header.forgotten);
  }

  /**
   * Makes up for a learning that was `contended`: nothing changes where the address is known by now (it may have moved
   * since then) or where a port was forgotten since (`forgotten` was another): its number may be another port's now.
   */
  learnLate(
    vlan: number,
    macHi: number,
    macLo: number,
    port: number,
    now: number,
    forgotten: number,
  ): number {
    if (!this.lock.take()) {
      this.count(MacCounter.contended);
      return Learned.contended;
    }
    const key = SLOT_USED | (vlan << 16) | macHi;
    this.seek(key, macLo | 0, now);
    const isDue = this.foundPort < 0 && this.words[Header.forgotten] === forgotten;
    const result = isDue ? this.change(key, macLo | 0, port, now) : Learned.known;
    this.lock.release();
    return result;
  }

  /** Counts why a port can't learn an address that was found at `found`; `Learned.known` where it can. */
  private refusal(port: number, found: number): number {
    if (this.atLimit(port)) {
      this.count(MacCounter.learnLimited);
      return Learned.limited;
    }
    if (found < 0 && this.isFull()) {
      this.count(MacCounter.full);
      return Learned.full;
    }
    return Learned.known;
  }

  /** Under the lock: enters or moves a learned address. */
  private change(key: number, macLo: number, port: number, now: number): number {
    this.seek(key, macLo, now);
    const found = this.foundPort;
    if (found >= PORT_STATIC || found === port) return Learned.known;
    // Aged addresses that nobody has reclaimed yet don't count.
    if (this.atLimit(port) && !this.isSwept(now)) this.sweepPart(now);
    if (this.atLimit(port)) {
      this.count(MacCounter.learnLimited);
      return Learned.limited;
    }
    if (found >= 0) {
      this.movePort(this.foundSlot, port, 0, now);
      this.foundPort = port;
      this.count(MacCounter.moved);
      return Learned.moved;
    }
    let slot = this.freeSlot(key, macLo, now);
    if (slot < 0 && !this.isSwept(now)) {
      this.sweepPart(now);
      slot = this.freeSlot(key, macLo, now);
    }
    if (slot < 0) {
      this.count(MacCounter.full);
      return Learned.full;
    }
    this.writeSlot(slot, key, macLo, port, 0, now);
    this.foundPort = port;
    this.count(MacCounter.learned);
    return Learned.learned;
  }

  protected override removeAged(slot: number): void {
    this.removeSlot(slot);
    this.count(MacCounter.aged);
  }

  protected count(counter: number): void {
    this.counts[this.row + counter]!++;
  }
}
