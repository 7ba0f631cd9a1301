/**
 * What advice needs to know beyond a replay's counts: one more pass over the captures.
 *
 * Promise: exact counts; memory grows with flows and addresses. Loads of buckets are kept apart for the first and the
 * second half of the packets, so that a table can be fitted to the one and judged by the other. One thread.
 */
import { UserError } from '../../errors.js';
import type { HashTypeName } from '../../nic/hash-types.js';
import { Burst, Kind } from '../../packet/burst.js';
import { dissectBurst } from '../../packet/dissect.js';
import { Protocol } from '../../packet/protocol.js';
import { findInner, InnerPacket, TUNNEL_NAMES, tunnelMask } from '../../packet/tunnel.js';
import { compilePolicy } from '../../policy/compile.js';
import { parsePolicy } from '../../policy/parse.js';
import type { RssSteering } from '../../policy/rss.js';
import type { RssSpec } from '../../policy/spec.js';
import type { PacketChoice } from '../choice.js';
import type { Chunk } from '../chunk.js';
import { type FlowRecords, FlowView } from '../flow-table.js';
import { ingestHere } from '../ingest-here.js';

const ALL_TUNNELS = tunnelMask(TUNNEL_NAMES);
const HALF = 0x1_0000_0000;
/** Flows that are looked at one by one. */
const LARGEST = 32;

/** Loads of the buckets of one rss policy. */
export interface BucketHalves {
  readonly steering: RssSteering;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

/** What an rss policy that hashes UDP by addresses alone does, and what it would do with ports: packets by queue. */
export interface PortsFacts {
  readonly steering: RssSteering;
  /** With ports. */
  readonly changed: RssSteering;
  readonly before: Float64Array;
  readonly after: Float64Array;
}

/** Packets in tunnels, and how evenly outer and inner headers spread them over the queues. */
export interface TunnelFacts {
  readonly packets: number;
  /** By name, only those that were seen. */
  readonly kinds: ReadonlyMap<string, number>;
  /** Packets that are mirrored frames (ERSPAN, in `gre`). */
  readonly mirrored: number;
  readonly outerLoads: Float64Array;
  readonly innerLoads: Float64Array;
}

/** Everything that was gathered. */
export interface AdviceFacts {
  readonly packets: number;
  readonly buckets: readonly BucketHalves[];
  /** Packets by unicast destination MAC, largest first. */
  readonly macs: readonly (readonly [mac: string, packets: number])[];
  /** Packets for group addresses. */
  readonly groupPackets: number;
  readonly tcpPackets: number;
  readonly udpPackets: number;
  /** UDP fragments, and the flows with whole datagrams between the same two addresses. */
  readonly udpFragments: number;
  readonly fragmentedPairs: number;
  /** Packets of flows whose opposite direction was seen, too. */
  readonly twoWayPackets: number;
  /** Of the pairs of opposite flows, those that the first rss policy puts on different queues; null without one. */
  readonly pairs: number;
  readonly splitPairs: number | null;
  /** The largest flows: names, and shares of the packets. */
  readonly largestFlows: readonly { readonly flow: string; readonly share: number }[];
  /** Of the rss policies, those that hash UDP by addresses alone. */
  readonly ports: readonly PortsFacts[];
  /** Some rss policy hashes UDP ports. */
  readonly hashesPorts: boolean;
  readonly tunnels: TunnelFacts;
}

/** Growing array of small numbers by flow. */
class ByFlow {
  #values = new Int32Array(4096).fill(-1);

  set(flow: number, value: number): void {
    if (flow >= this.#values.length) {
      const grown = new Int32Array(2 ** Math.ceil(Math.log2(flow + 1))).fill(-1);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[flow] = value;
  }

  get(flow: number): number {
    return this.#values[flow] ?? -1;
  }
}

/** UDP types that a policy lacks though it hashes the addresses of that IP version. */
function lackingPorts({ spec, profile }: RssSteering): HashTypeName[] {
  const types = spec.types ?? profile.types;
  return ([4, 6] as const)
    .filter((version) => types.includes(`ipv${version}`) && !types.includes(`udp-ipv${version}`))
    .map((version) => `udp-ipv${version}` as const);
}

function withPorts(steering: RssSteering, workers: number): PortsFacts[] {
  const lacking = lackingPorts(steering);
  if (lacking.length === 0 || steering.queues < 2) return [];
  const { spec, profile } = steering;
  const types = [...(spec.types ?? profile.types), ...lacking];
  try {
    const changed = compilePolicy({ ...spec, types }, { workers }) as RssSteering;
    const loads = () => new Float64Array(steering.queues);
    return [{ steering, changed, before: loads(), after: loads() }];
  } catch (error) {
    // Together with what else the policy says they do not go.
    if (error instanceof UserError) return [];
    throw error;
  }
}

class Gatherer {
  readonly buckets: BucketHalves[];
  readonly ports: readonly PortsFacts[];
  readonly macs = new Map<number, number>();
  readonly tunnelKinds = new Map<string, number>();
  readonly outerLoads: Float64Array;
  readonly innerLoads: Float64Array;
  readonly queueOf = new ByFlow();
  readonly fragmentFlows = new Set<number>();
  group = 0;
  tcp = 0;
  udp = 0;
  udpFragments = 0;
  inTunnels = 0;
  mirrored = 0;
  #seen = 0;
  readonly #inner = new InnerPacket();
  readonly #outerRss: RssSteering;
  readonly #innerRss: RssSteering;

  constructor(
    policies: readonly RssSteering[],
    queues: number,
    private readonly half: number,
  ) {
    this.buckets = policies.map((steering) => ({
      steering,
      first: new Float64Array(steering.table.size),
      second: new Float64Array(steering.table.size),
    }));
    this.ports = policies.flatMap((steering) => withPorts(steering, steering.workers));
    this.#outerRss = rss({ policy: 'rss', queues });
    this.#innerRss = rss({ policy: 'rss', queues, inner: [...TUNNEL_NAMES] });
    this.outerLoads = new Float64Array(queues);
    this.innerLoads = new Float64Array(queues);
  }

  take(burst: Burst, flow: Int32Array, from: number): void {
    const { n, kind, bucket, rxq } = burst;
    const isFirst = this.#seen < this.half;
    this.#seen += n;
    for (const [p, { steering, first, second }] of this.buckets.entries()) {
      steering.steer(burst);
      const loads = isFirst ? first : second;
      for (let i = 0; i < n; i++) {
        if (bucket[i]! >= 0) loads[bucket[i]!]!++;
        if (p === 0 && flow[from + i]! >= 0) this.queueOf.set(flow[from + i]!, rxq[i]!);
      }
    }
    for (const { steering, changed, before, after } of this.ports) {
      steering.steer(burst);
      for (let i = 0; i < n; i++) before[rxq[i]!]!++;
      changed.steer(burst);
      for (let i = 0; i < n; i++) after[rxq[i]!]!++;
    }
    let tunnelled = 0;
    for (let i = 0; i < n; i++) {
      const bits = kind[i]!;
      this.#countMac(burst, i, bits);
      const protocol = (bits >>> Kind.protocolShift) & 0xff;
      if (protocol === Protocol.tcp) this.tcp++;
      else if (protocol === Protocol.udp) {
        this.udp++;
        if ((bits & Kind.fragment) !== 0 && flow[from + i]! >= 0) {
          this.udpFragments++;
          this.fragmentFlows.add(flow[from + i]!);
        }
      }
      if (findInner(burst, i, ALL_TUNNELS, this.#inner)) {
        const name = TUNNEL_NAMES[this.#inner.tunnel]!;
        this.tunnelKinds.set(name, (this.tunnelKinds.get(name) ?? 0) + 1);
        if (this.#inner.isMirrored) this.mirrored++;
        tunnelled++;
      }
    }
    if (tunnelled > 0) this.#countTunnels(burst, tunnelled);
  }

  #countMac(burst: Burst, i: number, bits: number): void {
    if ((bits & Kind.group) !== 0) {
      this.group++;
      return;
    }
    const mac = burst.dmacHi[i]! * HALF + (burst.dmacLo[i]! >>> 0);
    // All zero: a capture without link layer.
    if (mac !== 0) this.macs.set(mac, (this.macs.get(mac) ?? 0) + 1);
  }

  #countTunnels(burst: Burst, tunnelled: number): void {
    this.inTunnels += tunnelled;
    const { n, rxq } = burst;
    for (const [steering, loads] of [
      [this.#outerRss, this.outerLoads],
      [this.#innerRss, this.innerLoads],
    ] as const) {
      steering.steer(burst);
      for (let i = 0; i < n; i++) {
        if (findInner(burst, i, ALL_TUNNELS, this.#inner)) loads[rxq[i]!]!++;
      }
    }
  }
}

function rss(policy: object): RssSteering {
  return compilePolicy(parsePolicy(policy)) as RssSteering;
}

function macText(mac: number): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
}

/** Flow texts with the ends exchanged: `tcp a > b` and `tcp b > a`. */
function endsOf(text: string): { readonly key: string; readonly back: string; readonly pair: string } {
  const [protocol, source, , destination] = text.split(' ') as [string, string, string, string];
  const host = (end: string) => end.replace(/:\d+$/, '');
  return {
    key: text,
    back: `${protocol} ${destination} > ${source}`,
    pair: `${host(source)} ${host(destination)}`,
  };
}

function directions(flows: FlowView, gatherer: Gatherer) {
  const numbers = new Map<string, number>();
  for (let flow = 0; flow < flows.count; flow++) numbers.set(flows.text(flow), flow);
  const fragmentPairs = new Set([...gatherer.fragmentFlows].map((flow) => endsOf(flows.text(flow)).pair));
  let twoWayPackets = 0;
  let pairs = 0;
  let split = 0;
  let fragmented = 0;
  for (const [key, flow] of numbers) {
    const { back, pair } = endsOf(key);
    if (key.startsWith('udp ') && fragmentPairs.has(pair)) fragmented++;
    const other = numbers.get(back);
    if (other === undefined || other === flow) continue;
    twoWayPackets += flows.packets(flow);
    // Each pair once.
    if (other < flow) continue;
    pairs++;
    if (gatherer.queueOf.get(flow) !== gatherer.queueOf.get(other)) split++;
  }
  return { twoWayPackets, pairs, split, fragmented };
}

/**
 * Reads the captures once more.
 * @param packets packets that they hold (what the replay counted)
 * @param specs the rss policies whose tables are looked at
 * @param queues queues to judge tunnels by
 * @param choice which packets count, as in the replay
 * @throws UserError where a capture cannot be read any more.
 */
export async function gatherFacts(
  files: readonly string[],
  packets: number,
  specs: readonly RssSpec[],
  workers: number | null,
  queues: number,
  choice: PacketChoice = {},
  signal?: AbortSignal,
): Promise<AdviceFacts> {
  const steerings = specs.map(
    (spec) => compilePolicy(spec, workers === null ? {} : { workers }) as RssSteering,
  );
  const gatherer = new Gatherer(steerings, queues, packets / 2);
  let burst: Burst | null = null;
  const each = (chunk: Chunk) => {
    burst ??= new Burst(chunk.bytes);
    for (let from = 0; from < chunk.n; from += burst.n) {
      chunk.load(burst, from, Number.POSITIVE_INFINITY);
      dissectBurst(burst);
      gatherer.take(burst, chunk.flow, from);
    }
  };
  const end = await ingestHere(files, {}, each, choice, signal);
  return summarise(gatherer, end.flows, end.facts.packets);
}

function summarise(gatherer: Gatherer, records: FlowRecords, packets: number): AdviceFacts {
  const flows = new FlowView(records);
  const { twoWayPackets, pairs, split, fragmented } = directions(flows, gatherer);
  const largest = flows.largest(LARGEST);
  const macs = [...gatherer.macs].sort(([, a], [, b]) => b - a);
  return {
    packets,
    buckets: gatherer.buckets,
    macs: macs.map(([mac, count]) => [macText(mac), count]),
    groupPackets: gatherer.group,
    tcpPackets: gatherer.tcp,
    udpPackets: gatherer.udp,
    udpFragments: gatherer.udpFragments,
    fragmentedPairs: fragmented,
    twoWayPackets,
    pairs,
    splitPairs: gatherer.buckets.length === 0 ? null : split,
    largestFlows: largest.map((flow) => ({
      flow: flows.text(flow),
      share: flows.packets(flow) / Math.max(1, packets),
    })),
    ports: gatherer.ports,
    hashesPorts: gatherer.buckets.some(({ steering: { spec, profile } }) =>
      (spec.types ?? profile.types).some((type) => type.startsWith('udp-')),
    ),
    tunnels: {
      packets: gatherer.inTunnels,
      kinds: gatherer.tunnelKinds,
      mirrored: gatherer.mirrored,
      outerLoads: gatherer.outerLoads,
      innerLoads: gatherer.innerLoads,
    },
  };
}
