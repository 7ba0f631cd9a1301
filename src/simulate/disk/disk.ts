/**
 * A disk of a run: its queues by the kernel's rules, its tenants' requests, what became of them.
 *
 * Promise: a request is under way from the moment its thread begins with it until the thread has its answer, and is then
 * asked anew, so their number never changes. Counts are of the window.
 */
import { blockBehaviour } from '../../block/behaviour.js';
import { completionOf } from '../../block/completion.js';
import type { BlockMachine } from '../../block/machine.js';
import type { NvmeQueues } from '../../block/nvme.js';
import type { Context } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import type { Lock } from '../machine/lock.js';
import { exponential, factor, mix, unit, type Variation } from '../machine/random.js';
import type { Actor } from '../machine/sim.js';
import { Histogram } from '../model/meter.js';
import type { World } from '../model/world.js';
import type { CompletionQueue, DoneList } from './completions.js';
import { Device, HardwareQueue, Integral } from './device.js';
import type { DiskResult, TenantResult } from './result.js';
import type { DiskSpec, TenantSpec } from './spec.js';
import type { RequestSteering } from './steering.js';
import type { TenantThread } from './threads.js';

/** Draws of a request that are none of its steps'. */
const DRAW_SERVICE = 0x64697361;
const DRAW_READ = 0x64697362;
const DRAW_THINK = 0x64697363;

/** A tenant and what it got. */
export interface Tenant {
  readonly name: string;
  readonly spec: TenantSpec;
  readonly latency: Histogram;
  readonly queues: Set<number>;
}

/** What a disk is made of. */
export interface DiskParts {
  readonly name: string;
  readonly spec: DiskSpec;
  readonly world: World;
  readonly machine: BlockMachine;
  readonly nvme: NvmeQueues;
  readonly contexts: readonly Context[];
  readonly nodeOf: (cpu: number) => number;
  /** CPU of each queue's interrupt; null = a poll queue. */
  readonly irqCpus: readonly (number | null)[];
  readonly interrupts: readonly (CompletionQueue | null)[];
  readonly done: readonly DoneList[];
  readonly locks: readonly Lock[];
  readonly tenants: readonly Tenant[];
  readonly variation: Variation;
  readonly spread: number;
  /** Picoseconds. */
  readonly latency: number;
  readonly perByte: number;
}

/** How a completion goes on, for each queue and submitter. */
interface Way {
  readonly cpu: number;
  readonly by: 'local' | 'ipi' | 'softirq';
}

export class Disk implements Actor {
  readonly queues: HardwareQueue[];
  readonly device: Device;
  readonly active: Integral;
  steering!: RequestSteering;
  /** Threads by flow; program of their requests by flow. */
  readonly threads: TenantThread[] = [];
  readonly programs: number[] = [];
  firstFlow = 0;
  readonly #ways: readonly (readonly Way[] | null)[];
  readonly #counts = { local: 0, ipi: 0, softirq: 0, polled: 0, otherCpu: 0, otherNode: 0 };
  readonly #latency = new Histogram();
  readonly #actor: number;
  #opened = 0;
  #before: number[] = [];

  constructor(readonly parts: DiskParts) {
    const { world, nvme, spec, machine, irqCpus } = parts;
    const { sim, packets } = world;
    this.queues = nvme.queues.map(({ index, type }) => new HardwareQueue(packets, index, type, spec.depth));
    this.device = new Device(
      sim,
      this.queues,
      spec.parallelism,
      (packet) => this.#service(packet),
      (packet) => this.#finished(packet),
    );
    this.active = new Integral(sim);
    this.#actor = sim.enter(this);
    const affinity = spec.rqAffinity;
    const rules = blockBehaviour(spec.kernel);
    this.#ways = nvme.queues.map(({ cpus, index }) => {
      const found = irqCpus[index]!;
      if (found === null) return null;
      return machine.cpus.map((_, submitter) =>
        completionOf(
          { submitter, found, queueCpus: cpus.length, queues: nvme.queues.length },
          affinity,
          machine,
          { rules },
        ),
      );
    });
  }

  get isOpen(): boolean {
    return this.parts.world.meter.isOpen;
  }

  #flow(packet: number): number {
    return this.parts.world.packets.flow[packet]!;
  }

  /** A draw of the request's own. */
  #draw(packet: number): number {
    const { flows, packets } = this.parts.world;
    return mix(flows.seed[packets.flow[packet]!]!, packets.sequence[packet]!);
  }

  threadOf(packet: number): TenantThread {
    return this.threads[this.#flow(packet) - this.firstFlow]!;
  }

  #tenantOf(packet: number): Tenant {
    return this.parts.tenants[this.threadOf(packet).tenant]!;
  }

  #queueOf(packet: number): HardwareQueue {
    return this.queues[this.parts.world.packets.mark[packet]!]!;
  }

  lockOf(packet: number): Lock {
    return this.parts.locks[this.parts.world.packets.mark[packet]!]!;
  }

  /** The hardware queue of a request that a CPU submits. */
  choose(packet: number, cpu: number): HardwareQueue {
    const { spec, queues: used } = this.#tenantOf(packet);
    const read = spec.reads >= 1 || unit(this.#draw(packet), DRAW_READ) < spec.reads;
    const index = this.steering.choose(this.#flow(packet), cpu, spec.polled, read);
    this.parts.world.packets.mark[packet] = index;
    if (this.isOpen) used.add(index);
    return this.queues[index]!;
  }

  /** No tag is free: the request waits for one. */
  wait(queue: HardwareQueue, packet: number): void {
    if (this.isOpen) queue.tagWaits++;
    queue.waiting.push(packet);
  }

  /** The device gets the request. */
  submit(packet: number): void {
    const thread = this.threadOf(packet);
    if (thread.isPolling) thread.inDevice++;
    this.device.submit(this.#queueOf(packet), packet);
  }

  #service(packet: number): number {
    const { latency, perByte, variation, spread, world } = this.parts;
    const varied = latency * factor(variation, spread, this.#draw(packet), DRAW_SERVICE);
    return Math.round(varied + perByte * world.packets.bytes[packet]!);
  }

  #finished(packet: number): void {
    const interrupt = this.parts.interrupts[this.#queueOf(packet).index]!;
    if (interrupt === null) this.threadOf(packet).post(packet);
    else interrupt.post(packet);
  }

  /** Sends a completion that was found on a CPU to where it belongs; false: it is completed here. */
  redirect(cpu: Cpu, packet: number): boolean {
    const { contexts, done, world } = this.parts;
    const submitter = world.packets.cpu[packet]!;
    const ways = this.#ways[this.#queueOf(packet).index]!;
    const way = ways === null ? null : ways[submitter]!;
    this.#count(way?.by ?? 'polled', submitter, way?.cpu ?? cpu.id);
    if (way === null || way.by === 'local') return false;
    const { list } = done[way.cpu]!;
    const isFirst = list.length === 0;
    cpu.park(packet);
    world.packets.cpu[packet] = submitter;
    list.push(packet);
    if (!isFirst) return true;
    if (way.by === 'ipi') cpu.context.below.sendIpis(cpu, [contexts[way.cpu]!], done[way.cpu]!);
    else cpu.context.schedulePoll(done[way.cpu]!);
    return true;
  }

  #count(by: 'local' | 'ipi' | 'softirq' | 'polled', submitter: number, cpu: number): void {
    if (!this.isOpen) return;
    const { nodeOf } = this.parts;
    this.#counts[by]++;
    if (cpu !== submitter) this.#counts.otherCpu++;
    if (nodeOf(cpu) !== nodeOf(submitter)) this.#counts.otherNode++;
  }

  /** The request is complete: the next one that waits has its tag. */
  complete(cpu: Cpu, packet: number): void {
    const queue = this.#queueOf(packet);
    if (this.isOpen) queue.requests++;
    const waiting = queue.waiting.shift();
    if (waiting < 0) queue.underWay--;
    else this.#give(cpu, waiting);
    this.#give(cpu, packet);
  }

  /** Gives a request to its thread. */
  #give(cpu: Cpu, packet: number): void {
    const thread = this.threadOf(packet);
    thread.inbox.push(packet);
    thread.wake(cpu, cpu.context);
  }

  /** The thread has its answer. True: the next request follows at once, else it waits. */
  next(cpu: Cpu, packet: number): boolean {
    const { world } = this.parts;
    const { sim, packets, flows } = world;
    const { latency, spec } = this.#tenantOf(packet);
    if (this.isOpen) {
      latency.add(sim.now - packets.born[packet]!);
      this.#latency.add(sim.now - packets.born[packet]!);
    }
    world.count(packet);
    const flow = this.#flow(packet);
    packets.born[packet] = sim.now;
    packets.sequence[packet] = flows.next[flow]!++;
    packets.recorder?.begun(packet);
    const program = this.programs[flow - this.firstFlow]!;
    if (spec.thinkUs === 0) {
      cpu.jump(program);
      return true;
    }
    this.active.add(-1);
    packets.program[packet] = program;
    packets.step[packet] = 0;
    const pause = Math.round(spec.thinkUs * 1e6 * exponential(this.#draw(packet), DRAW_THINK));
    sim.at(sim.now + pause, this.#actor, packet);
    return false;
  }

  /** A pause is over. */
  fire(packet: number): void {
    const { sim, packets } = this.parts.world;
    packets.born[packet] = sim.now;
    this.active.add(1);
    const thread = this.threadOf(packet);
    thread.inbox.push(packet);
    thread.wake(null, null);
  }

  /** The window opens. */
  open(): void {
    this.#opened = this.parts.world.sim.now;
    for (const integral of [this.active, this.device.busy]) {
      integral.settle();
      integral.sum = 0;
    }
    this.#before = this.parts.interrupts.map((one) => one?.interrupts ?? 0);
    for (const queue of this.queues) queue.mostUnderWay = queue.underWay;
  }

  result(): DiskResult {
    const { name, world, nvme, irqCpus, interrupts, tenants, nodeOf } = this.parts;
    const window = world.sim.now - this.#opened;
    const rate = (count: number) => (count * 1e12) / window;
    for (const integral of [this.active, this.device.busy]) integral.settle();
    return {
      ...{ name, steer: this.steering.text, requestsPerSecond: rate(this.#latency.count) },
      latencyUs: microseconds(this.#latency),
      underWay: this.active.sum / window,
      inDevice: this.device.busy.sum / window,
      completions: { ...this.#counts },
      queues: nvme.queues.map(({ index, type, cpus }) => {
        const { requests, tagWaits, mostUnderWay } = this.queues[index]!;
        const nodes = [...new Set(cpus.map(nodeOf))].sort((a, b) => a - b);
        const count = (interrupts[index]?.interrupts ?? 0) - this.#before[index]!;
        return {
          ...{ index, type, cpus, nodes, irqCpu: irqCpus[index]! },
          ...{ requests, interrupts: count, tagWaits, mostUnderWay },
        };
      }),
      tenants: tenants.map(
        ({ name: own, latency, queues }): TenantResult => ({
          ...{ name: own, requestsPerSecond: rate(latency.count), latencyUs: microseconds(latency) },
          queues: [...queues].sort((a, b) => a - b),
        }),
      ),
    };
  }
}

function microseconds(histogram: Histogram) {
  return {
    mean: histogram.mean / 1000,
    p50: histogram.percentile(0.5) / 1000,
    p99: histogram.percentile(0.99) / 1000,
  };
}
