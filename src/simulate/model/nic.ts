/**
 * A NIC: queues whose choice is the library's, rings, interrupts, and the link each way.
 *
 * Promise: a received packet is put into the queue that the NIC's policy (or a filter of accelerated RFS) says; a full
 * ring drops it under `ring`. What belongs to a guest with a function of its own goes to that directly.
 */
import type { Context } from '../machine/context.js';
import { DeviceQueue, type Moderation } from '../machine/device-queue.js';
import type { NicSpec } from '../scenario/schema.js';
import { UNKNOWN } from './flows.js';
import type { Link } from './link.js';
import type { PolicyRunner } from './policy-runner.js';
import type { SysfsSteerer } from './steering.js';
import type { TxSide } from './transmit.js';
import type { World } from './world.js';

/** What the NIC chooses its queue by. */
export interface NicParts {
  readonly name: string;
  readonly spec: NicSpec;
  readonly queues: number;
  /** Null: everything goes to queue 0. */
  readonly chooser: PolicyRunner | null;
  /** CPU of each queue's interrupt. */
  readonly irqs: readonly number[];
  readonly contexts: readonly Context[];
  readonly nodeOf: (cpu: number) => number;
  readonly interruptCost: number;
  readonly moderation: Moderation;
  readonly inbound: Link;
  readonly outbound: Link;
  readonly transmit: TxSide;
}

export class Nic {
  readonly queues: DeviceQueue[];
  chooser: PolicyRunner | null;
  /** For filters. */
  accelerated: SysfsSteerer | null = null;
  /** Takes packets of a guest that has a function of the NIC; by guest. */
  readonly functions = new Map<number, (packet: number) => void>();
  readonly #nodes: Int32Array;

  constructor(
    private readonly world: World,
    readonly parts: NicParts,
  ) {
    const { name, queues, irqs, contexts, spec } = parts;
    this.chooser = parts.chooser;
    this.queues = Array.from(
      { length: queues },
      (_, q) =>
        new DeviceQueue(
          world.sim,
          world.packets,
          `${name} queue ${q}`,
          spec.ring,
          contexts[irqs[q]!]!,
          parts.interruptCost,
          parts.moderation,
        ),
    );
    this.#nodes = Int32Array.from(irqs, (cpu) => spec.node ?? parts.nodeOf(cpu));
  }

  get name(): string {
    return this.parts.name;
  }

  /** A packet comes from the link. */
  receive(p: number): void {
    const { packets, flows } = this.world;
    const flow = packets.flow[p]!;
    packets.program[p] = flows.program[flow]!;
    packets.step[p] = 0;
    packets.cpu[p] = -1;
    const own = this.functions.get(flows.guest[flow]!);
    if (own !== undefined) {
      own(p);
      return;
    }
    const queue = this.#queueOf(flow);
    packets.mark[p] = queue;
    packets.node[p] = this.#nodes[queue]!;
    flows.received[flow] = queue;
    if (!this.queues[queue]!.deliver(p, null)) this.world.drop(p, 'ring');
  }

  #queueOf(flow: number): number {
    const filter = this.accelerated?.filters.get(flow);
    if (filter !== undefined) return filter;
    const { chooser } = this;
    if (chooser === null) return 0;
    const { flows } = this.world;
    const known = flows.queue[flow]!;
    if (known !== UNKNOWN) return known;
    const queue = this.ask(flow);
    if (chooser.steering.isByFlow === true) flows.queue[flow] = queue;
    return queue;
  }

  /** What the NIC's policy says of a flow; its hash is in the runner. */
  ask(flow: number): number {
    const chooser = this.chooser!;
    chooser.ask(flow, 0);
    const queue = chooser.queue >= 0 ? chooser.queue : chooser.worker;
    return queue < this.queues.length ? queue : 0;
  }

  /** The policy has changed: nothing that it said is still true. */
  forget(): void {
    const { flows } = this.world;
    flows.queue.fill(UNKNOWN, 0, flows.count);
    flows.cpu.fill(UNKNOWN, 0, flows.count);
  }
}
