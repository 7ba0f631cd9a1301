/**
 * What builders share: the world, the prices, the scenario, and how steps are made from them.
 *
 * Promise: a step's draws are told apart by a number that the builder counts up within a program, so that a change
 * in one path leaves the others' draws alone.
 */
import type { Cpu } from '../machine/cpu.js';
import { Lock, type LockKind } from '../machine/lock.js';
import { entitySeed } from '../machine/random.js';
import type { Step } from '../machine/step.js';
import type { Scenario, SwitchKind } from '../scenario/schema.js';
import type { Price } from './prices.js';
import { type Chance, Copy, Locked, Touch, Work } from './steps.js';
import type { Topology } from './topology.js';
import type { World } from './world.js';

/** What switches are called where a packet's way is shown. */
const SWITCH_LABELS = { bridge: 'bridge', macvlan: 'macvlan', ovs: 'Open vSwitch' } as const;

/** What is given to find out what limits: this is made faster or larger. */
export interface Relaxed {
  readonly kind: 'cpu' | 'lock' | 'queue' | 'link' | 'clients';
  /** CPU ids; names of locks, queues, links. */
  readonly cpus?: readonly number[];
  readonly names?: readonly string[];
  /** So many times as much of it. */
  readonly factor: number;
}

export class Parts {
  readonly chance: Chance;
  #draws = 0;

  constructor(
    readonly world: World,
    readonly scenario: Scenario,
    readonly price: Price,
    readonly topology: Topology,
    readonly seed: number,
    readonly relaxed: Relaxed | null,
    /** What happens on this host. */
    readonly counters = world.counters,
  ) {
    this.chance = { kind: scenario.variation, spread: scenario.spread, flows: world.flows };
  }

  /** A new program begins. */
  begin(): void {
    this.#draws = 0;
  }

  get draw(): number {
    return this.#draws++;
  }

  seedOf(name: string): number {
    return entitySeed(this.seed, name);
  }

  /** @param label what it is called where a packet's way is shown */
  work(time: number, label: string): Step {
    return new Work(time, this.chance, this.draw, label);
  }

  touch(lines: number, misses = 0): Step {
    return new Touch(this.topology, lines, misses);
  }

  copy(node: number): Step {
    return new Copy(this.topology, node);
  }

  lock(name: string, kind: LockKind, lines = 1): Lock {
    const lock = new Lock(name, kind, this.topology, lines);
    this.world.locks.push(lock);
    return lock;
  }

  /** A switch: its cost; where it has a lock, one for all of that kind is held for its statistics. */
  switched(kind: SwitchKind, lockKind: LockKind): Step[] {
    if (kind === 'none') return [];
    const { price, world } = this;
    const work = this.work(price[kind], SWITCH_LABELS[kind]);
    if (lockKind === 'none') return [work];
    const name = `${kind} statistics lock`;
    const lock = world.locks.find((one) => one.name === name) ?? this.lock(name, lockKind, price.lines.lock);
    return [work, this.locked(() => lock, price.ovsStatistics, 'statistics')];
  }

  locked(lockOf: (cpu: Cpu, packet: number) => Lock, hold: number, label: string): Step {
    return new Locked(lockOf, hold, this.chance, this.draw, label);
  }
}

/** Something that has begun to run when the clock starts. */
export interface Starter {
  start(): void;
}
