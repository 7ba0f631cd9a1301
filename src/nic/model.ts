/**
 * A whole receive path of a NIC: pool, filters, flow rules, ATR, RSS context, queue.
 *
 * Promise: `decide` says for a dissected frame which queue gets it and which stage decided, in the documented order:
 * pools by MAC and VLAN first (everything after them chooses inside the pool), then the filters (see filters.ts),
 * then Flow Director (flow rules, else ATR's signatures), then RSS, then the default queue. It allocates nothing and
 * never throws. ATR is off with pools and as soon as there is a flow rule, as the driver switches it off. What
 * the chip cannot do is a UserError when it is configured. One thread.
 */
import { UserError } from '../errors.js';
import type { Symmetric } from '../hash/tuple-hash.js';
import type { Burst } from '../packet/burst.js';
import type { NicStage } from './decision.js';
import { FILTER_CHIPS, type FilterChip, NicFilters } from './filters.js';
import { Atr, type AtrOptions, flowDirectorSize } from './flow-director.js';
import { type FragmentRule, type HashTypeName, hashTypeMask } from './hash-types.js';
import type { IndirectionTable } from './indirection-table.js';
import { verdictWords } from './model-words.js';
import { DROP_ACTION, GENERIC_NTUPLE, NtupleTable, perfectLimits } from './ntuple.js';
import { poolList } from './pool-filters.js';
import { PoolQueues, type PoolQueuesOptions } from './pool-queues.js';
import type { PoolSwitch } from './pools.js';
import { defaultTableSize, deviceKey, type NicProfile } from './profiles.js';
import { MAIN_CONTEXT, RssContexts } from './rss-contexts.js';
import { type HashDetails, type RssFunction, RssHash } from './rss-hash.js';
import { TrafficClasses, type TrafficClassOptions } from './traffic-classes.js';

/**
 * What decided. `dropped` = no pool wants the frame, `rule-drop` = a flow rule drops it, `class` = the traffic class
 * of the frame's VLAN priority, inside a pool.
 */
export interface NicModelOptions {
  readonly profile: NicProfile;
  readonly queues: number;
  /** As the driver is given it. */
  readonly key: Uint8Array;
  readonly types?: readonly HashTypeName[];
  readonly symmetric?: Symmetric;
  readonly function?: RssFunction;
  readonly tableSize?: number;
  /** Pools, and how they use their queues; RSS and filters then choose the index inside the pool. */
  readonly pools?: { readonly select: PoolSwitch } & Omit<PoolQueuesOptions, 'isInterleaved'>;
  /**
   * Traffic classes instead of pools: `queues` is the number in each class then, and RSS chooses among those. Flow
   * rules name queues of the whole NIC; no source says what other filters would choose, so there are none.
   */
  readonly classes?: TrafficClassOptions;
  /** Locations of flow rules, where they are not those of the chip. */
  readonly ruleLocations?: number;
  /** Packet buffer of the Flow Director. */
  readonly flowDirectorKib?: number;
  /** Application targeted routing, on chips with a Flow Director; absent = off. */
  readonly atr?: Omit<AtrOptions, 'queues' | 'kib'>;
}

/** What became of a frame, for people. */
export interface NicVerdict {
  readonly stage: NicStage;
  /** Null where the frame is dropped. */
  readonly queue: number | null;
  /** Lowest of the pools that get it; null without pools. */
  readonly pool: number | null;
  /** Queue of every pool that gets a copy; one without pools. */
  readonly queues: readonly number[];
  readonly hash: HashDetails | null;
  readonly bucket: number | null;
  /** Location of the flow rule. */
  readonly location: number | null;
  readonly context: number | null;
  readonly reason: string;
}

const NO_CHIP: FilterChip = {
  id: 'generic',
  macQueues: 0,
  ethertypes: 0,
  syn: false,
  flex: 0,
  fiveTuples: 0,
  twoTuples: 0,
  vlanPriority: false,
  flowDirector: false,
};

/** The hash of a NIC with this key (as the driver is given it), and what is set otherwise than in its profile. */
export function profileHash(
  profile: NicProfile,
  key: Uint8Array,
  options: Pick<NicModelOptions, 'types' | 'symmetric' | 'function'> = {},
): RssHash {
  return new RssHash({
    key: deviceKey(profile, key),
    types: hashTypeMask(options.types ?? profile.types),
    symmetric: options.symmetric ?? profile.symmetric,
    start: profile.start,
    exRule: profile.exRule,
    fragmentRule: profile.fragmentRule,
    function: options.function ?? 'toeplitz',
    isHalved: profile.output === 'low-half-twice',
  });
}

/** What filters the NIC has; none where none are known. */
export function filterChipOf(profile: NicProfile): FilterChip {
  return FILTER_CHIPS.find((chip) => chip.id === profile.id) ?? { ...NO_CHIP, id: profile.id };
}

/**
 * The receive path of one NIC: pools, filters, flow rules, Flow Director, RSS, in the chip's order. `decide` never throws
 * and allocates nothing; what a chip lacks is a UserError when it is set. One thread.
 */
export class NicModel {
  readonly options: NicModelOptions;
  readonly chip: FilterChip;
  /** Of the whole NIC, see `setQueues`. */
  queues: number;
  readonly filters: NicFilters;
  readonly contexts: RssContexts;
  readonly rules: NtupleTable;
  readonly atr: Atr | null;
  /** Null without pools. */
  readonly poolQueues: PoolQueues | null;
  /** Null without traffic classes. */
  readonly classes: TrafficClasses | null;

  /** Mask of enabled hash types. */
  readonly types: number;
  readonly fragmentRule: FragmentRule;

  // Of the last `decide`.
  stage: NicStage = 'default';
  /** Queue, or index inside the pool or traffic class; -1 where the frame is dropped. */
  index = -1;
  /** -1 where the frame is dropped. */
  queue = -1;
  pool = -1;
  bucket = -1;
  location = -1;
  context: number = MAIN_CONTEXT;

  /** By context id. */
  readonly #hashes: (RssHash | undefined)[] = [];
  #version = -1;

  /** @throws UserError where the NIC lacks something. */
  constructor(options: NicModelOptions) {
    const { profile, pools } = options;
    this.options = options;
    this.classes =
      options.classes === undefined ? null : new TrafficClasses(profile, options.classes, options.queues);
    if (this.classes !== null && pools !== undefined) {
      throw new UserError('traffic classes: with pools they are given by the layout');
    }
    const chip = filterChipOf(profile);
    this.chip = this.classes === null ? chip : { ...NO_CHIP, id: chip.id, flowDirector: chip.flowDirector };
    this.poolQueues =
      pools === undefined ? null : new PoolQueues({ ...pools, isInterleaved: profile.id === 'igb-82576' });
    this.queues = this.poolQueues?.queues ?? this.classes?.queues ?? options.queues;
    // Filters and RSS choose among all queues, or among those of one pool.
    const choices = pools === undefined ? options.queues : pools.layout.queuesPerPool;
    // Without pools RSS reaches only so many queues; filters reach all.
    const rssQueues = Math.min(choices, profile.maxQueues ?? choices);
    this.filters = new NicFilters(this.chip, choices);
    const size = options.tableSize ?? defaultTableSize(profile, rssQueues);
    this.contexts = new RssContexts({ size, queues: rssQueues, key: options.key, fill: profile.fill });
    const limits = this.chip.flowDirector
      ? perfectLimits(flowDirectorSize(options.flowDirectorKib ?? 64).perfect)
      : GENERIC_NTUPLE;
    // The 82599 has no contexts; where a table names queues above RSS's reach, the rules still may.
    this.rules = new NtupleTable(
      options.ruleLocations === undefined ? limits : { ...limits, locations: options.ruleLocations },
      this.classes?.queues ?? choices,
      this.chip.flowDirector ? null : this.contexts,
    );
    if (options.atr !== undefined && !this.chip.flowDirector) {
      throw new UserError(`atr: ${profile.id} has no Flow Director`);
    }
    if (options.atr !== undefined && pools !== undefined) {
      throw new UserError('atr: off with pools (VMDq, SR-IOV)');
    }
    if (options.atr !== undefined && this.classes !== null)
      throw new UserError('atr: off with traffic classes');
    const kib = options.flowDirectorKib;
    this.atr =
      options.atr === undefined
        ? null
        : new Atr({ ...options.atr, ...(kib === undefined ? {} : { kib }), queues: options.queues });
    this.fragmentRule = profile.fragmentRule;
    this.types = hashTypeMask(options.types ?? profile.types);
  }

  /**
   * Another number of queues (`ethtool -L`). @throws UserError with pools, and where a table or a flow rule uses a
   * queue that would vanish.
   */
  setQueues(queues: number): void {
    const { profile, pools } = this.options;
    if (pools !== undefined) throw new UserError('queues: fixed by the layout of the pools');
    if (this.classes !== null) throw new UserError('queues: fixed by the traffic classes');
    this.rules.checkQueues(queues);
    this.contexts.setQueues(Math.min(queues, profile.maxQueues ?? queues));
    this.rules.queues = queues;
    this.filters.queues = queues;
    this.queues = queues;
  }

  /** True while ATR writes and asks its filters. */
  get isAtrOn(): boolean {
    return this.atr !== null && this.rules.size === 0 && this.atr.sampleRate > 0;
  }

  /** The host transmits frame `i` on the ring with this number. True where ATR noted it. */
  transmit(burst: Burst, i: number, ring: number): boolean {
    return this.isAtrOn && this.atr!.transmit(burst, i, ring);
  }

  /** Decides about frame `i`; the result is in the fields, hash and hash type in the burst. Gives the queue. */
  decide(burst: Burst, i: number): number {
    this.bucket = -1;
    this.location = -1;
    this.context = MAIN_CONTEXT;
    this.pool = -1;
    burst.hash[i] = 0;
    burst.hashType[i] = 0;
    const { pools } = this.options;
    if (pools !== undefined) {
      const tag = burst.vlan[i]!;
      const vlan = tag < 0 || (tag & 0xfff) === 0 ? -1 : tag & 0xfff;
      if (burst.len[i]! >= 14) {
        this.pool = pools.select.select(burst.dmacHi[i]!, burst.dmacLo[i]!, vlan, burst.len[i]!);
      }
      if (this.pool < 0) {
        this.queue = -1;
        return this.#end('dropped', -1);
      }
    }
    const index = this.#choose(burst, i);
    if (this.classes !== null && (this.stage === 'rss' || this.stage === 'default')) {
      this.queue = this.classes.queueOf(burst.vlan[i]!, index);
    } else {
      this.queue = index < 0 ? -1 : this.#queueOf(this.pool, index);
    }
    return this.queue;
  }

  #end(stage: NicStage, index: number): number {
    this.stage = stage;
    this.index = index;
    return index;
  }

  /** Queue, or index inside the pool. */
  #choose(burst: Burst, i: number): number {
    const { filters } = this;
    if (!filters.isEmpty && filters.match(burst, i, this.pool)) {
      return this.#end(filters.stage as NicStage, filters.queue);
    }
    let offset = 0;
    let isRule = false;
    if (this.rules.size > 0) {
      this.location = this.rules.match(burst, i);
      if (this.location >= 0) {
        const rule = this.rules.matched!;
        if (rule.action === DROP_ACTION) return this.#end('rule-drop', -1);
        if (rule.context === undefined) return this.#end('flow-rule', rule.action);
        this.context = rule.context;
        offset = rule.action;
        isRule = true;
      }
    }
    if (this.isAtrOn) {
      const queue = this.atr!.receive(burst, i);
      if (queue >= 0) return this.#end('atr', queue);
    }
    const { poolQueues } = this;
    if (poolQueues !== null && !poolQueues.hasRss(this.pool)) {
      const index = poolQueues.classOf(burst.vlan[i]!);
      return index < 0 ? this.#end('default', 0) : this.#end('class', index);
    }
    const hash = this.#hashOf(this.context).hashFrame(burst, i);
    if (burst.hashType[i] === 0) return this.#end(isRule ? 'flow-rule' : 'default', offset);
    const table = this.table();
    this.bucket = table.bucketOf(hash);
    const index = table.entries[this.bucket]!;
    return this.#end('rss', (poolQueues === null ? index : poolQueues.limited(this.pool, index)) + offset);
  }

  #queueOf(pool: number, index: number): number {
    return this.poolQueues === null ? index : this.poolQueues.queueOf(pool, index);
  }

  /** The table that the last decision was made with. */
  table(): IndirectionTable {
    const own = this.poolQueues === null ? null : this.poolQueues.own;
    return own === null ? this.contexts.get(this.context).table : own[this.pool]!.table;
  }

  #hashOf(context: number): RssHash {
    const own = this.poolQueues === null ? null : this.poolQueues.own;
    if (own !== null) return own[this.pool]!.hash;
    if (this.#version !== this.contexts.version) {
      this.#hashes.length = 0;
      this.#version = this.contexts.version;
    }
    let hash = this.#hashes[context];
    if (hash === undefined) {
      const { profile } = this.options;
      hash = profileHash(profile, this.contexts.get(context).key, this.options);
      this.#hashes[context] = hash;
    }
    return hash;
  }

  /** `decide` with everything that led to it. Not for hot paths. */
  receive(burst: Burst, i: number): NicVerdict {
    this.decide(burst, i);
    const { stage, pool, queue, bucket, location } = this;
    const pools = this.options.pools;
    let copies = queue < 0 ? [] : [queue];
    if (pools !== undefined && queue >= 0) {
      // Filters may look at the pool, so each copy is decided on its own.
      copies = poolList(pools.select.low, pools.select.high).map((other) => {
        this.pool = other;
        const index = this.#choose(burst, i);
        return index < 0 ? -1 : this.#queueOf(other, index);
      });
      this.decide(burst, i);
    }
    const hash = bucket < 0 ? null : this.#hashOf(this.context).details(burst, i);
    return {
      stage,
      queue: queue < 0 ? null : queue,
      pool: pool < 0 ? null : pool,
      queues: copies.filter((copy) => copy >= 0),
      hash,
      bucket: bucket < 0 ? null : bucket,
      location: location < 0 ? null : location,
      context: bucket < 0 ? null : this.context,
      reason: this.why(burst, i),
    };
  }

  /** The last decision, about frame `i`, in words. */
  why(burst: Burst, i: number): string {
    return verdictWords(this, burst, i);
  }
}
