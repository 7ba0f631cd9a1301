/**
 * Steps that any path may use: work, touching, copying, locks.
 *
 * Promise: costs are whole picoseconds; a step's variation is drawn from its packet's own numbers, so it does not depend
 * on what else runs.
 */
import type { Cpu } from '../machine/cpu.js';
import type { Lock } from '../machine/lock.js';
import { factor, mix, type Variation } from '../machine/random.js';
import { Next, type Step } from '../machine/step.js';
import type { Flows } from './flows.js';

/** What steps draw from. */
export interface Chance {
  readonly kind: Variation;
  readonly spread: number;
  readonly flows: Flows;
}

/** Time that varies: draw `id` of the packet. */
export function vary(chance: Chance, time: number, cpu: Cpu, packet: number, id: number): number {
  if (chance.kind === 'none' || time === 0) return time;
  const { flow, sequence } = cpu.shared.packets;
  const seed = mix(chance.flows.seed[flow[packet]!]!, sequence[packet]!);
  return Math.round(time * factor(chance.kind, chance.spread, seed, id));
}

/** Work of a fixed cost. */
export class Work implements Step {
  readonly isVisible = false;

  /** @param id tells the draws of a packet's steps apart. */
  constructor(
    private readonly time: number,
    private readonly chance: Chance,
    private readonly id: number,
    readonly label: string,
  ) {}

  run(cpu: Cpu, packet: number): number {
    cpu.spend(vary(this.chance, this.time, cpu, packet, this.id));
    return Next.step;
  }
}

/** Work of an application: also slowed by the other busy CPUs of the socket (cache, memory bandwidth). */
export class AppWork implements Step {
  readonly isVisible = false;
  readonly label = 'application';

  constructor(
    private readonly time: number,
    private readonly perByte: number,
    private readonly interference: number,
    private readonly chance: Chance,
    private readonly id: number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    let { time } = this;
    if (this.perByte > 0) time += Math.round(this.perByte * cpu.shared.packets.bytes[packet]!);
    if (this.interference > 0) {
      const busy = cpu.shared.busyInSocket[cpu.place.socket]!;
      time = Math.round(time * (1 + this.interference * busy));
    }
    cpu.spend(vary(this.chance, time, cpu, packet, this.id));
    return Next.step;
  }
}

/** What memory costs, by distance; picoseconds. */
export interface Memory {
  line(from: number, to: number): number;
  /** Cost of a miss that goes to a node's memory, beyond that of the CPU's own. */
  farMiss(cpu: number, node: number): number;
  /** Picoseconds a byte copied from a node's memory. */
  copyByte(cpu: number, node: number): number;
}

/** Takes over what another CPU has written: so many lines, and so many misses to the packet's memory. */
export class Touch implements Step {
  readonly isVisible = false;
  readonly label = 'lines from another CPU';

  constructor(
    private readonly memory: Memory,
    private readonly lines: number,
    private readonly misses: number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { packets } = cpu.shared;
    const from = packets.cpu[packet]!;
    if (from >= 0 && from !== cpu.id) {
      cpu.context.counters.remoteLines += this.lines;
      cpu.spend(Math.round(this.lines * this.memory.line(from, cpu.id)));
    }
    if (this.misses > 0)
      cpu.spend(Math.round(this.misses * this.memory.farMiss(cpu.id, packets.node[packet]!)));
    packets.cpu[packet] = cpu.id;
    return Next.step;
  }
}

/** Copies the packet into memory of a node (-1 = that of the CPU). */
export class Copy implements Step {
  readonly isVisible = false;
  readonly label = 'copy';

  constructor(
    private readonly memory: Memory,
    private readonly node: number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { packets } = cpu.shared;
    const bytes = packets.bytes[packet]!;
    cpu.context.counters.copiedBytes += bytes;
    cpu.spend(Math.round(bytes * this.memory.copyByte(cpu.id, packets.node[packet]!)));
    packets.node[packet] = this.node < 0 ? cpu.place.node : this.node;
    return Next.step;
  }
}

/** A section under a lock. The lock may depend on the packet. */
export class Locked implements Step {
  readonly isVisible = true;

  constructor(
    private readonly lockOf: (cpu: Cpu, packet: number) => Lock,
    private readonly hold: number,
    private readonly chance: Chance,
    private readonly id: number,
    readonly label: string,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const lock = this.lockOf(cpu, packet);
    if (cpu.phase === 0) {
      cpu.phase = 1;
      if (!lock.acquire(cpu)) return Next.wait;
    }
    if (cpu.phase === 1) {
      cpu.phase = 2;
      const hold = vary(this.chance, this.hold, cpu, packet, this.id);
      cpu.spend(lock.slowness === 1 ? hold : Math.round(hold * lock.slowness));
      return Next.pay;
    }
    lock.release(cpu);
    return Next.step;
  }
}
