/**
 * The memory of a MAC table: a table of addresses (`mac/address-layout.ts`) with a row of counters for each thread.
 */
import { addressBytes, initialiseAddresses, PORT_MASK } from '../mac/address-layout.js';

export {
  COUNTER_DOUBLES,
  Header,
  PORT_MASK,
  PORT_STATIC,
  PROBE_MAX,
  SLOT_DELETED,
  SLOT_EMPTY,
  SLOT_USED,
  SLOT_WORDS,
  Slot,
} from '../mac/address-layout.js';

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

/** Allocates a table and writes its dimensions. Throws RangeError for impossible ones. */
export function createMacTable(options: MacTableOptions): SharedArrayBuffer {
  const { capacity, ports, users } = options;
  const ageingSeconds = options.ageingSeconds ?? DEFAULT_AGEING_SECONDS;
  const learnLimit = options.learnLimit ?? DEFAULT_LEARN_LIMIT;
  checkRange('capacity', capacity, 1, 1 << 22);
  checkRange('ports', ports, 1, PORT_MASK);
  checkRange('users', users, 1, 4096);
  checkRange('ageingSeconds', ageingSeconds, 1, 0x3fffffff);
  checkRange('learnLimit', learnLimit, 0, 0x7fffffff);
  const buffer = new SharedArrayBuffer(addressBytes(options));
  initialiseAddresses(buffer, { capacity, ports, users, ageingSeconds, learnLimit, seed: options.seed ?? 1 });
  return buffer;
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new RangeError(`MAC table: ${name} ${value} is not an integer from ${least} to ${most}`);
}
