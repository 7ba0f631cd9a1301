/**
 * What was made, counted from the flow table after the last packet.
 *
 * Promise: the numbers are those that a replay of the capture gives: flows are directed outer 5-tuples, with ports
 * 0 for fragments. Exact, also where flows share a tuple (tunnels, protocols without ports).
 */
import { Burst, Kind } from '../packet/burst.js';
import { dissectBurst, dissectFrom } from '../packet/dissect.js';
import { Seen, type TrafficMaker } from './maker.js';
import { TupleSet } from './tuple-ids.js';

/** The load of the queues under the policy of the imbalance. */
export interface MadeImbalance {
  readonly policy: string;
  readonly queue: number;
  /** Share of the hot queue in all packets. */
  readonly share: number;
  /** Packets by queue (worker, for rps). */
  readonly queues: readonly number[];
}

/** What a capture made of traffic contains. */
export interface MadeSummary {
  readonly packets: number;
  /** On the wire. */
  readonly bytes: number;
  /** Directed outer 5-tuples, as `rxsteer replay` counts them. */
  readonly flows: number;
  /** Directed 5-tuples of the packets inside tunnels. */
  readonly innerFlows: number;
  /** Guests that have packets. */
  readonly guests: number;
  readonly fragments: number;
  /** Packets inside tunnels that are fragments. */
  readonly innerFragments: number;
  readonly vlanTagged: number;
  /** From the first packet to the last, on the capture's clock. */
  readonly seconds: number;
  readonly imbalance: MadeImbalance | null;
}

/** Counts after the last packet. `bytes` and the time of the last packet are the caller's. */
export function summarizeMade(maker: TrafficMaker, bytes: number): MadeSummary {
  const { flows, plan, seen, targets, counts } = maker;
  const outer = new TupleSet();
  const inner = new TupleSet();
  const guests = new Uint8Array(plan.guests);
  let present = 0;
  const burst = new Burst(flows.pool);
  for (let entry = 0; entry < seen.length; entry++) {
    const bits = seen[entry]!;
    if (bits === 0) continue;
    const guest = flows.guestOf(Math.floor(entry / flows.ways));
    if (guests[guest] === 0) present++;
    guests[guest] = 1;
    const template = flows.templates[flows.kinds[entry]!]!;
    const { kind, l3 } = template;
    const off = entry * flows.stride;
    burst.n = 0;
    burst.add(off, flows.lengthOf(entry));
    dissectBurst(burst);
    if (kind.tunnel === null) {
      addBoth(outer, burst, bits);
      continue;
    }
    outer.addFrame(burst, 0);
    const ethertype = kind.version === 4 ? 0x0800 : 0x86dd;
    dissectFrom(burst, 0, ethertype, off + l3, off + flows.lengthOf(entry), 0);
    addBoth(inner, burst, bits);
  }
  const queues = new Array<number>(targets?.queueCount ?? 0).fill(0);
  if (targets !== null) for (let f = 0; f < flows.n; f++) queues[targets.queues[f]!]! += counts[f]!;
  return {
    packets: maker.made,
    bytes,
    flows: outer.size,
    innerFlows: inner.size,
    guests: present,
    fragments: maker.fragments,
    innerFragments: maker.innerFragments,
    vlanTagged: plan.vlans > 0 ? maker.made : 0,
    seconds: maker.time / 1e9,
    imbalance:
      targets === null
        ? null
        : {
            policy: targets.steering.text,
            queue: plan.imbalance!.queue,
            share: queues[plan.imbalance!.queue]! / Math.max(1, maker.made),
            queues,
          },
  };
}

/** The tuple with ports where the flow has whole packets, the one without where it has fragments. */
function addBoth(set: TupleSet, burst: Burst, bits: number): void {
  if ((bits & Seen.whole) !== 0) set.addFrame(burst, 0);
  if ((bits & Seen.fragment) === 0) return;
  burst.kind[0]! &= ~Kind.ports;
  set.addFrame(burst, 0);
}
