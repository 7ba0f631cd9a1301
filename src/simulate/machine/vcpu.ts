/**
 * A vCPU: a task of the host with the kernel context of a guest inside.
 *
 * Promise: guest work runs piece by piece while the task has the CPU. A guest with nothing to do first polls in guest
 * mode (if told so), then leaves it with an exit; the host polls for a while (if told so), then the task sleeps. An
 * interrupt for a vCPU costs its sender the injection; a sleeping one is woken through the host's scheduler, a running
 * one is brought out of guest mode by an exit, unless interrupts are posted.
 */

import { Class, Pick } from './classes.js';
import type { Below, Context, PollSource } from './context.js';
import { Notice } from './context.js';
import type { Counters } from './counters.js';
import { POKE as CPU_POKE, type Cpu } from './cpu.js';
import type { Actor, Sim } from './sim.js';
import { type ContextGroup, Task, type WakeRule } from './task.js';

/** Costs of running guests, in picoseconds. */
export interface VcpuCosts {
  /** Leaving guest mode and coming back, with the cause handled in the kernel; and in user space. */
  readonly exit: number;
  readonly exitUser: number;
  /** Making an interrupt pending for a vCPU. */
  readonly inject: number;
  /** The same where hardware posts it. */
  readonly post: number;
  /** What a guest's interrupt between vCPUs costs its sender beyond the exit. */
  readonly guestIpi: number;
  /** Coming back from a halt, beyond the exit that it was and the wake-up. */
  readonly halt: number;
}

/** How a guest's interrupts work. */
export interface VcpuSettings {
  /** Interrupts reach a running vCPU without an exit. */
  readonly isPosted: boolean;
  /** Interrupts between vCPUs leave without an exit. */
  readonly hasIpiOffload: boolean;
  /** One hypercall for all targets of a poll, instead of an exit for each. */
  readonly hasIpiHypercall: boolean;
  /** Picoseconds that the guest polls before it halts, and the host before the vCPU sleeps. */
  readonly guestPoll: number;
  readonly hostPoll: number;
}

enum Halt {
  no,
  guestPolling,
  leaving,
  hostPolling,
}

export class Vcpu extends Task implements Below, Actor {
  inner!: Context;
  exits = 0;
  #halt: Halt = Halt.no;
  /** It has left guest mode by a halt and not come back. */
  #isHalted = false;
  /** It has been in guest mode since its last exit. */
  #isEntered = false;
  /** An exit that was caused by somebody else and is to be paid when it runs. */
  #owedExits = 0;
  /** End of the present poll. */
  #until = 0;
  readonly #actor: number;
  /** What other vCPUs have interrupted this one for. */
  readonly #sources: PollSource[] = [];
  /** Set by the builder: the CPU below a context of the host. */
  cpuOf!: (context: Context) => Cpu;

  constructor(
    name: string,
    own: Context,
    group: ContextGroup | null,
    rule: WakeRule,
    seed: number,
    private readonly sim: Sim,
    private readonly costs: VcpuCosts,
    private readonly settings: VcpuSettings,
    private readonly counters: Counters,
  ) {
    super(name, Class.vcpu, own, group, rule, 0, seed);
    this.#actor = sim.enter(this);
  }

  /** Counts and pays an exit on the CPU that runs this vCPU now. */
  exit(cpu: Cpu, toUser: boolean): void {
    this.exits++;
    this.counters.exits++;
    this.#isEntered = false;
    if (toUser) this.counters.userExits++;
    cpu.spend(toUser ? this.costs.exitUser : this.costs.exit);
  }

  override interrupted(cpu: Cpu): void {
    if (this.#isEntered) this.exit(cpu, false);
  }

  get isIdle(): boolean {
    return this.isSleeping || this.#halt !== Halt.no;
  }

  override wake(by: Cpu | null, from: Context | null): boolean {
    if (this.isSleeping) this.inner.setIdle(false);
    return super.wake(by, from);
  }

  notify(by: Cpu | null, kind: Notice): void {
    const { costs, settings } = this;
    // A guest that polls sees the flag that its kernel sets.
    if (kind === Notice.reschedule) {
      if (!this.isIdle) return;
      if (by !== null && by.context !== by.root && this.#halt !== Halt.guestPolling) {
        (by.root.task as Vcpu).#payIpi(by);
      }
    }
    if (this.isSleeping) {
      if (by !== null && kind !== Notice.ipi) by.spend(costs.inject);
      this.wake(by, by === null ? null : by.root);
      return;
    }
    if (by !== null && kind === Notice.device) by.spend(settings.isPosted ? costs.post : costs.inject);
    const cpu = this.#cpu();
    if (cpu?.isPolling === true) {
      // It sees the work when that has been put there.
      if (by === null) cpu.poke(false);
      else this.sim.at(this.sim.now + by.debt, cpu.actor, CPU_POKE);
      return;
    }
    const isForced = this.isRunning && this.#isEntered && !settings.isPosted && cpu !== by;
    if (isForced && kind !== Notice.reschedule && this.#owedExits === 0) this.#owedExits = 1;
  }

  sendIpis(by: Cpu, targets: readonly Context[], source?: PollSource): void {
    const { settings } = this;
    if (settings.hasIpiHypercall && !settings.hasIpiOffload) this.exit(by, false);
    for (const target of targets) {
      this.#payIpi(by, settings.hasIpiHypercall);
      (target.below as Vcpu).#arriveAt(this.sim.now + by.debt, source ?? target.backlog, by);
    }
  }

  /** An interrupt to another vCPU, sent by the CPU that runs this one; `isLeft`: the exit is paid already. */
  #payIpi(by: Cpu, isLeft = false): void {
    if (!isLeft && !this.settings.hasIpiOffload) this.exit(by, false);
    this.counters.guestIpis++;
    by.spend(this.costs.guestIpi);
  }

  /** An interrupt between vCPUs arrives when its sender has got that far; the sender wakes a vCPU that sleeps. */
  #arriveAt(time: number, source: PollSource, by: Cpu): void {
    if (this.isSleeping) by.spend(by.root.costs.wakeRemote);
    let n = this.#sources.indexOf(source);
    if (n < 0) n = this.#sources.push(source) - 1;
    this.sim.at(time, this.#actor, n);
  }

  fire(arg: number): void {
    this.inner.raise(this.#sources[arg]!, null, Notice.ipi);
  }

  pick(cpu: Cpu): number {
    if (this.#isHalted && !this.inner.isQuiet) {
      // Back from the halt: the interrupt that ended it, and the entry.
      this.#isHalted = false;
      cpu.context = cpu.root;
      cpu.class = Class.vcpu;
      cpu.spend(this.costs.halt);
      return Pick.spent;
    }
    if (this.#owedExits > 0) {
      this.#owedExits = 0;
      this.exit(cpu, false);
      return Pick.spent;
    }
    const picked = this.inner.pick(cpu);
    if (picked !== Pick.nothing) {
      if (this.#halt !== Halt.no) {
        this.#halt = Halt.no;
        this.inner.setIdle(false);
      }
      this.#isEntered = true;
      return picked;
    }
    cpu.context = cpu.root;
    cpu.class = Class.vcpu;
    if (cpu.debt > 0) return Pick.spent;
    return this.#idle(cpu);
  }

  #idle(cpu: Cpu): number {
    const { settings, sim } = this;
    if (this.#halt === Halt.no) {
      this.#halt = Halt.guestPolling;
      this.inner.setIdle(true);
      this.#until = sim.now + settings.guestPoll;
    }
    if (this.#halt === Halt.guestPolling) {
      if (sim.now < this.#until) {
        cpu.pollUntil = this.#until;
        return Pick.poll;
      }
      this.#halt = Halt.leaving;
      this.exit(cpu, false);
      this.#isHalted = true;
      return Pick.spent;
    }
    if (this.#halt === Halt.leaving) {
      this.#halt = Halt.hostPolling;
      this.#until = sim.now + settings.hostPoll;
    }
    // Halt polling ends when another task wants the CPU.
    if (sim.now < this.#until && cpu.root.load <= 1) {
      cpu.pollUntil = this.#until;
      return Pick.poll;
    }
    this.#halt = Halt.no;
    return Pick.nothing;
  }

  #cpu(): Cpu | null {
    return this.isRunning ? this.cpuOf(this.context) : null;
  }
}
