/**
 * From a scenario to a world: hosts, NICs, guests, applications, loads.
 *
 * Promise: pure; what depends on the scenario as a whole (CPU numbers, names) is checked here, with the place in it.
 */
import { UserError, unknownName } from '../../errors.js';
import { randomKey } from '../../hash/keys.js';
import { LinuxFlowHash } from '../../linux/flow-hash.js';
import type { Costs } from '../costs/schema.js';
import { completeCosts } from '../costs/sets.js';
import { ps } from '../machine/sim.js';
import type { Step } from '../machine/step.js';
import { SendOnLink } from '../paths/stages.js';
import { placed } from '../scenario/place.js';
import { DEFAULT_APP, DEFAULT_TRANSMIT, type NicSpec, type Scenario } from '../scenario/schema.js';
import type { App, Home } from './apps.js';
import { Guest } from './guest.js';
import { buildHost, type Host } from './host.js';
import { compileHostPolicy, type HostPolicy } from './host-policy.js';
import { Link } from './link.js';
import { Meter } from './meter.js';
import { Nic } from './nic.js';
import { Parts, type Relaxed, type Starter } from './parts.js';
import { PolicyRunner } from './policy-runner.js';
import { pricesOf } from './prices.js';
import type { HostSide, NicSide } from './sides.js';
import { PolicySteerer, Steer, type Steerer, SysfsSteerer } from './steering.js';
import { placesOf, Topology } from './topology.js';
import { ChooseQueue, Qdisc, TxSide } from './transmit.js';
import { World } from './world.js';

/** Everything that a run needs. */
export interface Built {
  readonly world: World;
  readonly parts: Parts;
  readonly side: HostSide;
  readonly guests: readonly Guest[];
  readonly apps: readonly App[];
  readonly starters: Starter[];
  readonly policy: HostPolicy;
  readonly costs: Costs;
}

/** What is given beside the scenario. */
export interface BuildOptions {
  readonly costs: Costs;
  readonly seed: number;
  readonly policy: string | object | null;
  /** Where that stands in the scenario; null = not there. */
  readonly place: string | null;
  readonly relaxed: Relaxed | null;
}

/** The host's part of a world, without loads. */
export function buildHostSide(parts: Parts, policy: HostPolicy, name: string): HostSide {
  const host = buildHost(parts, name);
  const nics = new Map<string, NicSide>();
  let port = 0;
  for (const [nicName, spec] of Object.entries(parts.scenario.nics)) {
    const full = name === 'host' ? nicName : `${name} ${nicName}`;
    nics.set(nicName, buildNic(parts, host, policy, full, spec, port++));
  }
  return { host, nics };
}

function buildNic(
  parts: Parts,
  host: Host,
  policy: HostPolicy,
  name: string,
  spec: NicSpec,
  port: number,
): NicSide {
  const { world, price, topology, relaxed } = parts;
  const steering = policy.forNic(port);
  const queues = Math.max(spec.queues, steering.queues);
  const irqs = Array.from({ length: queues }, (_, q) => spec.irqs[q % spec.irqs.length]!);
  const high = irqs.find((cpu) => cpu >= host.cpus.length);
  if (high !== undefined) {
    throw new UserError(`NIC ${name}: irqs: CPU ${high} does not exist; CPUs: 0 to ${host.cpus.length - 1}`);
  }
  const isFaster = relaxed?.kind === 'link' && relaxed.names?.includes(`${name} link`) === true;
  const perByte = spec.gbps === undefined ? 0 : 8000 / spec.gbps / (isFaster ? relaxed.factor : 1);
  const link = (way: string) =>
    new Link(`${name} ${way}`, world.sim, world.packets, perByte, ps(spec.wireUs * 1000), spec.ring);
  const inbound = link('inbound');
  const outbound = link('outbound');
  world.links.push(inbound, outbound);
  const transmit = spec.transmit ?? DEFAULT_TRANSMIT;
  const side = new TxSide(world, `${name} transmit`, transmit, host.cpus.length, topology, price.lines.lock);
  const ringGrows = relaxed?.kind === 'queue' && relaxed.names?.includes(`${name} ring`) === true;
  const nic = new Nic(world, {
    ...{ name, queues, irqs, inbound, outbound, transmit: side },
    spec: ringGrows ? { ...spec, ring: spec.ring * relaxed.factor } : spec,
    chooser: steering.chooser === null ? null : new PolicyRunner(steering.chooser, world.flows, port),
    contexts: host.kernel.contexts,
    nodeOf: (cpu) => topology.places[cpu]!.node,
    interruptCost: price.hardIrq,
    moderation: { interval: ps(spec.moderationUs * 1000), packets: spec.moderationPackets },
  });
  inbound.receive = (p) => nic.receive(p);
  const own =
    steering.behind === null
      ? null
      : new PolicySteerer(
          new PolicyRunner(steering.behind, world.flows, port),
          host.kernel,
          world,
          policy.cpus,
          spec.dispatch === 'poll',
        );
  const sysfs = spec.rps === undefined ? null : new SysfsSteerer(spec.rps, queues, irqs, host.kernel, world);
  if (spec.rps?.accelerated === true) nic.accelerated = sysfs;
  const steerers: Steerer[] = [own, sysfs].filter((one) => one !== null);
  const waitForRoom = (wake: () => void) => {
    const { sim } = world;
    sim.at(Math.max(sim.now, Math.round(outbound.roomAt)), sim.enter({ fire: wake }), 0);
  };
  return {
    ...{ nic, policy: own, sysfs, steerers, waitForRoom },
    receiveSteps: () => [
      parts.touch(0, price.misses.receive),
      parts.work(price.driverReceive, 'driver'),
      ...steerers.flatMap((steerer) => [
        new Steer(steerer, host.kernel, world, price.steer),
        parts.touch(price.lines.backlog),
      ]),
    ],
    transmitSteps: () => transmitSteps(parts, side, nic),
    isFull: () => outbound.isFull,
  };
}

/** Down through the host's device. */
function transmitSteps(parts: Parts, side: TxSide, nic: Nic): Step[] {
  const { world, price, topology } = parts;
  const { outbound } = nic.parts;
  const choose = new ChooseQueue(world, side, topology, price.lines.transmit);
  if (!side.settings.qdisc) {
    return [
      choose,
      parts.locked(
        (_, packet) => side.queues[world.packets.mark[packet]!]!.lock,
        price.transmit,
        'driver, sending',
      ),
      new SendOnLink(world, outbound),
    ];
  }
  const prices = {
    ...{ transmit: price.transmit, enqueue: price.qdiscEnqueue, dequeue: price.qdiscDequeue },
    ...{ lines: price.lines.backlog, queueLines: price.lines.transmit },
  };
  const send = (_: unknown, packet: number) => {
    if (!outbound.send(packet)) world.drop(packet, 'transmit');
  };
  const [draw] = [parts.draw, parts.draw, parts.draw];
  const again = world.program([new Qdisc(world, side, prices, topology, parts.chance, draw, send, true)]);
  for (const queue of side.queues) queue.again = again;
  return [choose, new Qdisc(world, side, prices, topology, parts.chance, draw, send, false)];
}

/** Builds all of it but the loads (`buildLoads`). */
export function buildWorld(scenario: Scenario, options: BuildOptions): Built {
  const world = new World();
  const price = pricesOf(options.costs);
  const topology = new Topology(placesOf(scenario.host.cpus), price);
  const parts = new Parts(world, scenario, price, topology, options.seed, options.relaxed);
  const count = Object.values(scenario.guests).reduce((sum, guest) => sum + guest.count, 0);
  world.meter = new Meter(count);
  const names = guestNames(scenario);
  const policy = compileHostPolicy(parts, options.policy, options.place, names);
  const side = buildHostSide(parts, policy, 'host');
  const nic = firstNic(side).nic;
  const guests: Guest[] = [];
  for (const [kind, spec] of Object.entries(scenario.guests)) {
    for (let nth = 0; nth < spec.count; nth++) {
      const index = guests.length;
      guests.push(new Guest(parts, side.host, nic, spec, { name: names[index]!, kind, index, nth }));
    }
  }
  policy.introduce(side, guests);
  return { world, parts, side, guests, apps: [], starters: [], policy, costs: options.costs };
}

/** The NIC that is taken where none is named. */
export function firstNic(side: HostSide): NicSide {
  return side.nics.values().next().value!;
}

/** @throws UserError for a NIC that does not exist */
export function nicNamed(side: HostSide, name: string | undefined, place: string): NicSide {
  if (name === undefined) return firstNic(side);
  const found = side.nics.get(name);
  if (found === undefined)
    throw new UserError(`${place}: ${unknownName('NIC', name, [...side.nics.keys()]).message}`);
  return found;
}

/** Names of all guests: those of kinds with several get a number. */
export function guestNames(scenario: Scenario): string[] {
  return Object.entries(scenario.guests).flatMap(([kind, { count }]) =>
    count === 1 ? [kind] : Array.from({ length: count }, (_, i) => `${kind}${i}`),
  );
}

/** The home of the host's applications. */
export function hostHome(parts: Parts, side: HostSide, nicSide: NicSide, name: string): Home {
  const { price } = parts;
  const { host } = side;
  return {
    ...{ name, guest: -1, kernel: host.kernel, node: 0 },
    steerers: () => nicSide.steerers,
    softirqCpu: (flow) => softirqCpuOf(parts, nicSide, flow),
    ...{ protocol: price.protocol, send: price.send },
    transmit: () => nicSide.transmitSteps(),
    outlet: {
      get isFull() {
        return nicSide.isFull();
      },
      waitForRoom: (task) => nicSide.waitForRoom(() => void task.wake(null, null)),
    },
  };
}

/** The host CPU on which a flow's protocol work is done, as far as it can be known beforehand. */
export function softirqCpuOf(parts: Parts, { nic, policy, sysfs }: NicSide, flow: number): number {
  const { flows } = parts.world;
  const queue = nic.chooser === null ? 0 : nic.ask(flow);
  const irq = nic.parts.irqs[queue]!;
  if (policy !== null) {
    policy.runner.ask(flow, queue);
    return policy.cpuOf(policy.runner.worker);
  }
  const map = sysfs?.queues[queue]?.map;
  return map === undefined ? irq : map.cpus[map.index(flows.hashOf(flow))]!;
}

/** The home of a guest's applications. */
export function guestHome(parts: Parts, guest: Guest, nicSide: NicSide): Home {
  const { price } = parts;
  return {
    ...{ name: guest.name, guest: guest.place.index, kernel: guest.kernel, node: guest.node },
    steerers: () => guest.steerers,
    softirqCpu: (flow) => guest.softirqCpu(flow),
    ...{ protocol: price.guestProtocol, send: price.guestSend },
    transmit: () => [...guest.transmitSteps(), ...(guest.path.endsAtSwitch ? nicSide.transmitSteps() : [])],
    outlet: guest.path.outlet,
    disk:
      guest.path.disk === undefined
        ? undefined
        : (deviceUs) => [...guest.path.disk!(deviceUs), ...guest.receiveSteps()],
  };
}

/** A hash for flows that no NIC hashes. */
export function hasherOf(parts: Parts): LinuxFlowHash {
  return new LinuxFlowHash(randomKey(16, parts.seed));
}

/** Costs of a scenario: given ones first. */
export function costsOf(scenario: Scenario): Costs {
  const { costs } = scenario;
  return placed('costs', () => completeCosts(typeof costs === 'string' ? { base: costs } : (costs ?? {})));
}

export { DEFAULT_APP };
