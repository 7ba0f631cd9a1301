/**
 * What is known about real NICs, as data: key, table, queues, default types, and their quirks.
 *
 * Promise: constants; numbers are facts from public driver sources (named per profile in the documentation), with
 * the defaults of the Linux driver. Nothing here hashes or steers.
 */
import { unknownName } from '../errors.js';
import type { Symmetric } from '../hash/tuple-hash.js';
import {
  type ExRule,
  FRAGMENT_TYPES,
  type FragmentRule,
  GENERIC_TYPES,
  type HashTypeName,
} from './hash-types.js';
import type { DefaultFill } from './indirection-table.js';
import type { RssFunction } from './rss-hash.js';

/** How many entries the table has by default. */
export type TableRule =
  /** A fixed size. */
  | { readonly kind: 'fixed'; readonly size: number }
  /** Linux mlx5: the next power of two of 2n, at least 256. */
  | { readonly kind: 'twice-queues'; readonly least: number }
  /** bnxt from P5 on: `per` entries for each started group of `per` queues, at most `most`. */
  | { readonly kind: 'per-group'; readonly per: number; readonly most: number }
  /** DPDK mlx5: n where n is a power of two, else `otherwise`. */
  | { readonly kind: 'queues-or'; readonly otherwise: number };

/** VMDq or SR-IOV pools of a NIC. */
export interface PoolLayout {
  readonly pools: number;
  readonly queuesPerPool: number;
  /** What chooses among a pool's queues; `none` = the first is used. Absent = `rss`. */
  readonly inside?: 'rss' | 'classes' | 'none';
}

/** One NIC under its Linux driver (or DPDK, where the id says so). */
export interface NicProfile {
  readonly id: string;
  readonly vendor: string;
  readonly part: string;
  readonly driver: string;
  /** Length of the key register in bytes; a shorter key is accepted when it covers the input. */
  readonly keyBytes: number;
  /** Order in which the device uses the bytes of the key that the driver is given. */
  readonly keyOrder: 'plain' | 'bytes-reversed';
  /** Default key: a fixed, public one, or random per boot (from the seed here). */
  readonly key: 'microsoft' | 'random' | 'enaFixed';
  /** Start value of the hash. */
  readonly start: number;
  /** Input transform by default. */
  readonly symmetric: Symmetric;
  /** What the device makes of the hash: nothing, or its low 16 bits in both halves. */
  readonly output: 'whole' | 'low-half-twice';
  readonly table: TableRule;
  /** Sizes that `table=` may choose, or any power of two up to the largest. */
  readonly tableSizes: readonly number[] | 'powers-of-two';
  readonly fill: DefaultFill;
  /** Queues that RSS can reach at most; null where no limit below the table's entries is known. */
  readonly maxQueues: number | null;
  readonly types: readonly HashTypeName[];
  readonly exRule: ExRule;
  readonly fragmentRule: FragmentRule;
  /** Hash functions, the default first. */
  readonly functions: readonly RssFunction[];
  /** Pool layouts, the default last; empty where pools are not modelled. */
  readonly pools: readonly PoolLayout[];
  /** Entries of the table that each pool has, with a key of its own; 0 = one table and key for all. */
  readonly poolTable: number;
  /** RSS reaches a number of queues that is set for each pool (PSRTYPE.RQPL). */
  readonly limitsPools: boolean;
  /** Traffic classes at most, without pools; 0 = none are modelled. */
  readonly trafficClasses: number;
  /** What a reader should know, one line; empty where nothing stands out. */
  readonly note: string;
}

const ENA_TYPES: readonly HashTypeName[] = [...GENERIC_TYPES, 'mac'];
const WITHOUT_UDP: readonly HashTypeName[] = ['ipv4', 'tcp-ipv4', 'ipv6', 'tcp-ipv6'];

/** What most profiles share; `driver` etc. are always given. */
const common = {
  keyBytes: 40,
  keyOrder: 'plain',
  key: 'random',
  start: 0,
  symmetric: 'none',
  output: 'whole',
  table: { kind: 'fixed', size: 128 },
  tableSizes: [128],
  fill: 'modulo',
  maxQueues: null,
  types: GENERIC_TYPES,
  exRule: 'intel',
  fragmentRule: 'ip',
  functions: ['toeplitz'],
  pools: [],
  poolTable: 0,
  limitsPools: false,
  trafficClasses: 0,
  note: '',
} as const satisfies Partial<NicProfile>;

const igb = {
  ...common,
  vendor: 'Intel',
  driver: 'igb',
  key: 'microsoft',
  fill: 'blocks',
  types: ['ipv4', 'tcp-ipv4', 'ipv6', 'tcp-ipv6', 'tcp-ipv6-ex'],
  note: 'the key is fixed and public; the table is filled in contiguous blocks',
} as const satisfies Partial<NicProfile>;

const I350_POOLS: readonly PoolLayout[] = [{ pools: 8, queuesPerPool: 1, inside: 'none' }];
const IGB_POOLS: readonly PoolLayout[] = [
  { pools: 8, queuesPerPool: 2, inside: 'none' },
  { pools: 8, queuesPerPool: 2 },
];

const ixgbe82599: NicProfile = {
  ...common,
  id: 'ixgbe-82599',
  vendor: 'Intel',
  part: '82599',
  driver: 'ixgbe',
  maxQueues: 16,
  types: WITHOUT_UDP,
  pools: [
    { pools: 64, queuesPerPool: 2, inside: 'none' },
    { pools: 16, queuesPerPool: 8, inside: 'classes' },
    { pools: 32, queuesPerPool: 4, inside: 'classes' },
    { pools: 64, queuesPerPool: 2 },
    { pools: 32, queuesPerPool: 4 },
  ],
  limitsPools: true,
  trafficClasses: 8,
  note: '128 queues, of which RSS reaches 16 (4-bit table entries)',
};

const profiles: readonly NicProfile[] = [
  {
    ...common,
    id: 'generic',
    functions: ['toeplitz', 'crc32c', 'crc32', 'xor8'],
    vendor: '',
    part: 'no particular NIC',
    driver: '',
    key: 'microsoft',
    tableSizes: 'powers-of-two',
  },
  { ...igb, id: 'igb-82576', part: '82576', maxQueues: 8, pools: IGB_POOLS },
  { ...igb, id: 'igb-i350', part: 'I350', maxQueues: 8, pools: I350_POOLS },
  { ...igb, id: 'igb-i210', part: 'I210', maxQueues: 4 },
  ixgbe82599,
  { ...ixgbe82599, id: 'ixgbe-x540', part: 'X540' },
  {
    ...ixgbe82599,
    id: 'ixgbe-x550',
    part: 'X550',
    table: { kind: 'fixed', size: 512 },
    tableSizes: [512],
    maxQueues: 63,
    // The modes with traffic classes are not among those that are known of this chip.
    pools: ixgbe82599.pools.filter(({ inside = 'rss' }) => inside === 'rss'),
    poolTable: 64,
    limitsPools: false,
    note: 'each virtual function has a table of 64 entries and a key of its own',
  },
  {
    ...common,
    id: 'i40e-xl710',
    vendor: 'Intel',
    part: 'XL710',
    driver: 'i40e',
    keyBytes: 52,
    table: { kind: 'fixed', size: 512 },
    tableSizes: [64, 512],
    maxQueues: 64,
    types: [...GENERIC_TYPES, ...FRAGMENT_TYPES],
    fragmentRule: 'own',
    note: 'fragments are types of their own; the first 40 key bytes decide for IP; virtual functions have 64 entries and 16 queues',
  },
  {
    ...common,
    id: 'ice-e810',
    vendor: 'Intel',
    part: 'E810',
    driver: 'ice',
    keyBytes: 52,
    table: { kind: 'fixed', size: 512 },
    tableSizes: [64, 128, 512, 2048],
    maxQueues: 256,
    note: 'table of 512 by default here; firmware grants 128, 512 or 2048 to a function, 64 to a VSI',
  },
  {
    ...common,
    id: 'mlx5',
    functions: ['toeplitz', 'xor8'],
    vendor: 'NVIDIA/Mellanox',
    part: 'ConnectX-4/5/6',
    driver: 'mlx5',
    table: { kind: 'twice-queues', least: 256 },
    tableSizes: 'powers-of-two',
    note: 'the table grows with the number of queues: max(256, next power of two of 2n)',
  },
  {
    ...common,
    id: 'mlx5-dpdk',
    functions: ['toeplitz', 'xor8'],
    vendor: 'NVIDIA/Mellanox',
    part: 'ConnectX-4/5/6 under DPDK',
    driver: 'mlx5 (DPDK)',
    table: { kind: 'queues-or', otherwise: 512 },
    tableSizes: 'powers-of-two',
    note: 'the table has n entries where n is a power of two, else 512',
  },
  {
    ...common,
    id: 'bnxt',
    vendor: 'Broadcom',
    part: 'NetXtreme-C/E',
    driver: 'bnxt',
    tableSizes: [64, 128, 192, 256, 320, 384, 448, 512],
    note: 'chips from P5 on have 64 entries for each started 64 queues: bnxt-p5',
  },
  {
    ...common,
    id: 'bnxt-p5',
    vendor: 'Broadcom',
    part: 'NetXtreme-E P5 and later',
    driver: 'bnxt',
    table: { kind: 'per-group', per: 64, most: 512 },
    tableSizes: [64, 128, 192, 256, 320, 384, 448, 512],
    note: '64 entries for each started 64 queues, at most 512',
  },
  {
    ...common,
    id: 'ena',
    vendor: 'Amazon',
    part: 'ENA',
    driver: 'ena',
    types: ENA_TYPES,
    functions: ['toeplitz', 'crc32'],
    keyOrder: 'bytes-reversed',
    start: 0xffffffff | 0,
    maxQueues: 128,
    note: 'the device uses the key bytes in reverse order and starts from ffffffff (Linux, Windows)',
  },
  {
    ...common,
    id: 'ena-old',
    vendor: 'Amazon',
    part: 'ENA, first generations',
    driver: 'ena',
    types: ENA_TYPES,
    functions: ['toeplitz', 'crc32'],
    key: 'enaFixed',
    start: 0xffffffff | 0,
    symmetric: 'sort',
    output: 'low-half-twice',
    maxQueues: 128,
    note: 'fixed key, sorted addresses and ports, low half of the hash in both halves: symmetric, 16 bits',
  },
  {
    ...common,
    id: 'gve',
    vendor: 'Google',
    part: 'gVNIC',
    driver: 'gve',
    types: ['tcp-ipv4', 'udp-ipv4', 'tcp-ipv6', 'udp-ipv6'],
    note: 'a user reports that the hash in the descriptor is not the Toeplitz hash of the key set',
  },
  {
    ...common,
    id: 'mana',
    vendor: 'Microsoft',
    part: 'MANA',
    driver: 'mana',
    table: { kind: 'fixed', size: 64 },
    tableSizes: [64, 128, 256, 512],
  },
  {
    ...common,
    id: 'netvsc',
    vendor: 'Microsoft',
    part: 'Hyper-V synthetic',
    driver: 'netvsc',
    key: 'microsoft',
    types: WITHOUT_UDP,
    note: 'the key is fixed and public',
  },
  {
    ...common,
    id: 'virtio-net',
    vendor: 'OASIS',
    part: 'virtio-net',
    driver: 'virtio_net',
    tableSizes: 'powers-of-two',
    exRule: 'virtio',
    note: 'key (at least 40 bytes) and table (at least 128 entries) are limited by the device',
  },
  {
    ...common,
    id: 'cxgb4',
    vendor: 'Chelsio',
    part: 'T4/T5/T6',
    driver: 'cxgb4',
    tableSizes: 'powers-of-two',
    types: WITHOUT_UDP,
    note: "an interface's table is a slice of a table of 2048 (T4, T5), 4096 (T6) or 16384 (T7) entries",
  },
  {
    ...common,
    id: 'sfc',
    vendor: 'Solarflare/AMD',
    part: 'SFN/X2',
    driver: 'sfc',
    maxQueues: 64,
    types: WITHOUT_UDP,
  },
  {
    ...common,
    id: 'cnxk',
    vendor: 'Marvell',
    part: 'OCTEON',
    driver: 'cnxk',
    keyBytes: 48,
    table: { kind: 'fixed', size: 64 },
    tableSizes: [64],
  },
];

/** Ids of all profiles: what `nic=` takes. */
export const NIC_NAMES: readonly string[] = profiles.map((profile) => profile.id);

/**
 * What `ethtool -i` calls the drivers of these NICs. Where a driver serves several, the first that it served; they differ
 * in what is modelled here only where `nicOfDriver` tells them apart.
 */
const DRIVERS: Readonly<Record<string, string>> = {
  igb: 'igb-82576',
  ixgbe: 'ixgbe-82599',
  i40e: 'i40e-xl710',
  ice: 'ice-e810',
  mlx5_core: 'mlx5',
  bnxt_en: 'bnxt',
  hv_netvsc: 'netvsc',
  virtio_net: 'virtio-net',
};

/** Drivers' names that `nic=` takes beside the ids. */
export const NIC_DRIVERS: readonly string[] = Object.keys(DRIVERS);

/** Id of the profile that is meant by an id or by a driver's name; undefined for neither. */
export function nicIdOf(name: string): string | undefined {
  return Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : NIC_NAMES.find((id) => id === name);
}

/**
 * Id of the profile of a NIC by its driver and the number of entries of its table, where that is known: X550 has 512,
 * the others of ixgbe 128.
 */
export function nicOfDriver(driver: string, entries?: number): string | undefined {
  if (driver === 'ixgbe' && entries === 512) return 'ixgbe-x550';
  return nicIdOf(driver);
}

/** Profile of a NIC, by its id or its driver's name. @throws UserError with the nearest names for an unknown one. */
export function nicProfile(name: string): NicProfile {
  const id = nicIdOf(name);
  const profile = profiles.find((candidate) => candidate.id === id);
  if (profile === undefined) throw unknownName('NIC', name, NIC_NAMES);
  return profile;
}

function nextPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, value)));
}

/** Entries of the NIC's table by default for `queues` queues. */
export function defaultTableSize(profile: NicProfile, queues: number): number {
  const rule = profile.table;
  switch (rule.kind) {
    case 'fixed':
      return rule.size;
    case 'twice-queues':
      return Math.max(rule.least, nextPowerOfTwo(2 * queues));
    case 'per-group':
      return Math.min(rule.most, Math.ceil(queues / rule.per) * rule.per);
    case 'queues-or':
      return nextPowerOfTwo(queues) === queues ? queues : rule.otherwise;
  }
}

/** The key as the device uses it. */
export function deviceKey(profile: NicProfile, key: Uint8Array): Uint8Array {
  return profile.keyOrder === 'bytes-reversed' ? key.slice().reverse() : key;
}
