/**
 * From what was gathered to findings in words and commands to paste.
 *
 * Promise: pure; every figure in a sentence was counted in this traffic. A rule that does not apply says nothing. The
 * device is `$DEV` in all commands.
 */
import { IndirectionTable } from '../../nic/indirection-table.js';
import { fitWeights } from '../../nic/table-fit.js';
import { rebalance } from '../../nic/table-tools.js';
import { fullestOverFair } from '../../policy/spread.js';
import type { Advice } from '../result.js';
import type { AdviceFacts, BucketHalves } from './gather.js';

/** Shares below these are not worth a line. */
const TUNNELS_LEAST = 0.05;
const TWO_WAY_LEAST = 0.1;
const UDP_LEAST = 0.2;
const BOTH_LEAST = 0.6;
/** A table is called uneven above this. */
const UNEVEN = 1.1;
/** How much better a proposal must be on traffic that it was not fitted to. */
const GAIN_LEAST = 0.05;

const percent = (share: number) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const counted = (count: number, noun: string, ending = 's') => `${count} ${noun}${count === 1 ? '' : ending}`;
const two = (value: number) => value.toFixed(2);

function queueLoads(entries: ArrayLike<number>, loads: ArrayLike<number>, queues: number): number[] {
  const sums = new Array<number>(queues).fill(0);
  for (let bucket = 0; bucket < loads.length; bucket++) sums[entries[bucket]!]! += loads[bucket]!;
  return sums;
}

const unevenness = (entries: ArrayLike<number>, loads: ArrayLike<number>, queues: number) =>
  fullestOverFair(queueLoads(entries, loads, queues));

/** Entries as a policy takes them. */
function entriesText(entries: ArrayLike<number>): string {
  return Array.from(entries).join('+');
}

/** Adds a key to a policy string. */
function withKey(policy: string, key: string): string {
  return `${policy}${policy.includes(':') ? ',' : ':'}${key}`;
}

function elephant(facts: AdviceFacts, queues: number): Advice | null {
  if (queues < 2) return null;
  const found = facts.largestFlows.filter(({ share }) => share > 1 / queues);
  const [largest] = found;
  if (largest === undefined) return null;
  const least = two(largest.share * queues);
  const each = found.map(({ flow, share }) => `${flow} (${percent(share)})`);
  const who =
    found.length === 1
      ? `One flow, ${largest.flow}, has ${percent(largest.share)} of the packets, more than the fair share of one of ${queues} queues`
      : `${found.length} flows have more than the fair share of one of ${queues} queues each, together ${percent(found.reduce((sum, { share }) => sum + share, 0))} of the packets: ${each.join(', ')}`;
  return {
    id: 'elephant',
    severity: 'warning',
    text: `${who}: no table and no key brings the fullest queue below ${least} times its fair share. Hashing cannot split a flow; leave ${found.length === 1 ? 'its queue to it alone' : 'a queue to each of them alone'} (weights), or let ${found.length === 1 ? "its application's CPU take it" : "their applications' CPUs take them"} (RFS, an ntuple rule).`,
    commands: [],
  };
}

/** The table of one rss policy, fitted to the first half and judged by the second. */
export function tableAdvice({ steering, first, second }: BucketHalves): Advice | null {
  const { table, queues, text } = steering;
  const seen = second.reduce((sum, load) => sum + load, 0);
  if (queues < 2 || seen === 0) return null;
  const now = unevenness(table.entries, second, queues);
  if (now <= UNEVEN) {
    return {
      id: 'table-even',
      severity: 'info',
      text: `${text}: the table is even for this traffic (fullest queue ${two(now)} times its fair share in the second half); nothing to do.`,
      commands: [],
    };
  }
  const weights = fitWeights(first, queues);
  const blocks = new IndirectionTable(table.size, queues);
  blocks.fillWeight(weights);
  const byWeights = unevenness(blocks.entries, second, queues);
  const free = Array.from(table.entries);
  const moves = rebalance(table, first);
  for (const { bucket, to } of moves) free[bucket] = to;
  const byMoves = unevenness(free, second, queues);
  const fitted = [unevenness(blocks.entries, first, queues), unevenness(free, first, queues)];
  const best = Math.min(byWeights, byMoves);
  if (best > now - GAIN_LEAST) {
    return {
      id: 'table-no-help',
      severity: 'info',
      text: `${text}: the fullest queue has ${two(now)} times its fair share in the second half, and a table fitted to the first half would not change that (${two(best)}): the load moves from bucket to bucket, or sits in one of them.`,
      commands: [],
    };
  }
  const { spec } = steering;
  const isFree = spec.weight === undefined && spec.entries === undefined && spec.equal === undefined;
  const commands: string[] = [];
  if (byWeights <= now - GAIN_LEAST) {
    commands.push(
      `# ${two(now)} -> ${two(byWeights)}; contiguous blocks, what ethtool can set`,
      `ethtool -X "$DEV" weight ${weights.join(' ')}`,
    );
    if (isFree) commands.push('# the same in rxsteer', withKey(text, `weight=${weights.join('+')}`));
  }
  if (byMoves < byWeights && isFree) {
    commands.push(
      `# ${two(now)} -> ${two(byMoves)}; ${moves.length} single entries moved (netlink, DPDK RETA update)`,
      withKey(text, `entries=${entriesText(free)}`),
    );
  }
  return {
    id: 'table',
    severity: 'hint',
    text: `${text}: the fullest queue has ${two(now)} times its fair share. A table fitted to the first half of the packets (there: ${two(Math.min(...fitted))}) brings the second half to ${two(best)}.`,
    commands,
  };
}

function fragments(facts: AdviceFacts): Advice | null {
  if (facts.udpFragments === 0) return null;
  const share = percent(facts.udpFragments / facts.packets);
  const mixed = facts.fragmentedPairs;
  return {
    id: 'fragments-split',
    severity: mixed > 0 ? 'warning' : 'info',
    text: `${counted(facts.udpFragments, 'packet')} (${share}) ${facts.udpFragments === 1 ? 'is a fragment of a UDP datagram' : 'are fragments of UDP datagrams'}, which have no ports to hash${mixed > 0 ? `, and ${counted(mixed, 'UDP flow')} ${mixed === 1 ? 'runs' : 'run'} between the same hosts as they: hashing UDP ports puts their whole datagrams and their fragments on different queues and reorders them` : ''}. ${facts.hashesPorts ? 'Hash UDP by addresses only.' : 'UDP is hashed by addresses alone under every policy here: leave it so.'}`,
    commands: facts.hashesPorts
      ? ['ethtool -N "$DEV" rx-flow-hash udp4 sd', 'ethtool -N "$DEV" rx-flow-hash udp6 sd']
      : [],
  };
}

/** The policy with these hash types, as a string; null where it is no string that a key could be put into. */
function withTypes(policy: string, types: readonly string[]): string | null {
  if (/^[@{]/.test(policy)) return null;
  const key = `types=${types.join('+')}`;
  return /[:,]types=/.test(policy) ? policy.replace(/([:,])types=[^,]*/, `$1${key}`) : withKey(policy, key);
}

/** Ports for UDP, where a policy leaves them out and they would help it. */
function udpPorts(facts: AdviceFacts): Advice[] {
  const share = facts.udpPackets / Math.max(1, facts.packets);
  if (facts.udpFragments > 0 || share < UDP_LEAST) return [];
  return facts.ports.flatMap(({ steering, changed, ...loads }) => {
    const [before, after] = [fullestOverFair(loads.before), fullestOverFair(loads.after)];
    if (before <= UNEVEN || after > before - GAIN_LEAST) return [];
    const types = changed.spec.types!;
    const versions = ([4, 6] as const).filter((version) => types.includes(`udp-ipv${version}`));
    const policy = withTypes(steering.text, types);
    return [
      {
        id: 'udp-ports',
        severity: 'hint' as const,
        text: `${steering.text}: ${percent(share)} of the packets are UDP, hashed by their addresses alone. With ports the fullest queue comes from ${two(before)} to ${two(after)} times its fair share. None of them is a fragment here, so nothing is reordered by it.`,
        commands: [
          `# ${two(before)} -> ${two(after)}`,
          ...versions.map((version) => `ethtool -N "$DEV" rx-flow-hash udp${version} sdfn`),
          ...(policy === null ? [] : ['# the same in rxsteer', policy]),
        ],
      },
    ];
  });
}

function symmetric(facts: AdviceFacts): Advice | null {
  const share = facts.twoWayPackets / Math.max(1, facts.packets);
  if (facts.splitPairs === null || share < TWO_WAY_LEAST || facts.splitPairs === 0) return null;
  const policy = facts.buckets[0]!.steering.text;
  return {
    id: 'directions-split',
    severity: 'hint',
    text: `Both directions of ${facts.pairs} flows (${percent(share)} of the packets) are here, and ${policy} puts the directions of ${facts.splitPairs} on different queues. Whoever keeps state by connection (firewall, NAT, IDS) wants a symmetric hash; the key 6d5a… has fewer effective bits, the xor transform keeps the key.`,
    commands: ['ethtool -X "$DEV" xfrm symmetric-xor', withKey(policy, 'symmetric=xor')],
  };
}

/** The capture does not say which packets were received, and looks as if it had both directions of a host's flows. */
export function bothDirections(facts: AdviceFacts): Advice | null {
  const share = facts.twoWayPackets / Math.max(1, facts.packets);
  if (share < BOTH_LEAST) return null;
  const [busiest] = facts.macs;
  const mac = busiest === undefined ? 'MAC' : busiest[0];
  return {
    id: 'both-directions',
    severity: 'warning',
    text: `${percent(share)} of the packets are of flows whose other direction is here too, and the capture does not say which packets were received. Where it was recorded on the host itself (tcpdump without -Q in), what the host sent counts as load here and never was: choose what went to the host's own address. Where a port saw both directions (a mirror, a forwarder), all is well.`,
    commands: [`rxsteer replay … --to ${mac}   # if that is the host's interface`],
  };
}

function tunnels(facts: AdviceFacts, queues: number): Advice | null {
  const { packets, kinds, mirrored, outerLoads, innerLoads } = facts.tunnels;
  const share = packets / Math.max(1, facts.packets);
  if (share < TUNNELS_LEAST || queues < 2) return null;
  const names = [...kinds].sort(([, a], [, b]) => b - a).map(([name]) => name);
  const outer = fullestOverFair(outerLoads);
  const inner = fullestOverFair(innerLoads);
  // Linux opens GRE, but not the mirrored frames of ERSPAN in it.
  const isMirrored = mirrored === packets;
  const what = mirrored === 0 ? '' : `, ${isMirrored ? 'all' : 'some'} of it mirrored frames: ERSPAN`;
  const facts_ = `${percent(share)} of the packets are in tunnels (${names.join(', ')}${what}). Over ${queues} queues the fullest has ${two(outer)} times its fair share of them by the outer headers, ${two(inner)} by the inner ones`;
  if (inner > outer - GAIN_LEAST) {
    return {
      id: 'tunnels-outer',
      severity: 'info',
      text: `${facts_}: outer hashing is good enough here.`,
      commands: [],
    };
  }
  return {
    id: 'tunnels-inner',
    severity: 'hint',
    text: `${facts_}: hash the inner headers${isMirrored ? '; Linux does not look into ERSPAN' : ', or let Linux do it (RPS opens tunnels)'}.`,
    commands: [
      `rss:queues=${queues},inner=${names.join('+')}`,
      ...(isMirrored ? [] : [`rps:cpus=0-${queues - 1}`]),
    ],
  };
}

/** Largest worker's share when MACs are given to the least loaded worker, largest first. */
function assignMacs(loads: readonly number[], workers: number): number[] {
  const sums = new Array<number>(workers).fill(0);
  for (const load of loads) sums[sums.indexOf(Math.min(...sums))]! += load;
  return sums;
}

function macSteering(facts: AdviceFacts, workers: number): Advice | null {
  if (workers < 2) return null;
  if (facts.macs.length === 0) {
    return {
      id: 'mac-none',
      severity: 'info',
      text: 'MAC steering cannot be judged: the capture has no unicast destination MAC addresses (raw IP, cooked, or group traffic only).',
      commands: [],
    };
  }
  const unicast = facts.macs.reduce((sum, [, packets]) => sum + packets, 0);
  const [mac, most] = facts.macs[0]!;
  const uneven = fullestOverFair(
    assignMacs(
      facts.macs.map(([, packets]) => packets),
      workers,
    ),
  );
  const share = most / unicast;
  if (facts.macs.length < workers || share > 1.5 / workers) {
    const why =
      facts.macs.length < workers
        ? `there ${facts.macs.length === 1 ? 'is' : 'are'} ${counted(facts.macs.length, 'destination MAC address', 'es')} for ${workers} workers`
        : `${percent(share)} of the unicast packets go to ${mac}`;
    return {
      id: 'mac-cannot',
      severity: 'info',
      text: `MAC steering cannot balance this traffic: ${why}, a gateway or one busy host. Even the best owners leave the fullest worker with ${two(uneven)} times its fair share. Steer by flow.`,
      commands: [],
    };
  }
  return {
    id: 'mac-can',
    severity: 'info',
    text: `MAC steering can work here: ${facts.macs.length} destination MAC addresses; with owners by load the fullest worker has ${two(uneven)} times its fair share, and every guest's queue is touched by one worker.`,
    commands: ['mac:assign=least-loaded'],
  };
}

/** Everything that applies, warnings first. */
export function adviseOn(facts: AdviceFacts, workers: number, queues: number): Advice[] {
  const found = [
    elephant(facts, queues),
    fragments(facts),
    ...udpPorts(facts),
    ...facts.buckets.map(tableAdvice),
    symmetric(facts),
    tunnels(facts, queues),
    macSteering(facts, workers),
  ].filter((advice) => advice !== null);
  const weight = { warning: 0, hint: 1, info: 2 } as const;
  return found
    .map((advice, i) => ({ advice, i }))
    .sort((a, b) => weight[a.advice.severity] - weight[b.advice.severity] || a.i - b.i)
    .map(({ advice }) => advice);
}
