/**
 * Spin locks: who gets them next, and what the hand-over costs.
 *
 * Promise: first come, first served. A waiter burns its CPU. A free lock costs its taker the transfer of its lines from
 * the CPU that held it last. A contended one passes on after a hand-over whose cost follows the kind:
 *
 *   ticket     c x w: all w CPUs that wait fetch the word again (Boyd-Wickizer et al., 2012, section 4)
 *   halved     c x w/2, w = those behind the new holder: the model published there
 *   queue      c: each waiter spins on a word of its own (MCS, Linux qspinlock)
 *
 * c is that of the distance between the old and the new holder. A lock of kind `none` never makes anybody wait.
 */
import type { Cpu } from './cpu.js';

/** Kinds of locks. */
export const LOCK_KINDS = ['ticket', 'halved', 'queue', 'none'] as const;
/** One of `LOCK_KINDS`. */
export type LockKind = (typeof LOCK_KINDS)[number];

/** What distances cost, for locks and lines; picoseconds. */
export interface Distances {
  /** A cache line that was last written by `from` (a CPU; -1 = nobody: nothing). */
  line(from: number, to: number): number;
  /** c of a contended hand-over. */
  handOver(from: number, to: number): number;
}

export class Lock {
  /** Times taken, times that somebody had to wait, and picoseconds waited. */
  taken = 0;
  waits = 0;
  waited = 0;
  /** Picoseconds that it was held or being handed over. */
  held = 0;
  /** Work under it takes so many times as long; for finding out what limits. */
  slowness = 1;
  /** CPU that holds it or held it last; -1 = nobody yet. */
  owner = -1;
  isHeld = false;
  #since = 0;
  readonly #waiting: Cpu[] = [];
  #head = 0;

  /** @param lines cache lines that its data brings along. */
  constructor(
    readonly name: string,
    readonly kind: LockKind,
    readonly distances: Distances,
    readonly lines = 1,
  ) {}

  /** CPUs that wait. */
  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** True when the CPU has it now; else it waits and is resumed with the lock. Lines are spent by the taker. */
  acquire(cpu: Cpu): boolean {
    this.taken++;
    if (this.isHeld && this.kind !== 'none') {
      this.waits++;
      this.#waiting.push(cpu);
      cpu.spin();
      return false;
    }
    this.isHeld = true;
    this.#since = cpu.sim.now;
    this.#enter(cpu);
    return true;
  }

  #enter(cpu: Cpu): void {
    if (this.owner >= 0 && this.owner !== cpu.id) {
      cpu.spend(Math.round(this.lines * this.distances.line(this.owner, cpu.id) * this.slowness));
      cpu.context.counters.remoteLines += this.lines;
    }
    this.owner = cpu.id;
  }

  /** The holder lets go; the next one is resumed when it has it. */
  release(cpu: Cpu): void {
    const { now } = cpu.sim;
    this.held += now - this.#since;
    this.#since = now;
    const waiting = this.waiting;
    if (this.kind === 'none' || waiting === 0) {
      this.isHeld = false;
      return;
    }
    const next = this.#waiting[this.#head++]!;
    if (this.#head === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#head = 0;
    } else if (this.#head > 256) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    const c = this.distances.handOver(cpu.id, next.id) * this.slowness;
    const factor = this.kind === 'ticket' ? waiting : this.kind === 'halved' ? (waiting - 1) / 2 : 1;
    this.waited += next.grant(now + Math.round(c * factor));
    this.#enter(next);
  }

  /** Takes what has been held so far into account, at the edges of a window. */
  settle(now: number): void {
    if (!this.isHeld) return;
    this.held += now - this.#since;
    this.#since = now;
  }
}
