/**
 * Tasks with something to do: applications that read, senders, device threads.
 *
 * Promise: each takes one packet at a time and sleeps when it has none; a device thread may poll for a while first.
 */

import { Pick } from '../machine/classes.js';
import type { Context } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import type { DeviceQueue } from '../machine/device-queue.js';
import { Fifo } from '../machine/packets.js';
import type { Actor, Sim } from '../machine/sim.js';
import { Next, type Step } from '../machine/step.js';
import { type ContextGroup, Task, type WakeRule } from '../machine/task.js';
import type { Reader, World } from './world.js';

/** Where a task may run, and what happens when it is woken. */
export interface Placement {
  /** Where it runs first, and where it may run; null = only there. */
  readonly own: Context;
  readonly group: ContextGroup | null;
  readonly rule: WakeRule;
  readonly affinity: number;
  readonly seed: number;
}

/** An application thread that reads a socket. */
export class AppTask extends Task implements Reader {
  readonly inbox: Fifo;
  /** For sockets that are locked: the reader is inside, and what came meanwhile. */
  isLocked = false;
  readonly backlog: Fifo;

  constructor(
    name: string,
    cpuClass: number,
    place: Placement,
    world: World,
    limit: number,
    /** Senders are refused before the socket's lock when queue and backlog together are full. */
    readonly isLimited: boolean,
  ) {
    super(name, cpuClass, place.own, place.group, place.rule, place.affinity, place.seed);
    this.inbox = new Fifo(world.packets, 'socket', limit);
    this.backlog = new Fifo(world.packets, 'socketBacklog', 1 << 24);
  }

  pick(cpu: Cpu): number {
    const p = this.inbox.shift();
    if (p < 0) return Pick.nothing;
    cpu.load(p);
    return Pick.packet;
  }
}

/** Puts a packet into its reader's socket and wakes the reader. */
export class Deliver implements Step {
  readonly isVisible = true;
  readonly label = 'into the socket, wake-up';

  constructor(private readonly world: World) {}

  run(cpu: Cpu, packet: number): number {
    const { world } = this;
    const task = world.readers[world.flows.taskOf(world.packets.flow[packet]!)]!;
    cpu.park(packet);
    const queue = task.isLocked ? task.backlog : task.inbox;
    const isFull = task.isLimited && task.inbox.length + task.backlog.length >= task.inbox.limit;
    if (isFull || !queue.push(packet)) world.drop(packet, 'socket');
    else if (!task.isLocked) task.wake(cpu, cpu.context);
    return Next.done;
  }
}

/** Something that a sender may find full. */
export interface Outlet {
  readonly isFull: boolean;
  /** Wakes the task when there is room. */
  waitForRoom(task: Task): void;
}

/** A thread that sends, at a rate or as fast as it is let. */
export class SendTask extends Task implements Actor {
  #next = 0;
  #due = 0;
  readonly #actor: number;

  /**
   * @param flows that it sends in turn
   * @param interval picoseconds between packets; 0 = as fast as it can
   */
  constructor(
    name: string,
    cpuClass: number,
    place: Placement,
    private readonly world: World,
    private readonly flows: readonly number[],
    private readonly bytes: number,
    private readonly interval: number,
    private readonly outlet: Outlet,
    private readonly node: number,
  ) {
    super(name, cpuClass, place.own, place.group, place.rule, place.affinity, place.seed);
    this.#actor = world.sim.enter(this);
  }

  /** Begins to run. */
  start(): void {
    this.wake(null, null);
  }

  fire(): void {
    this.wake(null, null);
  }

  pick(cpu: Cpu): number {
    const { world, outlet, interval } = this;
    const { now } = world.sim;
    if (interval > 0 && now < this.#due) {
      world.sim.at(this.#due, this.#actor, 0);
      return Pick.nothing;
    }
    if (outlet.isFull) {
      outlet.waitForRoom(this);
      return Pick.nothing;
    }
    if (interval > 0) this.#due += interval;
    const p = world.make(this.flows[this.#next]!, this.bytes);
    this.#next = (this.#next + 1) % this.flows.length;
    world.packets.node[p] = this.node;
    world.packets.cpu[p] = cpu.id;
    cpu.load(p);
    return Pick.packet;
  }
}

/** A queue that a device thread serves, and what must have room for its packets. */
export interface Input {
  readonly queue: Fifo;
  readonly sink: DeviceQueue | null;
  /** Senders that wait for room in `queue`. */
  readonly waiters: Task[];
}

/** A vhost worker, a QEMU thread, a switch that polls. */
export class WorkerTask extends Task {
  /** Packets since it last found nothing. */
  burst = 0;
  readonly inputs: Input[] = [];
  #at = 0;
  #count = 0;
  #pollEnd = 0;

  /**
   * @param weight packets from one input before the next has its turn
   * @param poll picoseconds that it polls before it sleeps; infinity = it never sleeps
   */
  constructor(
    name: string,
    cpuClass: number,
    place: Placement,
    private readonly sim: Sim,
    private readonly weight: number,
    private readonly poll: number,
  ) {
    super(name, cpuClass, place.own, place.group, place.rule, place.affinity, place.seed);
  }

  /** Serves one more queue. */
  serve(queue: Fifo, sink: DeviceQueue | null = null): Input {
    const input: Input = { queue, sink, waiters: [] };
    this.inputs.push(input);
    if (sink !== null) {
      const before = sink.onRoom;
      sink.onRoom = () => {
        before?.();
        if (queue.length > 0) this.#nudge();
      };
    }
    return input;
  }

  /** There is work: wakes it, or ends its polling. */
  nudge(by: Cpu | null, from: Context | null): void {
    if (this.isSleeping) this.wake(by, from);
    else this.#nudge();
  }

  #nudge(): void {
    if (this.isSleeping) this.wake(null, null);
    else if (this.isRunning) this.context.below.notify(null, 2);
  }

  pick(cpu: Cpu): number {
    const { inputs } = this;
    if (this.#count >= this.weight) {
      this.#count = 0;
      this.#at = (this.#at + 1) % inputs.length;
    }
    for (let tried = 0; tried < inputs.length; tried++) {
      const input = inputs[this.#at]!;
      const { sink } = input;
      if (sink === null || sink.ring.length < sink.ring.limit) {
        const p = input.queue.shift();
        if (p >= 0) {
          this.#count++;
          this.burst++;
          this.#pollEnd = 0;
          if (input.waiters.length > 0 && input.queue.length <= input.queue.limit >> 1) {
            for (const waiter of input.waiters) waiter.wake(null, null);
            input.waiters.length = 0;
          }
          cpu.load(p);
          return Pick.packet;
        }
      }
      this.#count = 0;
      this.#at = (this.#at + 1) % inputs.length;
    }
    this.burst = 0;
    if (this.poll === 0) return Pick.nothing;
    const { now } = this.sim;
    if (this.#pollEnd === 0) this.#pollEnd = now + this.poll;
    if (now >= this.#pollEnd || cpu.root.load > 1) {
      this.#pollEnd = 0;
      return Pick.nothing;
    }
    cpu.pollUntil = this.#pollEnd;
    return Pick.poll;
  }
}
