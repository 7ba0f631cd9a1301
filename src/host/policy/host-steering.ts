/**
 * `host:DEV` as a compiled policy: the CPU that a host gives a packet of a device, as it is set now.
 *
 * Promise: the NIC's hash and table choose the queue, the queue's interrupt the CPU that receives, RPS of that queue the CPU
 * that processes: worker w is CPU w. What the host does not tell was given, or stands in `assumed`. One thread.
 *
 * RPS takes the hash of the NIC where that covers ports (`skb->l4_hash`); else the kernel hashes by itself, with a key that
 * nobody can read.
 */
import { rscale } from '../../linux/arith.js';
import { LinuxFlowHash } from '../../linux/flow-hash.js';
import type { LinuxBehaviour } from '../../linux/version.js';
import { hashesPorts } from '../../nic/hash-types.js';
import { type Burst, Field } from '../../packet/burst.js';
import type { RssSteering } from '../../policy/rss.js';
import type { PolicySpec } from '../../policy/spec.js';
import { type Decision, decisionOf, type Steering } from '../../policy/steering.js';

/** What was read of a queue. */
export interface HostQueue {
  /** CPU that its interrupt goes to. */
  readonly cpu: number;
  /** CPUs of its RPS map, in the map's order; empty: off. */
  readonly rps: readonly number[];
}

/** Everything that decides. */
export interface HostPath {
  readonly text: string;
  readonly device: string;
  /** CPU ids are below this. */
  readonly cpus: number;
  readonly online: readonly number[];
  /** Null: one queue, and nothing chooses. */
  readonly rss: RssSteering | null;
  readonly queues: readonly HostQueue[];
  /** The NIC's hash comes with the packet (`ethtool -K rxhash on`). */
  readonly hashGiven: boolean;
  /** 16 bytes that stand for the kernel's key. */
  readonly key: Uint8Array;
  /** Of the host's kernel. */
  readonly behaviour: LinuxBehaviour;
  readonly assumed: readonly string[];
}

/** See above. */
export class HostSteering implements Steering {
  readonly spec: PolicySpec;
  readonly text: string;
  readonly workers: number;
  readonly queues: number;
  readonly assumed: readonly string[];
  readonly #path: HostPath;
  readonly #hash: LinuxFlowHash;
  readonly #online: ReadonlySet<number>;

  constructor(path: HostPath) {
    this.#path = path;
    this.text = path.text;
    this.workers = path.cpus;
    this.queues = path.queues.length;
    this.assumed = path.assumed;
    this.#hash = new LinuxFlowHash(path.key, { canonical: path.behaviour.canonical });
    this.#online = new Set(path.online);
    const isNic = path.queues.every(({ rps }) => rps.length === 0);
    // It is none of the policies that can be written; what generic code asks of a policy is here.
    this.spec = { policy: 'single', text: path.text, order: 'linux', stage: isNic ? 'nic' : 'cpu', seed: 1 };
  }

  /** The hash that RPS would take of a frame that was steered by the NIC. */
  #rpsHash(burst: Burst, i: number): { readonly value: number; readonly isNics: boolean } {
    const { rss, hashGiven } = this.#path;
    const isNics = rss !== null && hashGiven && hashesPorts(burst.hashType[i]!) && burst.hash[i] !== 0;
    const value = isNics ? burst.hash[i]! : this.#hash.hashFrame(burst.bytes, burst.off[i]!, burst.len[i]!);
    return { value, isNics };
  }

  steer(burst: Burst): void {
    const { rss, queues } = this.#path;
    const { n, words, worker, rxq } = burst;
    if (rss === null) {
      for (const field of [Field.hash, Field.hashType, Field.rxq]) words.fill(0, field, field + n);
      words.fill(-1, Field.bucket, Field.bucket + n);
    } else rss.steer(burst);
    for (let i = 0; i < n; i++) {
      const { cpu, rps } = queues[rxq[i]!]!;
      worker[i] = cpu;
      if (rps.length === 0) continue;
      const target = rps[rscale(this.#rpsHash(burst, i).value, rps.length)]!;
      // An offline CPU of the map: the packet stays where it is.
      if (this.#online.has(target)) worker[i] = target;
    }
  }

  decision(burst: Burst, i: number): Decision {
    const { rss, queues, device } = this.#path;
    const queue = burst.rxq[i]!;
    const chosen = rss === null ? null : rss.decision(burst, i);
    const { cpu, rps } = queues[queue]!;
    const first = chosen === null ? `${device} has one receive queue` : chosen.reason;
    const parts = [first, `queue ${queue} is received on CPU ${cpu}`];
    if (rps.length === 0) parts.push(`no RPS on rx-${queue}`);
    else {
      const { value, isNics } = this.#rpsHash(burst, i);
      const index = rscale(value, rps.length);
      const whose = isNics ? 'the NIC’s hash' : 'the kernel’s hash (key assumed)';
      const target = rps[index]!;
      const stays = this.#online.has(target) ? '' : `, which is offline: it stays on CPU ${cpu}`;
      parts.push(
        `RPS of rx-${queue} takes ${whose}: (hash * ${rps.length}) >> 32 = ${index} -> CPU ${target}${stays}`,
      );
    }
    return decisionOf(burst, i, chosen?.hash ?? null, parts.join('; '), true);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }
}
