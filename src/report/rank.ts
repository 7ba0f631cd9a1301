/**
 * The policies of a replay by the rule of replay/ranking.
 *
 * Promise: pure; every policy of the result has one place among those with as many workers, policies that differ only by
 * their seed share it.
 */
import {
  type Measured,
  type Ranked,
  type RankedSection,
  rankSections,
  usedWorkers,
  whyBetter as why,
  withoutSeed,
} from '../replay/ranking.js';
import type { PolicyResult } from '../replay/result.js';

/** What the rule compares. */
export function measured(policy: PolicyResult): Measured {
  const packets = policy.workers.reduce((sum, worker) => sum + worker.packets, 0);
  return {
    name: withoutSeed(policy.policy),
    workers: policy.workers.length,
    reordered: policy.reordered.ratio,
    dropped: policy.backlogDrops / Math.max(1, packets),
    busiest: busiestCpu(policy),
    fullestOverFair: policy.fullestOverFair,
    handoffs: policy.handoffsPerPacket,
    wakeups: policy.wakeupsPerPacket,
  };
}

/** Busy part of the busiest CPU's time, receiving and handing over included. */
export function busiestCpu(policy: PolicyResult): number {
  return Math.max(0, ...policy.workers.map(({ busyRatio }) => busyRatio));
}

/** How many workers' worth of throughput the policy gets out of this traffic, were receiving free. */
export function usefulWorkers(policy: PolicyResult): number {
  return usedWorkers({ workers: policy.workers.length, fullestOverFair: policy.fullestOverFair });
}

/** Policies, each over its seeds, best first within one number of workers; few workers first. */
export function rankedPolicies(policies: readonly PolicyResult[]): RankedSection[] {
  return rankSections(policies.map(measured));
}

/**
 * Index of the policy to be recommended, -1 where there is none: the best of those with the number of workers that most
 * policies have, of two such numbers the larger one.
 */
export function bestPolicy(policies: readonly PolicyResult[]): number {
  const [most] = rankedPolicies(policies).sort(
    (a, b) => b.places.length - a.places.length || b.workers - a.workers,
  );
  return most === undefined ? -1 : most.places[0]!.members[0]!;
}

/** ` with 4 workers`, where there are several numbers of them. */
export function amongWorkers({ workers }: RankedSection, sections: readonly RankedSection[]): string {
  return sections.length < 2 ? '' : ` with ${workers} worker${workers === 1 ? '' : 's'}`;
}

/** Why the first of two policies is better, in words; empty where nothing tells them apart. */
export function whyBetter(best: PolicyResult, next: PolicyResult): string {
  return why(measured(best), measured(next), next.policy);
}

/** Of a policy over several seeds, and of any other, how readers know it. */
export function rankedName({ members, mean }: Ranked, policies: readonly PolicyResult[]): string {
  return members.length > 1 ? mean.name : policies[members[0]!]!.policy;
}

/** Index of the policy whose busiest CPU is the hottest: the one to look into. */
export function hottest(policies: readonly PolicyResult[]): number {
  const heat = policies.map((policy) => busiestCpu(policy));
  const most = Math.max(...heat);
  if (most > 0) return heat.indexOf(most);
  const skew = policies.map(({ fullestOverFair }) => fullestOverFair);
  return Math.max(0, skew.indexOf(Math.max(...skew)));
}
