/**
 * What a change of policy would do to a running forwarder, before it is done.
 *
 * Promise: pure; nothing that runs is touched, shared memory is copied. `planChange(P, P)` moves nothing, and once a
 * plan's `target` runs, planning it again moves nothing. What is predicted is what the same flows would do: balance
 * from the packets that were counted, so a flow that comes tomorrow is not in it. The law of each method:
 *
 *   none    the policies decide alike: nothing to do
 *   table   the same hash, other table entries: bucket by bucket, without a pause, at a budget
 *   owners  MAC steering with other configured owners: guest by guest, without a pause, at a budget
 *   policy  all else: every worker switches at once, after its receive queues were drained (the pause is counted)
 *
 * Flows that move wait for their last packet either way when order is strict.
 */
import { isDeepStrictEqual } from 'node:util';
import type { BucketMove } from '../nic/table-tools.js';
import { type FlowNames, nameFlows, type SeenFlow } from './census.js';
import type { Balance, ChangePlan, GuestMove, OwnerMove } from './change-plan.js';
import { Comparison, decides, isSame, type RunningState, sharesBuckets } from './comparison.js';
import { type FreezeList, NOTHING_FROZEN, unseenOf } from './freeze.js';
import { holdFrozen } from './hold.js';
import type { MacSteering } from './mac.js';
import { listOwners, lowerMac } from './owners.js';
import { planWords } from './plan-text.js';
import type { RssSteering } from './rss.js';
import type { MacSpec, PolicySpec } from './spec.js';
import { fullestOverFair, gini } from './spread.js';
import type { Steering } from './steering.js';

export { type RunningState, withEntries } from './comparison.js';

/** How a change is to be made. */
export interface PlanOptions {
  /** Buckets (or guests) a second at most; default: all at once. */
  readonly budget?: number;
  readonly freeze?: FreezeList;
}

/** A plan and the policy that carries it out. */
export interface PlannedChange {
  readonly plan: ChangePlan;
  /** The new policy with the freeze list worked in. */
  readonly target: PolicySpec;
}

/** Only configured owners differ, and none is taken away. */
function differsInOwners(a: PolicySpec, b: PolicySpec): boolean {
  if (a.policy !== 'mac' || b.policy !== 'mac' || a.order !== b.order) return false;
  if (!isDeepStrictEqual({ ...decides(a), owners: [] }, { ...decides(b), owners: [] })) return false;
  const nameOf = (owner: MacSpec['owners'][number]) => `${lowerMac(owner.mac)}/${owner.vlan ?? null}`;
  const kept = new Set(b.owners.map(nameOf));
  return a.owners.every((owner) => kept.has(nameOf(owner)));
}

/** Balance of workers that got these flows. @param scatters each flow goes to all workers alike */
function balanceOf(running: RunningState, place: Int32Array, scatters: boolean): Balance {
  const { workers, flows } = running;
  const loads = new Array<number>(workers).fill(0);
  let all = 0;
  for (let i = 0; i < flows.length; i++) {
    const { packets } = flows[i]!;
    all += packets;
    if (!scatters) loads[place[i]!]! += packets;
  }
  if (scatters) loads.fill(all / workers);
  return { workers: loads, fullestOverFair: fullestOverFair(loads), gini: gini(loads) };
}

/** Guests (unicast destination addresses) whose set of workers changes. */
function guestMoves(
  names: readonly FlowNames[],
  before: Int32Array,
  after: Int32Array,
): { seen: number; moved: GuestMove[] } {
  interface Guest {
    readonly mac: string;
    readonly vlan: number;
    readonly from: Set<number>;
    readonly to: Set<number>;
  }
  // By VLAN, then by address: no key is put together for each flow.
  const vlans = new Map<number, Map<string, Guest>>();
  names.forEach(({ mac, vlan }, i) => {
    if (mac === null) return;
    let macs = vlans.get(vlan);
    if (macs === undefined) {
      macs = new Map();
      vlans.set(vlan, macs);
    }
    let guest = macs.get(mac);
    if (guest === undefined) {
      guest = { mac, vlan, from: new Set(), to: new Set() };
      macs.set(mac, guest);
    }
    guest.from.add(before[i]!);
    guest.to.add(after[i]!);
  });
  const guests = [...vlans.values()].flatMap((macs) => [...macs.values()]);
  const ascending = (set: Set<number>) => [...set].sort((a, b) => a - b);
  const moved = guests
    .map((guest) => ({ ...guest, from: ascending(guest.from), to: ascending(guest.to) }))
    .filter((guest) => !isDeepStrictEqual(guest.from, guest.to));
  return { seen: guests.length, moved };
}

/** Configured owners of the new policy that the running table does not have: wherever the guest is seen. */
function ownerChanges(from: MacSteering, to: MacSpec): OwnerMove[] {
  const running = listOwners(from);
  return to.owners.flatMap((owner) => {
    const mac = lowerMac(owner.mac);
    const vlan = owner.vlan ?? null;
    const worker = owner.worker ?? owner.cpu ?? 0;
    const now = running.filter((guest) => guest.mac === mac && (vlan === null || guest.vlan === vlan));
    if (now.length > 0 && now.every((guest) => guest.worker === worker)) return [];
    const other = now.find((guest) => guest.worker !== worker);
    return [{ mac, vlan, from: other?.worker ?? null, to: worker }];
  });
}

function methodOf(
  running: PolicySpec,
  target: PolicySpec,
  from: Steering,
  to: Steering,
): ChangePlan['method'] {
  if (isSame(running, target)) return 'none';
  if (running.order === target.order && running.stage === target.stage && sharesBuckets(from, to)) {
    const a = (from as RssSteering).table.entries;
    const b = (to as RssSteering).table.entries;
    if (a.every((queue, bucket) => queue === b[bucket])) return 'none';
    if (b.every((queue) => queue < from.queues)) return 'table';
  }
  if (!differsInOwners(running, target)) return 'policy';
  return ownerChanges(from as MacSteering, target as MacSpec).length === 0 ? 'none' : 'owners';
}

/**
 * What changing to policy `to` would move.
 * @throws UserError where the policy does not fit the workers or ports, or the freeze list cannot be kept.
 */
export function planChange(running: RunningState, to: PolicySpec, options: PlanOptions = {}): PlannedChange {
  const { flows } = running;
  const { freeze = NOTHING_FROZEN, budget } = options;
  const comparison = new Comparison(running);
  const names = nameFlows(flows, { texts: freeze.flows.size > 0 });
  const given = comparison.compileTarget(to);
  const { target, held } = holdFrozen(comparison, to, given, names, freeze);
  const { from, before } = comparison;
  const steering = target === to ? given : comparison.compileTarget(target);
  const after = comparison.after(target, steering);
  const method = methodOf(running.policy, target, from, steering);

  const moving = flows.filter((_, i) => comparison.moves(target, after, i));
  const total = (some: readonly SeenFlow[]) => some.reduce((sum, flow) => sum + flow.packets, 0);
  const packets = { seen: total(flows), moved: total(moving) };
  const moves: BucketMove[] = [];
  const comparable = sharesBuckets(from, steering);
  if (comparable) {
    const old = (from as RssSteering).table.entries;
    (steering as RssSteering).table.entries.forEach((queue, bucket) => {
      if (queue !== old[bucket]) moves.push({ bucket, from: old[bucket]!, to: queue });
    });
  }
  const owners = method === 'owners' ? ownerChanges(from as MacSteering, target as MacSpec) : [];
  const steps = method === 'table' ? moves.length : owners.length;
  const plan: Omit<ChangePlan, 'words'> = {
    method,
    policy: to.text,
    buckets: comparable ? { total: (from as RssSteering).table.size, moves } : null,
    owners,
    flows: { seen: flows.length, moved: moving.length },
    guests: guestMoves(names, before, after),
    packets,
    share: packets.seen === 0 ? 0 : packets.moved / packets.seen,
    before: balanceOf(running, before, comparison.scatters(running.policy)),
    after: balanceOf(running, after, comparison.scatters(target)),
    cost: {
      quiesce: method === 'policy',
      steps,
      budget: budget ?? null,
      seconds: budget === undefined ? 0 : steps / budget,
    },
    held,
    unseen: unseenOf(freeze, names),
  };
  return { plan: { ...plan, words: planWords(plan) }, target };
}
