/**
 * Two policies over one census: where each flow is now, and where it would be.
 *
 * Promise: pure; policies are compiled anew in memory of their own, with the owners that the running one has. Flows
 * that a policy with state (rfs, js, round-robin) steers now are where they were seen.
 */
import { isDeepStrictEqual } from 'node:util';
import { placeFlows, type SeenFlow } from './census.js';
import { compilePolicy, policyBytes } from './compile.js';
import { MacSteering } from './mac.js';
import { carryOwners, type GuestOwner, restoreOwners } from './owners.js';
import { RssSteering } from './rss.js';
import type { MacSpec, PolicySpec, RssSpec } from './spec.js';
import type { PolicyPort, Steering } from './steering.js';

/** What runs now. */
export interface RunningState {
  /** The policy with all that was changed since it was given (`withEntries`). */
  readonly policy: PolicySpec;
  readonly workers: number;
  readonly ports?: readonly PolicyPort[];
  readonly flows: readonly SeenFlow[];
  /** Guests and their owners, where the running policy is `mac`. */
  readonly owners?: readonly GuestOwner[];
  /**
   * In a forwarder, the worker that polls a receive queue: with stage=nic it keeps the frame, since the port has chosen
   * its queue; -1 = the port chooses by the policy. Absent = the policy itself stands for the NIC.
   */
  readonly poller?: (port: number, queue: number) => number;
}

/** An rss policy with this table: what runs after entries were set one by one. */
export function withEntries(spec: RssSpec, entries: ArrayLike<number>, queues: number): RssSpec {
  const { weight: _w, equal: _e, start: _s, table: _t, ...rest } = spec;
  return { ...rest, queues, entries: Array.from(entries) };
}

/** True where policies keep no flow on a worker, or state that a fresh instance does not have. */
function isStateful(spec: PolicySpec): boolean {
  return spec.policy === 'round-robin' || spec.policy === 'rfs' || spec.policy === 'js';
}

/** All that decides, without the words. */
export function decides(spec: PolicySpec): object {
  const { text: _, order: _o, ...rest } = spec;
  return JSON.parse(JSON.stringify(rest));
}

/** Same policy, also in what it promises of order. */
export function isSame(a: PolicySpec, b: PolicySpec): boolean {
  return a.order === b.order && isDeepStrictEqual(decides(a), decides(b));
}

/** Both hash alike, so that a bucket is the same flows in both. */
export function sharesBuckets(a: Steering, b: Steering): boolean {
  if (!(a instanceof RssSteering) || !(b instanceof RssSteering)) return false;
  return (
    a.nic === null &&
    b.nic === null &&
    a.table.size === b.table.size &&
    isDeepStrictEqual(a.rssHash.options, b.rssHash.options) &&
    isDeepStrictEqual(a.spec.inner, b.spec.inner)
  );
}

/** Two policies over one census. */
export class Comparison {
  readonly from: Steering;
  readonly before: Int32Array;
  /** Per target: `moves` asks for every flow, and comparing takes microseconds. */
  readonly #same = new WeakMap<PolicySpec, boolean>();

  constructor(readonly running: RunningState) {
    const { policy, workers, flows } = running;
    this.from = this.compile(policy);
    if (this.from instanceof MacSteering) restoreOwners(this.from, running.owners ?? []);
    this.before = isStateful(policy)
      ? Int32Array.from(flows, (flow) => Math.min(flow.worker, workers - 1))
      : this.place(this.from);
  }

  #isSame(target: PolicySpec): boolean {
    let same = this.#same.get(target);
    if (same === undefined) {
      same = isSame(this.running.policy, target);
      this.#same.set(target, same);
    }
    return same;
  }

  compile(spec: PolicySpec): Steering {
    const { ports, workers } = this.running;
    const shared = new SharedArrayBuffer(policyBytes(spec));
    return compilePolicy(spec, {
      workers,
      shared,
      faults: 'count',
      ...(ports === undefined ? {} : { ports }),
    });
  }

  /** Where a compiled policy puts every flow. */
  place(steering: Steering): Int32Array {
    const { flows, poller } = this.running;
    if (steering.spec.stage === 'nic' && poller !== undefined) {
      const placed = placeFlows(steering, flows).worker;
      return Int32Array.from(flows, (flow, i) => {
        const by = poller(flow.port, flow.queue);
        return by < 0 ? placed[i]! : by;
      });
    }
    return placeFlows(steering, flows).worker;
  }

  /** The new policy, compiled, with the owners that it would find. */
  compileTarget(target: PolicySpec): Steering {
    const steering = this.compile(target);
    if (steering instanceof MacSteering && this.from instanceof MacSteering) {
      carryOwners(steering, this.running.owners ?? [], this.from.spec as MacSpec);
    }
    return steering;
  }

  /** Where the flows are afterwards. */
  after(target: PolicySpec, steering: Steering): Int32Array {
    return this.#isSame(target) ? this.before : this.place(steering);
  }

  /** True for a policy that has no worker for a flow. */
  scatters(spec: PolicySpec): boolean {
    return spec.policy === 'round-robin' && !(spec.stage === 'nic' && this.running.poller !== undefined);
  }

  /** True for a flow that has another worker afterwards; round-robin has no worker for a flow. */
  moves(target: PolicySpec, after: Int32Array, i: number): boolean {
    if (this.#isSame(target)) return false;
    return this.scatters(this.running.policy) || this.scatters(target) || after[i] !== this.before[i];
  }
}
