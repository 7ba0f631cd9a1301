/**
 * A guest: vCPUs, its kernel, its device's queues, its steering, its transmit side, its applications.
 *
 * Promise: a guest's draws are its own; what the device chooses comes from the library (the tap's rule, or a policy
 * such as virtio's RSS).
 */
import { UserError } from '../../errors.js';
import { TunQueues } from '../../linux/tun.js';
import { compilePolicy } from '../../policy/compile.js';
import { parsePolicy } from '../../policy/parse.js';
import { Class } from '../machine/classes.js';
import type { Cpu } from '../machine/cpu.js';
import { DeviceQueue } from '../machine/device-queue.js';
import { CpuGroup } from '../machine/load-board.js';
import { ps } from '../machine/sim.js';
import type { Step } from '../machine/step.js';
import { Vcpu } from '../machine/vcpu.js';
import { PATHS } from '../paths/index.js';
import type { BuiltPath, PathGuest } from '../paths/path.js';
import { placed } from '../scenario/place.js';
import { DEFAULT_SOFTIRQ, DEFAULT_TRANSMIT, type GuestSpec } from '../scenario/schema.js';
import { UNKNOWN } from './flows.js';
import type { Host } from './host.js';
import { guestKernelCosts, Kernel } from './kernel.js';
import type { Nic } from './nic.js';
import type { Parts } from './parts.js';
import { PolicyRunner } from './policy-runner.js';
import { Steer, type Steerer, SysfsSteerer } from './steering.js';
import { Topology } from './topology.js';
import { ChooseQueue, TxSide } from './transmit.js';

/** Where guests are placed on the host. */
export interface GuestPlace {
  readonly name: string;
  /** Its key in the scenario. */
  readonly kind: string;
  /** Number among all guests, and among those of its kind. */
  readonly index: number;
  readonly nth: number;
}

export class Guest {
  readonly kernel: Kernel;
  readonly vcpus: Vcpu[];
  readonly queues: DeviceQueue[];
  readonly path: BuiltPath;
  readonly side: TxSide;
  readonly steerer: SysfsSteerer | null;
  readonly node: number;
  /** Host CPUs of the vCPUs; of those that float, the first. */
  readonly cpus: readonly number[];
  readonly #runner: PolicyRunner | null;
  readonly #tun = new TunQueues<number>();

  constructor(
    private readonly parts: Parts,
    host: Host,
    nic: Nic,
    readonly spec: GuestSpec,
    readonly place: GuestPlace,
  ) {
    const { world, price, topology } = parts;
    const { name, nth } = place;
    const placement = placeVcpus(parts, spec, place, host.cpus.length);
    this.cpus = placement.map(([first]) => first!);
    this.node = spec.node ?? topology.places[this.cpus[0]!]!.node;
    const costs = {
      ...{ exit: price.exit, exitUser: price.exitUser, inject: price.inject, post: price.post },
      ...{ guestIpi: price.guestIpi, halt: price.halt },
    };
    const settings = {
      isPosted: spec.interrupts === 'posted',
      hasIpiOffload: spec.ipis === 'offload',
      hasIpiHypercall: spec.ipis === 'hypercall',
      guestPoll: ps(spec.guestPollUs * 1000),
      hostPoll: ps(spec.hostPollUs * 1000),
    };
    this.vcpus = placement.map((cpus, v) => {
      const { contexts } = host.kernel;
      const group = cpus.length > 1 ? new CpuGroup(cpus.map((cpu) => contexts[cpu]!)) : null;
      const seed = parts.seedOf(`${name}/vcpu ${v}`);
      const rule = group === null ? 'home' : 'idle';
      const vcpu = new Vcpu(
        `${name} vcpu${v}`,
        contexts[cpus[0]!]!,
        group,
        rule,
        seed,
        world.sim,
        costs,
        settings,
        parts.counters,
      );
      vcpu.cpuOf = (context): Cpu => host.cpus[context.id]!;
      return vcpu;
    });
    const softirq = spec.softirq ?? DEFAULT_SOFTIRQ;
    this.kernel = new Kernel({
      ...{ name, packets: world.packets, counters: parts.counters, softirq, below: this.vcpus },
      costs: guestKernelCosts(softirq, price),
      ipiReceive: price.ipiReceive,
      cpuClass: Class.vcpu,
      topology: new Topology(
        this.cpus.map((cpu) => topology.places[cpu]!),
        price,
      ),
    });
    this.vcpus.forEach((vcpu, v) => {
      vcpu.inner = this.kernel.contexts[v]!;
    });
    this.queues = Array.from({ length: spec.queues }, (_, q) => this.#queue(q));
    const transmit = { ...DEFAULT_TRANSMIT, ...spec.transmit };
    const transmitQueues =
      spec.transmitQueues ?? Math.max(transmit.queues, spec.transmit === undefined ? spec.queues : 1);
    const settingsOfSide =
      spec.transmit === undefined
        ? { ...transmit, queues: transmitQueues, select: 'cpus' as const }
        : { ...transmit, queues: transmitQueues };
    this.side = new TxSide(world, `${name} transmit`, settingsOfSide, spec.vcpus, topology, price.lines.lock);
    for (let q = 0; q < spec.queues; q++) this.#tun.attach(q);
    const { policy } = spec;
    this.#runner =
      policy === undefined ? null : placed(`guests.${place.kind}.policy`, () => this.#compile(policy));
    const irqs = this.queues.map(({ target }) => target.id);
    this.steerer =
      spec.rps === undefined ? null : new SysfsSteerer(spec.rps, spec.queues, irqs, this.kernel, world);
    const pathGuest: PathGuest = {
      ...{ parts, host, nic, name, index: place.index, spec, node: this.node },
      ...{ vcpus: this.vcpus, queues: this.queues, transmitQueues },
      queueOf: (packet) => this.#queueOf(packet),
      workerCpus: (worker) => workerCpusOf(spec, nth, worker, this.cpus, topology),
    };
    this.path = PATHS[spec.path].build(pathGuest);
  }

  get name(): string {
    return this.place.name;
  }

  /** CPU of the host that a policy with `follow-cpu` takes for this guest's. */
  get consumerCpu(): number {
    const [worker] = this.path.workers;
    return worker === undefined || worker.group !== null ? this.cpus[0]! : worker.own.id;
  }

  #queue(q: number): DeviceQueue {
    const { parts, spec } = this;
    const { world, price, relaxed } = parts;
    const irqs = spec.irqs ?? Array.from({ length: spec.vcpus }, (_, v) => v);
    const vcpu = irqs[q % irqs.length]!;
    if (vcpu >= spec.vcpus) {
      throw new UserError(
        `guest ${this.name}: irqs: vCPU ${vcpu} does not exist; vCPUs: 0 to ${spec.vcpus - 1}`,
      );
    }
    const name = `${this.name} queue ${q}`;
    const isGrown = relaxed?.kind === 'queue' && relaxed.names?.includes(name) === true;
    return new DeviceQueue(
      world.sim,
      world.packets,
      name,
      isGrown ? spec.ring * relaxed.factor : spec.ring,
      this.kernel.contexts[vcpu]!,
      price.guestHardIrq,
      { interval: ps(spec.moderationUs * 1000), packets: 0 },
    );
  }

  #compile(policy: string | object): PolicyRunner {
    const spec = parsePolicy(policy);
    const steering = compilePolicy(spec);
    if (steering.queues > this.spec.queues) {
      throw new UserError(
        `policy ${spec.policy} has ${steering.queues} queues, the guest ${this.spec.queues}: expected at most as many`,
      );
    }
    return new PolicyRunner(steering, this.parts.world.flows, 0);
  }

  /** The device's choice. */
  #queueOf(packet: number): number {
    if (this.queues.length === 1) return 0;
    return this.#queueOfFlow(this.parts.world.packets.flow[packet]!);
  }

  #queueOfFlow(flow: number): number {
    if (this.queues.length === 1) return 0;
    const { world } = this.parts;
    const { flows } = world;
    const known = flows.guestQueue[flow]!;
    if (known !== UNKNOWN) return known;
    let queue: number;
    if (this.#runner === null) {
      // Nothing has been sent by these flows: the tap goes by the hash.
      queue = this.#tun.select(flows.hashOf(flow), world.sim.now / 1e9).queue;
    } else {
      this.#runner.ask(flow, 0);
      queue = this.#runner.queue >= 0 ? this.#runner.queue : this.#runner.worker;
    }
    flows.guestQueue[flow] = queue;
    return queue;
  }

  /** What the guest does with a packet up to its protocol. */
  receiveSteps(): Step[] {
    const { parts, path, steerer } = this;
    const { price, world } = parts;
    return [
      parts.touch(price.lines.ring, price.misses.guest),
      ...path.guestReceive(),
      parts.work(path.driver.receive, 'driver'),
      ...(steerer === null
        ? []
        : [new Steer(steerer, this.kernel, world, price.steer), parts.touch(price.lines.backlog)]),
    ];
  }

  /** From the guest's stack to the host's switch. */
  transmitSteps(): Step[] {
    const { parts, path, side } = this;
    const { price, world, topology } = parts;
    return [
      new ChooseQueue(world, side, topology, price.lines.transmit),
      parts.locked(
        (_, packet) => side.queues[world.packets.mark[packet]!]!.lock,
        path.driver.transmit,
        'driver, sending',
      ),
      ...path.transmit(),
    ];
  }

  /** The vCPU on which a flow's protocol work is done, as far as it can be known beforehand. */
  softirqCpu(flow: number): number {
    const queue = this.#queueOfFlow(flow);
    const map = this.steerer?.queues[queue]?.map;
    if (map === undefined) return this.queues[queue]!.target.id;
    return map.cpus[map.index(this.parts.world.flows.hashOf(flow))]!;
  }

  get steerers(): readonly Steerer[] {
    return this.steerer === null ? [] : [this.steerer];
  }
}

/** CPUs that each vCPU may use. */
function placeVcpus(parts: Parts, spec: GuestSpec, { name, nth }: GuestPlace, cpus: number): number[][] {
  const list = spec.cpus ?? Array.from({ length: cpus }, (_, cpu) => cpu);
  const high = [...list, ...(spec.workerCpus ?? [])].find((cpu) => cpu >= cpus);
  if (high !== undefined)
    throw new UserError(`guest ${name}: CPU ${high} does not exist; CPUs: 0 to ${cpus - 1}`);
  if (spec.node !== undefined && spec.node >= parts.topology.nodes) {
    throw new UserError(
      `guest ${name}: node ${spec.node} does not exist; nodes: 0 to ${parts.topology.nodes - 1}`,
    );
  }
  return Array.from({ length: spec.vcpus }, (_, v) => {
    const own = list[(nth * spec.vcpus + v) % list.length]!;
    return spec.pin ? [own] : [own, ...list.filter((cpu) => cpu !== own)];
  });
}

/** CPUs of a device thread: those of the scenario, one each in turn, else the node of the guest's vCPUs. */
function workerCpusOf(
  spec: GuestSpec,
  nth: number,
  worker: number,
  vcpuCpus: readonly number[],
  topology: Topology,
): readonly number[] {
  const count = spec.workers === 'device' ? 1 : spec.workers === 'queue' ? spec.queues : spec.workers;
  if (spec.workerCpus !== undefined)
    return [spec.workerCpus[(nth * count + worker) % spec.workerCpus.length]!];
  if (spec.path === 'sriov') return [vcpuCpus[worker % vcpuCpus.length]!];
  const { node } = topology.places[vcpuCpus[0]!]!;
  return topology.places.flatMap((place, cpu) => (place.node === node ? [cpu] : []));
}
