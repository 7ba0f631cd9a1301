/**
 * The memory of a table of addresses (MAC table, owner table): its header, its slots, and how many of each fit.
 *
 * Promise: one SharedArrayBuffer holds everything, its own dimensions included, so that a thread needs nothing
 * else to attach. Words that different threads write lie 128 bytes apart (adjacent-line prefetch makes 64-byte
 * neighbours interfere); slots are the exception: they are read by all and written rarely.
 */

/** What a table of addresses is made for. */
export interface AddressDimensions {
  /** Addresses it can hold, those that never age included. */
  readonly capacity: number;
  /** Ports 0 … ports-1. */
  readonly ports: number;
  /** Rows of counters, one for each thread that counts; see `COUNTER_DOUBLES`. */
  readonly users: number;
  /** Seconds without a frame after which a learned address is forgotten. */
  readonly ageingSeconds: number;
  /** Addresses learned per port at most. */
  readonly learnLimit: number;
  /** Seed of the slot hash: a secret keeps guests from choosing addresses that share a slot. */
  readonly seed: number;
}

const LINE_WORDS = 32;

/** Words of the header. The first line is written once; each line after it has its own kind of writer. */
export const Header = {
  slots: 0,
  capacity: 1,
  ports: 2,
  users: 3,
  ageing: 4,
  seed: 5,
  /** See `SharedLock`. */
  lock: LINE_WORDS,
  /** Incremented by every change of a key, port or owner, before the lock is given back. Private caches watch it. */
  generation: 2 * LINE_WORDS,
  /** Under the lock: slots in use (learned, aged but not yet reclaimed, those that never age). */
  used: 3 * LINE_WORDS,
  /** Under the lock: the last second in which workers have reclaimed all that they may (-1: never). */
  swept: 3 * LINE_WORDS + 1,
  /** Under the lock: workers' reclaiming goes on at this slot; the second in which it began, and its parts since. */
  hand: 3 * LINE_WORDS + 2,
  handSecond: 3 * LINE_WORDS + 3,
  handParts: 3 * LINE_WORDS + 4,
  /** Under the lock: counts how often all addresses of a port were forgotten. */
  forgotten: 3 * LINE_WORDS + 9,
  /** Under the lock: the address that changed its port last (both words), from which port to which. */
  movedHigh: 3 * LINE_WORDS + 5,
  movedLow: 3 * LINE_WORDS + 6,
  movedFrom: 3 * LINE_WORDS + 7,
  movedTo: 3 * LINE_WORDS + 8,
} as const;
const HEADER_WORDS = 4 * LINE_WORDS;

/** Words of a slot; 32 bytes, so that none straddles a cache line. */
export const SLOT_WORDS = 8;
export const Slot = {
  /** `SLOT_EMPTY`, `SLOT_DELETED`, or USED | VLAN id << 16 | first two bytes of the address. */
  keyHigh: 0,
  /** Last four bytes of the address. */
  keyLow: 1,
  /** Odd while the slot is being written; changes with every writing. */
  version: 2,
  /** Port, with `PORT_STATIC` for entries that neither move nor age. */
  port: 3,
  /** Second in which the source was last seen. */
  seen: 4,
  /** Owner tables: the worker. */
  owner: 5,
} as const;

/** Never used, or nothing lies beyond it: a search ends here. */
export const SLOT_EMPTY = 0;
/** Free, but searches go on behind it. */
export const SLOT_DELETED = 1;
/** Set in `keyHigh` of every slot that holds an address. */
export const SLOT_USED = 0x40000000;
export const PORT_STATIC = 0x10000;
export const PORT_MASK = 0xffff;

/**
 * Slots looked at in one search at most. Half the slots stay free, and the longest run of a table of 2^16 slots
 * is then about 60: the bound is met only by someone who knows the seed, and then it bounds what he can cost.
 */
export const PROBE_MAX = 128;

/** Doubles of a row of counters: one line. */
export const COUNTER_DOUBLES = 16;

/** Views of a table's memory. */
export interface AddressMemory {
  /** Header and slots. */
  readonly words: Int32Array;
  /** Two words per port: addresses learned there, and how many may be. Written under the lock. */
  readonly learned: Int32Array;
  readonly counters: Float64Array;
  /** Index in `words` of slot 0, and of the first word behind the slots. */
  readonly slotsAt: number;
  readonly end: number;
}

function lines(words: number): number {
  return Math.ceil(words / LINE_WORDS) * LINE_WORDS;
}

function slotsFor(capacity: number): number {
  let slots = 8;
  while (slots < 2 * capacity) slots *= 2;
  return slots;
}

/** Bytes of a table with these dimensions. */
export function addressBytes({
  capacity,
  ports,
  users,
}: Pick<AddressDimensions, 'capacity' | 'ports' | 'users'>): number {
  const words = HEADER_WORDS + lines(2 * ports) + users * 2 * COUNTER_DOUBLES;
  return 4 * (words + slotsFor(capacity) * SLOT_WORDS);
}

/** A secret that is never 0, for slot hashes. */
export function secretSeed(): number {
  const words = crypto.getRandomValues(new Int32Array(1));
  return words[0]! === 0 ? 1 : words[0]!;
}

/**
 * Makes a zeroed buffer a table; where it is a table already nothing changes. Threads that do so at once with the same
 * dimensions write the same words, and agree on a seed.
 */
export function initialiseAddresses(buffer: SharedArrayBuffer, dimensions: AddressDimensions): void {
  const header = new Int32Array(buffer, 0, HEADER_WORDS);
  if (Atomics.load(header, Header.slots) !== 0) return;
  const { capacity, ports, users, ageingSeconds, learnLimit, seed } = dimensions;
  Atomics.compareExchange(header, Header.seed, 0, seed | 0 || 1);
  header[Header.capacity] = capacity;
  header[Header.ports] = ports;
  header[Header.users] = users;
  header[Header.ageing] = ageingSeconds;
  header[Header.swept] = -1;
  header[Header.handSecond] = -1;
  const learned = new Int32Array(buffer, HEADER_WORDS * 4, 2 * ports);
  for (let p = 0; p < ports; p++) learned[2 * p + 1] = learnLimit;
  // Last: a reader that sees it sees all.
  Atomics.store(header, Header.slots, slotsFor(capacity));
}

/** The views of a table. */
export function attachAddresses(buffer: SharedArrayBuffer): AddressMemory {
  const words = new Int32Array(buffer);
  const ports = words[Header.ports]!;
  const users = words[Header.users]!;
  const countersAt = HEADER_WORDS + lines(2 * ports);
  const slotsAt = countersAt + users * 2 * COUNTER_DOUBLES;
  return {
    words,
    learned: new Int32Array(buffer, HEADER_WORDS * 4, 2 * ports),
    counters: new Float64Array(buffer, countersAt * 4, users * COUNTER_DOUBLES),
    slotsAt,
    end: slotsAt + words[Header.slots]! * SLOT_WORDS,
  };
}
