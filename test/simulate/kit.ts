/**
 * Small worlds for the laws, put together from the simulator's core: CPUs without costs, tasks that serve queues,
 * sources, and meters of their own.
 */

import { Class, Pick } from '#rxsteer/simulate/machine/classes.js';
import { Context, type KernelCosts } from '#rxsteer/simulate/machine/context.js';
import { Counters } from '#rxsteer/simulate/machine/counters.js';
import { Cpu, type CpuShared } from '#rxsteer/simulate/machine/cpu.js';
import { HostBelow } from '#rxsteer/simulate/machine/host-below.js';
import { LoadBoard } from '#rxsteer/simulate/machine/load-board.js';
import { type Fifo, Packets } from '#rxsteer/simulate/machine/packets.js';
import { exponential } from '#rxsteer/simulate/machine/random.js';
import { Sim } from '#rxsteer/simulate/machine/sim.js';
import { Next, type Step } from '#rxsteer/simulate/machine/step.js';
import { Task } from '#rxsteer/simulate/machine/task.js';

/** Picoseconds in a microsecond: the unit of the laws. */
export const US = 1e6;

export const FREE: KernelCosts = {
  weight: 64,
  budget: 300,
  softirqTime: 2e9,
  softirqEntry: 0,
  ipiSend: 0,
  ipiLatency: 0,
  contextSwitch: 0,
  wakeLocal: 0,
  wakeRemote: 0,
  slice: 1e15,
  granularity: 1e15,
  taskLines: 0,
};

/** CPUs of one socket on which everything is free. */
export class Small {
  readonly sim = new Sim();
  readonly packets = new Packets();
  readonly programs: Step[][] = [];
  readonly counters = new Counters();
  readonly cpus: Cpu[];
  readonly contexts: Context[];

  constructor(count: number, costs: Partial<KernelCosts> = {}) {
    const shared: CpuShared = {
      packets: this.packets,
      programs: this.programs,
      busyInSocket: new Int32Array(1),
      siblingSlowdown: 1,
      idleExit: 0,
      idleExitDevice: 0,
    };
    const all = { ...FREE, ...costs };
    this.cpus = Array.from(
      { length: count },
      (_, id) => new Cpu(this.sim, id, { core: id, cache: 0, socket: 0, node: 0 }, shared),
    );
    const below = this.cpus.map((cpu) => new HostBelow(this.sim, cpu, all, this.counters));
    const board = new LoadBoard(count, () => 3);
    this.contexts = below.map(
      (one, id) => new Context(id, all, this.counters, one, -1, board, { line: () => 0 }),
    );
    this.contexts.forEach((context, id) => {
      below[id]!.context = context;
      this.cpus[id]!.root = context;
      this.cpus[id]!.context = context;
    });
  }

  program(...steps: Step[]): number {
    return this.programs.push(steps) - 1;
  }

  make(program: number): number {
    const p = this.packets.make(this.sim.now);
    this.packets.program[p] = program;
    return p;
  }

  busy(cpu: number): number {
    return this.cpus[cpu]!.settled().reduce((a, b) => a + b, 0);
  }
}

/** A thread on one CPU that takes packets from a queue, which others may share. */
export class Server extends Task {
  constructor(
    context: Context,
    readonly queue: Fifo,
    cpuClass: number = Class.app,
  ) {
    super('server', cpuClass, context, null, 'home', 0, 0);
  }

  pick(cpu: Cpu): number {
    const p = this.queue.shift();
    if (p < 0) return Pick.nothing;
    cpu.load(p);
    return Pick.packet;
  }
}

/** Takes time by a law, and adds up what it took. */
export class Serve implements Step {
  readonly isVisible = true;
  sum = 0;
  started = 0;
  waited = 0;
  #n = 0;

  /** @param time service of customer n in picoseconds */
  constructor(
    private readonly small: Small,
    private readonly time: (n: number) => number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    if (cpu.phase === 0) {
      const time = this.time(this.#n++);
      this.started++;
      this.waited += this.small.sim.now - this.small.packets.born[packet]!;
      this.sum += time;
      cpu.spend(time);
    }
    return Next.step;
  }
}

/** The customer leaves. */
export class Leave implements Step {
  readonly isVisible = true;
  count = 0;
  /** Sum of the times in the system. */
  sum = 0;

  constructor(
    private readonly small: Small,
    private readonly then: (packet: number) => void = () => {},
  ) {}

  run(_cpu: Cpu, packet: number): number {
    this.count++;
    this.sum += this.small.sim.now - this.small.packets.born[packet]!;
    this.then(packet);
    this.small.packets.end(packet);
    return Next.done;
  }
}

/** Calls back at the moments of a renewal process. */
export function arrivals(
  small: Small,
  gap: (n: number) => number,
  arrive: (n: number) => void,
  most = Number.POSITIVE_INFINITY,
): void {
  let n = 0;
  let at = 0;
  const actor = small.sim.enter({
    fire: () => {
      arrive(n++);
      next();
    },
  });
  const next = () => {
    if (n >= most) return;
    at += gap(n);
    small.sim.at(Math.round(at), actor, 0);
  };
  next();
}

/** Exponential times with a mean in picoseconds. */
export const exp =
  (seed: number, mean: number) =>
  (n: number): number =>
    Math.round(mean * exponential(seed, n));

/** Mean and half width of its 99 % interval from batches (Student, 19 degrees of freedom for 20). */
export function interval(batches: readonly number[]): { mean: number; half: number } {
  const mean = batches.reduce((a, b) => a + b, 0) / batches.length;
  const variance = batches.reduce((a, b) => a + (b - mean) ** 2, 0) / (batches.length - 1);
  return { mean, half: (2.861 * Math.sqrt(variance)) / Math.sqrt(batches.length) };
}
