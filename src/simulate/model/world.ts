/**
 * What a run consists of, and the fate of its packets.
 *
 * Promise: a packet arrives once and ends once: delivered, or dropped under a reason. `check` proves it at any moment.
 */
import { Counters } from '../machine/counters.js';
import type { Cpu } from '../machine/cpu.js';
import type { Lock } from '../machine/lock.js';
import { type Fifo, Packets } from '../machine/packets.js';
import { Sim } from '../machine/sim.js';
import { Next, type Step } from '../machine/step.js';
import type { Task } from '../machine/task.js';
import { Flows } from './flows.js';
import type { Link } from './link.js';
import type { Meter } from './meter.js';

/** A thread that reads a socket. */
export interface Reader extends Task {
  readonly inbox: Fifo;
  /** The reader is inside the socket's lock: what comes meanwhile goes to the backlog. */
  isLocked: boolean;
  readonly backlog: Fifo;
  readonly isLimited: boolean;
}

/** What a source of packets is told. */
export interface Source {
  /** A packet of its flows is gone. The packet itself ends after that. */
  lost(packet: number): void;
}

export class World {
  readonly sim = new Sim();
  readonly packets = new Packets();
  readonly flows = new Flows();
  readonly counters = new Counters();
  readonly programs: Step[][] = [];
  /** Tasks that read flows, by number. */
  readonly readers: Reader[] = [];
  readonly sources: Source[] = [];
  readonly locks: Lock[] = [];
  readonly links: Link[] = [];
  meter!: Meter;

  /** Enters a program and returns its number. */
  program(steps: Step[]): number {
    return this.programs.push(steps) - 1;
  }

  /** A new packet of a flow. */
  make(flow: number, bytes: number): number {
    const { packets, flows, sim } = this;
    const p = packets.make(sim.now);
    packets.flow[p] = flow;
    packets.sequence[p] = flows.next[flow]!++;
    packets.bytes[p] = bytes;
    packets.program[p] = flows.program[flow]!;
    packets.node[p] = 0;
    packets.recorder?.begun(p);
    this.meter.arrived++;
    if (this.meter.isOpen) this.meter.arrivedInWindow++;
    return p;
  }

  drop(packet: number, reason: string): void {
    this.meter.drop(reason);
    this.sources[this.flows.load[this.packets.flow[packet]!]!]?.lost(packet);
    this.packets.end(packet);
  }

  /** The packet has reached its end, as an operation of its guest. */
  finish(packet: number): void {
    this.count(packet);
    this.meter.delivered++;
    this.packets.end(packet);
  }

  /** An operation is complete; the packet lives on. */
  count(packet: number): void {
    const { packets, flows, meter, sim } = this;
    const flow = packets.flow[packet]!;
    const sequence = packets.sequence[packet]!;
    if (sequence < flows.last[flow]!) {
      if (meter.isOpen) meter.reordered++;
    } else flows.last[flow] = sequence;
    meter.complete(sim.now, sim.now - packets.born[packet]!, packets.bytes[packet]!, flows.guest[flow]!);
    packets.recorder?.completed(packet);
  }

  /** Arrived = delivered + dropped + under way. @throws Error where that is not so: a fault of the model */
  check(): void {
    const { arrived, delivered, dropped } = this.meter;
    const lost = Object.values(dropped).reduce((a, b) => a + b, 0);
    if (arrived !== delivered + lost + this.packets.live) {
      throw new Error(
        `packets do not add up: ${arrived} arrived, ${delivered} delivered, ${lost} dropped, ${this.packets.live} under way`,
      );
    }
  }
}

/** The packet ends here, delivered. */
export class Finish implements Step {
  readonly isVisible = true;

  constructor(private readonly world: World) {}

  run(_cpu: Cpu, packet: number): number {
    this.world.finish(packet);
    return Next.done;
  }
}
