/**
 * The tables by which a NIC with pools (VMDq, SR-IOV) recognises addresses and VLANs, each entry with the set of
 * pools that it stands for.
 *
 * Promise: lookups allocate nothing. Pool sets are two 32-bit words (pools 0-31 and 32-63). Built once, then
 * read-only; one thread.
 *
 * Sources: Intel 82576 and 82599 drivers and QEMU's igb model (receive address registers with pool masks, VLAN pool
 * filter, 4096-bit hash tables for multicast and unicast).
 */
import { UserError } from '../errors.js';
import type { MacWords } from '../mac/address.js';

/** A set of pools. */
export interface PoolMask {
  readonly low: number;
  readonly high: number;
}

/** @throws UserError for a pool that does not exist. */
export function poolMask(pools: readonly number[], count: number, place: string): PoolMask {
  let low = 0;
  let high = 0;
  for (const pool of pools) {
    if (!Number.isInteger(pool) || pool < 0 || pool >= count) {
      throw new UserError(`${place}: pool ${pool}: there are pools 0 to ${count - 1}`);
    }
    if (pool < 32) low |= 1 << pool;
    else high |= 1 << (pool - 32);
  }
  return { low, high };
}

/** Lowest pool of a set, or -1. */
export function lowestPool(low: number, high: number): number {
  if (low !== 0) return 31 - Math.clz32(low & -low);
  return high === 0 ? -1 : 63 - Math.clz32(high & -high);
}

/** The pools of a set, ascending. For people and tests. */
export function poolList(low: number, high: number): number[] {
  return Array.from({ length: 64 }, (_, pool) => pool).filter(
    (pool) => (((pool < 32 ? low : high) >>> (pool & 31)) & 1) === 1,
  );
}

/** `0-3+7`: the pools of a set, in the notation of policy strings. */
export function formatPools(low: number, high: number): string {
  const pools = poolList(low, high);
  const ranges: [number, number][] = [];
  for (const pool of pools) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === pool - 1) last[1] = pool;
    else ranges.push([pool, pool]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join('+');
}

/** Exact addresses: several filters may name one address, their pools add up. */
export class MacFilters {
  readonly #slots: Int32Array;
  readonly #mask: number;
  #used = 0;

  constructor(readonly capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(2 * capacity));
    this.#slots = new Int32Array(4 * slots).fill(-1);
    this.#mask = slots - 1;
  }

  /** False when all filters are used. */
  add(mac: MacWords, pools: PoolMask): boolean {
    if (this.#used >= this.capacity) return false;
    this.#used++;
    let slot = this.find(mac.high, mac.low);
    if (slot < 0) {
      slot = ~slot;
      this.#slots[slot] = mac.high;
      this.#slots[slot + 1] = mac.low;
      this.#slots[slot + 2] = 0;
      this.#slots[slot + 3] = 0;
    }
    this.#slots[slot + 2]! |= pools.low;
    this.#slots[slot + 3]! |= pools.high;
    return true;
  }

  /** Position of an address, or the complement of the free one where it would go. Never full: half is free. */
  find(high: number, low: number): number {
    let index = Math.imul(low ^ (high << 16), 0x9e3779b1) >>> 8;
    for (;;) {
      const slot = (index & this.#mask) << 2;
      const found = this.#slots[slot]!;
      if (found === -1) return ~slot;
      if (found === high && this.#slots[slot + 1] === low) return slot;
      index++;
    }
  }

  /** Pools 0-31 of a filter. */
  low(slot: number): number {
    return this.#slots[slot + 2]!;
  }

  /** Pools 32-63 of a filter. */
  high(slot: number): number {
    return this.#slots[slot + 3]!;
  }
}

/** Which VLAN ids pass at all, and to which pools. */
export class VlanFilters {
  readonly #allowed = new Uint8Array(4096);
  readonly #low = new Int32Array(4096);
  readonly #high = new Int32Array(4096);
  #used = 0;

  constructor(readonly capacity: number) {}

  /** One pool filter entry; allows the VLAN too. False when all entries are used. */
  add(vlan: number, pools: PoolMask): boolean {
    if (this.#used >= this.capacity) return false;
    this.#used++;
    this.#allowed[vlan] = 1;
    this.#low[vlan]! |= pools.low;
    this.#high[vlan]! |= pools.high;
    return true;
  }

  /** Frames of this VLAN pass. */
  isAllowed(vlan: number): boolean {
    return this.#allowed[vlan] === 1;
  }

  /** Pools 0-31 of a VLAN. */
  low(vlan: number): number {
    return this.#low[vlan]!;
  }

  /** Pools 32-63 of a VLAN. */
  high(vlan: number): number {
    return this.#high[vlan]!;
  }
}

/** Shift of the hash by the mode of its register: which 12 of the last 16 address bits are taken. */
const HASH_SHIFTS = [4, 3, 2, 0] as const;
export const HASH_MODES = HASH_SHIFTS.length;

/** 12-bit hash of the last two address bytes, the same for multicast and unicast tables. */
export function addressHash(low: number, mode: number): number {
  const last = ((low & 0xff) << 8) | ((low >>> 8) & 0xff);
  return (last >>> HASH_SHIFTS[mode]!) & 0xfff;
}

/** A 4096-bit table of address hashes. */
export class HashFilter {
  readonly #bits = new Uint32Array(128);

  constructor(readonly mode: number) {}

  /** Enters an address; `low` is the last four bytes of it. */
  add(low: number): void {
    const hash = addressHash(low, this.mode);
    this.#bits[hash >>> 5]! |= 1 << (hash & 31);
  }

  /** The hash of this address is in the table. */
  matches(low: number): boolean {
    const hash = addressHash(low, this.mode);
    return ((this.#bits[hash >>> 5]! >>> (hash & 31)) & 1) === 1;
  }
}
