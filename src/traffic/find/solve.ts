/**
 * Flows of a space that go to a wanted place: by linear algebra where the policy's bucket is affine in the bits that
 * vary, else by asking for one flow after the other.
 *
 * Promise: the algebra's answer is complete (`share` is exact, none found means that there is none); the other is
 * complete for spaces of up to 2^20 flows, and beyond them what that many tries found. Deterministic.
 */
import { AffineMap } from '../../hash/affine.js';
import { SeededRandom } from '../../hash/random.js';
import { nicProfile } from '../../nic/profiles.js';
import type { Steering } from '../../policy/steering.js';
import { type FlowLook, type Target, wentTo } from './look.js';
import type { FlowSpace } from './space.js';

/** Flows that are asked for, one after the other, where there is no algebra. */
const TRIES_MAX = 1 << 20;
/** Spaces of up to so many bits are counted through. */
const COUNTED_BITS = 16;
/** Random flows at which the affine map is compared with the policy. */
const PROBES = 128;
/** Buckets of the largest table. */
const RANK_MAX = 16;
const PROBE_SEED = 0x666c6f77;

/** What was found in one space. */
export interface Solution {
  readonly method: 'algebra' | 'search';
  /** Differences, at most as many as were wanted, in the order of `FlowSpace.rank`: of small spaces the first ones. */
  readonly differences: readonly bigint[];
  /** Usable flows of the space that go there; null where they were not counted. */
  readonly matching: number | null;
  /** Usable flows of the space; null where they were not counted. */
  readonly candidates: number | null;
  /** Share of the space that goes there: exact, or of what was tried. */
  readonly share: number;
}

/**
 * Whether what a policy does between frame and bucket can be affine at all: a rule for a single flow, or sorting where
 * nearly all source ports are above the other, would not show at random places.
 */
function mayBeAffine({ spec }: Steering): boolean {
  switch (spec.policy) {
    case 'single':
    case 'mac-hash':
      return true;
    case 'rss':
    case 'pools': {
      const hasRules = [spec.filters, spec.rules].some((rules) => rules !== undefined);
      // A tunnel is one by its destination port alone.
      const isMore = spec.policy === 'rss' && (spec.contexts !== undefined || (spec.inner ?? []).length > 0);
      return !hasRules && !isMore && (spec.symmetric ?? nicProfile(spec.nic).symmetric) !== 'sort';
    }
    case 'rps':
    case 'rfs':
      return spec.hash === 'toeplitz';
    default:
      return false;
  }
}

/** The bucket as an affine map, or null where it is none. */
function learn(look: FlowLook, space: FlowSpace): AffineMap | null {
  if (!mayBeAffine(look.steering)) return null;
  const buckets = (differences: readonly bigint[]) => {
    const { bucket } = look.at(space, differences);
    return differences.map((_, i) => bucket[i]!);
  };
  const [offset = 0] = buckets([0n]);
  const images = buckets(Array.from({ length: space.bits }, (_, bit) => 1n << BigInt(bit)));
  const map = new AffineMap(
    images.map((image) => image ^ offset),
    offset,
  );
  if (map.rank > RANK_MAX) return null;
  const random = new SeededRandom(PROBE_SEED);
  for (let done = 0; done < PROBES; done += 64) {
    const probes = Array.from({ length: 64 }, () =>
      BigInt.asUintN(space.bits, (BigInt(random.next()) << 32n) | BigInt(random.next())),
    );
    const found = buckets(probes);
    if (!probes.every((probe, i) => map.at(probe) === found[i])) return null;
  }
  return map;
}

/** Least inputs of the buckets that lead to the target. */
function wantedBuckets(look: FlowLook, space: FlowSpace, map: AffineMap, target: Target): bigint[] {
  const wanted: bigint[] = [];
  look.each(space, map.representatives(), (difference, burst, i) => {
    if (wentTo(target, burst, i)) wanted.push(difference);
    return true;
  });
  return wanted;
}

/** All flows of the wanted buckets, near ones first. */
function* flowsOf(map: AffineMap, wanted: readonly bigint[]): Generator<bigint> {
  for (const vector of map.kernelSums()) for (const first of wanted) yield first ^ vector;
}

function* upTo(end: bigint): Generator<bigint> {
  for (let difference = 0n; difference < end; difference++) yield difference;
}

/** Keeps the first `count` that are usable; of a small space all, to count and to sort them. */
class Collector {
  readonly found: bigint[] = [];
  matching = 0;
  #taken = 0;

  constructor(
    readonly space: FlowSpace,
    readonly count: number,
  ) {}

  /** Enough, or so many were of no use that the rest will not be either. */
  get isFull(): boolean {
    if (this.space.bits <= COUNTED_BITS) return false;
    return this.found.length >= this.count || this.#taken >= this.count + TRIES_MAX;
  }

  take(difference: bigint): void {
    this.#taken++;
    if (!this.space.isUsable(difference)) return;
    this.matching++;
    this.found.push(difference);
  }

  sorted(): bigint[] {
    const { space, count } = this;
    return this.found
      .map((difference) => ({ difference, rank: space.rank(difference) }))
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))
      .slice(0, count)
      .map(({ difference }) => difference);
  }
}

/** Usable flows of a small space. */
function countUsable(space: FlowSpace): number | null {
  if (space.bits > COUNTED_BITS) return null;
  let usable = 0;
  for (const difference of upTo(1n << BigInt(space.bits))) if (space.isUsable(difference)) usable++;
  return usable;
}

/** At most `count` flows of the space that go to the target. */
export function solveSpace(look: FlowLook, space: FlowSpace, target: Target, count: number): Solution {
  const collector = new Collector(space, count);
  const isSmall = space.bits <= COUNTED_BITS;
  const map = learn(look, space);
  let share: number;
  if (map !== null) {
    const wanted = wantedBuckets(look, space, map, target);
    share = wanted.length / 2 ** map.rank;
    if (wanted.length > 0) {
      for (const difference of flowsOf(map, wanted)) {
        collector.take(difference);
        if (collector.isFull) break;
      }
    }
  } else {
    const end = BigInt(Math.min(2 ** space.bits, TRIES_MAX));
    let [tried, hits] = [0, 0];
    look.each(space, upTo(end), (difference, burst, i) => {
      tried++;
      if (wentTo(target, burst, i)) {
        hits++;
        collector.take(difference);
      }
      return !collector.isFull;
    });
    share = hits / tried;
  }
  return {
    method: map === null ? 'search' : 'algebra',
    differences: collector.sorted(),
    matching: isSmall ? collector.matching : null,
    candidates: countUsable(space),
    share,
  };
}
