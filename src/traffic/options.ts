/**
 * What traffic may be asked for, its defaults, and the checks.
 *
 * Promise: a `TrafficPlan` is complete and consistent; everything else was refused with a UserError that names the
 * option and what is permitted. The same checks serve the command line and the library.
 */

import { UserError, unknownName } from '../errors.js';
import { shorten } from '../hash/hex.js';
import { decimal, integer, oneOf } from '../policy/values.js';
import { z } from '../vendor/zod.js';
import { ARRIVALS, type Arrival } from './arrivals.js';
import { parseSizes, type Sizes } from './sizes.js';

/** Transport protocols of made flows; ICMP is ICMPv6 in IPv6 flows. */
export const TRAFFIC_PROTOCOLS = ['tcp', 'udp', 'sctp', 'icmp'] as const;
/** One of `TRAFFIC_PROTOCOLS`. */
export type TrafficProtocol = (typeof TRAFFIC_PROTOCOLS)[number];

/** Tunnels that made flows may run in. */
export const TRAFFIC_TUNNELS = [
  'vxlan',
  'gre',
  'nvgre',
  'ipip',
  '6in4',
  'geneve',
  'gtpu',
  'mpls',
  'pppoe',
] as const;
/** One of `TRAFFIC_TUNNELS`. */
export type TrafficTunnel = (typeof TRAFFIC_TUNNELS)[number];

/** Flows at most: their templates stay in memory. */
export const FLOWS_MAX = 1 << 22;

/** Traffic that is uneven on purpose under a policy. */
export interface ImbalanceOptions {
  /** A policy that chooses queues or workers by addresses and ports: rss, rps, pools. */
  readonly policy: string | object;
  /** The queue that shall be hot (the worker, for rps). */
  readonly queue: number;
  /** Its share of the packets, 0 … 1. */
  readonly share: number;
  /** Flows on it; default: the share of all flows. */
  readonly flows?: number | undefined;
}

/** What to make. Everything has a default; shares are 0 … 1. */
export interface TrafficOptions {
  /** Packets, fragments counted each; default 100,000. */
  readonly packets?: number;
  /** Flows (pairs of flows with `bothWays`); default 1000. All occur where there are packets enough. */
  readonly flows?: number;
  /** Client addresses; default: one for each flow. */
  readonly clients?: number;
  /** Guests: destination MAC and IP addresses; default 1. */
  readonly guests?: number;
  /** Zipf exponent of flow sizes; default 0, all alike. */
  readonly zipf?: number;
  /** The first so many flows share `elephantShare` of the packets. */
  readonly elephants?: number;
  readonly elephantShare?: number;
  /** Frame sizes: `imix` (default), bytes, or a range `60-1514`. */
  readonly size?: string | number;
  /** Weights of protocols among the flows; default TCP only. */
  readonly protocols?: Partial<Record<TrafficProtocol, number>>;
  /** Share of IPv6 flows; default 0. */
  readonly ipv6?: number;
  /** VLANs, spread over the guests; default 0: no tags. */
  readonly vlans?: number;
  /** An 802.1ad tag outside the 802.1Q one. */
  readonly qinq?: boolean;
  /** Shares of flows inside tunnels; the rest is not. */
  readonly tunnels?: Partial<Record<TrafficTunnel, number>>;
  /** Tunnel end points on the clients' side; default 2. */
  readonly tunnelEnds?: number;
  /** Share of packets that are IP fragments; default 0. */
  readonly fragments?: number;
  /** Answers too: packets of both directions of each flow. */
  readonly bothWays?: boolean;
  /** Packets a second, on the capture's clock; default 1,000,000. */
  readonly rate?: number;
  /** Default constant. */
  readonly arrivals?: Arrival;
  /** Packets of one burst, for `arrivals: 'bursts'`; default 32. */
  readonly burst?: number;
  /** Time of the first packet, seconds since 1970; default 1,700,000,000. */
  readonly start?: number;
  /** Unevenness under a policy. */
  readonly imbalance?: ImbalanceOptions;
  /** Default 1. The same seed and options: the same bytes. */
  readonly seed?: number;
}

const share = decimal(0, 1).default(0);
const weight = decimal(0, 1e9).optional();

function weightsOf<const T extends readonly [string, ...string[]]>(names: T) {
  return z
    .strictObject(
      Object.fromEntries(names.map((name) => [name, weight])) as Record<T[number], typeof weight>,
      { error: `weights of ${names.join(', ')}` },
    )
    .default({} as never);
}

const imbalance = z.strictObject(
  {
    policy: z.union([z.string(), z.looseObject({})], { error: 'a policy' }),
    queue: integer(0, 65_535),
    share: decimal(0, 1),
    flows: integer(1, FLOWS_MAX).optional(),
  },
  { error: 'an object with policy, queue and share' },
);

const schema = z.strictObject({
  packets: integer(1, 2 ** 32).default(100_000),
  flows: integer(1, FLOWS_MAX).default(1000),
  clients: integer(1, FLOWS_MAX).optional(),
  guests: integer(1, 65_536).default(1),
  zipf: decimal(0, 10).default(0),
  elephants: integer(0, FLOWS_MAX).default(0),
  elephantShare: decimal(0, 1).optional(),
  size: z.union([z.string(), z.number()], { error: 'imix, a number, or a range' }).default('imix'),
  protocols: weightsOf(TRAFFIC_PROTOCOLS),
  ipv6: share,
  vlans: integer(0, 4000).default(0),
  qinq: z.boolean({ error: 'true or false' }).default(false),
  tunnels: weightsOf(TRAFFIC_TUNNELS),
  tunnelEnds: integer(1, 250).default(2),
  fragments: share,
  bothWays: z.boolean({ error: 'true or false' }).default(false),
  rate: decimal(0.001, 1e9).default(1_000_000),
  arrivals: oneOf(ARRIVALS).default('constant'),
  burst: integer(1, 1_000_000).default(32),
  start: integer(0, 4_294_967_295).default(1_700_000_000),
  imbalance: imbalance.optional(),
  seed: integer(0, 0xffffffff).default(1),
});

/** Checked options, defaults filled. */
export type TrafficPlan = Omit<
  z.infer<typeof schema>,
  'size' | 'clients' | 'protocols' | 'tunnels' | 'elephantShare'
> & {
  readonly sizes: Sizes;
  readonly clients: number;
  readonly elephantShare: number;
  /** Weights in the order of `TRAFFIC_PROTOCOLS`. */
  readonly protocols: Float64Array;
  /** Shares in the order of `TRAFFIC_TUNNELS`, then the share outside tunnels. */
  readonly tunnels: Float64Array;
};

/** How an option is named in messages: the library's name, or the flag. */
export type NameOf = (option: string) => string;

/** @throws UserError */
export function planTraffic(options: TrafficOptions, nameOf: NameOf = (option) => option): TrafficPlan {
  const result = schema.safeParse(options);
  if (!result.success) throw describe(result.error.issues[0]!, options, nameOf);
  const { size, clients, protocols, tunnels, elephantShare, ...rest } = result.data;
  const sizes = parseSizes(size, nameOf('size'));
  const mix = TRAFFIC_PROTOCOLS.map((name) => protocols[name] ?? 0);
  const none = mix.every((value) => value === 0);
  const inTunnels = TRAFFIC_TUNNELS.map((name) => tunnels[name] ?? 0);
  const sum = inTunnels.reduce((a, b) => a + b, 0);
  if (sum > 1.000_001) {
    throw new UserError(`${nameOf('tunnels')}: the shares add up to ${sum}; at most 1 is permitted`);
  }
  const plan: TrafficPlan = {
    ...rest,
    sizes,
    clients: clients ?? rest.flows,
    elephantShare: elephantShare ?? 0,
    protocols: Float64Array.from(none ? [1, 0, 0, 0] : mix),
    tunnels: Float64Array.from([...inTunnels, Math.max(0, 1 - sum)]),
  };
  checkTogether(plan, elephantShare, nameOf);
  return plan;
}

function checkTogether(plan: TrafficPlan, elephantShare: number | undefined, nameOf: NameOf): void {
  const { elephants, flows, clients, imbalance: wanted } = plan;
  if (elephants > flows) {
    throw new UserError(`${nameOf('elephants')}: ${elephants} of ${flows} flows`);
  }
  if (elephants > 0 !== (elephantShare !== undefined)) {
    throw new UserError(`${nameOf('elephants')} and ${nameOf('elephantShare')}: both or none are needed`);
  }
  if (plan.qinq && plan.vlans === 0) {
    throw new UserError(`${nameOf('qinq')}: goes with ${nameOf('vlans')} only`);
  }
  // Half of the 15 bits of ephemeral ports, so that drawing distinct ones never takes long.
  const most = clients * 16_384;
  if (flows > most) {
    throw new UserError(`${nameOf('clients')}: ${clients} have ports for ${most} flows, not for ${flows}`);
  }
  if (wanted === undefined) return;
  const other = plan.bothWays ? 'bothWays' : plan.fragments > 0 ? 'fragments' : null;
  if (other !== null) {
    throw new UserError(`${nameOf(other)}: does not go with ${nameOf('imbalance')}, which aims whole flows`);
  }
  if (wanted.flows !== undefined && wanted.flows > flows) {
    throw new UserError(`${nameOf('imbalance.flows')}: ${wanted.flows} of ${flows} flows`);
  }
}

/** One line for the first thing that is wrong. */
function describe(issue: z.core.$ZodIssue, options: object, nameOf: NameOf): UserError {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const names =
      path === 'protocols'
        ? TRAFFIC_PROTOCOLS
        : path === 'tunnels'
          ? TRAFFIC_TUNNELS
          : path === 'imbalance'
            ? Object.keys(imbalance.shape)
            : Object.keys(schema.shape);
    const what = path === 'protocols' ? 'protocol' : path === 'tunnels' ? 'tunnel' : 'option';
    const error = unknownName(what, issue.keys[0]!, names);
    return path === '' ? error : new UserError(`${nameOf(path)}: ${error.message}`);
  }
  const value = issue.path.reduce<unknown>(
    (inner, part) => (inner as Record<PropertyKey, unknown> | undefined)?.[part],
    options,
  );
  if (value === undefined) return new UserError(`${nameOf(path)} is missing: expected ${issue.message}`);
  const shown = typeof value === 'string' ? `"${shorten(value)}"` : shorten(JSON.stringify(value));
  return new UserError(`${nameOf(path)}: ${shown}: expected ${issue.message}`);
}
