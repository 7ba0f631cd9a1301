/**
 * What lies below a context of the host: the CPU itself, and the interrupts between CPUs.
 *
 * Promise: an interrupt between CPUs costs the sender `ipiSend` and arrives `ipiLatency` after the sender has got that
 * far. A device's interrupt and a timer arrive at once.
 */
import type { Below, Context, KernelCosts, Notice } from './context.js';
import { Notice as Kind } from './context.js';
import type { Counters } from './counters.js';
import type { Cpu } from './cpu.js';
import type { Actor, Sim } from './sim.js';

const BACKLOG = 0;
const RESCHEDULE = 1;

export class HostBelow implements Below, Actor {
  context!: Context;
  readonly #actor: number;

  constructor(
    private readonly sim: Sim,
    private readonly cpu: Cpu,
    private readonly costs: KernelCosts,
    private readonly counters: Counters,
  ) {
    this.#actor = sim.enter(this);
  }

  get isIdle(): boolean {
    return this.cpu.isIdle;
  }

  notify(by: Cpu | null, kind: Notice): void {
    const { cpu, sim } = this;
    if (kind === Kind.device) cpu.poke(true);
    else if (kind === Kind.ipi || by === null) cpu.poke(false);
    else if (!cpu.isBusy) {
      this.counters.ipis++;
      sim.at(sim.now + by.debt + this.costs.ipiLatency, this.#actor, RESCHEDULE);
    }
  }

  sendIpis(by: Cpu, targets: readonly Context[]): void {
    for (const target of targets) {
      this.counters.ipis++;
      by.spend(this.costs.ipiSend);
      (target.below as HostBelow).arriveAt(this.sim.now + by.debt + this.costs.ipiLatency);
    }
  }

  /** The interrupt for this CPU's backlog arrives at a time. */
  arriveAt(time: number): void {
    this.sim.at(time, this.#actor, BACKLOG);
  }

  fire(arg: number): void {
    if (arg === BACKLOG) this.context.raise(this.context.backlog, null, Kind.ipi);
    else this.cpu.poke(false);
  }
}
