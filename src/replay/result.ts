/**
 * What a replay tells: one object for `rxsteer replay --json`, the HTML report and the sweep.
 *
 * Promise: plain data (JSON in, JSON out), no typed arrays; absent values are null. The fields that the command line
 * prints are stable; more may be added. Counts of packets are what was steered, before any drop on virtual time.
 */
import type { HashTypeName } from '../nic/hash-types.js';
import type { ChoiceFacts } from './choice.js';
import type { Counted } from './counted.js';

/** The capture, or all captures, that were replayed: the packets that count. */
export interface CaptureFacts extends ChoiceFacts {
  readonly files: number;
  readonly packets: number;
  /** Bytes on the wire. */
  readonly bytes: number;
  /** Directed 5-tuples (ports 0 for fragments, VLANs ignored, what is not IP left out). */
  readonly flows: number;
  /** Packets that were captured shorter than they were. */
  readonly truncated: number;
  /** Packets without a readable IP header. */
  readonly notIp: number;
  readonly fragments: number;
  /** Packets with at least one VLAN tag. */
  readonly vlanTagged: number;
  /** When the first packet was recorded (ISO 8601, UTC); null without timestamps. */
  readonly start: string | null;
  /** Seconds of the capture's clock from the first to the last packet. */
  readonly seconds: number;
  /** Different destination MAC addresses, without group addresses. */
  readonly destinationMacs: number;
  /** The reading was stopped: everything here is about what was read before. */
  readonly interrupted: boolean;
  /** What could not be read, and what was left out unasked, one line each. */
  readonly warnings: readonly string[];
}

/** What one queue or worker got. */
export interface ReplayShare {
  readonly id: number;
  readonly packets: number;
  /** Bytes on the wire. */
  readonly bytes: number;
  readonly flows: number;
}

/** What one worker got, and how busy that kept it on virtual time. */
export interface WorkerLoad extends ReplayShare {
  /** Time that the service-time model took, over the time from the first packet to the last (above 1 = overloaded). */
  readonly busyRatio: number;
}

/** Changes of a flow's worker. */
export interface FlowMoves {
  readonly total: number;
  /** While an earlier packet of the flow was not finished on the old worker: these can reorder. */
  readonly inFlight: number;
  /** Put off by `order=strict` (rfs counts its own holds as no move). */
  readonly held: number;
}

/** One of the largest flows. */
export interface FlowFact {
  /** As `rxsteer explain --flow` takes it: `tcp 192.0.2.1:1000 > 192.0.2.2:80`. */
  readonly flow: string;
  readonly packets: number;
  readonly bytes: number;
  /** Queue and worker of its last packet; queue is null where the policy has none. */
  readonly queue: number | null;
  readonly worker: number;
  /** Share of all packets. */
  readonly share: number;
}

/** Packets that finished after a later one of their flow (RFC 4737). */
export interface ReorderFacts {
  readonly packets: number;
  /** Of the packets that belong to flows (IP). */
  readonly ratio: number;
  /** Largest reordering extent. */
  readonly maxExtent: number;
}

/** Load over time: `loads[i][w]` packets of worker w in interval i. */
export interface LoadOverTime {
  readonly intervalSeconds: number;
  readonly loads: readonly (readonly number[])[];
}

/** A policy's outcome had the NIC been otherwise than was assumed. */
export interface OtherOutcome {
  /** What is otherwise. */
  readonly what: string;
  readonly queues: readonly ReplayShare[];
  readonly fullestOverFair: number;
  readonly gini: number;
}

/** One policy's result. */
export interface PolicyResult {
  /** As it was given, without its label. */
  readonly policy: string;
  /** The name that was put before it (`mine=rss:queues=8`), or null. */
  readonly label: string | null;
  readonly queues: readonly ReplayShare[];
  readonly workers: readonly WorkerLoad[];
  /** Packets by index into the indirection table or CPU list; empty where there is no such step. */
  readonly buckets: readonly number[];
  /** Over workers, by packets, idle ones included. */
  readonly fullestOverFair: number;
  readonly gini: number;
  readonly handoffsPerPacket: number;
  readonly wakeupsPerPacket: number;
  readonly reordered: ReorderFacts;
  readonly moves: FlowMoves;
  readonly hashTypes: Partial<Record<HashTypeName | 'mac', number>>;
  /** Packets that found a backlog full on virtual time (they are counted as steered too). */
  readonly backlogDrops: number;
  /** On virtual time. */
  readonly overTime: LoadOverTime;
  /** The largest flows, largest first. */
  readonly topFlows: readonly FlowFact[];
  /** Flows with more packets than a worker's fair share of all. */
  readonly elephants: number;
  /** Flows (of those of the first policy) that have another queue, or worker, than under the first policy. */
  readonly flowsMoved: number | null;
  /** What is not known of the NIC and was taken to be so, as far as it concerns this traffic; one sentence each. */
  readonly assumed: readonly string[];
  /** Where UDP was assumed to be hashed by ports (or by addresses only): the outcome if it is not so; else null. */
  readonly otherwise: OtherOutcome | null;
  /** Beside what a NIC counted, where its counters were given. */
  readonly counted?: Counted;
}

/** A piece of advice: a finding in words, and what to type. */
export interface Advice {
  /** Stable name of the finding, for example `fragments-split`. */
  readonly id: string;
  readonly severity: 'info' | 'hint' | 'warning';
  readonly text: string;
  /** Ready to paste: shell commands or an rxsteer policy; may be empty. */
  readonly commands: readonly string[];
}

/** Everything that a replay found out. */
export interface ReplayResult {
  readonly capture: CaptureFacts;
  readonly policies: readonly PolicyResult[];
  readonly advice: readonly Advice[];
  /** The service-time model and clock that the virtual time used, in words. */
  readonly model: string;
}
