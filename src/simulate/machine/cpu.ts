/**
 * A CPU: runs one piece of work at a time to its end, and books its time by class.
 *
 * Promise: work is not preempted inside a piece (a packet's steps up to a hand-over, an interrupt); between pieces the
 * context chooses by class. Time is booked when it is spent; `settle` cuts what lies beyond a moment, so that busy time
 * plus idle time is the time of the window, to the picosecond.
 *
 * A CPU whose sibling is busy, or with `slowness` other than 1, takes longer for the same work.
 */
import { CLASSES, Class, Pick } from './classes.js';
import type { Context, Runner } from './context.js';
import type { Packets } from './packets.js';
import type { Recorder } from './recorder.js';
import { type Sim, Standstill } from './sim.js';
import { Next, type Step } from './step.js';

enum State {
  idle,
  busy,
  polling,
  waiting,
}

const RESUME = 0;
/** Argument of an event: a poke that arrives later. */
export const POKE = 1;
const POLL_END = 2;

/** Where a CPU is. */
export interface CpuPlace {
  readonly core: number;
  readonly cache: number;
  readonly socket: number;
  readonly node: number;
}

/** What a host's CPUs have in common. */
export interface CpuShared {
  readonly packets: Packets;
  /** Programs by number. */
  readonly programs: Step[][];
  /** Busy CPUs of each socket. */
  readonly busyInSocket: Int32Array;
  /** A CPU whose sibling is busy takes so many times as long. */
  readonly siblingSlowdown: number;
  /** Picoseconds to leave idle: woken by another CPU, and by a device. */
  readonly idleExit: number;
  readonly idleExitDevice: number;
}

export class Cpu implements Runner {
  readonly booked = new Float64Array(CLASSES.length);
  /** The host's own context on this CPU: interrupts, softirq, tasks. */
  root!: Context;
  /** The context whose work runs: the root, or that of a vCPU. */
  context!: Context;
  /** Class of what is spent. */
  class = 0;
  /** The packet being worked on, the step, and what the step remembers. */
  packet = -1;
  phase = 0;
  /** For steps: a number kept from one phase to the next. */
  scratch = 0;
  /** A step that is not a packet's may stand here: what runs when the debt is paid. */
  pollUntil = 0;
  /** Spent and not yet passed. */
  debt = 0;
  /** The moment up to which it is booked. */
  busyUntil = 0;
  slowness = 1;
  siblings: Cpu[] = [];
  /** Listens; null = nobody does. */
  recorder: Recorder | null = null;
  readonly actor: number;
  readonly #still = new Standstill();
  #steps: Step[] | null = null;
  #pc = 0;
  #state: State = State.idle;
  /** Polls begun, so that the end of an earlier one is known as such. */
  #polls = 0;
  #pollStart = 0;
  #waitStart = 0;
  /** Class of what is booked up to `busyUntil`. */
  #aheadClass = 0;

  constructor(
    readonly sim: Sim,
    readonly id: number,
    readonly place: CpuPlace,
    readonly shared: CpuShared,
  ) {
    this.actor = sim.enter(this);
  }

  get isPolling(): boolean {
    return this.#state === State.polling;
  }

  /** Neither idle nor polling. */
  get isBusy(): boolean {
    return this.#state === State.busy || this.#state === State.waiting;
  }

  /** Spends time in the present class; picoseconds, whole. */
  spend(time: number): void {
    let t = time;
    if (this.slowness !== 1) t = Math.round(t * this.slowness);
    if (this.shared.siblingSlowdown !== 1) {
      for (const sibling of this.siblings) {
        if (sibling.isBusy) {
          t = Math.round(t * this.shared.siblingSlowdown);
          break;
        }
      }
    }
    if (this.recorder !== null) {
      this.recorder.spent(this, Math.max(this.sim.now, this.busyUntil) + this.debt, t);
    }
    this.debt += t;
    this.booked[this.class]! += t;
    const { context } = this;
    if (context !== this.root) context.booked[context.class]! += t;
  }

  /** Takes a packet: its program goes on where it stopped. */
  load(p: number): void {
    const { packets, programs } = this.shared;
    this.packet = p;
    this.#steps = programs[packets.program[p]!]!;
    this.#pc = packets.step[p]!;
    this.phase = 0;
    this.recorder?.loaded(this, p);
  }

  /** What the present step is called; empty between steps, and where it has no name. */
  get stepLabel(): string {
    return this.#steps?.[this.#pc]?.label ?? '';
  }

  /** The packet leaves this CPU with the step after the present one next. */
  park(p: number): void {
    this.shared.packets.step[p] = this.#pc + 1;
    this.shared.packets.cpu[p] = this.id;
  }

  /** The packet goes on with another program from its beginning. */
  jump(program: number): void {
    const { packets, programs } = this.shared;
    packets.program[this.packet] = program;
    this.#steps = programs[program]!;
    this.#pc = -1;
  }

  fire(arg: number): void {
    const kind = arg & 3;
    if (kind === RESUME) this.#resume();
    else if (kind === POKE) this.poke(false);
    else if (this.#state === State.polling && arg >> 2 === this.#polls) {
      this.#endPoll();
      this.#count(1);
      this.#resume();
    }
  }

  /** There is new work: ends idling or polling. A busy CPU finds the work by itself. */
  poke(byDevice: boolean): void {
    const { sim } = this;
    if (this.#state === State.polling) {
      this.#endPoll();
      this.#state = State.busy;
      this.#count(1);
      sim.at(sim.now, this.actor, RESUME);
      return;
    }
    if (this.#state !== State.idle) return;
    this.#state = State.busy;
    this.root.setIdle(false);
    this.#count(1);
    const exit = byDevice ? this.shared.idleExitDevice : this.shared.idleExit;
    this.class = Class.idleExit;
    this.context = this.root;
    this.spend(exit);
    this.#pay();
  }

  /** Waits for a lock from now on, spinning. */
  spin(): void {
    this.#waitStart = this.sim.now;
  }

  /** The lock that it waits for is its own from `time` on, which is now or later. Returns how long it has waited. */
  grant(time: number): number {
    const waited = time - this.#waitStart;
    this.recorder?.passed(this, Class.lockWait, this.#waitStart, waited);
    this.booked[Class.lockWait]! += waited;
    if (this.context !== this.root) this.context.booked[Class.lockWait]! += waited;
    this.#state = State.busy;
    this.busyUntil = time;
    this.#aheadClass = Class.lockWait;
    this.sim.at(time, this.actor, RESUME);
    return waited;
  }

  #count(delta: number): void {
    this.shared.busyInSocket[this.place.socket]! += delta;
  }

  #pay(): void {
    const due = this.sim.now + this.debt;
    this.debt = 0;
    this.busyUntil = due;
    this.#aheadClass = this.class;
    this.sim.at(due, this.actor, RESUME);
  }

  #resume(): void {
    this.#state = State.busy;
    this.#still.reset();
    for (;;) {
      this.#still.note(this.sim.now);
      if (this.#steps === null) {
        const picked = this.root.pick(this);
        if (picked === Pick.packet) continue;
        if (this.debt > 0) {
          this.#pay();
          return;
        }
        if (picked === Pick.spent) continue;
        this.#count(-1);
        if (picked === Pick.poll) this.#startPoll();
        else {
          this.#state = State.idle;
          this.root.setIdle(true);
        }
        return;
      }
      const step = this.#steps[this.#pc]!;
      if (step.isVisible && this.debt > 0 && this.phase === 0) {
        this.#pay();
        return;
      }
      const said = step.run(this, this.packet);
      if (said === Next.step) {
        this.#pc++;
        this.phase = 0;
      } else if (said === Next.pay) {
        this.#pay();
        return;
      } else if (said === Next.wait) {
        this.#state = State.waiting;
        return;
      } else {
        this.#steps = null;
        this.packet = -1;
        if (this.debt > 0) {
          this.#pay();
          return;
        }
      }
    }
  }

  #startPoll(): void {
    this.#state = State.polling;
    this.#polls = (this.#polls + 1) & 0xfffffff;
    this.#pollStart = this.sim.now;
    if (this.pollUntil < Number.POSITIVE_INFINITY) {
      this.sim.at(this.pollUntil, this.actor, POLL_END | (this.#polls << 2));
    }
  }

  #endPoll(): void {
    this.#bookPoll();
    this.#polls = (this.#polls + 1) & 0xfffffff;
  }

  #bookPoll(): void {
    const { now } = this.sim;
    this.recorder?.passed(this, Class.poll, this.#pollStart, now - this.#pollStart);
    this.booked[Class.poll]! += now - this.#pollStart;
    this.#pollStart = now;
  }

  /** Booked time by class as of this moment: what was booked ahead is left out, what was not booked yet is in. */
  settled(): Float64Array {
    const { now } = this.sim;
    if (this.#state === State.polling) this.#bookPoll();
    else if (this.#state === State.waiting) {
      this.recorder?.passed(this, Class.lockWait, this.#waitStart, now - this.#waitStart);
      this.booked[Class.lockWait]! += now - this.#waitStart;
      this.#waitStart = now;
    }
    const copy = Float64Array.from(this.booked);
    if (this.#state === State.busy) copy[this.#aheadClass]! -= this.busyUntil - now;
    if (this.#state !== State.idle) copy[this.class]! -= this.debt;
    return copy;
  }
}
