/** The mixes of guests and flows, and the policies, that `flow-vs-mac` compares. */
import { guestMac } from '#rxsteer/dataplane/ports/memory/templates.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import type { PolicySpec } from '#rxsteer/policy/spec.js';
import type { MixWish } from '../runner.js';

/** Guests, flows and how uneven they are. */
export interface Mix {
  readonly name: string;
  readonly guests: number;
  readonly flowsPerGuest: number;
  /** Frame bytes without FCS, or imix. */
  readonly size: number | 'imix';
  readonly elephant: 'none' | 'flow' | 'guest';
  /** Per cent of the frames that the elephant has. */
  readonly share: number;
  /** How guests get their frames: copied in memory, or by real TAPs (each frame a system call). */
  readonly path: 'memory' | 'tap';
  /** Part of a quick run. */
  readonly quick: boolean;
}

const even = { guests: 8, flowsPerGuest: 16, size: 60, elephant: 'none', share: 50, path: 'memory' } as const;

export const MIXES: readonly Mix[] = [
  { ...even, name: '8 guests, even', quick: true },
  { ...even, name: '8 guests, one has 70 %', elephant: 'guest', share: 70, quick: true },
  { ...even, name: '8 guests, one flow has 50 %', elephant: 'flow', quick: false },
  { ...even, name: '1 guest', guests: 1, flowsPerGuest: 128, quick: false },
  { ...even, name: '24 guests, 4 flows each', guests: 24, flowsPerGuest: 4, quick: false },
  { ...even, name: '8 guests, imix', size: 'imix', quick: false },
  { ...even, name: '4 guests on TAPs, even', guests: 4, path: 'tap', quick: true },
  {
    ...even,
    name: '4 guests on TAPs, one has 70 %',
    guests: 4,
    path: 'tap',
    elephant: 'guest',
    share: 70,
    quick: false,
  },
];

/** The mix that was asked for, with a name that says what it is. */
export function wishedMix(wish: MixWish): Mix {
  const { guests = even.guests, flowsPerGuest = even.flowsPerGuest, size = even.size } = wish;
  const { elephant = 'none', share = even.share } = wish;
  const sizes = size === 'imix' ? 'imix' : `${size} bytes`;
  const most = elephant === 'none' ? 'even' : `one ${elephant} has ${share} %`;
  const name = `${guests} guest${guests === 1 ? '' : 's'}, ${flowsPerGuest} flows each, ${sizes}, ${most}`;
  return { name, guests, flowsPerGuest, size, elephant, share, path: 'memory', quick: true };
}

/** Where the decision is made. */
export const STAGES = ['nic', 'cpu'] as const;
export type Stage = (typeof STAGES)[number];

/** What is compared; flow steering hashes the flow, MAC steering looks at the destination. */
export const POLICIES = ['rss', 'rps', 'rfs', 'mac', 'mac-hash', 'pools'] as const;
export type PolicyName = (typeof POLICIES)[number];
export const FLOW_POLICIES: readonly PolicyName[] = ['rss', 'rps', 'rfs'];
export const MAC_POLICIES: readonly PolicyName[] = ['mac', 'mac-hash', 'pools'];

/** Pools of the 82576 with two queues each: pool p has queues p and p + 8. */
const POOLS = 8;

/** The worker on whose CPU guest g runs: where `rfs` finds its consumer and `mac` its owner. */
export function homeOf(guest: number, workers: number): number {
  return guest % workers;
}

/** The policy as `rxsteer forward` would be given it; order is forward's default, strict. */
export function policyOf(
  name: PolicyName,
  stage: Stage,
  mix: Mix,
  workers: number,
  table: number | null = null,
): PolicySpec {
  const macs = Array.from({ length: mix.guests }, (_, g) => guestMac(g));
  const cpus = Array.from({ length: workers }, (_, w) => w);
  const common = { policy: name, stage };
  const objects: Record<PolicyName, object> = {
    rss: { ...common, queues: workers, ...(table === null ? {} : { table }) },
    rps: { ...common, cpus },
    rfs: { ...common, cpus },
    mac: { ...common, owners: macs.map((mac, g) => ({ mac, worker: homeOf(g, workers) })) },
    'mac-hash': { ...common, queues: workers },
    pools: {
      ...common,
      nic: 'igb-82576',
      layout: '8x2',
      macs: macs.map((mac, g) => ({ mac, pools: [g % POOLS] })),
    },
  };
  return parsePolicy(objects[name], { command: 'forward', workers });
}
