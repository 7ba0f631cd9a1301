/**
 * Tasks and the scheduler: who runs where, and what a wake-up costs.
 *
 * Promise: a task sleeps, is runnable, or runs. It wakes on a CPU that its affinity allows, by its rule: `home` (where
 * it was), `affine` (on the waker's CPU with a given probability, else where it was), `idle` (where it was if that CPU
 * is idle, else the waker's if idle, else the nearest idle one, else the one with the fewest tasks). A task that has had
 * less time than the running one by more than the granularity goes to the head of the queue and takes over after the
 * present piece of work; else it goes to the tail and gets its turn after a slice.
 */
import type { Context, Runner, Schedulable } from './context.js';
import type { CpuGroup } from './load-board.js';
import { unit } from './random.js';

/** Where a woken task goes. */
export const WAKE_RULES = ['home', 'affine', 'idle'] as const;
/** One of `WAKE_RULES`. */
export type WakeRule = (typeof WAKE_RULES)[number];

enum State {
  sleeping,
  runnable,
  running,
}

/** CPUs that tasks share. */
export type ContextGroup = CpuGroup<Context>;

/** Something that is scheduled: an application, a vhost worker, a QEMU thread, a vCPU. */
export abstract class Task implements Schedulable {
  /** The context on which it runs or ran last. */
  context: Context;
  /** Time that it has had, for fairness. */
  runtime = 0;
  ranOn = -1;
  wakeups = 0;
  #state: State = State.sleeping;

  /**
   * @param class what its time is booked as.
   * @param own where it runs first.
   * @param group where it may run, `own` among them; null = only there.
   */
  constructor(
    readonly name: string,
    readonly cpuClass: number,
    readonly own: Context,
    readonly group: ContextGroup | null,
    readonly rule: WakeRule,
    /** Probability of `affine`, and its seed. */
    readonly affinity: number,
    readonly seed: number,
  ) {
    this.context = own;
  }

  get isSleeping(): boolean {
    return this.#state === State.sleeping;
  }

  get isRunning(): boolean {
    return this.#state === State.running;
  }

  /** It runs on a CPU now: loads work. `Pick.nothing`: it sleeps, until `wake`. */
  abstract pick(cpu: Runner): number;

  /** An interrupt of the host comes while it runs. */
  interrupted(_cpu: Runner): void {}

  /** For the context that runs it. */
  begin(): void {
    this.#state = State.running;
  }
  preempted(): void {
    this.#state = State.runnable;
  }
  sleep(): void {
    this.#state = State.sleeping;
  }

  /**
   * Makes it runnable, if it sleeps.
   * @param by the CPU that pays for it; null where nobody does (a timer).
   * @param from the context that this CPU works for, in the task's own machine; null where that is none of them.
   */
  wake(by: Runner | null, from: Context | null): boolean {
    if (this.#state !== State.sleeping) return false;
    const to = this.#choose(from);
    const { costs, counters } = to;
    this.context = to;
    this.#state = State.runnable;
    this.wakeups++;
    counters.wakeups++;
    to.enqueue(this);
    if (by !== null) by.spend(to === from ? costs.wakeLocal : costs.wakeRemote);
    if (to !== from) to.reschedule(by);
    return true;
  }

  #choose(from: Context | null): Context {
    const { group, rule, context, own } = this;
    if (rule === 'home' || group === null) return context;
    const waker = from !== null && group.has(from) ? from : null;
    if (rule === 'affine') {
      return waker !== null && unit(this.seed, this.wakeups) < this.affinity ? waker : context;
    }
    if (context.isIdle) return context;
    if (waker?.isIdle === true) return waker;
    const { board, bits } = group;
    const idle = board.nearestIdle(context.id, own.id, bits);
    return group.at(idle >= 0 ? idle : board.leastLoaded(own.id, bits));
  }
}
