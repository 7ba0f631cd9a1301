/**
 * What lies below a context of the host: the CPU itself, and the interrupts between CPUs.
 *
 * Promise: an interrupt between CPUs costs the sender `ipiSend` and arrives `ipiLatency` after the sender has got that
 * far. A device's interrupt and a timer arrive at once.
 */
import type { Below, Context, KernelCosts, Notice, PollSource } from './context.js';
import { Notice as Kind } from './context.js';
import type { Counters } from './counters.js';
import type { Cpu } from './cpu.js';
import type { Actor, Sim } from './sim.js';

/** Argument of an event; others are numbers of sources. */
const RESCHEDULE = -1;

export class HostBelow implements Below, Actor {
  context!: Context;
  readonly #actor: number;
  /** What has interrupted this CPU for itself: the backlog, few others. */
  readonly #sources: PollSource[] = [];

  constructor(
    private readonly sim: Sim,
    private readonly cpu: Cpu,
    private readonly costs: KernelCosts,
    private readonly counters: Counters,
  ) {
    this.#actor = sim.enter(this);
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

  sendIpis(by: Cpu, targets: readonly Context[], source?: PollSource): void {
    for (const target of targets) {
      this.counters.ipis++;
      by.spend(this.costs.ipiSend);
      const below = target.below as HostBelow;
      below.#arriveAt(this.sim.now + by.debt + this.costs.ipiLatency, source ?? target.backlog);
    }
  }

  #arriveAt(time: number, source: PollSource): void {
    let n = this.#sources.indexOf(source);
    if (n < 0) n = this.#sources.push(source) - 1;
    this.sim.at(time, this.#actor, n);
  }

  fire(arg: number): void {
    if (arg === RESCHEDULE) this.cpu.poke(false);
    else this.context.raise(this.#sources[arg]!, null, Kind.ipi);
  }
}
