/**
 * `pools`: a NIC with VMDq or SR-IOV. MAC and VLAN filters choose the pool, RSS chooses the queue inside it.
 *
 * Promise: stateless. Queue numbers are the chip's (82576: pool + 8 * index; 82599: pool * queues per pool + index);
 * queue q belongs to worker q mod workers. A frame that several pools get is steered by the lowest of them; the
 * explanation names all. What the NIC would drop goes to queue 0 and says so.
 */
import { UserError } from '../errors.js';
import { hex32 } from '../hash/hex.js';
import { chooseKernels } from '../hash/kernel.js';
import { formatMac, parseMac } from '../mac/address.js';
import { explainHashType, hashTypeMask } from '../nic/hash-types.js';
import { IndirectionTable } from '../nic/indirection-table.js';
import { formatPools, type PoolMask, poolMask } from '../nic/pool-filters.js';
import {
  LONG_LENGTH_MAX,
  POOL_CHIPS,
  type PoolChip,
  PoolReason,
  type PoolSettings,
  PoolSwitch,
} from '../nic/pools.js';
import { type NicProfile, nicProfile } from '../nic/profiles.js';
import { RssHash } from '../nic/rss-hash.js';
import type { Burst } from '../packet/burst.js';
import { resolveKey } from './key.js';
import type { PoolsSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

const NONE: PoolMask = { low: 0, high: 0 };

interface Layout {
  readonly pools: number;
  readonly queuesPerPool: number;
}

/** The layout that the policy or the chip's driver chooses. @throws UserError for one that the chip does not have. */
function layoutOf(spec: PoolsSpec, profile: NicProfile): Layout {
  const layouts = profile.pools;
  const name = ({ pools, queuesPerPool }: Layout) => `${pools}x${queuesPerPool}`;
  if (spec.layout === undefined) return layouts[layouts.length - 1]!;
  const found = layouts.find((layout) => name(layout) === spec.layout);
  if (found !== undefined) return found;
  const permitted = layouts.map(name).join(', ');
  const [pools, queues] = spec.layout.split('x').map(Number);
  const same = layouts.find((layout) => layout.pools === pools);
  const why =
    same !== undefined && queues! > same.queuesPerPool
      ? `RSS reaches ${same.queuesPerPool} queues in each of ${pools} pools; `
      : '';
  throw new UserError(`policy pools: layout=${spec.layout}: ${why}${profile.id} with RSS has ${permitted}`);
}

function settingsOf(spec: PoolsSpec, chip: PoolChip, count: number): PoolSettings {
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
    throw new UserError(`policy pools: mirrors: ${chip.id} has ${chip.mirrorRules} mirror rules`);
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

function fillFilters(spec: PoolsSpec, chip: PoolChip, pools: PoolSwitch): void {
  const count = pools.settings.pools;
  spec.macs.forEach((filter, index) => {
    const place = `policy pools: macs[${index}]`;
    if (!pools.macs.add(parseMac(filter.mac, `${place}.mac`), poolMask(filter.pools, count, place))) {
      throw new UserError(`${place}: ${chip.id} has ${chip.macFilters} address filters`);
    }
  });
  spec.vlans.forEach((filter, index) => {
    const place = `policy pools: vlans[${index}]`;
    if (!pools.vlans.add(filter.vlan, poolMask(filter.pools, count, place))) {
      throw new UserError(`${place}: ${chip.id} has ${chip.vlanFilters} VLAN filters`);
    }
  });
  spec.multicast.forEach(
    (mac, i) => void pools.multicast.add(parseMac(mac, `policy pools: multicast[${i}]`).low),
  );
  spec.unicast.forEach((mac, i) => void pools.unicast.add(parseMac(mac, `policy pools: unicast[${i}]`).low));
}

/** The compiled `pools` policy. */
export class PoolsSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues: number;
  readonly pools: PoolSwitch;
  readonly #layout: Layout;
  readonly #hash: RssHash;
  readonly #table: IndirectionTable;
  readonly #isInterleaved: boolean;
  readonly #rss: PoolMask;

  constructor(
    readonly spec: PoolsSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    const profile = nicProfile(spec.nic);
    const chip = POOL_CHIPS.find((candidate) => candidate.id === spec.nic)!;
    this.#layout = layoutOf(spec, profile);
    const { pools, queuesPerPool } = this.#layout;
    this.queues = pools * queuesPerPool;
    this.pools = new PoolSwitch(settingsOf(spec, chip, pools));
    fillFilters(spec, chip, this.pools);
    const types = hashTypeMask(spec.types ?? profile.types);
    if (spec.types?.includes('mac') === true) {
      throw new UserError(`policy pools: types: ${spec.nic} does not hash MAC addresses`);
    }
    const lengths = { least: profile.keyBytes, most: profile.keyBytes };
    const key = resolveKey(
      spec.key ?? profile.key,
      'policy pools: key',
      spec.seed,
      profile.keyBytes,
      lengths,
    );
    const { start, exRule } = profile;
    const kernels = chooseKernels(spec.implementation, context.kernels, 'policy pools: implementation');
    this.#hash = new RssHash({ key, types, symmetric: spec.symmetric ?? 'none', start, exRule, kernels });
    // One table for all pools; drivers limit its entries to the queues of a pool.
    this.#table = new IndirectionTable(128, queuesPerPool);
    this.#isInterleaved = chip.id === 'igb-82576';
    this.#rss =
      spec.rss === undefined ? this.pools.settings.enabled : poolMask(spec.rss, pools, 'policy pools: rss');
  }

  steer(burst: Burst): void {
    this.#hash.hashBurst(burst);
    const { n, hash, hashType, bucket, rxq, worker, len, vlan, dmacHi, dmacLo } = burst;
    const { pools } = this;
    const { entries, mask } = this.#table;
    const { pools: count, queuesPerPool } = this.#layout;
    const rss = this.#rss;
    for (let i = 0; i < n; i++) {
      const tag = vlan[i]!;
      const vid = tag < 0 || (tag & 0xfff) === 0 ? -1 : tag & 0xfff;
      const pool = len[i]! < 14 ? -1 : pools.select(dmacHi[i]!, dmacLo[i]!, vid, len[i]!);
      let index = 0;
      bucket[i] = -1;
      const inside = pool >= 0 && (((pool < 32 ? rss.low : rss.high) >>> (pool & 31)) & 1) === 1;
      if (inside && hashType[i] !== 0) {
        const at = hash[i]! & mask;
        bucket[i] = at;
        index = entries[at]!;
      }
      const queue = pool < 0 ? 0 : this.#isInterleaved ? pool + count * index : pool * queuesPerPool + index;
      rxq[i] = queue;
      worker[i] = queue % this.workers;
    }
  }

  decision(burst: Burst, i: number): Decision {
    const { reason, pool } = this.#poolReason(burst, i);
    if (pool < 0)
      return decisionOf(burst, i, null, `${reason}: the NIC drops the frame (here: queue 0)`, true);
    const details = burst.bucket[i]! < 0 ? null : this.#hash.details(burst, i);
    const index = burst.bucket[i]! < 0 ? 0 : this.#table.entries[burst.bucket[i]!]!;
    let step = 'no RSS in this pool, index 0';
    if (burst.hashType[i] === 0) {
      step = `${explainHashType(burst.kind[i]!, 0, this.#hash.options.types)}, index 0`;
    } else if (details !== null) {
      const why = explainHashType(burst.kind[i]!, burst.hashType[i]!, this.#hash.options.types);
      step = `${why}; ${hex32(burst.hash[i]!)} & 127 = bucket ${burst.bucket[i]} -> index ${index}`;
    }
    const { queuesPerPool, pools } = this.#layout;
    const sum = this.#isInterleaved
      ? `${pool} + ${pools} * ${index}`
      : `${pool} * ${queuesPerPool} + ${index}`;
    return decisionOf(burst, i, details, `${reason}; ${step}; queue ${sum} = ${burst.rxq[i]}`, true);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }

  #poolReason(burst: Burst, i: number): { reason: string; pool: number } {
    const tag = burst.vlan[i]!;
    const vid = tag < 0 || (tag & 0xfff) === 0 ? -1 : tag & 0xfff;
    const { pools } = this;
    if (burst.len[i]! < 14) return { reason: 'no whole Ethernet header', pool: -1 };
    const pool = pools.select(burst.dmacHi[i]!, burst.dmacLo[i]!, vid, burst.len[i]!);
    const mac = `${formatMac(burst.dmacHi[i]!, burst.dmacLo[i]!)}${vid >= 0 ? ` on VLAN ${vid}` : ''}`;
    const all = formatPools(pools.low, pools.high);
    const list = all === String(pool) ? `pool ${pool}` : `pools ${all}, steered by the lowest`;
    switch (pools.reason) {
      case PoolReason.broadcast:
        return { reason: `broadcast -> ${list}`, pool };
      case PoolReason.exact:
        return { reason: `an address filter has ${mac} -> ${list}`, pool };
      case PoolReason.hash:
        return { reason: `the hash table has ${mac} -> ${list}`, pool };
      case PoolReason.promiscuous:
        return { reason: `${mac} by promiscuous mode -> ${list}`, pool };
      case PoolReason.defaultPool:
        return { reason: `no filter has ${mac} -> default ${list}`, pool };
      case PoolReason.mirror:
        return { reason: `no pool wants ${mac}; mirrored -> ${list}`, pool };
      case PoolReason.vlanDropped:
        return { reason: `VLAN ${vid} is not in the VLAN table`, pool };
      case PoolReason.tooLong:
        return { reason: `${burst.len[i]} bytes are more than ${pools.settings.maxLength}`, pool };
      default:
        return { reason: `no pool wants ${mac}`, pool };
    }
  }
}
