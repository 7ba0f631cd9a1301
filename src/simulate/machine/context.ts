/**
 * What a kernel does on one of its CPUs: interrupts, then softirq, then tasks. The same for a host's CPU and for a
 * vCPU, which is a task of the host with a context inside.
 *
 * Promise: the receive softirq is that of Linux (`net_rx_action`): a run polls each device on the list once, for up to
 * `weight` packets; it ends with the list, after `budget` packets, or after `softirqTime`. RPS interrupts gathered in it
 * go out at its end (and before the backlog is polled), one per target. What has used its weight is polled again in the
 * next run, at once, up to ten times in a row or for 2 ms; then it belongs to ksoftirqd, which shares the CPU with the
 * tasks by time.
 */

import { Class, Pick } from './classes.js';
import type { Counters } from './counters.js';
import type { LoadBoard } from './load-board.js';

/** Runs of the softirq in a row, and their time, before ksoftirqd takes over (`MAX_SOFTIRQ_RESTART`, `_TIME`). */
const RESTARTS = 10;
const RESTART_TIME = 2e9;

/** What a context and its tasks see of the CPU that works for them. */
export interface Runner {
  readonly id: number;
  readonly sim: { readonly now: number };
  readonly root: Context;
  /** The context whose work runs, and the class of what is spent. */
  context: Context;
  class: number;
  /** Spent and not yet passed. */
  readonly debt: number;
  /** Until when it looks for work after `Pick.poll`. */
  pollUntil: number;
  spend(time: number): void;
  load(packet: number): void;
}

/** What a context sees of a task. */
export interface Schedulable {
  readonly cpuClass: number;
  /** Time that it has had. */
  runtime: number;
  /** CPU of its kernel on which it ran last; -1 = it has not run. */
  ranOn: number;
  begin(): void;
  preempted(): void;
  sleep(): void;
  /** An interrupt comes while it runs. */
  interrupted(cpu: Runner): void;
  /** Loads work; `Pick.nothing`: it sleeps. */
  pick(cpu: Runner): number;
}

/** What scheduling costs, in picoseconds. */
export interface SchedulerCosts {
  readonly contextSwitch: number;
  /** Paid by the waker, for a task on its own CPU, and on another. */
  readonly wakeLocal: number;
  readonly wakeRemote: number;
  readonly slice: number;
  readonly granularity: number;
  /** Lines that follow a task to another CPU, a number. */
  readonly taskLines: number;
}

/** Something that is polled in the receive softirq: a device queue, a backlog. */
export interface PollSource {
  /** Cost of its interrupt, in picoseconds. */
  readonly interruptCost: number;
  /** A backlog: RPS interrupts that wait are sent before it is polled. */
  readonly isBacklog: boolean;
  /** Its interrupt's handler empties it itself, without the softirq (a disk's completions). */
  readonly isWhole?: boolean;
  /** Takes a packet; -1 when there is none. */
  take(): number;
  /** It is empty and leaves the poll list: interrupts are on again. */
  complete(context: Context): void;
}

/** Costs and limits of a kernel, times in picoseconds. */
export interface KernelCosts extends SchedulerCosts {
  readonly weight: number;
  readonly budget: number;
  readonly softirqTime: number;
  /** Entering the softirq. */
  readonly softirqEntry: number;
  readonly ipiSend: number;
  readonly ipiLatency: number;
}

/** What lies below a context: a CPU, or a vCPU of a host. */
export interface Below {
  /** There is new work. `by` pays what that costs the sender; null = a device. */
  notify(by: Runner | null, kind: Notice): void;
  /** Interrupts other CPUs of the same kernel, for their backlogs or for `source`. */
  sendIpis(by: Runner, targets: readonly Context[], source?: PollSource): void;
}

/** Why a context is told that it has work. */
export const Notice = {
  /** A device's interrupt. */
  device: 0,
  /** An interrupt from another of its CPUs, which was paid for. */
  ipi: 1,
  /** A task was put there by another CPU. */
  reschedule: 2,
} as const;
/** One of `Notice`. */
export type Notice = (typeof Notice)[keyof typeof Notice];

export class Context {
  /** Time booked by class, for a vCPU's context. */
  readonly booked = new Float64Array(10);
  /** Class of what is spent, as this kernel sees it. */
  class = 0;
  /** This CPU's backlog, as a source. */
  backlog!: PollSource;
  /** The task that runs. */
  task: Schedulable | null = null;
  /** Packets polled, and runs of the softirq. */
  polled = 0;
  #queue: Schedulable[] = [];
  #queueHead = 0;
  #last: Schedulable | null = null;
  #taskSince = 0;
  #sliceEnd = 0;
  readonly #interrupts: PollSource[] = [];
  /** Whose handler runs and empties it. */
  #handling: PollSource | null = null;
  /** To be polled in the next run; in this one; again in the next, since the weight was used. */
  readonly #polls: PollSource[] = [];
  #list: PollSource[] = [];
  readonly #repolls: PollSource[] = [];
  #polling: PollSource | null = null;
  /** Runs in a row, and when the first of them began. */
  #runs = 0;
  #since = 0;
  #inRun = false;
  #runStart = 0;
  #budget = 0;
  /** A device has been polled in this run: only then can its time be over. */
  #hasPolled = false;
  #count = 0;
  /** Until when tasks have their turn while ksoftirqd waits; 0 = the softirq has not been put off. */
  #turnEnd = 0;
  readonly #targets: Context[] = [];

  /**
   * @param id number of the CPU in its machine.
   * @param cpuClass what work of this context is booked as on the host; -1 = by its own classes.
   */
  constructor(
    readonly id: number,
    readonly costs: KernelCosts,
    readonly counters: Counters,
    readonly below: Below,
    readonly cpuClass: number,
    readonly board: LoadBoard,
    /** What a cache line costs that another CPU had last. */
    private readonly distances: { line(from: number, to: number): number },
  ) {}

  /** No work runs and none is waiting. */
  get isIdle(): boolean {
    return this.board.isIdle(this.id);
  }

  /** What lies below has nothing to do any more, or has something again. */
  setIdle(isIdle: boolean): void {
    this.board.setIdle(this.id, isIdle);
  }

  /** Nothing waits for this CPU: no interrupt, no poll, no task. */
  get isQuiet(): boolean {
    return (
      this.task === null &&
      this.#queue.length === this.#queueHead &&
      this.#interrupts.length === 0 &&
      this.#handling === null &&
      this.#polls.length === 0 &&
      !this.#inRun
    );
  }

  /** Tasks that run or wait. */
  get load(): number {
    return this.#queue.length - this.#queueHead + (this.task === null ? 0 : 1);
  }

  /** A source has work and asks for this CPU. `by` = the CPU that causes it; null = a device. */
  raise(source: PollSource, by: Runner | null, kind: Notice): void {
    this.#interrupts.push(source);
    this.below.notify(by, kind);
  }

  /** A source is polled without an interrupt: by the CPU that works for this context now. */
  schedulePoll(source: PollSource): void {
    this.#polls.push(source);
  }

  /** RPS: another CPU's backlog was empty and must be told at the end of the run. */
  addTarget(target: Context): void {
    this.#targets.push(target);
  }

  /** Sends RPS interrupts that were gathered outside a softirq (a task that received). */
  flushTargets(cpu: Runner): void {
    if (this.#targets.length === 0) return;
    this.below.sendIpis(cpu, this.#targets);
    this.#targets.length = 0;
  }

  enqueue(task: Schedulable): void {
    this.board.setIdle(this.id, false);
    this.board.add(this.id, 1);
    const { task: current } = this;
    const isBehind = current !== null && current.runtime - task.runtime > this.costs.granularity;
    // A sleeper keeps no credit without end.
    if (isBehind) {
      task.runtime = current.runtime - this.costs.granularity;
      if (this.#queueHead > 0) this.#queue[--this.#queueHead] = task;
      else this.#queue.unshift(task);
      this.#sliceEnd = 0;
    } else this.#queue.push(task);
  }

  /** Another CPU has put a task here. */
  reschedule(by: Runner | null): void {
    this.below.notify(by, Notice.reschedule);
  }

  /** Chooses what the CPU does next. */
  pick(cpu: Runner): number {
    cpu.context = this;
    if (this.#handling !== null) {
      const p = this.#handling.take();
      if (p >= 0) {
        this.#enter(cpu, Class.irq);
        cpu.load(p);
        return Pick.packet;
      }
      this.#handling.complete(this);
      this.#handling = null;
    }
    if (this.#interrupts.length > 0) {
      const source = this.#interrupts.shift()!;
      this.#enter(cpu, Class.irq);
      cpu.spend(source.interruptCost);
      this.task?.interrupted(cpu);
      this.counters.interrupts++;
      if (source.isWhole === true) this.#handling = source;
      else this.#polls.push(source);
      return Pick.spent;
    }
    if (this.#inRun || this.#polls.length > 0) {
      const isTasksTurn = !this.#inRun && this.#turnEnd > 0 && cpu.sim.now < this.#turnEnd && this.load > 0;
      if (!isTasksTurn) {
        const picked = this.#softirq(cpu);
        if (picked !== Pick.nothing) return picked;
      }
    } else this.#turnEnd = 0;
    const picked = this.#tasks(cpu);
    if (picked === Pick.nothing && (this.#polls.length > 0 || this.#interrupts.length > 0)) return Pick.spent;
    return picked;
  }

  #enter(cpu: Runner, cls: number): void {
    this.class = cls;
    cpu.context = this;
    cpu.class = this.cpuClass < 0 ? cls : this.cpuClass;
  }

  #begin(cpu: Runner): void {
    const { costs } = this;
    this.#inRun = true;
    this.#runStart = cpu.sim.now;
    this.#budget = costs.budget;
    this.#hasPolled = false;
    if (this.#runs === 0) this.#since = cpu.sim.now;
    this.#runs++;
    this.#takeList();
    this.#enter(cpu, Class.softirq);
    this.counters.softirqRuns++;
    cpu.spend(costs.softirqEntry);
  }

  #takeList(): void {
    for (const source of this.#polls) this.#list.push(source);
    this.#polls.length = 0;
  }

  #softirq(cpu: Runner): number {
    const { costs } = this;
    if (!this.#inRun) this.#begin(cpu);
    for (;;) {
      let source = this.#polling;
      if (source === null) {
        // Scheduled from inside: goes on with the same budget.
        if (this.#list.length === 0 && this.#repolls.length === 0) this.#takeList();
        const isLate = this.#hasPolled && cpu.sim.now - this.#runStart >= costs.softirqTime;
        const isOver = this.#budget <= 0 || isLate;
        if (this.#list.length === 0 || isOver) return this.#endRun(cpu);
        source = this.#list.shift()!;
        this.#polling = source;
        this.#hasPolled = true;
        this.#count = 0;
        this.counters.polls++;
        if (source.isBacklog && this.#targets.length > 0) {
          this.#enter(cpu, Class.softirq);
          this.flushTargets(cpu);
          return Pick.spent;
        }
      }
      if (this.#count >= costs.weight) {
        this.#repolls.push(source);
        this.#polling = null;
        continue;
      }
      const p = source.take();
      if (p < 0) {
        this.#polling = null;
        source.complete(this);
        continue;
      }
      this.#count++;
      this.#budget--;
      this.polled++;
      this.#enter(cpu, Class.softirq);
      cpu.load(p);
      return Pick.packet;
    }
  }

  #endRun(cpu: Runner): number {
    const { now } = cpu.sim;
    this.#inRun = false;
    this.#enter(cpu, Class.softirq);
    if (this.#list.length > 0) this.counters.squeezes++;
    this.#polls.unshift(...this.#list);
    this.#polls.push(...this.#repolls);
    this.#list.length = 0;
    this.#repolls.length = 0;
    this.flushTargets(cpu);
    if (this.#polls.length === 0) {
      this.#runs = 0;
      this.#turnEnd = 0;
      return cpu.debt > 0 ? Pick.spent : Pick.nothing;
    }
    const spent = now - this.#since;
    if (this.#runs >= RESTARTS || spent >= RESTART_TIME) {
      this.#runs = 0;
      this.#turnEnd = now + spent;
    }
    return Pick.spent;
  }

  #tasks(cpu: Runner): number {
    const { now } = cpu.sim;
    for (;;) {
      let task = this.task;
      if (task !== null) {
        task.runtime += now - this.#taskSince;
        this.#taskSince = now;
        if (now >= this.#sliceEnd && this.#queueHead < this.#queue.length) {
          this.#queue.push(task);
          task.preempted();
          task = null;
        }
      }
      if (task === null) {
        task = this.#next();
        this.task = task;
        if (task === null) {
          this.#last = null;
          return Pick.nothing;
        }
        task.begin();
        this.#taskSince = now;
        this.#sliceEnd = now + this.costs.slice;
        // Also back from the idle task.
        if (task !== this.#last) {
          this.#last = task;
          this.counters.contextSwitches++;
          this.#enter(cpu, Class.scheduler);
          cpu.spend(this.costs.contextSwitch);
          this.#bring(task, cpu);
          if (cpu.debt > 0) return Pick.spent;
        }
      }
      this.#enter(cpu, task.cpuClass);
      const picked = task.pick(cpu);
      if (picked !== Pick.nothing) return picked;
      task.sleep();
      this.task = null;
      this.board.add(this.id, -1);
      if (cpu.debt > 0) return Pick.spent;
    }
  }

  /** What a task had in the caches of the CPU on which it ran last comes along. */
  #bring(task: Schedulable, cpu: Runner): void {
    const { taskLines } = this.costs;
    const from = task.ranOn;
    task.ranOn = this.id;
    if (taskLines === 0 || from < 0 || from === this.id) return;
    this.counters.remoteLines += taskLines;
    cpu.spend(Math.round(taskLines * this.distances.line(from, this.id)));
  }

  #next(): Schedulable | null {
    const queue = this.#queue;
    if (this.#queueHead === queue.length) return null;
    const task = queue[this.#queueHead++]!;
    if (this.#queueHead === queue.length) {
      queue.length = 0;
      this.#queueHead = 0;
    } else if (this.#queueHead > 256) {
      queue.splice(0, this.#queueHead);
      this.#queueHead = 0;
    }
    return task;
  }
}
