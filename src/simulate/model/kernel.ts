/**
 * A kernel: the host's, or a guest's. Contexts of its CPUs, their backlogs, the counters that RFS looks at.
 *
 * Promise: host and guest are the same code; only what lies below their contexts differs.
 */
import { FlowLimit } from '../../linux/flow-limit.js';
import { Backlog } from '../machine/backlog.js';
import { type Below, Context, type KernelCosts } from '../machine/context.js';
import type { Counters } from '../machine/counters.js';
import { LoadBoard } from '../machine/load-board.js';
import type { Packets } from '../machine/packets.js';
import { ps } from '../machine/sim.js';
import type { SoftirqSettings } from '../scenario/schema.js';
import type { Price } from './prices.js';
import type { Topology } from './topology.js';

/** What a kernel is made of. */
export interface KernelParts {
  readonly name: string;
  readonly packets: Packets;
  readonly counters: Counters;
  readonly softirq: SoftirqSettings;
  readonly costs: KernelCosts;
  /** Of an interrupt between its CPUs at the receiver. */
  readonly ipiReceive: number;
  /** Booked on the host as; -1 = by its own classes. */
  readonly cpuClass: number;
  readonly below: readonly Below[];
  readonly topology: Topology;
}

export class Kernel {
  readonly name: string;
  readonly contexts: Context[];
  readonly board: LoadBoard;
  readonly backlogs: Backlog[];
  readonly heads: Int32Array;
  readonly tails: Int32Array;
  readonly topology: Topology;

  constructor(parts: KernelParts) {
    const { below, softirq, topology } = parts;
    this.name = parts.name;
    this.topology = topology;
    const distance = (a: number, b: number) =>
      a < topology.cpus && b < topology.cpus ? topology.level(a, b) : 0;
    this.board = new LoadBoard(below.length, distance);
    this.contexts = below.map(
      (one, id) => new Context(id, parts.costs, parts.counters, one, parts.cpuClass, this.board, topology),
    );
    this.heads = new Int32Array(below.length);
    this.tails = new Int32Array(below.length);
    const limited = new Set(softirq.flowLimitCpus ?? []);
    const limits = below.map((_, id) =>
      limited.has(id) ? new FlowLimit({ buckets: softirq.flowLimitTable }) : null,
    );
    this.backlogs = this.contexts.map(
      (context) =>
        new Backlog(
          parts.packets,
          context,
          parts.ipiReceive,
          this.heads,
          this.tails,
          softirq.maxBacklog,
          limits,
        ),
    );
    this.contexts.forEach((context, id) => {
      context.backlog = this.backlogs[id]!;
    });
  }
}

/** Limits and costs of a host's kernel. */
export function hostKernelCosts(softirq: SoftirqSettings, price: Price): KernelCosts {
  return {
    weight: softirq.weight,
    budget: softirq.budget,
    softirqTime: ps(softirq.timeUs * 1000),
    softirqEntry: price.softirqEntry,
    ipiSend: price.ipiSend,
    ipiLatency: price.ipiLatency,
    contextSwitch: price.contextSwitch,
    wakeLocal: price.wakeLocal,
    wakeRemote: price.wakeRemote,
    slice: price.slice,
    granularity: price.granularity,
    taskLines: price.lines.task,
  };
}

/** The same of a guest's. What its interrupts cost beyond that is the vCPU's. */
export function guestKernelCosts(softirq: SoftirqSettings, price: Price): KernelCosts {
  return {
    ...hostKernelCosts(softirq, price),
    contextSwitch: price.guestContextSwitch,
    wakeLocal: price.guestWake,
    wakeRemote: price.guestWake,
    ipiSend: 0,
    ipiLatency: 0,
  };
}
