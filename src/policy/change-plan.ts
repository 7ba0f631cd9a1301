/**
 * The plan of a change of policy, as data: what moves, and what it costs.
 *
 * Promise: plain data that can be posted and printed; `plan.ts` makes it, `plan-text.ts` puts it into words.
 */
import type { BucketMove } from '../nic/table-tools.js';

/** Load of each worker in packets of the census, and two measures of unevenness. */
export interface Balance {
  readonly workers: number[];
  readonly fullestOverFair: number;
  readonly gini: number;
}

/** A guest whose packets are processed elsewhere afterwards. */
export interface GuestMove {
  readonly mac: string;
  /** VLAN id, 0 where untagged. */
  readonly vlan: number;
  /** Workers that process its packets, ascending. */
  readonly from: number[];
  readonly to: number[];
}

/** An owner to be set. */
export interface OwnerMove {
  readonly mac: string;
  /** Null: on every VLAN. */
  readonly vlan: number | null;
  /** Null where it had none. */
  readonly from: number | null;
  readonly to: number;
}

/** What would move, and what it costs. Plain data. */
export interface ChangePlan {
  readonly method: 'none' | 'table' | 'owners' | 'policy';
  /** The new policy as it was given. */
  readonly policy: string;
  /** Entries of the indirection table that change; null where the two policies have no comparable table. */
  readonly buckets: { readonly total: number; readonly moves: BucketMove[] } | null;
  /** Owners to be set, with the method `owners`. */
  readonly owners: OwnerMove[];
  readonly flows: { readonly seen: number; readonly moved: number };
  readonly guests: { readonly seen: number; readonly moved: GuestMove[] };
  readonly packets: { readonly seen: number; readonly moved: number };
  /** Share of the packets that belong to flows that move. */
  readonly share: number;
  readonly before: Balance;
  readonly after: Balance;
  readonly cost: {
    /** Receive queues are drained before the switch. */
    readonly quiesce: boolean;
    /** Buckets or guests that are moved one by one. */
    readonly steps: number;
    readonly budget: number | null;
    /** Time that the steps take at the budget; 0 when all go at once. */
    readonly seconds: number;
  };
  /** Buckets, guests and flows of the freeze list that the change would have moved. */
  readonly held: number;
  /** Guests and flows of the freeze list of which nothing was seen: they are not held. */
  readonly unseen: string[];
  /** All of this in plain words, one line each. */
  readonly words: string[];
}
