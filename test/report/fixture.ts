/** Results of a replay as plain data, for the report's tests. */
import type { PolicyResult, ReplayResult } from '#rxsteer/replay/result.js';

/** A policy whose workers got these packets. */
export function policyOf(
  policy: string,
  loads: readonly number[],
  more: Partial<PolicyResult> = {},
): PolicyResult {
  const sum = loads.reduce((a, b) => a + b, 0);
  const shares = loads.map((packets, id) => ({
    id,
    packets,
    bytes: packets * 100,
    flows: Math.ceil(packets / 10),
  }));
  const sorted = [...loads].sort((a, b) => a - b);
  const weighted = sorted.reduce((total, load, i) => total + (2 * (i + 1) - loads.length - 1) * load, 0);
  return {
    policy,
    label: null,
    queues: shares,
    workers: shares.map((share) => ({ ...share, busyRatio: share.packets / 1000 })),
    buckets: Array.from({ length: 16 }, (_, b) => Math.floor(sum / 16) + (b % 3)),
    fullestOverFair: sum === 0 ? 0 : (Math.max(...loads) * loads.length) / sum,
    gini: sum === 0 ? 0 : weighted / (loads.length * sum),
    handoffsPerPacket: 0,
    wakeupsPerPacket: 0,
    reordered: { packets: 0, ratio: 0, maxExtent: 0 },
    moves: { total: 0, inFlight: 0, held: 0 },
    hashTypes: { 'tcp-ipv4': sum - 1, none: 1 },
    backlogDrops: 0,
    overTime: {
      intervalSeconds: 0.5,
      loads: Array.from({ length: 20 }, (_, i) =>
        loads.map((load, w) => Math.floor(load / 20) + ((i + w) % 4)),
      ),
    },
    topFlows: Array.from({ length: 5 }, (_, i) => ({
      flow: `tcp 192.0.2.${i + 1}:${1000 + i} > 198.51.100.1:80`,
      packets: 100 - i,
      bytes: 10_000,
      queue: (i * 3) % loads.length,
      worker: (i * 3) % loads.length,
      share: (100 - i) / Math.max(sum, 1),
    })),
    elephants: 0,
    flowsMoved: 0,
    assumed: [],
    otherwise: null,
    ...more,
  };
}

/** A whole result. */
export function resultOf(policies: readonly PolicyResult[], more: Partial<ReplayResult> = {}): ReplayResult {
  return {
    capture: {
      files: 1,
      packets: 1000,
      bytes: 100_000,
      flows: 100,
      truncated: 0,
      notIp: 1,
      fragments: 2,
      vlanTagged: 3,
      start: '2026-03-04T05:06:07.000Z',
      seconds: 10,
      destinationMacs: 4,
      direction: 'in',
      incoming: 0,
      outgoing: 0,
      leftOut: { direction: 0, to: 0, filter: 0 },
      mtu: 1500,
      superFrames: 0,
      wirePackets: 1000,
      interrupted: false,
      warnings: [],
    },
    policies,
    advice: [
      { id: 'table', severity: 'hint', text: 'Rewrite the table', commands: ['ethtool -X eth0 equal 4'] },
    ],
    model: 'each packet takes 1 us',
    ...more,
  };
}
