/**
 * The face of a compiled policy: what the worker loop, replay and explain call.
 *
 * Promise of every implementation: `steer` fills worker, hash, hashType, bucket and rxq of all frames of a
 * dissected burst, allocates nothing, never throws, and is a pure function of the policy, the seed and the frames
 * it was given before (and, where it says so, of the owner table in shared memory). One instance belongs to one
 * worker thread.
 */
import type { HashKernels } from '../hash/kernel.js';
import type { HashDetails } from '../nic/rss-hash.js';
import type { Burst } from '../packet/burst.js';
import type { PolicySpec } from './spec.js';

export type { HashDetails };

/** One decision with everything that led to it. Absent values are null. */
export interface Decision {
  readonly hash: HashDetails | null;
  readonly bucket: number | null;
  readonly queue: number | null;
  readonly worker: number;
  /** In words, one line. */
  readonly reason: string;
}

/** A compiled policy: `steer` for bursts, `explain` and `decision` for people. */
export interface Steering {
  /** The validated policy, defaults filled. */
  readonly spec: PolicySpec;
  /** The policy as the user gave it. */
  readonly text: string;
  readonly workers: number;
  /** Queues that the policy knows; 1 where it knows none. */
  readonly queues: number;
  /**
   * What it says of TCP, UDP and SCTP packets over plain IPv4 (no options, no fragment, ports readable) follows from
   * addresses, ports, protocol and the one VLAN tag, if there is any: whoever knows the flow need not ask again.
   */
  readonly isByFlow?: boolean;
  /** Fills worker, hash, hashType, bucket and rxq of a dissected burst. */
  steer(burst: Burst): void;
  /** The decision about frame `i`, after `steer`. Not for the hot path. */
  decision(burst: Burst, i: number): Decision;
  /** `decision().reason`. */
  explain(burst: Burst, i: number): string;
  /**
   * Tells the time by which addresses age, in seconds of a clock that all workers share: now and then, between two
   * bursts. Without it nothing ages, as in a replay.
   */
  tick?(seconds: number): void;
  /** `steer` learns from frames of this port: it is asked for them also where something else has chosen their worker. */
  learnsFrom?(port: number): boolean;
  /** What went wrong while steering and was only counted, one line; null where nothing did. */
  complaint?(): string | null;
}

/** A port as policies see it. */
export interface PolicyPort {
  readonly name: string;
}

/** What is known of the machine that a policy is compiled for. */
export interface CompileOptions {
  /** Default: `defaultWorkers(spec)`. */
  readonly workers?: number;
  /** The worker whose thread compiles it; default: the control thread. */
  readonly worker?: number;
  /** Ports by index; without them the names of ports in a policy are not looked up. */
  readonly ports?: readonly PolicyPort[];
  /** State that all workers of a forwarder share, `policyBytes()` long and zeroed; default: the instance's own. */
  readonly shared?: SharedArrayBuffer;
  /** What the fault of a user's policy does: an error (default), or it is counted and the frame goes on. */
  readonly faults?: 'throw' | 'count';
  /** Native hashing (`nativeHashKernels()`), or why there is none; default: tables. */
  readonly kernels?: HashKernels | string;
}

/** What compilation hands to each policy. */
export interface CompileContext {
  readonly workers: number;
  /** Undefined in the control thread. */
  readonly worker?: number;
  /** Null where they are not known. */
  readonly ports: readonly PolicyPort[] | null;
  readonly shared: SharedArrayBuffer | null;
  readonly faults: 'throw' | 'count';
  /** Undefined where the caller did not say: tables. */
  readonly kernels?: HashKernels | string;
}

/** `decision()` with the parts that all policies fill alike. */
export function decisionOf(
  burst: Burst,
  i: number,
  hash: HashDetails | null,
  reason: string,
  hasQueues: boolean,
): Decision {
  const bucket = burst.bucket[i]!;
  return {
    hash,
    bucket: bucket < 0 ? null : bucket,
    queue: hasQueues ? burst.rxq[i]! : null,
    worker: burst.worker[i]!,
    reason,
  };
}
