/**
 * `GET /flows`: the flows that bring most at this moment.
 *
 * Promise: plain data, the heaviest first; counts are of the census window (one to two seconds). Costs a pass over the slots
 * of the order ledger on the main thread, the workers nothing.
 */
import type { LiveEngine } from '../dataplane/engine/changes.js';
import type { EnginePlan } from '../dataplane/shared/plan.js';
import { describeFrame } from '../packet/describe.js';
import { flowName } from '../packet/flow-name.js';
import { forEachBurst, nameFlows } from '../policy/census.js';

/** Flows that are told at most. */
export const FLOWS_MAX = 1000;

/** A flow, for people and to be asked about. */
export interface HeavyFlow {
  /** `udp 10.0.0.1:1000 > 10.0.0.2:53`; `ethertype 0x0806` for what is not IP. */
  readonly flow: string;
  /** Destination, null for group addresses; VLAN id, 0 where untagged. */
  readonly mac: string | null;
  readonly vlan: number;
  /** Where it is received, and the worker that its last frame went to. */
  readonly port: string;
  readonly queue: number;
  readonly worker: number;
  readonly packets: number;
  /** Several flows that share a slot, named after one of them. */
  readonly shared: boolean;
}

export interface HeavyFlows {
  readonly windowMs: number;
  /** All flows that had a frame in it, and their frames. */
  readonly seen: number;
  readonly packets: number;
  readonly flows: readonly HeavyFlow[];
}

/** @param most flows that are told */
export function heavyFlows(
  engine: Pick<LiveEngine, 'heaviest'> & { readonly plan: EnginePlan },
  most: number,
): HeavyFlows {
  const { windowMs, seen, packets, flows } = engine.heaviest(most);
  const names = nameFlows(flows, { texts: false });
  const texts: string[] = [];
  forEachBurst(flows, (burst) => {
    for (let i = 0; i < burst.n; i++) texts.push(flowName(describeFrame(burst, i)));
  });
  return {
    windowMs: Math.round(windowMs),
    ...{ seen, packets },
    flows: flows.map((flow, f) => ({
      flow: texts[f]!,
      mac: names[f]!.mac,
      vlan: names[f]!.vlan,
      port: engine.plan.ports[flow.port]?.name ?? '',
      ...{ queue: flow.queue, worker: flow.worker, packets: flow.packets, shared: flow.shared },
    })),
  };
}
