/**
 * Applications of a host or a guest: their threads, and what they do with a packet.
 *
 * Promise: a flow belongs to one thread. Threads are placed as the scenario says, by draws of the application's own.
 */
import { UserError } from '../../errors.js';
import { Class } from '../machine/classes.js';
import type { Context } from '../machine/context.js';
import { CpuGroup } from '../machine/load-board.js';
import { unit } from '../machine/random.js';
import { ps } from '../machine/sim.js';
import type { Step } from '../machine/step.js';
import type { ContextGroup } from '../machine/task.js';
import type { AppSpec } from '../scenario/schema.js';
import { Answer, AskAgain, Interrupt, PassOn, Record, ReleaseSocket, Resubmit } from './app-steps.js';
import type { Kernel } from './kernel.js';
import type { Parts, Starter } from './parts.js';
import type { Steerer } from './steering.js';
import { AppWork } from './steps.js';
import { AppTask, Deliver, type Outlet, type Placement, SendTask } from './tasks.js';
import { Finish } from './world.js';

/** Where applications live. */
export interface Home {
  readonly name: string;
  /** Number of the guest, -1 = the host. */
  readonly guest: number;
  readonly kernel: Kernel;
  readonly node: number;
  /** Receive steering that is told where applications run. */
  readonly steerers: () => readonly Steerer[];
  /** CPU of this kernel on which a flow's protocol work is done. */
  readonly softirqCpu: (flow: number) => number;
  readonly protocol: number;
  readonly send: number;
  /** From an application to the outside. */
  readonly transmit: (isBypass: boolean) => Step[];
  readonly outlet: Outlet;
  /** A block device's way back, up to the guest's driver; undefined where there is none. */
  readonly disk?: ((deviceUs: number) => Step[]) | undefined;
}

export class App {
  readonly threads: AppTask[] = [];
  readonly #seed: number;
  #flows = 0;
  /** Numbers of the threads among the world's readers. */
  readonly #numbers = new Map<AppTask, number>();
  readonly #cpus: readonly number[];
  #group: ContextGroup | null = null;

  /** @param isClient it runs on the second host and asks instead of answering. */
  constructor(
    private readonly parts: Parts,
    private readonly home: Home,
    readonly spec: AppSpec,
    private readonly isClient = false,
  ) {
    this.#seed = parts.seedOf(`${home.name}/${spec.name}`);
    const { contexts } = home.kernel;
    this.#cpus = spec.cpus ?? contexts.map(({ id }) => id);
    const high = this.#cpus.find((cpu) => cpu >= contexts.length);
    if (high !== undefined) {
      throw new UserError(
        `${home.name}: application ${spec.name}: cpus: CPU ${high} does not exist; CPUs: 0 to ${contexts.length - 1}`,
      );
    }
  }

  get name(): string {
    return `${this.home.name}/${this.spec.name}`;
  }

  /** Where thread `i` runs; `local` = the CPU of its flow's softirq, or null. */
  placement(i: number, local: number | null): Placement {
    const { spec, home } = this;
    const { contexts } = home.kernel;
    const isLocal = local !== null && unit(this.#seed, i) < spec.local;
    const own = contexts[isLocal ? local : this.#cpus[i % this.#cpus.length]!]!;
    const isFree = !spec.pin || spec.wake !== 'home';
    return {
      own,
      group: isFree ? this.#groupWith(own) : null,
      rule: spec.pin ? spec.wake : spec.wake === 'home' ? 'idle' : spec.wake,
      affinity: spec.affinity,
      seed: this.#seed ^ i,
    };
  }

  /** The CPUs of the application, and the one where a thread begins. */
  #groupWith(own: Context): ContextGroup | null {
    const { contexts } = this.home.kernel;
    this.#group ??= new CpuGroup(this.#cpus.map((cpu) => contexts[cpu]!));
    const group = this.#group.has(own) ? this.#group : new CpuGroup([own, ...this.#group.contexts]);
    return group.contexts.length > 1 ? group : null;
  }

  /**
   * Flows get their threads in turn: how flow `n` of so many finds its own. Where a thread is placed by steering, it is
   * asked when all flows are known (`assign`); else when the flow is first read.
   */
  reserve(count: number): (n: number) => number {
    const first = this.#flows;
    this.#flows += count;
    return (n) => this.#taskOf(first + n, null);
  }

  /** Threads are placed by what steering says of their flow. */
  get isPlacedByFlow(): boolean {
    return this.spec.threads === 'flow' && this.spec.local > 0;
  }

  /** Gives a flow its thread now. */
  assign(flow: number): void {
    const local = this.isPlacedByFlow ? this.home.softirqCpu(flow) : null;
    this.parts.world.flows.task[flow] = this.#taskOf(this.#flows++, local);
  }

  /** Number of the thread that flow `i` of the application has. */
  #taskOf(i: number, local: number | null): number {
    const { threads } = this.spec;
    const n = threads === 'flow' ? i : i % threads;
    this.threads[n] ??= this.#thread(n, this.placement(n, local));
    return this.#numbers.get(this.threads[n])!;
  }

  #thread(n: number, place: Placement): AppTask {
    const { spec, parts } = this;
    const isLimited = spec.socketLock === 'limited';
    // A disk's requests wait here too, none of them lost.
    const room = Math.max(spec.socket, spec.kind === 'block' ? spec.depth : 0);
    const thread = new AppTask(`${this.name} ${n}`, Class.app, place, parts.world, room, isLimited);
    this.#numbers.set(thread, parts.world.readers.push(thread) - 1);
    return thread;
  }

  /** What follows the driver and steering: protocol, socket, application, and what it does then. */
  receiveSteps(bytes: number): Step[] {
    const { spec, parts, home } = this;
    const { world, price } = parts;
    if (spec.kind === 'forward') {
      const route = () =>
        spec.switch === undefined
          ? [parts.work(price.route, 'routing')]
          : parts.switched(spec.switch, spec.switchLock);
      const steps = spec.bypass ? [parts.work(price.bypassReceive, 'bypass')] : route();
      return [...steps, ...home.transmit(spec.bypass)];
    }
    const protocol = parts.work(spec.bypass ? price.bypassReceive : home.protocol, 'protocol');
    if (spec.kind === 'drop') return [protocol, new Finish(world)];
    const steps: Step[] = [protocol, new Deliver(world), parts.touch(price.lines.socket)];
    const steerers = home.steerers();
    if (steerers.length > 0) steps.push(new Record(world, steerers));
    steps.push(this.#work());
    if (spec.socketLock !== 'none')
      steps.push(new ReleaseSocket(world, price.socketBacklog, price.socketBacklog));
    if (this.isClient) steps.push(new AskAgain(world, bytes));
    else if (spec.kind === 'echo') steps.push(new Answer(world, spec.replyBytes ?? null));
    else return [...steps, new Finish(world)];
    return [...steps, parts.work(home.send, 'sending'), ...home.transmit(false)];
  }

  #work(): Step {
    const { spec, parts } = this;
    const { price } = parts;
    return new AppWork(
      spec.workNs === undefined ? price.application : ps(spec.workNs),
      spec.byteNs * 1000,
      price.interference * spec.pressure,
      parts.chance,
      parts.draw,
    );
  }

  /** Threads that need no packet from outside. `flows` are those that it sends. */
  starters(flowsOf: (thread: number) => number[], after: () => Step[]): Starter[] {
    const { spec, parts, home } = this;
    const { world, price } = parts;
    const count = spec.threads === 'flow' ? 1 : spec.threads;
    if (spec.kind === 'ping') return this.#pingers(count, flowsOf);
    if (spec.kind === 'ipi') return this.#interrupters(count, flowsOf);
    if (spec.kind === 'block') return this.#askers(count, flowsOf);
    if (spec.kind !== 'send') return [];
    parts.begin();
    const program = world.program([
      ...(spec.bypass ? [] : [this.#work()]),
      parts.work(spec.bypass ? price.bypassSend : home.send, 'sending'),
      ...after(),
    ]);
    return Array.from({ length: count }, (_, i) => {
      const flows = flowsOf(i);
      for (const flow of flows) world.flows.program[flow] = program;
      const interval = spec.rate === undefined ? 0 : Math.round(1e12 / spec.rate);
      return new SendTask(
        `${this.name} ${i}`,
        Class.app,
        this.placement(i, null),
        world,
        flows,
        spec.bytes,
        interval,
        home.outlet,
        home.node,
      );
    });
  }

  /** Threads that keep so many requests of a disk under way. */
  #askers(count: number, flowsOf: (thread: number) => number[]): Starter[] {
    const { spec, parts, home } = this;
    const { world } = parts;
    if (home.disk === undefined) {
      throw new UserError(`${home.name}: application ${spec.name}: block: goes with path vhost-scsi`);
    }
    parts.begin();
    const again = new Resubmit(world, () => program);
    const program: number = world.program([
      this.#work(),
      ...home.transmit(false),
      ...home.disk(spec.deviceUs),
      new Deliver(world),
      again,
    ]);
    return Array.from({ length: count }, (_, i) => {
      const thread = this.#thread(i, this.placement(i, null));
      const [flow] = flowsOf(i);
      world.flows.program[flow!] = program;
      world.flows.task[flow!] = this.#numbers.get(thread)!;
      return {
        start: () => {
          for (let n = 0; n < spec.depth; n++) thread.inbox.push(world.make(flow!, spec.bytes));
          thread.wake(null, null);
        },
      };
    });
  }

  /** Threads that interrupt the next of their CPUs, one after the other. */
  #interrupters(count: number, flowsOf: (thread: number) => number[]): Starter[] {
    const { parts, home } = this;
    const { world } = parts;
    const { contexts } = home.kernel;
    const cpus = this.#cpus;
    return Array.from({ length: count }, (_, i) => {
      const thread = this.#thread(i, this.placement(i, null));
      const target = contexts[cpus[(i + 1) % cpus.length]!]!;
      const [flow] = flowsOf(i);
      parts.begin();
      const interrupt = new Interrupt(world, target, () => program);
      const program: number = world.program([this.#work(), interrupt]);
      world.flows.program[flow!] = program;
      return {
        start: () => {
          thread.inbox.push(world.make(flow!, 1));
          thread.wake(null, null);
        },
      };
    });
  }

  #pingers(count: number, flowsOf: (thread: number) => number[]): Starter[] {
    const { parts } = this;
    const { world } = parts;
    for (let i = 0; i < 2 * count; i++) this.threads.push(this.#thread(i, this.placement(i, null)));
    return Array.from({ length: count }, (_, pair) => ({
      start: () => {
        const [flow] = flowsOf(pair);
        parts.begin();
        const pass = new PassOn(world, this.threads.slice(2 * pair, 2 * pair + 2), () => program);
        const program: number = world.program([this.#work(), pass]);
        world.flows.program[flow!] = program;
        const p = world.make(flow!, 1);
        const first = this.threads[2 * pair]!;
        first.inbox.push(p);
        first.wake(null, null);
      },
    }));
  }
}
