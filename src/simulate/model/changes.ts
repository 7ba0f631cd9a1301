/**
 * What happens while a scenario runs: changes of policy, their undoing, writes to `rps_cpus`, the rebalancer.
 *
 * Promise: a change of policy is planned by the library when its time comes and carried out step by step; the rebalancer
 * is the library's, and moves what it says. Flows in flight are not waited for, as in a kernel whose tables are written:
 * reordering that follows is counted. What was done is kept (`done`).
 */
import { UserError } from '../../errors.js';
import { parseMac } from '../../mac/address.js';
import { ANY_VLAN } from '../../mac/owner-table.js';
import type { SeenFlow } from '../../policy/census.js';
import { NOTHING_FROZEN } from '../../policy/freeze.js';
import { MacSteering } from '../../policy/mac.js';
import { listOwners } from '../../policy/owners.js';
import { bucketLoads, guestLoads, queueFor, Rebalancer } from '../../policy/rebalance.js';
import { RssSteering } from '../../policy/rss.js';
import type { Steering } from '../../policy/steering.js';
import { ps, SECOND } from '../machine/sim.js';
import type { Built } from './build.js';
import { nicNamed } from './build.js';
import { checkChange, prepareChange } from './planned-change.js';
import type { NicSide } from './sides.js';

/** A change that was made while it ran. */
export interface ChangeResult {
  readonly atMs: number;
  /** How: as plans say it, or what else it was. */
  readonly method: 'none' | 'table' | 'owners' | 'policy' | 'rpsCpus' | 'rollback';
  /** Buckets, guests or policies that were moved, one by one. */
  readonly steps: number;
  /** The plan in words. */
  readonly words: readonly string[];
}

/** The policy that a rebalancer looks at: the one behind the NIC, else the NIC's own. */
const steeringOf = ({ policy, nic }: NicSide): Steering | undefined =>
  (policy?.runner ?? nic.chooser)?.steering;

/** Picoseconds in a millisecond. */
const PICO_PER_MS = 1e9;

export class Changes {
  /** Buckets and guests that the rebalancer moved. */
  moves = 0;
  /** Changes of the scenario that were made, in the order of time. */
  readonly done: ChangeResult[] = [];
  readonly #undo: { readonly text: string; readonly undo: () => void }[] = [];
  readonly #actor: number;
  readonly #rebalancer: Rebalancer | null;
  /** When the last step of the change before is made. */
  #busyUntil = 0;
  #seen = new Int32Array(0);

  constructor(private readonly built: Built) {
    const { world, parts } = built;
    this.#actor = world.sim.enter(this);
    const { rebalance, changes } = parts.scenario;
    // What is wrong with one is told before the clock starts.
    for (const [i, change] of changes.entries()) {
      const place = `changes[${i}]`;
      const nic = nicNamed(built.side, change.nic, place);
      if (change.policy !== undefined) checkChange(built, nic, change.policy, place);
      if (change.rpsCpus !== undefined && nic.sysfs === null)
        throw new UserError(`${place}: rpsCpus: the NIC has no rps`);
    }
    if (rebalance === undefined || !this.#canMove()) this.#rebalancer = null;
    else {
      const { everyMs: _, ...settings } = rebalance;
      this.#rebalancer = new Rebalancer(
        Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
      );
    }
  }

  /** There is a rebalancer, and it has something to move. */
  get isRebalancing(): boolean {
    return this.#rebalancer !== null;
  }

  /** Some NIC's policy has buckets or owners. */
  #canMove(): boolean {
    return [...this.built.side.nics.values()].some((nic) => {
      const steering = steeringOf(nic);
      return steering instanceof RssSteering || steering instanceof MacSteering;
    });
  }

  /** Enters everything that happens up to a time. */
  start(until: number): void {
    const { scenario } = this.built.parts;
    const { sim } = this.built.world;
    scenario.changes.forEach((change, i) => {
      if (ps(change.atMs * 1e6) <= until) sim.at(ps(change.atMs * 1e6), this.#actor, i);
    });
    if (this.#rebalancer !== null) sim.at(ps(scenario.rebalance!.everyMs * 1e6), this.#actor, -1);
  }

  fire(arg: number): void {
    if (arg < 0) {
      this.#rebalance();
      const { sim } = this.built.world;
      sim.at(sim.now + ps(this.built.parts.scenario.rebalance!.everyMs * 1e6), this.#actor, -1);
      return;
    }
    const { side, parts, world } = this.built;
    const change = parts.scenario.changes[arg]!;
    const place = `changes[${arg}]`;
    const nic = nicNamed(side, change.nic, place);
    const tell = (method: ChangeResult['method'], steps: number, words: readonly string[]) => {
      this.done.push({ atMs: world.sim.now / PICO_PER_MS, method, steps, words });
    };
    if (change.rpsCpus !== undefined) {
      nic.sysfs!.write(change.rpsCpus);
      tell('rpsCpus', 1, [`rps_cpus of all queues: ${change.rpsCpus.join(',')}`]);
    }
    if (world.sim.now < this.#busyUntil) {
      throw new UserError(
        `${place}: the change before it is not complete: its budget is too small for the time between`,
      );
    }
    if (change.policy !== undefined) {
      const { plan, steps, undo } = prepareChange(this.built, nic, change, place);
      this.#carryOut(steps, change.budget);
      if (steps.length > 0) this.#undo.push({ text: plan.policy, undo });
      tell(plan.method, steps.length, plan.words);
    }
    if (change.rollback) {
      const last = this.#undo.pop();
      if (last === undefined) throw new UserError(`${place}: rollback: no change was made before`);
      last.undo();
      tell('rollback', 1, [`undone: ${last.text}`]);
    }
  }

  /** Steps at so many a second, the first at once; all at once without a budget. */
  #carryOut(steps: readonly (() => void)[], budget: number | undefined): void {
    if (budget === undefined) {
      for (const step of steps) step();
      return;
    }
    const { sim } = this.built.world;
    const actor = sim.enter({ fire: (n) => steps[n]!() });
    const gap = SECOND / budget;
    for (let n = 0; n < steps.length; n++) sim.at(sim.now + Math.round(n * gap), actor, n);
    this.#busyUntil = sim.now + Math.round(Math.max(0, steps.length - 1) * gap);
  }

  /** Packets of each flow since the last look. */
  #census(nic: NicSide, steering: Steering): SeenFlow[] {
    const { flows } = this.built.world;
    if (this.#seen.length < flows.count) this.#seen = new Int32Array(flows.count);
    const census: SeenFlow[] = [];
    for (let f = 0; f < flows.count; f++) {
      const packets = flows.next[f]! - this.#seen[f]!;
      this.#seen[f] = flows.next[f]!;
      if (packets === 0) continue;
      const queue = nic.nic.chooser === null ? 0 : nic.nic.ask(f);
      census.push({ frame: flows.frameOf(f), port: 0, queue: 0, worker: queue % steering.workers, packets });
    }
    return census;
  }

  #rebalance(): void {
    const { side } = this.built;
    for (const nic of side.nics.values()) {
      const steering = steeringOf(nic);
      if (steering instanceof RssSteering) this.#moveBuckets(nic, steering);
      else if (steering instanceof MacSteering) this.#moveGuests(nic, steering);
    }
  }

  #moveBuckets(nic: NicSide, steering: RssSteering): void {
    const { workers } = steering;
    const sample = bucketLoads(steering, workers, this.#census(nic, steering), NOTHING_FROZEN);
    const { moves } = this.#rebalancer!.observe(sample, true);
    for (const { index, to } of moves) {
      const entries = Array.from(steering.table.entries);
      entries[sample.buckets[index]!] = queueFor(steering, to, workers);
      steering.setTable(entries);
      this.moves++;
    }
    if (moves.length > 0) nic.nic.forget();
  }

  #moveGuests(nic: NicSide, steering: MacSteering): void {
    const sample = guestLoads(
      listOwners(steering),
      steering.workers,
      this.#census(nic, steering),
      NOTHING_FROZEN,
    );
    const { moves } = this.#rebalancer!.observe(sample, true);
    for (const { index, to } of moves) {
      const { mac, vlan } = sample.guests[index]!;
      const { high, low } = parseMac(mac, 'owner');
      steering.owners.move(vlan ?? ANY_VLAN, high, low, to);
      this.moves++;
    }
    if (moves.length > 0) nic.nic.forget();
  }
}
