/**
 * A change of policy in a running scenario, made as a running forwarder makes it: planned by the library from the flows
 * seen, then carried out by the plan's method.
 *
 * Promise: `table` moves bucket by bucket and `owners` guest by guest, at the budget; `policy` switches at once. What is
 * on the freeze list stays. Flows in flight are not waited for, as in a NIC whose table is written: the reordering that
 * follows is counted. Each change can be undone.
 */
import { UserError } from '../../errors.js';
import { parseMac } from '../../mac/address.js';
import { ANY_VLAN } from '../../mac/owner-table.js';
import type { SeenFlow } from '../../policy/census.js';
import type { ChangePlan } from '../../policy/change-plan.js';
import { withEntries } from '../../policy/comparison.js';
import { parseFreeze } from '../../policy/freeze.js';
import { MacSteering } from '../../policy/mac.js';
import { carryOwners, type GuestOwner, listOwners } from '../../policy/owners.js';
import { planChange } from '../../policy/plan.js';
import { RssSteering } from '../../policy/rss.js';
import type { PolicySpec } from '../../policy/spec.js';
import type { Steering } from '../../policy/steering.js';
import type { ChangeSpec } from '../scenario/schema.js';
import type { Built } from './build.js';
import { UNKNOWN } from './flows.js';
import type { PolicyRunner } from './policy-runner.js';
import type { NicSide } from './sides.js';

/** A change that is to be carried out. */
export interface PreparedChange {
  readonly plan: ChangePlan;
  /** One after the other at the budget; without one, all at once. */
  readonly steps: readonly (() => void)[];
  readonly undo: () => void;
}

/** What a NIC's policy says now, with what was moved since it was given. */
function runningSpec(steering: Steering): PolicySpec {
  const { spec } = steering;
  if (!(steering instanceof RssSteering) || steering.nic !== null || spec.policy !== 'rss') return spec;
  const given = steering.table.entries;
  return withEntries(spec, given, steering.queues);
}

/** All flows seen so far, with the worker that they go to. */
function flowsSeen({ world }: Built, runner: PolicyRunner, nic: NicSide, isNic: boolean): SeenFlow[] {
  const { flows } = world;
  const seen: SeenFlow[] = [];
  for (let f = 0; f < flows.count; f++) {
    const packets = flows.next[f]!;
    if (packets === 0 || flows.received[f] === UNKNOWN) continue;
    let worker = 0;
    if (runner.steering.isByFlow === true) {
      runner.ask(f, isNic || nic.nic.chooser === null ? 0 : nic.nic.ask(f));
      worker = runner.worker;
    }
    seen.push({ frame: flows.frameOf(f), port: 0, queue: 0, worker, packets });
  }
  return seen;
}

/** Gives a guest an owner on the VLANs on which it was seen; one that was never seen gets its first. */
function giveGuest(
  { owners }: MacSteering,
  seen: readonly GuestOwner[],
  mac: string,
  vlan: number | null,
  worker: number,
): void {
  const { high, low } = parseMac(mac, 'owner');
  const own = seen.filter((guest) => guest.mac === mac && (vlan === null || guest.vlan === vlan));
  for (const guest of own) owners.move(guest.vlan ?? ANY_VLAN, high, low, worker);
  if (own.length === 0) owners.configure(vlan ?? ANY_VLAN, high, low, worker);
}

/** The runner of a stage on a NIC. @throws UserError where it had no policy */
function runnerOf(nic: NicSide, isNic: boolean, place: string): PolicyRunner {
  const runner = isNic ? nic.nic.chooser : (nic.policy?.runner ?? null);
  if (runner !== null) return runner;
  throw new UserError(
    `${place}: policy: stage ${isNic ? 'nic' : 'cpu'} had no policy at the beginning: give it one`,
  );
}

/** @throws UserError for a policy that is wrong, or whose stage has none to take the place of */
export function checkChange({ policy }: Built, nic: NicSide, given: string | object, place: string): void {
  let spec: PolicySpec;
  try {
    spec = policy.parse(given);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${place}: ${error.message}`) : error;
  }
  runnerOf(nic, spec.stage === 'nic', place);
}

/**
 * Plans a change of policy on a NIC.
 * @param place where it stands in the scenario, for errors. @throws UserError
 */
export function prepareChange(built: Built, nic: NicSide, change: ChangeSpec, place: string): PreparedChange {
  const { policy } = built;
  const queues = nic.nic.queues.length;
  const spec = policy.parse(change.policy!);
  const given = policy.compile(spec, queues);
  const isNic = spec.stage === 'nic';
  const runner = runnerOf(nic, isNic, place);
  const before = runner.steering;
  const owners = before instanceof MacSteering ? listOwners(before) : [];
  const { plan, target } = planChange(
    {
      policy: runningSpec(before),
      workers: Math.max(before.workers, given.workers),
      ports: policy.ports,
      flows: flowsSeen(built, runner, nic, isNic),
      owners,
    },
    spec,
    {
      ...(change.budget === undefined ? {} : { budget: change.budget }),
      ...(change.freeze === undefined ? {} : { freeze: parseFreeze(change.freeze, `${place}: freeze`) }),
    },
  );
  const forget = () => nic.nic.forget();
  if (plan.method === 'none') return { plan, steps: [], undo: () => {} };
  if (plan.method === 'table' && before instanceof RssSteering) {
    const old = Array.from(before.table.entries);
    const set = (entries: readonly number[]) => {
      before.setTable(entries);
      forget();
    };
    const steps = plan.buckets!.moves.map(({ bucket, to }) => () => {
      set(Array.from(before.table.entries, (queue, at) => (at === bucket ? to : queue)));
    });
    return { plan, steps, undo: () => set(old) };
  }
  if (plan.method === 'owners' && before instanceof MacSteering) {
    const steps = plan.owners.map(({ mac, vlan, to }) => () => {
      giveGuest(before, owners, mac, vlan, to);
      forget();
    });
    const undo = () => {
      // A guest that had no owner keeps the one that it was given.
      for (const { mac, vlan, worker } of owners) giveGuest(before, owners, mac, vlan, worker);
      forget();
    };
    return { plan, steps, undo };
  }
  const after = target === spec ? given : policy.compile(target, queues);
  const use = (steering: Steering) => {
    runner.steering = steering;
    forget();
  };
  const step = () => {
    if (after instanceof MacSteering) {
      if (before instanceof MacSteering && before.spec.policy === 'mac')
        carryOwners(after, owners, before.spec);
    }
    use(after);
    policy.introduceTo(runner, built.guests);
  };
  return { plan, steps: [step], undo: () => use(before) };
}
