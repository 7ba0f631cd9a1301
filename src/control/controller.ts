/**
 * What control can do to a running engine, without any transport.
 *
 * Promise: one change at a time; while one is made another is refused, so that a plan and its carrying out are one.
 * Main thread; reads of the engine take microseconds,
 * plans some milliseconds, and no worker waits for either.
 */
import { resolve } from 'node:path';
import { loadNative } from '../addon/native.js';
import { type Privileges, privileges } from '../addon/privileges.js';
import type { ChangeReport, OwnerChange } from '../dataplane/engine/changes.js';
import type { Engine } from '../dataplane/engine/engine.js';
import { type Summary, summarize } from '../dataplane/engine/summary.js';
import type { PortSpec } from '../dataplane/ports/kinds.js';
import { parsePort } from '../dataplane/ports/port-spec.js';
import { pollerOf } from '../dataplane/shared/deal.js';
import { keepsQueue } from '../dataplane/shared/port-info.js';
import type { TraceEntry } from '../dataplane/shared/trace.js';
import { UserError } from '../errors.js';
import type { EventLog } from '../observe/events.js';
import type { ChangePlan } from '../policy/change-plan.js';
import { compilePolicy } from '../policy/compile.js';
import { parseFreeze } from '../policy/freeze.js';
import type { GuestOwner } from '../policy/owners.js';
import { parsePolicy } from '../policy/parse.js';
import { type PlannedChange, planChange, type RunningState, withEntries } from '../policy/plan.js';
import type { RssSteering } from '../policy/rss.js';
import type { PolicySpec } from '../policy/spec.js';
import { inBackground } from './background.js';
import { ConflictError } from './errors.js';
import { checkPolicyPaths, checkPortPath } from './paths.js';
import type { Body } from './requests.js';

/** What `GET /policy` tells. */
export interface PolicyState {
  /** As it was given. */
  readonly policy: string;
  readonly spec: PolicySpec;
  readonly order: string;
  readonly workers: number;
  /** Queue of each bucket, where the policy has a table. */
  readonly table: readonly number[] | null;
  /** Entries that differ from the policy's own, set since. */
  readonly changedEntries: number;
  readonly owners: readonly (GuestOwner & { readonly portName: string | null })[] | null;
  /** Changes that `rollback` would undo, the next one last. */
  readonly history: readonly string[];
}

/** What `GET /status` tells. */
export interface Status {
  readonly pid: number;
  readonly version: string;
  readonly uptimeMs: number;
  readonly policy: string;
  readonly mode: string;
  readonly order: string;
  readonly workers: number;
  readonly maxWorkers: number;
  readonly ports: readonly { readonly name: string; readonly kind: string }[];
  readonly received: number;
  readonly dropped: number;
  readonly reordered: number;
  readonly inFlight: number;
  /** The change that is being made, or null. */
  readonly changing: string | null;
  /** The last change, undone ones too. */
  readonly lastChange: string | null;
  readonly rollbacks: number;
  /** What the forwarder may still do. */
  readonly privileges: Privileges;
}

/** What a change came to. */
export interface ChangeResult {
  readonly plan: ChangePlan | null;
  readonly applied: boolean;
  readonly changes: readonly ChangeReport[];
  readonly durationMs: number;
}

const hundredths = (ms: number) => Math.round(ms * 100) / 100;

/** Controls one engine. */
export class Controller {
  #changing: string | null = null;
  #last: string | null = null;
  #closed = false;
  /** The module that the engine was started with. */
  readonly #module: string | null;

  constructor(
    readonly engine: Engine,
    readonly version: string,
    private readonly allowJs = false,
    private readonly events: EventLog | null = null,
  ) {
    const { policy } = engine.plan;
    this.#module = policy.policy === 'js' ? resolve(policy.file) : null;
  }

  /** What runs, for `planChange` and the rebalancer. */
  running(): RunningState {
    const { plan } = this.engine;
    return {
      policy: this.#effective(),
      workers: plan.active,
      ports: plan.ports.map(({ name }) => ({ name })),
      flows: this.engine.census().flows,
      owners: this.engine.owners() ?? [],
      poller: (port, queue) => {
        const info = plan.ports[port]!;
        return keepsQueue(info) ? -1 : pollerOf(plan, info, queue);
      },
    };
  }

  /** The running policy with the table as it is now. */
  #effective(): PolicySpec {
    const { plan } = this.engine;
    const entries = this.engine.table();
    if (plan.policy.policy !== 'rss' || entries === null) return plan.policy;
    const own = compilePolicy(plan.policy, { workers: plan.active }) as RssSteering;
    const isOwn = entries.every((queue, bucket) => queue === own.table.entries[bucket]);
    return isOwn ? plan.policy : withEntries(plan.policy, entries, own.queues);
  }

  status(): Status {
    const { engine } = this;
    const { plan } = engine;
    const { totals } = this.stats();
    return {
      pid: process.pid,
      version: this.version,
      uptimeMs: Math.round(performance.now() - engine.startedAt),
      policy: plan.policyText,
      mode: plan.mode,
      order: engine.order,
      workers: plan.active,
      maxWorkers: plan.workers,
      ports: plan.ports.filter((port) => !port.removed).map(({ name, kind }) => ({ name, kind })),
      received: totals.received,
      dropped: Object.values(totals.dropped).reduce((sum, n) => sum + n, 0),
      reordered: totals.reordered,
      inFlight: totals.inFlight,
      changing: this.#changing,
      lastChange: this.#last,
      rollbacks: engine.history().length,
      privileges: privileges(loadNative()),
    };
  }

  /** The counters, kernel counters brought up to date. */
  stats(): Summary {
    this.engine.refreshPortCounters();
    return summarize(this.engine);
  }

  policy(): PolicyState {
    const { engine } = this;
    const { plan } = engine;
    const table = engine.table();
    let changedEntries = 0;
    if (table !== null && plan.policy.policy === 'rss') {
      const own = compilePolicy(plan.policy, { workers: plan.active }) as RssSteering;
      changedEntries = table.filter((queue, bucket) => queue !== own.table.entries[bucket]).length;
    }
    return {
      policy: plan.policyText,
      spec: plan.policy,
      order: engine.order,
      workers: plan.active,
      table,
      changedEntries,
      owners:
        engine.owners()?.map((owner) => ({
          ...owner,
          portName: owner.port === null ? null : (plan.ports[owner.port]?.name ?? null),
        })) ?? null,
      history: engine.history(),
    };
  }

  plan(body: Body<'plan'>): ChangePlan {
    const started = performance.now();
    const { plan, target } = this.#planned(body);
    const { moved, seen } = plan.flows;
    const text = `${target.text}: ${moved} of ${seen} flows seen would move`;
    this.events?.add('plan', text, hundredths(performance.now() - started));
    return plan;
  }

  /** Plans and, unless it is a dry run, carries the plan out. */
  async apply(body: Body<'apply'>): Promise<ChangeResult> {
    if (body.dryRun === true) {
      return { plan: this.plan(body), applied: false, changes: [], durationMs: 0 };
    }
    return this.#change('apply', async () => {
      const { plan, target } = this.#planned(body);
      const changes = await this.#carryOut(plan, target);
      return { plan, changes };
    });
  }

  /**
   * Plans and carries out a change to a policy from whom this process trusts with its files and modules.
   * @param planned gets the plan before it is carried out
   */
  applySpec(to: PolicySpec, planned: (plan: ChangePlan) => void): Promise<ChangeResult> {
    return this.#change('apply', async () => {
      const { plan, target } = inBackground(() => planChange(this.running(), to, {}));
      planned(plan);
      // What else a policy says (its order) is a change although nothing moves.
      const isSame = plan.method === 'none' && to.order === this.engine.plan.policy.order;
      const changes =
        plan.method === 'none' && !isSame
          ? [await this.engine.applyPolicy(to)]
          : await this.#carryOut(plan, target);
      return { plan: null, changes };
    });
  }

  /** A port from whom this process trusts with its files. */
  addPort(text: string): Promise<ChangeResult> {
    return this.#single('port', () => this.engine.addPort(parsePort(text)));
  }

  removePort(name: string): Promise<ChangeResult> {
    return this.#single('port', () => this.engine.removePort(name));
  }

  /** Undoes the last change of policy, table or owners. */
  rollback(): Promise<ChangeResult> {
    return this.#single('rollback', () => this.engine.rollback());
  }

  owner({ mac, vlan, worker }: Body<'owner'>): Promise<ChangeResult> {
    return this.#single('owner', () => this.engine.setOwner(mac, vlan ?? null, worker));
  }

  worker(body: Body<'worker'>): Promise<ChangeResult> {
    return this.#single('worker', () =>
      body.action === 'add' ? this.engine.addWorker() : this.engine.removeWorker(body.id),
    );
  }

  port(body: Body<'port'>): Promise<ChangeResult> {
    return this.#single('port', () =>
      body.action === 'add' ? this.engine.addPort(this.#port(body.port)) : this.engine.removePort(body.name),
    );
  }

  #port(text: string): PortSpec {
    checkPortPath(text);
    return parsePort(text);
  }

  /** Entries of the running table, for the rebalancer. */
  table(changes: readonly { bucket: number; queue: number }[]): Promise<ChangeResult> {
    return this.#single('rebalance', () => this.engine.setTable(changes));
  }

  /** Owners, for the rebalancer. */
  owners(changes: readonly OwnerChange[]): Promise<ChangeResult> {
    return this.#single('rebalance', () => this.engine.setOwners(changes));
  }

  /** @param signal aborted when the client has gone. */
  trace({ n, timeoutMs }: Body<'trace'>, signal: AbortSignal): Promise<TraceEntry[]> {
    this.#checkOpen();
    return this.engine.trace(n, { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  /** Refuses further changes: before the engine stops, which ends the one under way. */
  close(): void {
    this.#closed = true;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get changing(): string | null {
    return this.#changing;
  }

  #checkOpen(): void {
    if (this.#closed) throw new ConflictError('the forwarder is stopping');
  }

  #planned(body: Body<'plan'>): PlannedChange {
    const to = this.#checked(body.policy);
    const options = {
      ...(body.budget === undefined ? {} : { budget: body.budget }),
      ...(body.freeze === undefined ? {} : { freeze: parseFreeze(body.freeze) }),
    };
    // Tens of milliseconds for ten thousand flows, on a CPU that may be a worker's.
    return inBackground(() => planChange(this.running(), to, options));
  }

  /** The policy of a request. @throws UserError */
  #checked(given: string | object): PolicySpec {
    checkPolicyPaths(given);
    // A pipe would be waited for, here in the main thread; and /dev/fd/N is the forwarder's, not the client's.
    const spec = parsePolicy(given, { command: 'forward', files: 'regular' });
    // The socket is for changing how packets are steered. To run code is more, and the forwarder may do much.
    if (spec.policy === 'js' && !this.allowJs && resolve(spec.file) !== this.#module) {
      throw new UserError(
        `policy js: ${spec.file}: this forwarder takes no modules through its socket: start it with --allow-js, or with this policy`,
      );
    }
    return spec;
  }

  async #carryOut(plan: ChangePlan, target: PolicySpec): Promise<ChangeReport[]> {
    const { engine } = this;
    const { budget } = plan.cost;
    const pace = budget === null ? {} : { perSecond: budget };
    switch (plan.method) {
      case 'none':
        return [];
      case 'policy':
        return [await engine.applyPolicy(target)];
      case 'table': {
        const changes = (plan.buckets?.moves ?? []).map(({ bucket, to }) => ({ bucket, queue: to }));
        return [await engine.setTable(changes, pace)];
      }
      case 'owners': {
        const changes = plan.owners.map(({ mac, vlan, to }) => ({ mac, vlan, worker: to }));
        return [await engine.setOwners(changes, pace)];
      }
    }
  }

  #single(name: string, change: () => Promise<ChangeReport>): Promise<ChangeResult> {
    return this.#change(name, async () => ({ plan: null, changes: [await change()] }));
  }

  /** One change at a time. */
  async #change(
    name: string,
    make: () => Promise<Pick<ChangeResult, 'plan' | 'changes'>>,
  ): Promise<ChangeResult> {
    this.#checkOpen();
    if (this.#changing !== null) {
      throw new ConflictError(`a change is being made (${this.#changing}): try again when it is done`);
    }
    this.#changing = name;
    const started = performance.now();
    try {
      const { plan, changes } = await make();
      const durationMs = hundredths(performance.now() - started);
      if (changes.length > 0) {
        this.#last = changes.map((change) => change.text).join('; ');
        this.events?.add(name, this.#last, durationMs);
      }
      return { plan, applied: changes.length > 0, changes, durationMs };
    } finally {
      this.#changing = null;
    }
  }
}
