/** What ethtool tells of a device, whichever way it was asked. Types, and what stands for nothing. */
import { type Fact, type Unknown, unknown } from '../fact.js';

/** Channels: how many are in use, how many there could be. */
export interface Channels {
  readonly rx: number;
  readonly tx: number;
  readonly combined: number;
  readonly maxRx: number;
  readonly maxTx: number;
  readonly maxCombined: number;
}

/** Sizes of the receive ring. */
export interface Rings {
  readonly rx: number;
  readonly maxRx: number;
}

/** A feature: on or off, and whether it can be changed. */
export interface Feature {
  readonly on: boolean;
  readonly fixed: boolean;
}

/** The features that steering looks at, by ethtool's names. */
export const FEATURES = {
  'receive-hashing': 'rx-hashing',
  'ntuple-filters': 'rx-ntuple-filter',
  'generic-receive-offload': 'rx-gro',
  'large-receive-offload': 'rx-lro',
} as const;

export type FeatureName = keyof typeof FEATURES;

/** Interrupt moderation; null where the driver has none of it. */
export interface Coalescing {
  readonly adaptiveRx: boolean | null;
  readonly rxUsecs: number | null;
  readonly rxFrames: number | null;
}

/** The indirection table, the key, what is hashed with. */
export interface RssTable {
  readonly entries: readonly number[];
  /** Hex; null where it was not told. */
  readonly key: string | null;
  /** `toeplitz`, `xor`, `crc32`; null where it was not told. */
  readonly function: string | null;
  /** `none`, `xor` or `or-xor`. */
  readonly symmetric: string;
}

/** Flow types whose fields are asked. */
export const FLOW_TYPES = ['tcp4', 'udp4', 'tcp6', 'udp6'] as const;
export type FlowType = (typeof FLOW_TYPES)[number];

/** A flow rule. */
export interface Rule {
  readonly location: number;
  /** Null: dropped, or to a context without a queue of its own. */
  readonly queue: number | null;
  readonly context: number | null;
  /** False where the NIC knows no such context. */
  readonly contextExists: boolean | null;
  /** The whole rule as `ethtool -N` takes it; null or absent where it compares or does what no model knows. */
  readonly words?: string | null;
  /** Table of the context, where the rule has one and it was told. */
  readonly table?: RssTable | null;
}

/** All that ethtool tells of one device. */
export interface EthtoolFacts {
  readonly driver: Fact<string>;
  readonly channels: Fact<Channels>;
  readonly rings: Fact<Rings>;
  readonly features: Fact<Partial<Record<FeatureName, Feature>>>;
  readonly coalescing: Fact<Coalescing>;
  readonly rss: Fact<RssTable>;
  /** Letters of `ethtool -N`: `sd`, `sdfn`, … by flow type. */
  readonly fields: Fact<Partial<Record<FlowType, string>>>;
  readonly rules: Fact<readonly Rule[]>;
}

/** The driver's counters, by the names that it gives them. */
export type Statistics = Readonly<Record<string, number>>;

const NAMES = ['driver', 'channels', 'rings', 'features', 'coalescing', 'rss', 'fields', 'rules'] as const;

/** Fills in what was not told. */
export function withUnknowns(
  facts: Partial<EthtoolFacts>,
  why: string,
  because: Unknown['because'] = 'absent',
): EthtoolFacts {
  const none = unknown(why, because);
  return Object.fromEntries(NAMES.map((name) => [name, facts[name] ?? none])) as unknown as EthtoolFacts;
}
