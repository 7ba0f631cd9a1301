/**
 * `rss`: what a NIC does. Hash type by the enabled types, Toeplitz, indirection table, queue; queue q belongs to
 * worker q mod workers.
 *
 * Promise: stateless, so every frame of a flow goes to the same queue; frames that no type covers go to queue 0.
 * Whatever the policy gives overrides the profile; what the NIC could not do is refused.
 */
import { NicLimit, UserError } from '../errors.js';
import { hex32 } from '../hash/hex.js';
import { chooseKernels, type HashKernels } from '../hash/kernel.js';
import { explainHashType, hashTypeMask } from '../nic/hash-types.js';
import { IndirectionTable, TABLE_SIZE_MAX } from '../nic/indirection-table.js';
import type { NicModel } from '../nic/model.js';
import { defaultTableSize, deviceKey, type NicProfile, nicProfile } from '../nic/profiles.js';
import { MAIN_CONTEXT } from '../nic/rss-contexts.js';
import { keyBytesForTypes, RssHash } from '../nic/rss-hash.js';
import { TargetTable } from '../nic/target-table.js';
import { BURST_MAX, Burst, Field } from '../packet/burst.js';
import { dissectInnerBurst, InnerPacket, TUNNEL_NAMES, tunnelMask } from '../packet/tunnel.js';
import { checkFragmentTypes } from './fragment-types.js';
import { KEY_BYTES_MAX, resolveKey } from './key.js';
import type { RssSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

// Constants of the module: docs/hot-loops.md.
const BUCKET = Field.bucket;
const RXQ = Field.rxq;
const WORKER = Field.worker;

/** Table size that the policy or the profile gives. @throws UserError for a size that the NIC does not have. */
function tableSize(spec: RssSpec, profile: NicProfile, queues: number): number {
  const { entries, table } = spec;
  if (entries !== undefined && table !== undefined && table !== entries.length) {
    throw new UserError(`policy rss: table=${table}: entries has ${entries.length}; give one of them`);
  }
  const size = entries?.length ?? table;
  if (size === undefined) return defaultTableSize(profile, queues);
  const what = entries === undefined ? `table=${size}` : `entries: ${size} of them`;
  const sizes = profile.tableSizes;
  if (sizes === 'powers-of-two') {
    // A table read from a NIC may have any size (bnxt: multiples of 64).
    if (entries !== undefined || (size & (size - 1)) === 0) return size;
    throw new UserError(`policy rss: ${what}: expected a power of two from 1 to ${TABLE_SIZE_MAX}`);
  }
  if (sizes.includes(size)) return size;
  throw new NicLimit(`policy rss: ${what}: ${profile.id} has tables of ${sizes.join(', ')} entries`);
}

/** The table of the policy, filled. */
function buildTable(spec: RssSpec, profile: NicProfile, queues: number): IndirectionTable {
  const fills = (['entries', 'weight', 'equal'] as const).filter((name) => spec[name] !== undefined);
  if (fills.length > 1)
    throw new UserError(`policy rss: ${fills.join(' and ')}: one way to fill the table is enough`);
  const { entries, weight, equal, start = 0 } = spec;
  if (spec.start !== undefined && weight === undefined && equal === undefined) {
    throw new UserError('policy rss: start: goes with weight or equal');
  }
  const table = new IndirectionTable(tableSize(spec, profile, queues), queues, profile.fill);
  try {
    if (entries !== undefined) table.setAll(entries);
    else if (weight !== undefined) table.fillWeight(weight, start);
    else if (equal !== undefined) table.fillEqual(equal, start);
  } catch (error) {
    if (error instanceof UserError) {
      throw new UserError(`policy rss: ${fills[0] === 'entries' ? 'entries: ' : ''}${error.message}`);
    }
    throw error;
  }
  return table;
}

/** Queues that the policy names: the count, or what its table needs; with traffic classes those of one. */
export function rssQueues(spec: RssSpec): number | undefined {
  if (spec.queues !== undefined) return spec.queues;
  if (spec.entries !== undefined) return spec.entries.reduce((a, b) => Math.max(a, b), 0) + 1;
  if (spec.weight !== undefined) return (spec.start ?? 0) + spec.weight.length;
  if (spec.equal !== undefined) return (spec.start ?? 0) + spec.equal;
  return undefined;
}

/** Key lengths that the NIC takes. */
function keyLengths(profile: NicProfile, types: number) {
  if (profile.id === 'generic') return { least: keyBytesForTypes(types), most: KEY_BYTES_MAX };
  if (profile.id === 'virtio-net') return { least: profile.keyBytes, most: 255 };
  return { least: profile.keyBytes, most: profile.keyBytes };
}

/** Key bytes as the driver is given them. */
export function rssKey(spec: RssSpec, profile: NicProfile, types: number): Uint8Array {
  return resolveKey(
    spec.key ?? profile.key,
    `policy ${spec.policy}: key`,
    spec.seed,
    profile.keyBytes,
    keyLengths(profile, types),
  );
}

/** @throws UserError for functions, types and transforms that the NIC does not have together. */
function checkFunction(spec: RssSpec, profile: NicProfile): void {
  const { function: name = 'toeplitz', symmetric = profile.symmetric } = spec;
  if (!profile.functions.includes(name)) {
    throw new NicLimit(`policy rss: function=${name}: ${profile.id} has ${profile.functions.join(', ')}`);
  }
  const given = spec.symmetric !== undefined && spec.symmetric !== 'none';
  if (name !== 'toeplitz') {
    if (spec.implementation === 'native') {
      throw new UserError(`policy rss: implementation: native: goes with function=toeplitz, not ${name}`);
    }
    const other = spec.key !== undefined ? 'key' : given ? 'symmetric' : null;
    if (other !== null) throw new UserError(`policy rss: ${other}: goes with function=toeplitz, not ${name}`);
    const size = spec.entries?.length ?? spec.table ?? 0;
    if (name === 'xor8' && size > 256) {
      throw new UserError(
        `policy rss: table of ${size} entries: xor8 has 8 bits, at most 256 can be reached`,
      );
    }
  }
  checkFragmentTypes('policy rss', spec.types, profile);
  if (spec.types?.includes('mac') === true) {
    if (!profile.types.includes('mac') && profile.id !== 'generic') {
      throw new NicLimit(`policy rss: types: ${profile.id} does not hash MAC addresses; ena and generic do`);
    }
    if (symmetric === 'xor' || symmetric === 'or-xor') {
      throw new UserError(
        `policy rss: symmetric=${symmetric}: goes with IP addresses and ports only, not mac`,
      );
    }
  }
}

/** Whether a policy needs the whole receive path: filters, rules, contexts or traffic classes. */
export function needsNicModel(spec: RssSpec): boolean {
  if (spec.tcs !== undefined) return true;
  return spec.filters !== undefined || spec.rules !== undefined || spec.contexts !== undefined;
}

/** The hash of an rss policy, for whoever hashes as its NIC would. */
export function compileRssHash(
  spec: RssSpec,
  offered?: HashKernels | string,
  targets: TargetTable | null = null,
): RssHash {
  const profile = nicProfile(spec.nic);
  const types = hashTypeMask(spec.types ?? profile.types);
  checkFunction(spec, profile);
  const key = rssKey(spec, profile, types);
  const options = {
    function: spec.function ?? 'toeplitz',
    key: deviceKey(profile, key),
    types,
    symmetric: spec.symmetric ?? profile.symmetric,
    start: profile.start,
    isHalved: profile.output === 'low-half-twice',
    exRule: profile.exRule,
    fragmentRule: profile.fragmentRule,
    kernels: chooseKernels(spec.implementation, offered, 'policy rss: implementation'),
  };
  return new RssHash(options, targets);
}

/** The compiled `rss` policy: `table` is its indirection table. */
export class RssSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues: number;
  readonly profile: NicProfile;
  readonly table: IndirectionTable;
  readonly rssHash: RssHash;
  readonly #targets: TargetTable;
  /** Mask of the tunnels whose inner packet is hashed; 0 for none. */
  readonly #tunnels: number;
  /** Filters, flow rules, contexts and traffic classes; null for most policies. */
  readonly nic: NicModel | null;
  readonly isByFlow: boolean;
  #inner: Burst | null = null;
  readonly #tunnelOf = new Int8Array(BURST_MAX);
  readonly #scratch = new InnerPacket();

  constructor(
    readonly spec: RssSpec,
    context: CompileContext,
    /** `buildNicModel`, for policies that `needsNicModel`; the others need not load it. */
    buildModel: ((spec: RssSpec, profile: NicProfile, table: IndirectionTable) => NicModel) | null = null,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    const { tcs = 1 } = spec;
    if (spec.classes !== undefined && spec.tcs === undefined) {
      throw new UserError('policy rss: classes: goes with tcs');
    }
    const queues = rssQueues(spec) ?? Math.max(1, Math.floor(context.workers / tcs));
    this.queues = queues * tcs;
    this.profile = nicProfile(spec.nic);
    const most = this.profile.maxQueues;
    // A table that is given may leave rings to others than RSS: the 82599 has more than its RSS reaches.
    const reached = spec.entries === undefined ? queues : Math.max(...spec.entries) + 1;
    if (most !== null && reached > most) {
      const from = rssQueues(spec) === undefined ? ' (from the number of workers)' : '';
      throw new NicLimit(`policy rss: queues=${reached}${from}: RSS of ${spec.nic} reaches ${most} at most`);
    }
    this.table = buildTable(spec, this.profile, queues);
    this.#targets = new TargetTable(this.table.entries, this.workers);
    this.rssHash = compileRssHash(spec, context.kernels, this.#targets);
    this.#tunnels = tunnelMask(spec.inner ?? []);
    const isModelled = needsNicModel(spec);
    if (isModelled && buildModel === null) throw new Error('this rss policy needs buildNicModel');
    this.nic = isModelled ? buildModel!(spec, this.profile, this.table) : null;
    // Filters and inner packets are more than a flow; what hashes MAC addresses looks at the frame's kind.
    const hashesMac = (this.rssHash.options.types & hashTypeMask(['mac'])) !== 0;
    this.isByFlow = this.nic === null && this.#tunnels === 0 && !hashesMac;
  }

  /**
   * Replaces all entries of the indirection table (`ethtool -X` on the running NIC); takes effect with the next burst.
   * @throws UserError for another number of entries, or a queue that does not exist; nothing is changed then.
   */
  setTable(queues: readonly number[]): void {
    this.table.setAll(queues);
    this.nic?.contexts.modify(MAIN_CONTEXT, { entries: [...queues] });
    this.#targets.set(queues);
  }

  steer(burst: Burst): void {
    if (this.nic !== null) {
      this.#steerByModel(burst, this.nic);
      return;
    }
    if (this.#tunnels === 0) {
      this.rssHash.steerBurst(burst);
      return;
    }
    this.#hashInner(burst);
    this.#targets.lookBurst(burst);
  }

  /** Frame by frame through the whole receive path. What the NIC drops goes to queue 0, and says so. */
  #steerByModel(burst: Burst, nic: NicModel): void {
    const { n, words } = burst;
    for (let i = 0; i < n; i++) {
      const queue = Math.max(0, nic.decide(burst, i));
      words[BUCKET + i] = nic.bucket;
      words[RXQ + i] = queue;
      words[WORKER + i] = queue % this.workers;
    }
  }

  /** Hashes the inner packets of tunnels, the outer ones of all else. */
  #hashInner(burst: Burst): void {
    let inner = this.#inner;
    if (inner === null || inner.bytes !== burst.bytes) {
      inner = new Burst(burst.bytes);
      this.#inner = inner;
    }
    dissectInnerBurst(burst, inner, this.#tunnels, this.#tunnelOf, this.#scratch);
    this.rssHash.hashBurst(inner);
    burst.hash.set(inner.hash);
    burst.hashType.set(inner.hashType);
  }

  decision(burst: Burst, i: number): Decision {
    if (this.nic !== null) {
      const { hash, queue, reason } = this.nic.receive(burst, i);
      return decisionOf(burst, i, hash, `${reason}${queue === null ? ' (here: queue 0)' : ''}`, true);
    }
    // Steered last, so the inner burst still describes the same frames.
    const hashed = this.#inner ?? burst;
    const tunnel = this.#inner === null ? -1 : this.#tunnelOf[i]!;
    const inside = tunnel < 0 ? '' : `inner packet of ${TUNNEL_NAMES[tunnel]}: `;
    const why =
      inside +
      explainHashType(
        hashed.kind[i]!,
        burst.hashType[i]!,
        this.rssHash.options.types,
        this.profile.fragmentRule,
      );
    const details = this.rssHash.details(hashed, i);
    if (details === null) return decisionOf(burst, i, null, `${why} -> default queue 0`, true);
    const { mask, size } = this.table;
    const pick = mask !== 0 || size === 1 ? `& ${mask}` : `mod ${size}`;
    const step = `${hex32(burst.hash[i]!)} ${pick} = bucket ${burst.bucket[i]} -> queue ${burst.rxq[i]}`;
    return decisionOf(burst, i, details, `${why}; ${step}`, true);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }
}
