/**
 * The memory of a MAC table: its header, its slots, and how many of each fit.
 *
 * Promise: one SharedArrayBuffer holds everything, its own dimensions included, so that a thread needs nothing
 * else to attach. Words that different threads write lie 128 bytes apart (adjacent-line prefetch makes 64-byte
 * neighbours interfere); slots are the exception: they are read by all and written rarely.
 */

/** How a table is made; see `createMacTable`. */
export interface MacTableOptions {
  /** Addresses it can hold, static ones included. */
  readonly capacity: number;
  /** Ports 0 … ports-1. */
  readonly ports: number;
  /** Threads that attach (workers, and the main thread as the last): user ids 0 … users-1. */
  readonly users: number;
  /** Seconds without a frame after which a learned address is forgotten (default 300, as the Linux bridge). */
  readonly ageingSeconds?: number;
  /** Addresses learned per port at most (default 4096; see `setLearnLimit` for one port). */
  readonly learnLimit?: number;
  /** Seed of the slot hash: a secret keeps guests from choosing addresses that share a slot. */
  readonly seed?: number;
}

export const DEFAULT_AGEING_SECONDS = 300;
export const DEFAULT_LEARN_LIMIT = 4096;

const LINE_WORDS = 32;

/** Words of the header. The first line is written once; each line after it has its own kind of writer. */
export const Header = {
  slots: 0,
  capacity: 1,
  ports: 2,
  users: 3,
  ageing: 4,
  seed: 5,
  /** Try-lock: 0, or user id + 1 of the thread that changes the table. */
  lock: LINE_WORDS,
  /** Incremented by every change of a key or port, before the lock is given back. Private caches watch it. */
  generation: 2 * LINE_WORDS,
  /** Under the lock: slots in use (learned, aged but not yet reclaimed, static). */
  used: 3 * LINE_WORDS,
  /** Under the lock: the last second in which a whole sweep was made (-1: never). */
  swept: 3 * LINE_WORDS + 1,
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
  /** Port, with `PORT_STATIC` for static entries. */
  port: 3,
  /** Second in which the source was last seen. */
  seen: 4,
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

/** What each thread counts; its row is written by that thread alone, so counts are exact. */
export const MacCounter = {
  /** New addresses. */
  learned: 0,
  /** Stations that went to another port. */
  moved: 1,
  /** Slots reclaimed after ageing. */
  aged: 2,
  /** Addresses removed by a flush of their port or by hand. */
  flushed: 3,
  /** Learning skipped because another thread was changing the table. */
  contended: 4,
  /** Learning refused because the port has its share. */
  learnLimited: 5,
  /** Learning refused because the table is full. */
  full: 6,
} as const;
export type MacCounterName = keyof typeof MacCounter;
/** Doubles of a row: one line. */
export const COUNTER_DOUBLES = 16;

/** Views of a table's memory. */
export interface MacMemory {
  /** Header and slots. */
  readonly words: Int32Array;
  /** Two words per port: addresses learned there, and how many may be. Written under the lock. */
  readonly learned: Int32Array;
  readonly counters: Float64Array;
  /** Index in `words` of slot 0. */
  readonly slotsAt: number;
}

function lines(words: number): number {
  return Math.ceil(words / LINE_WORDS) * LINE_WORDS;
}

function slotsFor(capacity: number): number {
  let slots = 8;
  while (slots < 2 * capacity) slots *= 2;
  return slots;
}

/** Allocates a table and writes its dimensions. Throws RangeError for impossible ones. */
export function createMacTable(options: MacTableOptions): SharedArrayBuffer {
  const { capacity, ports, users } = options;
  const ageing = options.ageingSeconds ?? DEFAULT_AGEING_SECONDS;
  const limit = options.learnLimit ?? DEFAULT_LEARN_LIMIT;
  checkRange('capacity', capacity, 1, 1 << 22);
  checkRange('ports', ports, 1, PORT_MASK);
  checkRange('users', users, 1, 4096);
  checkRange('ageingSeconds', ageing, 1, 0x3fffffff);
  checkRange('learnLimit', limit, 0, 0x7fffffff);
  const slots = slotsFor(capacity);
  const words = HEADER_WORDS + lines(2 * ports) + users * 2 * COUNTER_DOUBLES + slots * SLOT_WORDS;
  const buffer = new SharedArrayBuffer(words * 4);
  const header = new Int32Array(buffer, 0, HEADER_WORDS);
  header[Header.slots] = slots;
  header[Header.capacity] = capacity;
  header[Header.ports] = ports;
  header[Header.users] = users;
  header[Header.ageing] = ageing;
  header[Header.seed] = (options.seed ?? 1) | 0;
  header[Header.swept] = -1;
  const { learned } = attachMacMemory(buffer);
  for (let p = 0; p < ports; p++) learned[2 * p + 1] = limit;
  return buffer;
}

/** The views of a table made by `createMacTable`. */
export function attachMacMemory(buffer: SharedArrayBuffer): MacMemory {
  const words = new Int32Array(buffer);
  const ports = words[Header.ports]!;
  const users = words[Header.users]!;
  const countersAt = HEADER_WORDS + lines(2 * ports);
  return {
    words,
    learned: new Int32Array(buffer, HEADER_WORDS * 4, 2 * ports),
    counters: new Float64Array(buffer, countersAt * 4, users * COUNTER_DOUBLES),
    slotsAt: countersAt + users * 2 * COUNTER_DOUBLES,
  };
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new RangeError(`MAC table: ${name} ${value} is not an integer from ${least} to ${most}`);
}
