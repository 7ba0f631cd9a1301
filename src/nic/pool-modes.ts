/**
 * How the 82576 and the 82599 are switched between RSS, pools and traffic classes: the MRQC register, and what
 * drivers choose for a number of virtual functions.
 *
 * Promise: the register's field is an enumeration, not a set of flags; reserved values are null. Pure.
 *
 * Sources: igb and ixgbe drivers (e1000_82575.h, ixgbe_type.h, ixgbe_sriov.c), DPDK's ixgbe_pf.c.
 */
import { UserError } from '../errors.js';

/** One value of MRQC's mode field. */
export interface PoolMode {
  readonly pools: number;
  /** Queues that RSS reaches, in each pool or class where there are some; 1 = no RSS. */
  readonly rss: number;
  readonly classes: number;
}

const MODES = {
  // Bits 2:0.
  'igb-82576': new Map<number, PoolMode>([
    [0, { pools: 0, rss: 1, classes: 0 }],
    [1, { pools: 0, rss: 2, classes: 0 }],
    [2, { pools: 0, rss: 8, classes: 0 }],
    [3, { pools: 8, rss: 1, classes: 0 }],
    [5, { pools: 8, rss: 2, classes: 0 }],
  ]),
  // Bits 3:0.
  'ixgbe-82599': new Map<number, PoolMode>([
    [0b0000, { pools: 0, rss: 1, classes: 0 }],
    [0b0001, { pools: 0, rss: 16, classes: 0 }],
    [0b0010, { pools: 0, rss: 1, classes: 8 }],
    [0b0011, { pools: 0, rss: 1, classes: 4 }],
    [0b0100, { pools: 0, rss: 16, classes: 8 }],
    [0b0101, { pools: 0, rss: 16, classes: 4 }],
    [0b1000, { pools: 64, rss: 1, classes: 0 }],
    [0b1010, { pools: 32, rss: 4, classes: 0 }],
    [0b1011, { pools: 64, rss: 2, classes: 0 }],
    [0b1100, { pools: 16, rss: 1, classes: 8 }],
    [0b1101, { pools: 32, rss: 1, classes: 4 }],
  ]),
} as const satisfies Record<PoolModeChip, ReadonlyMap<number, PoolMode>>;

/** Chips whose MRQC is known. */
export type PoolModeChip = 'igb-82576' | 'ixgbe-82599';

/** What a value of MRQC means (other bits are ignored); null for reserved ones. */
export function poolMode(chip: PoolModeChip, mrqc: number): PoolMode | null {
  return MODES[chip].get(mrqc & (chip === 'igb-82576' ? 7 : 15)) ?? null;
}

/** The value for a mode. @throws UserError for a combination that the chip does not have. */
export function mrqcFor(chip: PoolModeChip, mode: PoolMode): number {
  for (const [value, other] of MODES[chip]) {
    if (other.pools === mode.pools && other.rss === mode.rss && other.classes === mode.classes) return value;
  }
  const layouts = [...MODES[chip].values()].filter(({ pools }) => pools > 0);
  const permitted = layouts.map(
    ({ pools, rss, classes }) => `${pools}x${Math.max(rss, classes)}${classes > 0 ? ' (classes)' : ''}`,
  );
  throw new UserError(
    `${mode.pools} pools with RSS over ${mode.rss} queues and ${mode.classes} classes: ${chip} has ${permitted.join(', ')}`,
  );
}

/**
 * Pools that drivers make for virtual functions. The physical function uses the pool behind theirs, which is also
 * the default pool.
 * @throws UserError where the chip has fewer pools
 */
export function layoutForFunctions(
  chip: PoolModeChip,
  functions: number,
  driver: 'linux' | 'dpdk' = 'linux',
): { pools: number; queuesPerPool: number; defaultPool: number } {
  const most = chip === 'igb-82576' ? 7 : 63;
  if (!Number.isInteger(functions) || functions < 1 || functions > most) {
    throw new UserError(`${functions} virtual functions: ${chip} has 1 to ${most}`);
  }
  if (chip === 'igb-82576') return { pools: 8, queuesPerPool: 2, defaultPool: functions };
  if (driver === 'dpdk') {
    const pools = functions >= 32 ? 64 : functions >= 16 ? 32 : 16;
    return { pools, queuesPerPool: 128 / pools, defaultPool: functions };
  }
  // Linux counts the physical function's pool too.
  const pools = functions + 1 > 32 ? 64 : 32;
  return { pools, queuesPerPool: 128 / pools, defaultPool: functions };
}
