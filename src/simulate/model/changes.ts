/**
 * What happens while a scenario runs: changes of policy, writes to `rps_cpus`, the rebalancer.
 *
 * Promise: a change is compiled by the library and holds from its time on; the rebalancer is the library's, and moves
 * what it says. Flows in flight are not waited for, as in a kernel whose tables
 * are written: reordering that follows is counted.
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
import { ps } from '../machine/sim.js';
import type { Built } from './build.js';
import { nicNamed } from './build.js';
import type { NicSide } from './sides.js';

export class Changes {
  /** Moves that the rebalancer made, and changes carried out. */
  moves = 0;
  readonly #actor: number;
  readonly #rebalancer: Rebalancer | null;
  #seen = new Int32Array(0);

  constructor(private readonly built: Built) {
    const { world, parts } = built;
    this.#actor = world.sim.enter(this);
    const { rebalance } = parts.scenario;
    if (rebalance === undefined) this.#rebalancer = null;
    else {
      const { everyMs: _, ...settings } = rebalance;
      this.#rebalancer = new Rebalancer(
        Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
      );
    }
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
    const { side, policy, parts } = this.built;
    const change = parts.scenario.changes[arg]!;
    const nic = nicNamed(side, change.nic, `changes[${arg}]`);
    this.moves++;
    if (change.rpsCpus !== undefined) {
      if (nic.sysfs === null) throw new UserError(`changes[${arg}]: rpsCpus: the NIC has no rps`);
      nic.sysfs.write(change.rpsCpus);
    }
    if (change.policy !== undefined) {
      const { spec, steering } = policy.compile(change.policy, nic.nic.queues.length);
      const runner = runnerOf(nic, spec.stage === 'nic');
      if (runner === null) {
        throw new UserError(
          `changes[${arg}]: policy: stage ${spec.stage} had no policy at the beginning: give it one`,
        );
      }
      runner.steering = steering;
      nic.nic.forget();
    }
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
      census.push({ frame: flows.frames[f]!, port: 0, queue: 0, worker: queue % steering.workers, packets });
    }
    return census;
  }

  #rebalance(): void {
    const { side } = this.built;
    for (const nic of side.nics.values()) {
      const runner = nic.policy?.runner ?? nic.nic.chooser;
      const steering = runner?.steering;
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

function runnerOf(nic: NicSide, isNic: boolean) {
  return isNic ? nic.nic.chooser : (nic.policy?.runner ?? null);
}
