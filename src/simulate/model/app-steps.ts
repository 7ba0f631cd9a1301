/**
 * Steps of applications: telling steering where they run, answering, passing on.
 */
import type { Context, PollSource } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import { Next, type Step } from '../machine/step.js';
import type { Steerer } from './steering.js';
import type { AppTask } from './tasks.js';
import type { World } from './world.js';

/** `recvmsg`: the flow's application runs here (`sock_rps_record_flow`). */
export class Record implements Step {
  readonly isVisible = false;

  constructor(
    private readonly world: World,
    private readonly steerers: readonly Steerer[],
  ) {}

  run(cpu: Cpu, packet: number): number {
    const flow = this.world.packets.flow[packet]!;
    for (const steerer of this.steerers) steerer.record(flow, cpu.context.id);
    return Next.step;
  }
}

/** The message becomes its answer. */
export class Answer implements Step {
  readonly isVisible = false;

  /** @param bytes of each answer; null = those of its message */
  constructor(
    private readonly world: World,
    private readonly bytes: number | null,
  ) {}

  run(_cpu: Cpu, packet: number): number {
    if (this.bytes !== null) this.world.packets.bytes[packet] = this.bytes;
    return Next.step;
  }
}

/** A client on a host of its own: the answer completes the transaction, and is the next request. */
export class AskAgain implements Step {
  readonly isVisible = true;

  constructor(
    private readonly world: World,
    private readonly bytes: number,
  ) {}

  run(_cpu: Cpu, packet: number): number {
    const { world } = this;
    const { packets, flows, meter, sim } = world;
    const flow = flows.reverse[packets.flow[packet]!]!;
    packets.flow[packet] = flow;
    world.count(packet);
    meter.delivered++;
    meter.arrived++;
    if (meter.isOpen) meter.arrivedInWindow++;
    packets.born[packet] = sim.now;
    packets.sequence[packet] = flows.next[flow]!++;
    packets.bytes[packet] = this.bytes;
    packets.recorder?.begun(packet);
    return Next.step;
  }
}

/** A request is complete, and the next one takes its place. */
export class Resubmit implements Step {
  readonly isVisible = true;

  constructor(
    private readonly world: World,
    private readonly program: () => number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { world } = this;
    world.count(packet);
    world.packets.born[packet] = world.sim.now;
    world.packets.sequence[packet] = world.flows.next[world.packets.flow[packet]!]!++;
    world.packets.recorder?.begun(packet);
    cpu.jump(this.program());
    return Next.step;
  }
}

/** Interrupts another CPU of the same kernel and waits until that has handled it: an operation. */
export class Interrupt implements Step {
  readonly isVisible = true;
  readonly label = 'interrupt of another CPU';
  readonly #handler: PollSource;
  #waiting: Cpu | null = null;
  #isHandled = false;

  constructor(
    private readonly world: World,
    private readonly target: Context,
    private readonly program: () => number,
  ) {
    const { interruptCost } = target.backlog;
    this.#handler = { interruptCost, isBacklog: false, take: () => -1, complete: () => this.#handled() };
  }

  #handled(): void {
    this.#isHandled = true;
    this.#waiting?.grant(this.world.sim.now);
    this.#waiting = null;
  }

  run(cpu: Cpu, packet: number): number {
    const { world } = this;
    if (cpu.phase === 0) {
      cpu.phase = 1;
      this.#isHandled = false;
      cpu.context.below.sendIpis(cpu, [this.target], this.#handler);
      return Next.pay;
    }
    if (!this.#isHandled) {
      this.#waiting = cpu;
      cpu.spin();
      return Next.wait;
    }
    world.count(packet);
    world.packets.born[packet] = world.sim.now;
    world.packets.sequence[packet]!++;
    cpu.jump(this.program());
    return Next.step;
  }
}

/** Threads that wake each other: a token goes to the partner, and that is an operation. */
export class PassOn implements Step {
  readonly isVisible = true;
  readonly label = 'waking the partner';

  constructor(
    private readonly world: World,
    private readonly threads: readonly AppTask[],
    private readonly program: () => number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { world } = this;
    const { packets } = world;
    const partner = this.threads[packets.mark[packet]! ^ 1]!;
    packets.mark[packet]! ^= 1;
    world.count(packet);
    packets.born[packet] = world.sim.now;
    packets.sequence[packet]!++;
    packets.recorder?.begun(packet);
    packets.program[packet] = this.program();
    packets.step[packet] = 0;
    partner.inbox.push(packet);
    partner.wake(cpu, cpu.context);
    return Next.done;
  }
}

/**
 * The reader frees what it has read under the socket's lock: what came meanwhile waits in the backlog, and the reader
 * may not return before that is empty (`release_sock`).
 */
export class ReleaseSocket implements Step {
  readonly isVisible = true;
  readonly label = 'releasing the socket';

  /** @param hold time under the lock; @param each time for a packet of the backlog */
  constructor(
    private readonly world: World,
    private readonly hold: number,
    private readonly each: number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { world } = this;
    const task = world.readers[world.flows.taskOf(world.packets.flow[packet]!)]!;
    if (cpu.phase === 0) {
      task.isLocked = true;
      cpu.phase = 1;
      cpu.spend(this.hold);
      return Next.pay;
    }
    if (cpu.phase === 2) {
      const waiting = task.backlog.shift();
      if (!task.inbox.push(waiting)) world.drop(waiting, 'socket');
    }
    if (task.backlog.length > 0) {
      cpu.phase = 2;
      cpu.spend(this.each);
      return Next.pay;
    }
    task.isLocked = false;
    return Next.step;
  }
}
