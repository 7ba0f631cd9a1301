/**
 * Which policy is best for the traffic that was replayed, and why.
 *
 * Promise: a stated rule, no weights. What breaks traffic counts before what costs time: first policies without
 * reordering, then those without drops, then by how many workers they keep busy (steps of 2 %), then by hand-offs and
 * wake-ups a packet. Pure.
 */
import type { PolicyResult } from '../replay/result.js';

/** Shares below this count as none: a handful of packets in a long capture. */
const NEGLIGIBLE = 1e-4;
/** Differences of load below this are not told apart. */
const STEP = 0.02;

/**
 * How many workers' worth of throughput the policy gets out of this traffic: the whole load over the fullest worker's.
 * 1 when one worker has everything, the number of workers when all have the same.
 */
export function usefulWorkers(policy: PolicyResult): number {
  return policy.fullestOverFair === 0 ? 0 : policy.workers.length / policy.fullestOverFair;
}

function packetsOf(policy: PolicyResult): number {
  return policy.workers.reduce((sum, worker) => sum + worker.packets, 0);
}

/** What is compared, most important first; smaller is better. */
function marks(policy: PolicyResult): number[] {
  const packets = Math.max(1, packetsOf(policy));
  const drops = policy.backlogDrops / packets;
  return [
    policy.reordered.ratio < NEGLIGIBLE ? 0 : policy.reordered.ratio,
    drops < NEGLIGIBLE ? 0 : drops,
    -Math.round(usefulWorkers(policy) / STEP),
    policy.handoffsPerPacket,
    policy.wakeupsPerPacket,
  ];
}

/** Indices of the policies, best first; equals stay in the order in which they were given. */
export function rankPolicies(policies: readonly PolicyResult[]): number[] {
  const all = policies.map(marks);
  return policies
    .map((_, i) => i)
    .sort((a, b) => {
      const at = all[a]!.findIndex((mark, k) => mark !== all[b]![k]!);
      return at < 0 ? a - b : all[a]![at]! - all[b]![at]!;
    });
}

/** Why the first of two policies is better, in words; empty where nothing tells them apart. */
export function whyBetter(best: PolicyResult, next: PolicyResult): string {
  const [a, b] = [marks(best), marks(next)];
  switch (a.findIndex((mark, k) => mark !== b[k]!)) {
    case 0:
      return `it reorders ${share(best.reordered.ratio)} of the packets, ${next.policy} ${share(next.reordered.ratio)}`;
    case 1:
      return `it drops ${best.backlogDrops} packets on full backlogs, ${next.policy} ${next.backlogDrops}`;
    case 2:
      return `it spreads the packets as if over ${usefulWorkers(best).toFixed(2)} even workers, ${next.policy} over ${usefulWorkers(next).toFixed(2)}`;
    case 3:
      return `it needs ${best.handoffsPerPacket.toFixed(2)} hand-offs a packet, ${next.policy} ${next.handoffsPerPacket.toFixed(2)}, for the same balance`;
    case 4:
      return `it needs ${best.wakeupsPerPacket.toFixed(3)} wake-ups a packet, ${next.policy} ${next.wakeupsPerPacket.toFixed(3)}, for the same balance`;
    default:
      return '';
  }
}

function share(value: number): string {
  return value < NEGLIGIBLE ? 'none' : `${(value * 100).toFixed(2)} %`;
}

/** The rule, for readers. */
export const RANKING_RULE =
  'Ranked by what breaks traffic first: reordering, then drops on full backlogs, then how many workers are put to use (all packets over the packets of the fullest worker, in steps of 0.02), then hand-offs and wake-ups a packet.';
