/**
 * What a policy permits and its user may not expect: one line each, for standard error.
 *
 * Promise: an empty list for a policy that nobody needs to be warned of; never an error. Pure.
 */
import { bitRange, effectiveBits } from '../hash/key-tools.js';
import type { HashTypeName } from '../nic/hash-types.js';
import { lintTable } from '../nic/table-tools.js';
import type { RssSteering } from './rss.js';
import type { PolicySpec } from './spec.js';
import type { Steering } from './steering.js';

/** Bits of the addresses and ports of an IPv4 flow. */
const TUPLE_BITS = bitRange(0, 96);
/** Effective bits below which flows share hashes so often that it is worth a word. */
const BITS_LEAST = 24;

/** @param steering a compiled policy; its spec says what the user gave. */
export function policyWarnings(steering: Steering): string[] {
  const { spec } = steering;
  const warnings: string[] = [];
  if (spec.policy === 'rss' || spec.policy === 'pools') {
    // What ethtool says is how the NIC is; a warning is for who asks for it (as igb's driver warns).
    const isRead = spec.policy === 'rss' && spec.ethtool !== undefined;
    const split = isRead ? undefined : spec.types?.find((type) => hashesUdpPorts(type));
    if (split !== undefined) {
      warnings.push(
        `policy ${spec.policy}: types: ${split} hashes ports, which fragments do not have: ` +
          'a UDP flow with some fragmented datagrams is split over two queues and may be reordered',
      );
    }
  }
  if (spec.policy === 'rss') warnings.push(...hashWarnings(steering as RssSteering));
  return warnings;
}

/**
 * What an `rss` policy read from a NIC's output takes for granted, of packets of these hash types (`udp-ipv4`, …).
 * @param types absent = of all
 */
export function policyAssumptions(spec: PolicySpec, types?: readonly HashTypeName[]): string[] {
  if (spec.policy !== 'rss' || spec.assumed === undefined) return [];
  return spec.assumed
    .filter(
      (one) => types === undefined || one.types.length === 0 || one.types.some((t) => types.includes(t)),
    )
    .map(({ text }) => text);
}

function hashesUdpPorts(type: HashTypeName): boolean {
  return type.startsWith('udp-');
}

function hashWarnings({ rssHash, table }: RssSteering): string[] {
  const { key } = rssHash.options;
  if (rssHash.options.function !== undefined && rssHash.options.function !== 'toeplitz') return [];
  const bits = effectiveBits(key, TUPLE_BITS);
  const { reachableBuckets } = lintTable(table, key, TUPLE_BITS);
  if (reachableBuckets < table.size) {
    return [`policy rss: key: it reaches only ${reachableBuckets} of the table's ${table.size} buckets`];
  }
  if (bits >= BITS_LEAST) return [];
  return [`policy rss: key: IPv4 flows have only 2^${bits} different hashes with it`];
}
