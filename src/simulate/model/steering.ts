/**
 * Receive steering in software, of a host's NIC or a guest's device: a policy behind the NIC, or RPS, RFS and
 * accelerated RFS as sysfs sets them.
 *
 * Promise: decisions come from the library (`src/policy`, `src/linux`); this file only feeds them and does what they
 * say. A packet that goes to a backlog costs `steer` on the CPU that steers it.
 */
import { type AcceleratedDevice, AcceleratedRpsQueue } from '../../linux/arfs.js';
import { CpuReverseMap } from '../../linux/cpu-rmap.js';
import { onlineCpus, RpsQueue, type RpsQueueOptions } from '../../linux/rps.js';
import { DevFlowTable, RpsMap, SockFlowTable } from '../../linux/rps-tables.js';
import { RfsSteering } from '../../policy/rfs.js';
import { Class } from '../machine/classes.js';
import type { Context } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import { Next, type Step } from '../machine/step.js';
import type { RpsSettings } from '../scenario/schema.js';
import { UNKNOWN } from './flows.js';
import type { Kernel } from './kernel.js';
import type { PolicyRunner } from './policy-runner.js';
import type { World } from './world.js';

/** Says where a packet is processed. */
export interface Steerer {
  /** The CPU whose backlog gets the packet; -1 = it stays here. */
  choose(cpu: Cpu, packet: number, queue: number): number;
  /** What became of it: accepted by a CPU's backlog, or refused. */
  settle(packet: number, cpuId: number, isAccepted: boolean): void;
  /** A packet that stays on its CPU goes through its backlog, at no cost: behind all others of the poll. */
  readonly isByPoll: boolean;
  /** An application has read a packet of the flow on a CPU. */
  record(flow: number, cpuId: number): void;
}

/** Of each flow under `order=strict`: the CPU that has its frames, and the number of the last one among that CPU's. */
interface Owners {
  readonly cpu: Int32Array;
  readonly tail: Int32Array;
}

/**
 * A policy of stage `cpu`. With `order=strict` a flow that the policy moves stays on its old CPU until that is done with
 * the last of its frames, as the forwarder's guard has it (`src/dataplane/order`); what the guard does after 10 ms of
 * waiting (holding frames back) is left out.
 */
export class PolicySteerer implements Steerer {
  #owners: Owners = { cpu: new Int32Array(0), tail: new Int32Array(0) };
  /** Flows that went to another CPU, and frames that stayed on the old one until then. */
  readonly order = { moves: 0, postponed: 0 };
  readonly #rfs: RfsSteering | null;
  /** The kernel hands packets to the backlog of the CPU itself too; what is no kernel rule does not. */
  readonly #ownToo: boolean;
  readonly #tails: Int32Array;
  readonly #before: Int32Array;
  readonly #fate = new Int32Array(64);
  /** By CPU: its first worker; -1 = none. */
  readonly #workerOf: Int32Array;

  /** @param cpus CPU of each worker; @param isByPoll see `Steerer` */
  constructor(
    readonly runner: PolicyRunner,
    private readonly kernel: Kernel,
    private readonly world: World,
    private readonly cpus: readonly number[],
    readonly isByPoll: boolean,
  ) {
    const { steering } = runner;
    this.#ownToo = isByPoll || steering.spec.policy === 'rps' || steering.spec.policy === 'rfs';
    this.#rfs = steering instanceof RfsSteering ? steering : null;
    this.#tails = new Int32Array(steering.workers);
    this.#before = new Int32Array(steering.workers);
    this.#rfs?.attach(kernel.heads, this.#tails);
    this.#workerOf = Int32Array.from(kernel.contexts, ({ id }) => cpus.indexOf(id));
  }

  /** Flows keep their order. RFS sees to that itself. */
  get isStrict(): boolean {
    const { spec } = this.runner.steering;
    return spec.order === 'strict' && spec.policy !== 'rfs';
  }

  /** CPU of a worker. */
  cpuOf(worker: number): number {
    return this.cpus[worker]!;
  }

  choose(cpu: Cpu, packet: number, queue: number): number {
    const { flows, packets } = this.world;
    const flow = packets.flow[packet]!;
    let target = flows.cpu[flow]!;
    if (target === UNKNOWN) {
      if (this.#rfs !== null) this.#before.set(this.#tails);
      this.runner.ask(flow, queue);
      target = this.cpus[this.runner.worker]!;
      if (this.runner.steering.isByFlow === true) flows.cpu[flow] = target;
    }
    if (this.isStrict) target = this.#ordered(flow, target, cpu.context.id);
    return target === cpu.context.id && !this.#ownToo ? -1 : target;
  }

  /** The CPU for a frame whose policy wants it on `wanted`. */
  #ordered(flow: number, wanted: number, here: number): number {
    const { heads } = this.kernel;
    const { flows } = this.world;
    if (this.#owners.cpu.length < flows.count) {
      this.#owners = { cpu: new Int32Array(flows.count).fill(UNKNOWN), tail: new Int32Array(flows.count) };
    }
    const { cpu, tail } = this.#owners;
    const current = cpu[flow]!;
    if (current !== wanted && current >= 0) {
      // Counters wrap; their difference does not.
      if (((heads[current]! - tail[flow]!) | 0) < 0) {
        this.order.postponed++;
        return current;
      }
      this.order.moves++;
    }
    cpu[flow] = wanted;
    // Its own frames a CPU finishes before it takes the next.
    if (wanted === here && !this.#ownToo) tail[flow] = heads[here]!;
    return wanted;
  }

  settle(packet: number, cpuId: number, isAccepted: boolean): void {
    if (this.isStrict && isAccepted) {
      this.#owners.tail[this.world.packets.flow[packet]!] = this.kernel.tails[cpuId]!;
    }
    if (isAccepted || this.#rfs === null) return;
    this.#fate[0] = 1;
    this.#rfs.settle(this.runner.burst, this.#fate, 1, this.#before);
  }

  record(flow: number, cpuId: number): void {
    if (this.#rfs === null) return;
    const worker = this.#workerOf[cpuId] ?? -1;
    if (worker >= 0) this.#rfs.recordFlow(this.world.flows.hashOf(flow), worker);
  }
}

/** RPS, RFS, accelerated RFS of a device. */
export class SysfsSteerer implements Steerer {
  readonly isByPoll = false;
  readonly queues: RpsQueue[];
  readonly #sock: SockFlowTable | null;
  /** Filters that accelerated RFS has set: queue of each flow. */
  readonly filters = new Map<number, number>();
  #flow = -1;

  /**
   * @param queues receive queues of the device
   * @param irqs CPU of each queue's interrupt, for acceleration
   */
  constructor(
    private readonly settings: RpsSettings,
    queues: number,
    irqs: readonly number[],
    private readonly kernel: Kernel,
    private readonly world: World,
  ) {
    const { flows, sockEntries } = settings;
    const cpus = kernel.contexts.length;
    this.#sock = sockEntries === undefined ? null : new SockFlowTable(sockEntries, cpus);
    const online = onlineCpus(cpus);
    const optionsOf = (queue: number): RpsQueueOptions => {
      const list = this.#cpusOf(queue);
      return {
        ...(list.length === 0 ? {} : { map: new RpsMap(list) }),
        ...(flows === undefined ? {} : { flows: new DevFlowTable(flows) }),
        ...(this.#sock === null ? {} : { sock: this.#sock }),
        online,
      };
    };
    if (settings.accelerated) {
      const rmap = new CpuReverseMap(queues, kernel.topology.forMaps);
      for (let queue = 0; queue < queues; queue++) rmap.update(queue, [irqs[queue]!]);
      const list: RpsQueue[] = [];
      const device: AcceleratedDevice = {
        queues: list,
        rmap,
        ntuple: true,
        driver: {
          steer: (queue, flowId) => {
            this.filters.set(this.#flow, queue);
            return flowId & 0x7fff;
          },
        },
      };
      for (let q = 0; q < queues; q++) list.push(new AcceleratedRpsQueue(device, q, optionsOf(q)));
      this.queues = list;
    } else this.queues = Array.from({ length: queues }, (_, q) => new RpsQueue(optionsOf(q)));
  }

  #cpusOf(queue: number): readonly number[] {
    const { cpus } = this.settings;
    if (cpus === undefined || cpus.length === 0) return [];
    return typeof cpus[0] === 'number' ? (cpus as number[]) : ((cpus as number[][])[queue] ?? []);
  }

  /** Writes `rps_cpus` of all queues. */
  write(cpus: readonly number[]): void {
    for (const queue of this.queues) queue.map = cpus.length === 0 ? undefined : new RpsMap(cpus);
  }

  choose(_cpu: Cpu, packet: number, queue: number): number {
    const { flows, packets } = this.world;
    const rps = this.queues[queue]!;
    this.#flow = packets.flow[packet]!;
    return rps.steer(flows.hashOf(this.#flow), this.kernel.heads);
  }

  settle(packet: number, cpuId: number, isAccepted: boolean): void {
    // The queue that chose: one CPU at a time polls it, others may have chosen meanwhile.
    if (isAccepted) this.queues[this.world.packets.mark[packet]!]!.enqueued(this.kernel.tails[cpuId]!);
  }

  record(flow: number, cpuId: number): void {
    this.#sock?.record(this.world.flows.hashOf(flow), cpuId);
  }
}

/** The step at which a packet changes CPUs, or not. */
export class Steer implements Step {
  readonly isVisible = false;
  readonly label = 'steering';

  /** @param price picoseconds of hash, table and enqueue. */
  constructor(
    private readonly steerer: Steerer,
    private readonly kernel: Kernel,
    private readonly world: World,
    private readonly price: number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { world, kernel } = this;
    if (cpu.phase === 0) {
      const target = this.steerer.choose(cpu, packet, world.packets.mark[packet]!);
      if (target < 0) return Next.step;
      cpu.scratch = target;
      cpu.phase = 1;
      if (!this.steerer.isByPoll || target !== cpu.context.id) cpu.spend(this.price);
      return Next.pay;
    }
    const flow = world.packets.flow[packet]!;
    const from: Context = cpu.context;
    cpu.park(packet);
    const refused = kernel.backlogs[cpu.scratch]!.accept(packet, world.flows.hashOf(flow), from);
    this.steerer.settle(packet, cpu.scratch, refused === null);
    if (refused !== null) world.drop(packet, refused);
    else if (cpu.scratch !== from.id && from === cpu.root) from.counters.handOffs++;
    if (from.class !== Class.softirq) from.flushTargets(cpu);
    return Next.done;
  }
}
