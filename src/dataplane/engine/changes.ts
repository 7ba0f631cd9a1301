/**
 * Changes to a running engine: what can be asked for, and what comes back.
 *
 * Promise: nothing needs a restart, and a change is all or nothing: what cannot be done is refused with one
 * `UserError` line before any worker hears of it, and everything is as it was. Changes are applied one after the
 * other, in the order of the calls. A change loses no frame and, under `order=strict`, reorders none.
 *
 * A change is a new `LiveConfig`, never a command: workers bring themselves to the newest one at a burst boundary
 * and acknowledge its epoch. So a worker that dies in between starts with the newest one, and nothing has to be
 * sent again. Where frames in flight could be overtaken (another policy, key or table size, another poller) each
 * worker first pauses its own receive queues, goes on draining and sending until all that it received is finished,
 * and only then switches; frames wait in the kernel, and the pause is reported.
 */
import type { PolicySpec } from '../../policy/spec.js';
import type { PortSpec } from '../ports/kinds.js';
import type { FlowSample, HeaviestFlows } from '../shared/flow-census.js';
import type { TraceEntry, TraceOptions } from '../shared/trace.js';
import { patience } from './patience.js';

/** What was changed. */
export type ChangeKind = 'policy' | 'table' | 'owner' | 'workers' | 'ports' | 'rollback';

/** How a change went. */
export interface ChangeReport {
  readonly kind: ChangeKind;
  /** In words, one line: `policy rss:queues=4 -> rps:cpus=0-1`. */
  readonly text: string;
  /** Number of the configuration that all workers have acknowledged; it grows by at least 1 with each change. */
  readonly epoch: number;
  /** From the call to the last worker's acknowledgement, in milliseconds. */
  readonly durationMs: number;
  /** How long each worker did not receive because of the change, in milliseconds; empty where none had to pause. */
  readonly pauses: readonly { readonly worker: number; readonly ms: number }[];
  /**
   * Workers that had not acknowledged when the wait was given up (`ACKNOWLEDGE_TIMEOUT_MS`): the change is not undone,
   * they follow as soon as they can. Empty in all ordinary cases.
   */
  readonly pending: readonly number[];
}

/** A bucket of the indirection table and the queue that it shall name. */
export interface TableChange {
  readonly bucket: number;
  readonly queue: number;
}

/** A guest and the owner that it shall have: see `LiveEngine.setOwner`. */
export interface OwnerChange {
  readonly mac: string;
  readonly vlan: number | null;
  readonly worker: number;
}

/** How fast a table is changed. */
export interface TableOptions {
  /** Buckets (or guests) changed per second at most (the move budget); default: all at once. */
  readonly perSecond?: number;
}

/** Longest wait for the workers' acknowledgements of a change. */
export const ACKNOWLEDGE_TIMEOUT_MS = patience(10_000);
/** What `Engine` can change and tell while it runs. Main thread; all of it fails once the engine stops. */
export interface LiveEngine {
  /**
   * Replaces the policy. Workers pause (see above), switch, and go on. MAC owners that were learned or set by hand
   * carry over from one `mac` policy to the next.
   * @throws UserError where the policy contradicts the workers or ports, or its order can't be promised.
   */
  applyPolicy(spec: PolicySpec): Promise<ChangeReport>;

  /**
   * Changes entries of the indirection table of the running `rss` policy, without a pause: under `order=strict`
   * a flow in flight moves when it has drained. With `perSecond` the promise resolves after the last entry.
   * @throws UserError for another policy, and for buckets or queues that do not exist (nothing is changed then).
   */
  setTable(changes: readonly TableChange[], options?: TableOptions): Promise<ChangeReport>;

  /** Entries of the running `rss` policy's indirection table (queue of each bucket); null for other policies. */
  table(): readonly number[] | null;

  /**
   * Gives a guest another owner under the running `mac` policy, without a pause. A guest that was never seen gets a
   * configured owner.
   * @param mac as text, `02:00:00:00:00:01`
   * @param vlan VLAN id, 0 for untagged; null = wherever it is seen
   * @throws UserError for another policy, for what is no MAC, VLAN or worker, and where the owner table is full.
   */
  setOwner(mac: string, vlan: number | null, worker: number): Promise<ChangeReport>;

  /**
   * The same for several guests, as one change: refused or undone together. With `perSecond` the promise resolves
   * after the last guest.
   * @throws UserError see `setOwner`; nothing is changed then.
   */
  setOwners(changes: readonly OwnerChange[], options?: TableOptions): Promise<ChangeReport>;

  /** Guests of the running `mac` policy and their owners; null for other policies. */
  owners(): readonly Owner[] | null;

  /**
   * Starts one more worker, with the next free id. Receive queues are dealt anew.
   * @throws UserError at the capacity given at the start (`maxWorkers`), and where the policy does not permit it.
   */
  addWorker(): Promise<ChangeReport>;

  /**
   * Ends a worker: its queues get other pollers, no new frames go to it, it drains and ends. Only the one with the
   * highest id can go, because policies, CPU lists and owners name workers 0 to n - 1.
   * @throws UserError for any other id, for the last worker, and where the policy names the worker.
   */
  removeWorker(id: number): Promise<ChangeReport>;

  /**
   * Opens one more port. Switch mode only.
   * @throws UserError where it can't be opened, its name is taken, or there is no room left.
   */
  addPort(spec: PortSpec): Promise<ChangeReport>;

  /**
   * Closes a port: nothing is received on it any more, frames on their way to it are dropped as portDown, its
   * addresses are forgotten; its counters stay in the summary. Switch mode only.
   * @throws UserError for an unknown name, for the last port, and where the policy names the port.
   */
  removePort(name: string): Promise<ChangeReport>;

  /**
   * Undoes the last policy, table or owner change that was not undone yet.
   * @throws UserError when there is nothing to undo, or where workers or ports have changed so that the previous
   * policy no longer fits.
   */
  rollback(): Promise<ChangeReport>;

  /** Texts of the changes that `rollback` would undo, the next one last. */
  history(): readonly string[];

  /**
   * Flows seen in the census window: from one to two seconds ago until now, at most the flow slots of the order
   * ledger. Exact counts; flows that found no slot of their own and share one are listed as one of them, with the
   * frames of all.
   */
  census(): { readonly windowMs: number; readonly flows: readonly FlowSample[] };

  /** The heaviest flows of the census window, `most` of them, and what all bring: costs less than a census. */
  heaviest(most: number): HeaviestFlows;

  /**
   * The next `n` live decisions (at most 10,000), of all workers; fewer when the time is over. One trace at a time.
   * @throws UserError while another trace runs.
   */
  trace(n: number, options?: TraceOptions): Promise<TraceEntry[]>;
}

/** A guest of the `mac` policy. */
export interface Owner {
  /** Lower case with colons. */
  readonly mac: string;
  /** VLAN id, 0 for untagged; null = on every VLAN. */
  readonly vlan: number | null;
  readonly worker: number;
  /** Index of the port it was learned on; null for configured ones. */
  readonly port: number | null;
}
