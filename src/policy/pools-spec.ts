/**
 * The schema of the `pools` policy: layout of a NIC's pools, and the filters that fill them.
 *
 * Promise: what passes is well-formed; whether the chip has so many pools and filters is checked when compiled.
 */
import { z } from '../vendor/zod.js';
import { filterKeys, tableKeys } from './nic-spec.js';
import {
  alsoAs,
  commonKeys,
  integer,
  keyText,
  NUMBER_LIST,
  numberList,
  oneOf,
  stringList,
  symmetricKey,
  typesKey,
} from './values.js';

const POOLS_MAX = 63;
const pool = integer(0, POOLS_MAX);
const poolSet = numberList(POOLS_MAX, 'pools');
const vlan = integer(0, 4094);
const flag = alsoAs(
  z.preprocess(
    (value) => (value === 'on' ? true : value === 'off' ? false : value),
    z.boolean({ error: 'true or false' }),
  ),
  { enum: ['on', 'off'] },
);

/** Values of single pools: `pool: value`. */
function byPool<T extends z.ZodType>(value: T, what: string) {
  return z.record(z.string().regex(/^\d{1,2}$/), value, { error: `pool: ${what}` });
}

/** A filter that sends an address to pools. */
const macFilter = z.strictObject({ mac: z.string({ error: 'a MAC address' }), pools: poolSet });
const vlanFilter = z.strictObject({ vlan, pools: poolSet });
const mirror = z.strictObject({
  pools: poolSet.optional(),
  uplink: flag.optional(),
  downlink: flag.optional(),
  vlans: z.array(vlan, { error: 'VLAN ids' }).optional(),
  to: pool,
});

const macFilters = alsoAs(
  z.preprocess(
    (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).map(([mac, pools]) => ({ mac, pools }))
        : value,
    z.array(macFilter, { error: 'a list of { mac, pools }, or MAC: pool' }),
  ),
  {
    type: 'object',
    additionalProperties: {
      anyOf: [
        { type: 'array', minItems: 1, items: { type: 'integer', minimum: 0, maximum: POOLS_MAX } },
        { type: 'integer', minimum: 0, maximum: POOLS_MAX },
        { type: 'string', pattern: NUMBER_LIST },
      ],
    },
  },
);

export const poolsSchema = z.strictObject({
  policy: z.literal('pools'),
  ...commonKeys,
  nic: z.string({ error: 'the name of a NIC' }).default('igb-82576'),
  /** Pools x queues in each; `tc`: traffic classes choose among them; default: 8x2 (82576), 32x4 (82599). */
  layout: z
    .string({ error: 'pools x queues such as 8x2' })
    .regex(/^[1-9]\d{0,2}x[1-9]\d{0,2}(tc)?$/, { error: 'pools x queues such as 8x2, 32x4, 64x2, 16x8tc' })
    .optional(),
  key: keyText().optional(),
  /** X550: keys of single pools. */
  poolKeys: byPool(keyText(), 'key').default({}),
  /** X550: tables of single pools. */
  poolTables: byPool(
    z.strictObject(tableKeys, { error: 'one of { equal, weight, entries }, with start' }),
    'table',
  ).default({}),
  /** 82599, X540: queues that RSS reaches in a pool (PSRTYPE.RQPL). */
  rssQueues: byPool(integer(1, 4), '1, 2 or 4').default({}),
  /** Traffic class of each VLAN priority, 0 to 7, for layouts with classes. */
  classes: numberList(7, 'traffic classes').optional(),
  ...filterKeys,
  types: typesKey,
  symmetric: symmetricKey,
  /** Exact addresses and the pools of each. */
  macs: macFilters.default([]),
  vlans: z.array(vlanFilter, { error: 'a list of { vlan, pools }' }).default([]),
  /** Addresses whose hash is in the multicast or unicast table. */
  multicast: stringList().default([]),
  unicast: stringList().default([]),
  /** A pool, or none: unicast that no pool wants. */
  defaultPool: z
    .union([pool, z.literal('none')], { error: `a pool from 0 to ${POOLS_MAX}, or none` })
    .default(0),
  /** Group frames go to every pool that accepts them; off: to the lowest. */
  replication: flag.default(true),
  vlanFiltering: flag.default(false),
  hashMode: integer(0, 3).default(0),
  maxLength: integer(64, 65535).default(1522),
  // Sets of pools with a property; absent = all, or none where a NIC starts without it.
  broadcast: poolSet.optional(),
  multicastHash: poolSet.optional(),
  unicastHash: poolSet.optional(),
  allMulticast: poolSet.optional(),
  promiscuous: poolSet.optional(),
  untagged: poolSet.optional(),
  vlanPromiscuous: poolSet.optional(),
  enabled: poolSet.optional(),
  longFrames: poolSet.optional(),
  /** Longest frame of each pool of longFrames (RLPML), by pool. */
  longLengths: byPool(integer(64, 0x3fff), 'length from 64 to 16383').default({}),
  /** Pools that a hit in the unicast table adds: those of unicastHash, or (QEMU) those of multicastHash. */
  unicastHashBy: oneOf(['rope', 'rompe']).default('rope'),
  /** Pools inside which RSS chooses a queue; others use their first. */
  rss: poolSet.optional(),
  mirrors: z.array(mirror, { error: 'a list of { pools, uplink, downlink, vlans, to }' }).default([]),
});
