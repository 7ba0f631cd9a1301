/**
 * From a `pools` policy to the parts of its NIC: layout, switch, filters, and how pools use their queues.
 *
 * Promise: what the chip does not have is a UserError that names the place; nothing is silently adjusted. Pure.
 */
import { NicLimit, UserError } from '../errors.js';
import { parseMac } from '../mac/address.js';
import { IndirectionTable } from '../nic/indirection-table.js';
import { profileHash } from '../nic/model.js';
import { type PoolMask, poolMask } from '../nic/pool-filters.js';
import { layoutName, PoolQueues, type PoolQueuesOptions, type PoolRss } from '../nic/pool-queues.js';
import {
  LONG_LENGTH_MAX,
  POOL_CHIPS,
  type PoolChip,
  type PoolSettings,
  type PoolSwitch,
} from '../nic/pools.js';
import type { NicProfile, PoolLayout } from '../nic/profiles.js';
import { resolveKey } from './key.js';
import { atPlace } from './nic-setup.js';
import type { PoolsSpec } from './spec.js';

const NONE: PoolMask = { low: 0, high: 0 };

/** What the NIC's switch has. @throws UserError for one whose pools are not modelled. */
export function poolChip(nic: string): PoolChip {
  const chip = POOL_CHIPS.find(({ id }) => id === nic);
  if (chip !== undefined) return chip;
  const permitted = POOL_CHIPS.map(({ id }) => id).join(', ');
  throw new NicLimit(`policy pools: nic=${nic}: its pools are not modelled; those of ${permitted} are`);
}

/** The layout that the policy or the chip's driver chooses. @throws UserError for one that the chip does not have. */
export function poolLayout(spec: PoolsSpec, profile: NicProfile): PoolLayout {
  const layouts = profile.pools;
  if (spec.layout === undefined) return layouts.at(-1)!;
  const found = layouts.find((layout) => layoutName(layout) === spec.layout);
  if (found !== undefined) return found;
  const [pools, queues] = spec.layout.split('x').map(Number);
  const same = layouts.find((layout) => layout.pools === pools && (layout.inside ?? 'rss') === 'rss');
  const why =
    same !== undefined && queues! > same.queuesPerPool
      ? `RSS reaches ${same.queuesPerPool} queues in each of ${pools} pools; `
      : '';
  const named = (inside: 'rss' | 'none' | 'classes') =>
    layouts.filter((layout) => (layout.inside ?? 'rss') === inside).map(layoutName);
  const ways = [
    ['with RSS', named('rss')],
    ['without', named('none')],
    ['with traffic classes', named('classes')],
  ] as const;
  const permitted = ways
    .filter(([, names]) => names.length > 0)
    .map(([way, names]) => [way, names.join(', ')]);
  const [first, ...rest] = permitted.map(([way, names], i) =>
    i === 0 ? `${way} has ${names}` : `${way} ${names}`,
  );
  throw new NicLimit(
    `policy pools: layout=${spec.layout}: ${why}${[`${profile.id} ${first}`, ...rest].join('; ')}`,
  );
}

/** Key and table of every pool where the chip has them, limits of its RSS, traffic classes. */
export function poolQueues(
  spec: PoolsSpec,
  profile: NicProfile,
  layout: PoolLayout,
): Omit<PoolQueuesOptions, 'isInterleaved'> {
  const { pools } = layout;
  const limits = new Map(Object.entries(spec.rssQueues).map(([pool, count]) => [Number(pool), count]));
  if (limits.size > 0 && !profile.limitsPools) {
    throw new NicLimit(`policy pools: rssQueues: ${profile.id} has no queue count for each pool`);
  }
  const options = {
    layout,
    ...(spec.rss === undefined ? {} : { rss: poolMask(spec.rss, pools, 'policy pools: rss') }),
    ...(limits.size === 0 ? {} : { limits }),
    ...(spec.classes === undefined ? {} : { priorities: spec.classes }),
    ...(profile.poolTable === 0 ? {} : { own: ownRss(spec, profile, layout) }),
  };
  // Made once more by the model; here for the place of what it refuses.
  const place = `policy pools${limits.size > 0 ? ': rssQueues' : ''}`;
  atPlace(place, () => new PoolQueues({ ...options, isInterleaved: false }));
  return options;
}

/** The key of pools without one of their own; also of all, where one is given. */
export function sharedKey(spec: PoolsSpec, profile: NicProfile): Uint8Array {
  return keyOf(spec.key ?? profile.key, spec, profile, 'key', spec.seed);
}

function keyOf(text: string, spec: PoolsSpec, profile: NicProfile, place: string, seed: number): Uint8Array {
  const { keyBytes } = profile;
  return resolveKey(text, `policy ${spec.policy}: ${place}`, seed, keyBytes, {
    least: keyBytes,
    most: keyBytes,
  });
}

/** @throws UserError for keys and tables of pools where the chip has one for all. */
export function checkOwn(spec: PoolsSpec, profile: NicProfile): void {
  const given = Object.keys(spec.poolKeys).length > 0 ? 'poolKeys' : 'poolTables';
  if (profile.poolTable === 0 && Object.keys(spec[given]).length > 0) {
    throw new NicLimit(
      `policy pools: ${given}: all pools of ${profile.id} share one key and table; ixgbe-x550 has its own`,
    );
  }
}

function ownRss(spec: PoolsSpec, profile: NicProfile, { pools, queuesPerPool }: PoolLayout): PoolRss[] {
  for (const name of ['poolKeys', 'poolTables'] as const) {
    for (const pool of Object.keys(spec[name])) poolMask([Number(pool)], pools, `policy pools: ${name}`);
  }
  const options = {
    ...(spec.types === undefined ? {} : { types: spec.types }),
    ...(spec.symmetric === undefined ? {} : { symmetric: spec.symmetric }),
  };
  return Array.from({ length: pools }, (_, pool) => {
    const text = spec.poolKeys[pool] ?? spec.key ?? profile.key;
    // Each function's driver takes random bytes of its own.
    const seed =
      spec.poolKeys[pool] === undefined && spec.key !== undefined ? spec.seed : (spec.seed + 1 + pool) >>> 0;
    const key = keyOf(text, spec, profile, `poolKeys: ${pool}`, seed);
    const table = new IndirectionTable(profile.poolTable, queuesPerPool, profile.fill);
    const given = spec.poolTables[pool];
    if (given !== undefined) atPlace(`policy pools: poolTables: ${pool}`, () => table.fill(given));
    return { hash: profileHash(profile, key, options), table };
  });
}

/** Settings of the switch, checked against the chip. */
export function poolSettings(spec: PoolsSpec, chip: PoolChip, count: number): PoolSettings {
  const all = poolMask(
    Array.from({ length: count }, (_, pool) => pool),
    count,
    '',
  );
  const set = (name: keyof PoolsSpec & string, otherwise: PoolMask): PoolMask => {
    const pools = spec[name] as number[] | undefined;
    return pools === undefined ? otherwise : poolMask(pools, count, `policy pools: ${name}`);
  };
  if (spec.mirrors.length > chip.mirrorRules) {
    throw new NicLimit(`policy pools: mirrors: ${chip.id} has ${chip.mirrorRules} mirror rules`);
  }
  if (spec.defaultPool !== 'none') poolMask([spec.defaultPool], count, 'policy pools: defaultPool');
  return {
    pools: count,
    defaultPool: spec.defaultPool === 'none' ? -1 : spec.defaultPool,
    replication: spec.replication,
    vlanFiltering: spec.vlanFiltering,
    broadcast: set('broadcast', all),
    multicastHash: set('multicastHash', all),
    unicastHash: set('unicastHash', all),
    allMulticast: set('allMulticast', NONE),
    promiscuous: set('promiscuous', NONE),
    untagged: set('untagged', all),
    vlanPromiscuous: set('vlanPromiscuous', NONE),
    enabled: set('enabled', all),
    maxLength: spec.maxLength,
    longFrames: set('longFrames', NONE),
    longLengths: longLengthsOf(spec, count),
    unicastHashBy: spec.unicastHashBy,
    anySource: all,
    anyVlan: all,
    loopback: true,
    mirrors: spec.mirrors.map((rule, index) => {
      const place = `policy pools: mirrors[${index}]`;
      poolMask([rule.to], count, `${place}.to`);
      // The rule's register names entries of the VLAN pool filter.
      const stranger = rule.vlans?.find((vlan) => !spec.vlans.some((filter) => filter.vlan === vlan));
      if (stranger !== undefined) {
        throw new UserError(`${place}: VLAN ${stranger} has no entry in vlans: only those can be mirrored`);
      }
      return {
        to: rule.to,
        uplink: rule.uplink === true,
        downlink: rule.downlink === true,
        ...(rule.vlans === undefined ? {} : { vlans: rule.vlans }),
        ...(rule.pools === undefined ? {} : { pools: poolMask(rule.pools, count, place) }),
      };
    }),
    macFilters: chip.macFilters,
    vlanFilters: chip.vlanFilters,
    hashMode: spec.hashMode,
  };
}

/** Long length of each pool. */
function longLengthsOf(spec: PoolsSpec, count: number): number[] {
  const lengths = new Array<number>(count).fill(LONG_LENGTH_MAX);
  for (const [pool, length] of Object.entries(spec.longLengths)) {
    poolMask([Number(pool)], count, 'policy pools: longLengths');
    lengths[Number(pool)] = length;
  }
  return lengths;
}

/** Enters the policy's addresses and VLANs. */
export function fillPoolFilters(spec: PoolsSpec, chip: PoolChip, pools: PoolSwitch): void {
  const count = pools.settings.pools;
  spec.macs.forEach((filter, index) => {
    const place = `policy pools: macs[${index}]`;
    if (!pools.macs.add(parseMac(filter.mac, `${place}.mac`), poolMask(filter.pools, count, place))) {
      throw new NicLimit(`${place}: ${chip.id} has ${chip.macFilters} address filters`);
    }
  });
  spec.vlans.forEach((filter, index) => {
    const place = `policy pools: vlans[${index}]`;
    if (!pools.vlans.add(filter.vlan, poolMask(filter.pools, count, place))) {
      throw new NicLimit(`${place}: ${chip.id} has ${chip.vlanFilters} VLAN filters`);
    }
  });
  spec.multicast.forEach(
    (mac, i) => void pools.multicast.add(parseMac(mac, `policy pools: multicast[${i}]`).low),
  );
  spec.unicast.forEach((mac, i) => void pools.unicast.add(parseMac(mac, `policy pools: unicast[${i}]`).low));
}
