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
import { hex32 } from '../hash/hex.js';
import type { Symmetric } from '../hash/tuple-hash.js';
import type { Burst } from '../packet/burst.js';
import { FILTER_CHIPS, type FilterChip, type FilterStage, NicFilters } from './filters.js';
import { Atr, type AtrOptions, DROP_QUEUE, flowDirectorSize } from './flow-director.js';
import { explainHashType, type HashTypeName, hashTypeMask } from './hash-types.js';
import { DROP_ACTION, GENERIC_NTUPLE, NtupleTable, perfectLimits } from './ntuple.js';
import { formatNtuple } from './ntuple-text.js';
import { poolList } from './pool-filters.js';
import { PoolReason, type PoolSwitch } from './pools.js';
import { defaultTableSize, deviceKey, type NicProfile, type PoolLayout } from './profiles.js';
import { MAIN_CONTEXT, RssContexts } from './rss-contexts.js';
import { type HashDetails, RssHash } from './rss-hash.js';

/** What decided. `dropped` = no pool wants the frame, `rule-drop` = a flow rule drops it. */
export type NicStage =
  | Exclude<FilterStage, 'none'>
  | 'flow-rule'
  | 'rule-drop'
  | 'atr'
  | 'rss'
  | 'default'
  | 'dropped';

export interface NicModelOptions {
  readonly profile: NicProfile;
  readonly queues: number;
  /** As the driver is given it. */
  readonly key: Uint8Array;
  readonly types?: readonly HashTypeName[];
  readonly symmetric?: Symmetric;
  readonly tableSize?: number;
  /** Pools, and how they own queues; RSS and filters then choose the index inside the pool. */
  readonly pools?: { readonly select: PoolSwitch; readonly layout: PoolLayout };
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

/** What filters the NIC has; none where none are known. */
export function filterChipOf(profile: NicProfile): FilterChip {
  return FILTER_CHIPS.find((chip) => chip.id === profile.id) ?? { ...NO_CHIP, id: profile.id };
}

export class NicModel {
  readonly options: NicModelOptions;
  readonly chip: FilterChip;
  /** Of the whole NIC, see `setQueues`. */
  queues: number;
  readonly filters: NicFilters;
  readonly contexts: RssContexts;
  readonly rules: NtupleTable;
  readonly atr: Atr | null;

  // Of the last `decide`.
  stage: NicStage = 'default';
  /** -1 where the frame is dropped. */
  queue = -1;
  pool = -1;
  bucket = -1;
  location = -1;
  context: number = MAIN_CONTEXT;

  readonly #types: number;
  readonly #isInterleaved: boolean;
  /** By context id. */
  readonly #hashes: (RssHash | undefined)[] = [];
  #version = -1;

  /** @throws UserError where the NIC lacks something. */
  constructor(options: NicModelOptions) {
    const { profile, pools } = options;
    this.options = options;
    this.chip = filterChipOf(profile);
    this.queues = pools === undefined ? options.queues : pools.layout.pools * pools.layout.queuesPerPool;
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
    this.rules = new NtupleTable(limits, choices, this.chip.flowDirector ? null : this.contexts);
    if (options.atr !== undefined && !this.chip.flowDirector) {
      throw new UserError(`atr: ${profile.id} has no Flow Director`);
    }
    if (options.atr !== undefined && pools !== undefined) {
      throw new UserError('atr: off with pools (VMDq, SR-IOV)');
    }
    const kib = options.flowDirectorKib;
    this.atr =
      options.atr === undefined
        ? null
        : new Atr({ ...options.atr, ...(kib === undefined ? {} : { kib }), queues: options.queues });
    this.#types = hashTypeMask(options.types ?? profile.types);
    this.#isInterleaved = profile.id === 'igb-82576';
  }

  /**
   * Another number of queues (`ethtool -L`). @throws UserError with pools, and where a table or a flow rule uses a
   * queue that would vanish.
   */
  setQueues(queues: number): void {
    const { profile, pools } = this.options;
    if (pools !== undefined) throw new UserError('queues: fixed by the layout of the pools');
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
      if (this.pool < 0) return this.#end('dropped', -1);
    }
    const index = this.#choose(burst, i);
    this.queue = index < 0 ? -1 : this.#queueOf(this.pool, index);
    return this.queue;
  }

  #end(stage: NicStage, index: number): number {
    this.stage = stage;
    this.queue = index;
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
    const hash = this.#hashOf(this.context).hashFrame(burst, i);
    if (burst.hashType[i] === 0) return this.#end(isRule ? 'flow-rule' : 'default', offset);
    const { table } = this.contexts.get(this.context);
    this.bucket = table.bucketOf(hash);
    return this.#end('rss', table.entries[this.bucket]! + offset);
  }

  #queueOf(pool: number, index: number): number {
    const { pools } = this.options;
    if (pools === undefined) return index;
    return this.#isInterleaved
      ? pool + pools.layout.pools * index
      : pool * pools.layout.queuesPerPool + index;
  }

  #hashOf(context: number): RssHash {
    if (this.#version !== this.contexts.version) {
      this.#hashes.length = 0;
      this.#version = this.contexts.version;
    }
    let hash = this.#hashes[context];
    if (hash === undefined) {
      const { profile } = this.options;
      hash = new RssHash({
        key: deviceKey(profile, this.contexts.get(context).key),
        types: this.#types,
        symmetric: this.options.symmetric ?? profile.symmetric,
        start: profile.start,
        exRule: profile.exRule,
        isHalved: profile.output === 'low-half-twice',
      });
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
    const inPool = this.pool < 0 ? '' : `pool ${this.pool}; `;
    const { filters } = this;
    switch (this.stage) {
      case 'dropped':
        return `${poolWords(this.options.pools!.select.reason)}: the NIC drops the frame`;
      case 'rule-drop':
        return `${inPool}flow rule at loc ${this.location} (${this.#rule()}): dropped (queue ${DROP_QUEUE})`;
      case 'atr':
        return `ATR: a signature filter has the flow, written when the host transmitted on ring ${this.queue}`;
      case 'mac':
      case 'ethertype':
      case 'syn':
      case 'flex':
      case 'tuple':
      case 'vlan-priority':
        return `${inPool}${STAGE_WORDS[this.stage]} -> ${pools(this)} ${filters.queue}`;
      default:
        break;
    }
    const rule = this.location < 0 ? '' : `flow rule at loc ${this.location} (${this.#rule()}); `;
    if (this.stage === 'flow-rule' && this.context === MAIN_CONTEXT)
      return `${inPool}${rule}-> queue ${this.queue}`;
    const type = explainHashType(burst.kind[i]!, burst.hashType[i]!, this.#types);
    if (this.bucket < 0) return `${inPool}${rule}${type} -> default ${pools(this)} 0`;
    const { table } = this.contexts.get(this.context);
    const pick = table.mask !== 0 || table.size === 1 ? `& ${table.mask}` : `mod ${table.size}`;
    const context = this.context === MAIN_CONTEXT ? '' : ` of context ${this.context}`;
    return (
      `${inPool}${rule}${type}; ${hex32(burst.hash[i]!)} ${pick} = bucket ${this.bucket}${context} ` +
      `-> queue ${this.queue}`
    );
  }

  #rule(): string {
    return formatNtuple(this.rules.rule(this.location));
  }
}

const STAGE_WORDS = {
  mac: 'the MAC filter selects',
  ethertype: 'an ethertype filter matches',
  syn: 'the SYN filter matches',
  flex: 'a flex filter matches',
  tuple: 'a tuple filter matches',
  'vlan-priority': 'the VLAN priority selects',
} as const;

/** What filters name: a queue of the NIC, or of the pool. */
function pools(model: NicModel): string {
  return model.options.pools === undefined ? 'queue' : 'index';
}

function poolWords(reason: number): string {
  if (reason === PoolReason.vlanDropped) return 'its VLAN is not in the VLAN table';
  return reason === PoolReason.tooLong ? 'too long for every pool' : 'no pool wants it';
}
