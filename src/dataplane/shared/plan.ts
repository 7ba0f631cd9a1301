/**
 * The plan of an engine: what main thread and workers go by, as plain data.
 *
 * Promise: immutable. It is posted to the workers by structured clone; a live change makes another one (`config.ts`).
 * `engine/plan.ts` makes it from what the user asked for.
 */
import type { PolicySpec } from '../../policy/spec.js';
import type { OrderLimits } from '../order/guard.js';
import type { PortInfo } from './port-info.js';

export const LATENCIES = ['normal', 'low'] as const;
/** Whether workers sleep in the gaps of traffic, or poll on. */
export type Latency = (typeof LATENCIES)[number];

/** What all workers share. */
export interface EnginePlan {
  /** Workers that there can be: memory is laid out for them. Fixed while the engine runs. */
  readonly workers: number;
  /** Workers that run: 0 … active - 1. Policies steer to them, receive queues are polled by them. */
  readonly active: number;
  /** What memory is laid out for besides workers; fixed while the engine runs. */
  readonly room: PlanRoom;
  /** CPU to pin each worker to; -1 = not pinned. */
  readonly cpus: readonly number[];
  readonly ports: readonly PortInfo[];
  /** URL of the module that attaches workers to the ports of a kind, by the kind's name: of all that may yet be added. */
  readonly attachers: Readonly<Record<string, string>>;
  readonly mode: 'wire' | 'switch';
  /** The order that this run keeps. */
  readonly order: 'strict' | 'linux' | 'none';
  /** The order ledger watches flows: always, but for measuring what that costs. */
  readonly watches: boolean;
  /** Keys of flow tags, see `Burst.keyFlows`: secret, so that nobody can make two flows share a slot. */
  readonly flowKeys: Int32Array;
  /** Bounds of what order=strict makes frames wait. */
  readonly orderLimits: OrderLimits;
  readonly policy: PolicySpec;
  readonly policyText: string;
  /** Frames that may wait in one backlog ring. */
  readonly backlog: number;
  /** Slots of the pool, each worker's. */
  readonly smallPerWorker: number;
  readonly largePerWorker: number;
  /** Small slots beside them, for devices that receive into the pool; see `LentSlots`. */
  readonly lentSlots: number;
  /** Longest spin before sleeping, in microseconds. */
  readonly spinMaxUs: number;
  /** `low`: workers poll on while traffic comes, whatever `spinMaxUs` says. */
  readonly latency: Latency;
  /** Workers warm up before they report, see `worker/warm-up.ts`. */
  readonly warmUp: boolean;
  /** Frames taken from a receive queue at most before others get their turn. */
  readonly burst: number;
  /** Wall-clock milliseconds (performance.timeOrigin + now) that ageing counts from. */
  readonly originMs: number;
  /** For tests: throw at a stage of the loop, see `faults.ts`. */
  readonly fault: string | null;
}

/** Ports, receive queues and transmit queues (of all ports together) that there can be. */
export interface PlanRoom {
  readonly ports: number;
  readonly queues: number;
  readonly txQueues: number;
}

/** Number of the first receive queue of a port among all ports' queues. */
export function firstQueue(plan: EnginePlan, port: number): number {
  return plan.ports[port]!.firstQueue;
}

/** Index of the lock of a port's transmit queue. */
export function lockIndex(plan: EnginePlan, port: number, queue: number): number {
  return plan.ports[port]!.firstLock + queue;
}
