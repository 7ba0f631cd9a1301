/**
 * Policies, tables and owners of a running engine, and how the last change of them is undone.
 *
 * Promise: a policy is compiled on the main thread first, in shared memory of its own; what fails there is refused and
 * nothing has happened. The memory of the new policy is fresh, so workers that have not switched yet are not
 * disturbed; owners that the old table learned or was told carry over (those that the old policy configured do not).
 */
import { UserError } from '../../errors.js';
import { formatMac, parseMac } from '../../mac/address.js';
import { ANY_VLAN, type OwnerEntry, type OwnerTable } from '../../mac/owner-table.js';
import { compilePolicy, ownersIn, policyBytes } from '../../policy/compile.js';
import { MacSteering } from '../../policy/mac.js';
import { carrySockTable } from '../../policy/rfs.js';
import { RssSteering } from '../../policy/rss.js';
import type { PolicySpec } from '../../policy/spec.js';
import type { Steering } from '../../policy/steering.js';
import { dealQueues } from '../shared/deal.js';
import { secondsNow } from '../shared/forwarding.js';
import type { EnginePlan } from '../shared/plan.js';
import type { ChangeKind, ChangeReport, Owner, OwnerChange, TableChange, TableOptions } from './changes.js';
import type { ConfigChange } from './config-change.js';
import { checkNamedConsumers } from './consumers.js';
import type { EngineCore } from './core.js';
import { settleOrder } from './plan.js';

/** Changes that can be undone, one after the other. */
const UNDO_MAX = 32;
/** With a move budget: entries change in steps at most so often. */
const STEP_MS = 20;

function compile(plan: EnginePlan, shared: SharedArrayBuffer): Steering {
  const { policy, active, ports } = plan;
  return compilePolicy(policy, { workers: active, ports, shared, faults: 'count' });
}

/**
 * The steering that the engine starts with: what does not compile is refused in this thread. Over the workers' shared
 * memory, for control: this thread steers nothing. @throws UserError
 */
export function firstSteering(plan: EnginePlan, shared: SharedArrayBuffer): Steering {
  return compile(plan, shared);
}

/** The owner table of the running `mac` policy; null for other policies. */
function ownerTable(core: EngineCore): OwnerTable | null {
  const table = ownersIn(core.plan.policy, core.memory.policy, core.plan.active);
  if (table !== null) table.now = secondsNow(core.plan);
  return table;
}

/** Forgets guests that have aged; call it every few seconds. False where it shall be tried again soon. */
export function sweepOwners(core: EngineCore): boolean {
  const { compiled, plan } = core;
  // The instance that stays: a sweep that gave up goes on where it stopped.
  return !(compiled instanceof MacSteering) || compiled.owners.sweep(secondsNow(plan)) >= 0;
}

/** A number that changes with the owners of guests and ports under the running `mac` policy; 0 under others. */
export function ownersNow({ compiled, plan }: EngineCore): number {
  if (!(compiled instanceof MacSteering)) return 0;
  let sum = 1;
  const add = (value: number) => {
    sum = (Math.imul(sum ^ value, 0x9e3779b1) + value) | 0;
  };
  for (const { vlan, high, low, worker } of compiled.owners.entries()) {
    add(low);
    add(high);
    add((vlan << 12) + worker);
  }
  for (const { index } of plan.ports) add(compiled.owners.portOwner(index));
  return sum;
}

/**
 * What to publish so that a plan with another policy, other workers or other ports takes effect.
 * @param restore table and owners to begin with; default: those that run, as far as they belong to the policy
 * @throws UserError where the policy does not fit; nothing has happened then.
 */
export function policyChange(
  core: EngineCore,
  plan: EnginePlan,
  restore?: { readonly table: readonly number[] | null; readonly owners: CarriedOwners },
): ConfigChange {
  const { policy } = plan;
  const same = policy === core.plan.policy;
  checkNamedConsumers(core.specs.values(), plan.active);
  const order = settleOrder(policy, core.ports.live.values(), core.warn);
  const shared = new SharedArrayBuffer(policyBytes(policy));
  const steering = compile(plan, shared);
  if (policy.policy === 'rfs' && core.plan.policy.policy === 'rfs') {
    carrySockTable({ spec: core.plan.policy, shared: core.memory.policy }, { spec: policy, shared });
  }
  if (steering instanceof MacSteering) {
    steering.tick(secondsNow(plan));
    const { guests, ports } = restore?.owners ?? carriedOwners(core);
    for (const [port, worker] of ports) {
      if (plan.ports[port]?.removed === false) steering.owners.adoptPort(port, worker);
    }
    for (const entry of guests) {
      if (entry.port < 0 || plan.ports[entry.port]?.removed === false) steering.owners.adopt(entry);
    }
  }
  const wanted = restore === undefined ? (same ? core.config.table : null) : restore.table;
  const table = wanted !== null && steering instanceof RssSteering ? wanted : null;
  if (table !== null) setChangedTable(steering as RssSteering, table);
  return {
    compiled: steering,
    plan: { ...plan, order, ports: dealQueues(plan.ports, plan.active, policy) },
    memory: { ...core.memory, policy: shared },
    steering: core.config.steering + 1,
    table,
  };
}

/** A table that was changed by hand is kept; its entries may name queues that there are no more. */
function setChangedTable(steering: RssSteering, table: readonly number[]): void {
  try {
    steering.setTable(table);
  } catch (error) {
    throw new UserError(
      `the table that was set does not fit: ${(error as Error).message}; set it or roll back first`,
    );
  }
}

interface CarriedOwners {
  readonly guests: readonly OwnerEntry[];
  /** Port and its owner. */
  readonly ports: readonly (readonly [number, number])[];
}

/** What the running table of a `mac` policy knows beyond its policy; nothing for other policies. */
function carriedOwners(core: EngineCore): CarriedOwners {
  const table = ownerTable(core);
  const { policy, ports } = core.plan;
  if (table === null || policy.policy !== 'mac') return { guests: [], ports: [] };
  const configured = new Set(
    policy.owners.map(({ mac, vlan }) => {
      const { high, low } = parseMac(mac, 'owner');
      return keyOf(vlan ?? ANY_VLAN, high, low);
    }),
  );
  return {
    guests: [...table.entries()].filter(
      ({ vlan, high, low, port }) => port >= 0 || !configured.has(keyOf(vlan, high, low)),
    ),
    ports: ports.flatMap(({ index, name }) => {
      const owner = table.knownPortOwner(index);
      return owner >= 0 && policy.ports[name] === undefined ? [[index, owner] as const] : [];
    }),
  };
}

function keyOf(vlan: number, high: number, low: number): string {
  return `${vlan} ${high} ${low}`;
}

function remember(core: EngineCore, text: string, run: () => Promise<ChangeReport>): void {
  core.undo.push({ text, run });
  if (core.undo.length > UNDO_MAX) core.undo.shift();
}

/** See `LiveEngine.applyPolicy`. */
export function applyPolicy(core: EngineCore, spec: PolicySpec): Promise<ChangeReport> {
  return core.change(() => switchPolicy(core, spec, 'policy'));
}

async function switchPolicy(
  core: EngineCore,
  spec: PolicySpec,
  kind: ChangeKind,
  restore?: { readonly table: readonly number[] | null; readonly owners: CarriedOwners },
): Promise<ChangeReport> {
  const { plan } = core;
  const previous = { table: core.config.table, owners: carriedOwners(core) };
  const next: EnginePlan = { ...plan, policy: spec, policyText: spec.text };
  const change = policyChange(core, next, restore);
  const text = `policy ${plan.policyText} -> ${spec.text}`;
  const report = await core.report(kind, text, () => core.publish(change));
  if (kind !== 'rollback') {
    remember(core, text, () => switchPolicy(core, plan.policy, 'rollback', previous));
  }
  return report;
}

function runningRss(core: EngineCore): RssSteering {
  if (core.compiled instanceof RssSteering) return core.compiled;
  throw new UserError(`policy ${core.plan.policyText} has no indirection table: only rss has one`);
}

/** See `LiveEngine.table`. */
export function tableOf(core: EngineCore): readonly number[] | null {
  return core.compiled instanceof RssSteering ? [...core.compiled.table.entries] : null;
}

/** See `LiveEngine.setTable`. */
export function setTable(
  core: EngineCore,
  changes: readonly TableChange[],
  options: TableOptions,
): Promise<ChangeReport> {
  return core.change(async () => {
    const { perSecond } = options;
    if (perSecond !== undefined && !(perSecond > 0)) {
      throw new UserError(`table: ${perSecond} buckets a second: expected a number above 0`);
    }
    const steering = runningRss(core);
    const before = [...steering.table.entries];
    const after = [...before];
    const { table } = steering;
    for (const { bucket, queue } of changes) {
      table.check(bucket, queue);
      after[bucket] = queue;
    }
    // Refuses here what a worker would refuse.
    steering.setTable(after);
    const entries = [...before];
    const moves = changes.filter(({ bucket, queue }) => entries[bucket] !== queue);
    const text = `table: ${moves.length} of ${table.size} buckets`;
    const report = await core.report('table', text, () => moveBuckets(core, entries, moves, perSecond));
    remember(core, text, async () => {
      // Workers may have come and gone, and with them queues.
      runningRss(core).setTable(before);
      return core.report('rollback', `${text} back`, () => core.publish({ table: before }));
    });
    return report;
  });
}

/** Publishes tables until all moves are made, within the budget. */
async function moveBuckets(
  core: EngineCore,
  entries: number[],
  moves: readonly TableChange[],
  perSecond: number | undefined,
): Promise<readonly number[]> {
  const start = performance.now();
  let done = 0;
  let pending: readonly number[] = [];
  while (done < moves.length && !core.stopping) {
    const seconds = (performance.now() - start) / 1000;
    const due =
      perSecond === undefined ? moves.length : Math.min(moves.length, Math.floor(seconds * perSecond) + 1);
    if (due > done) {
      for (; done < due; done++) entries[moves[done]!.bucket] = moves[done]!.queue;
      pending = await core.publish({ table: [...entries] });
    }
    if (done < moves.length) {
      const dueMs = (done * 1000) / perSecond! - (performance.now() - start);
      await core.pause(Math.max(STEP_MS, Math.min(1000, dueMs)));
    }
  }
  return pending;
}

function runningOwners(core: EngineCore): OwnerTable {
  const table = ownerTable(core);
  if (table !== null) return table;
  throw new UserError(`policy ${core.plan.policyText} has no owners: only mac has them`);
}

/** A checked change of an owner: the guest, where it was seen, and what it is called. */
interface OwnerMove {
  readonly high: number;
  readonly low: number;
  readonly vlan: number;
  readonly worker: number;
  readonly seen: readonly OwnerEntry[];
  readonly text: string;
}

function checkOwner(core: EngineCore, entries: readonly OwnerEntry[], change: OwnerChange): OwnerMove {
  const { mac, vlan, worker } = change;
  const { high, low } = parseMac(mac, 'owner');
  if (!Number.isInteger(worker) || worker < 0 || worker >= core.plan.active) {
    throw new UserError(`owner ${mac}: worker ${worker}: expected 0 to ${core.plan.active - 1}`);
  }
  if (vlan !== null && !(Number.isInteger(vlan) && vlan >= 0 && vlan < ANY_VLAN)) {
    throw new UserError(`owner ${mac}: VLAN ${vlan}: expected 0 to ${ANY_VLAN - 1}`);
  }
  const seen = entries.filter(
    (entry) => entry.high === high && entry.low === low && (vlan === null || entry.vlan === vlan),
  );
  const from =
    seen.length === 0
      ? 'never seen, no owner'
      : `worker ${[...new Set(seen.map((entry) => entry.worker))].join(', ')}`;
  const text = `owner of ${formatMac(high, low)}: ${from} -> worker ${worker}`;
  return { high, low, vlan: vlan ?? ANY_VLAN, worker, seen, text };
}

/** See `LiveEngine.setOwners`. */
export function setOwners(
  core: EngineCore,
  changes: readonly OwnerChange[],
  options: TableOptions,
): Promise<ChangeReport> {
  return core.change(async () => {
    const { perSecond } = options;
    if (perSecond !== undefined && !(perSecond > 0)) {
      throw new UserError(`owners: ${perSecond} a second: expected a number above 0`);
    }
    const owners = runningOwners(core);
    const entries = [...owners.entries()];
    const moves = changes.map((change) => checkOwner(core, entries, change));
    const news = moves.filter(({ seen }) => seen.length === 0).length;
    if (owners.guests + news > owners.limits.guests) {
      throw new UserError(`owner ${changes[0]!.mac}: the table is full (guests=${owners.limits.guests})`, {
        code: 'RXS_NO_ROOM',
      });
    }
    const text = moves.length === 1 ? moves[0]!.text : `owners of ${moves.length} guests`;
    const report = await core.report('owner', text, () => moveOwners(core, owners, moves, perSecond));
    remember(core, text, async () => {
      const now = runningOwners(core);
      // A guest that had no owner keeps the one that it was given: there is no way to un-see it.
      for (const { high, low, seen } of moves) {
        for (const { vlan, worker } of seen)
          now.move(vlan, high, low, Math.min(worker, core.plan.active - 1));
      }
      const kept =
        news === 0 ? '' : `, except for ${news} without an owner before: what they were given stays`;
      return core.report('rollback', `${text} back${kept}`, () => core.publish({}));
    });
    return report;
  });
}

/** Sets owners until all are set, within the budget. */
async function moveOwners(
  core: EngineCore,
  owners: OwnerTable,
  moves: readonly OwnerMove[],
  perSecond: number | undefined,
): Promise<readonly number[]> {
  const start = performance.now();
  for (const [done, { high, low, vlan, worker, seen }] of moves.entries()) {
    const dueMs = perSecond === undefined ? 0 : (done * 1000) / perSecond - (performance.now() - start);
    if (dueMs > 0) await core.pause(dueMs);
    if (core.stopping) break;
    for (const entry of seen) owners.move(entry.vlan, high, low, worker);
    if (seen.length === 0 && !owners.configure(vlan, high, low, worker)) break;
  }
  // The table is shared: the change holds from the next burst on. An empty change tells when all have begun one.
  return core.publish({});
}

/** See `LiveEngine.owners`. */
export function ownersOf(core: EngineCore): readonly Owner[] | null {
  const table = ownerTable(core);
  if (table === null) return null;
  return [...table.entries()].map(({ vlan, high, low, worker, port }) => ({
    mac: formatMac(high, low),
    vlan: vlan === ANY_VLAN ? null : vlan,
    worker,
    port: port < 0 ? null : port,
  }));
}

/** See `LiveEngine.rollback`. */
export function rollback(core: EngineCore): Promise<ChangeReport> {
  return core.change(async () => {
    const last = core.undo.at(-1);
    if (last === undefined) {
      throw new UserError('there is no change to roll back', { code: 'RXS_CONFLICT' });
    }
    const report = await last.run();
    core.undo.pop();
    return report;
  });
}
