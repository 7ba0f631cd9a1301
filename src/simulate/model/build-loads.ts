/**
 * Loads and applications: which flows there are, who reads them, what they do on their way.
 *
 * Promise: numbers of flows follow from the scenario alone; each source has a seed of its own by load and target.
 */
import { UserError, unknownName } from '../../errors.js';
import { parseMac } from '../../mac/address.js';
import { flowWeights } from '../../traffic/shares.js';
import { Counters } from '../machine/counters.js';
import { mix } from '../machine/random.js';
import { ps } from '../machine/sim.js';
import type { Step } from '../machine/step.js';
import { type AppSpec, DEFAULT_APP, type LoadSpec } from '../scenario/schema.js';
import { App, type Home } from './apps.js';
import { type Built, buildHostSide, guestHome, hasherOf, hostHome, nicNamed } from './build.js';
import { type FlowKind, frameMaker, macOf } from './flows.js';
import type { Guest } from './guest.js';
import { type CapturedPackets, CaptureSource, ClosedSource, OpenSource } from './loads.js';
import { Parts } from './parts.js';
import type { NicSide } from './sides.js';

/** Applications that need nothing from outside. */
const OWN_KINDS = new Set<AppSpec['kind']>(['send', 'ping', 'ipi', 'block']);

/** Applications without threads. */
const IN_SOFTIRQ = new Set<AppSpec['kind']>(['forward', 'drop']);

/** Where a load goes: the host or a guest. */
interface Target {
  readonly name: string;
  readonly guest: Guest | null;
}

/** Enters flows of one kind. */
type AddFlow = (n: number, seed: number) => number;

/** Enters flows and their hashes. */
class FlowMaker {
  readonly #hasher;

  constructor(private readonly built: Built) {
    this.#hasher = hasherOf(built.parts);
  }

  /**
   * Flows with frames; their hash is the NIC's where that hashes, else the kernel's. A policy that remembers what it was
   * asked is asked about each flow now, in order.
   */
  of(
    frame: (n: number) => Uint8Array,
    load: number,
    guest: number,
    nic: NicSide | null,
    task: FlowKind['task'],
  ): AddFlow {
    const { flows } = this.built.world;
    const chooser = nic?.nic.chooser ?? null;
    const isAsked = chooser !== null && chooser.steering.isByFlow !== true;
    const own = chooser === null || isAsked ? () => 0 : chooser.hasher();
    const kernel = (one: Uint8Array) => this.#hasher.hashFrame(one, 0, one.length);
    const kind = flows.enter({ frame, hash: (one) => own(one) || kernel(one), task });
    return (n, seed) => {
      const flow = flows.add(kind, n, seed, load, guest);
      if (isAsked) {
        nic!.nic.ask(flow);
        if (chooser.hash !== 0) flows.hash[flow] = chooser.hash;
      }
      return flow;
    };
  }
}

/** Adds applications and loads to a world. `captures` by load. */
export function buildLoads(built: Built, captures: ReadonlyMap<number, CapturedPackets>): void {
  const { parts, guests, side } = built;
  const { scenario } = parts;
  const maker = new FlowMaker(built);
  const apps = new Map<string, App>();
  const appsOf = (target: Target): readonly AppSpec[] | undefined =>
    target.guest === null ? scenario.host.apps : target.guest.spec.apps;
  const homeOf = (target: Target, nic: NicSide): Home =>
    target.guest === null ? hostHome(parts, side, nic, 'host') : guestHome(parts, target.guest, nic);
  const appFor = (target: Target, load: LoadSpec, nic: NicSide, place: string): App => {
    const specs = appsOf(target) ?? [defaultApp(load, target)];
    const readers = specs.filter(({ kind }) => !OWN_KINDS.has(kind));
    const spec = load.app === undefined ? readers[0] : specs.find(({ name }) => name === load.app);
    if (spec === undefined) {
      throw unknownName(
        `${place}: application`,
        load.app ?? '',
        specs.map(({ name }) => name),
      );
    }
    const key = `${target.name}/${spec.name}`;
    const app = apps.get(key) ?? new App(parts, homeOf(target, nic), spec);
    apps.set(key, app);
    return app;
  };
  scenario.load.forEach((load, number) => {
    const place = `load[${number}]`;
    if (load.kind === 'capture' && !captures.has(number)) {
      throw new UserError(`${place}.file: the packets of ${load.file} were not read (readCaptures)`);
    }
    const nic = nicNamed(side, load.nic, place);
    for (const target of targetsOf(load, guests, place)) {
      const app = appFor(target, load, nic, place);
      buildLoad(built, maker, load, number, target, nic, app, captures.get(number) ?? null);
    }
  });
  for (const target of [
    { name: 'host', guest: null },
    ...guests.map((guest) => ({ name: guest.name, guest })),
  ]) {
    const nic = nicNamed(side, undefined, target.name);
    for (const spec of appsOf(target) ?? []) {
      if (OWN_KINDS.has(spec.kind)) buildOwn(built, maker, spec, target, homeOf(target, nic), nic);
    }
  }
  (built.apps as App[]).push(...apps.values());
}

function defaultApp(load: LoadSpec, target: Target): AppSpec {
  const kind = load.kind === 'closed' ? 'echo' : 'sink';
  return { ...DEFAULT_APP, kind, threads: target.guest === null ? 'flow' : target.guest.spec.vcpus };
}

function targetsOf(load: LoadSpec, guests: readonly Guest[], place: string): Target[] {
  if (load.to === undefined) {
    return guests.length === 0
      ? [{ name: 'host', guest: null }]
      : guests.map((guest) => ({ name: guest.name, guest }));
  }
  return load.to.flatMap((name): Target[] => {
    if (name === 'host') return [{ name, guest: null }];
    const found = guests.filter((guest) => guest.name === name || guest.name.replace(/\d+$/, '') === name);
    if (found.length === 0) {
      throw new UserError(
        `${place}: ${unknownName('guest', name, ['host', ...guests.map((guest) => guest.name)]).message}`,
      );
    }
    return found.map((guest) => ({ name: guest.name, guest }));
  });
}

/** A block device carries no packets. */
function noNetwork(guest: string): UserError {
  return new UserError(`guest ${guest}: path vhost-scsi is a block device: packets need another path`);
}

/** The steps of packets from a NIC to an application. */
function ingress(built: Built, nic: NicSide, guest: Guest | null, app: App, bytes: number): number {
  const { parts, world } = built;
  if (guest?.path.disk !== undefined) throw noNetwork(guest.name);
  parts.begin();
  const steps: Step[] =
    guest === null
      ? [...nic.receiveSteps(), ...app.receiveSteps(bytes)]
      : [
          ...(guest.path.isDirect ? [] : nic.receiveSteps()),
          ...guest.path.receive(),
          ...guest.receiveSteps(),
          ...app.receiveSteps(bytes),
        ];
  return world.program(steps);
}

function buildLoad(
  built: Built,
  maker: FlowMaker,
  load: LoadSpec,
  number: number,
  target: Target,
  nic: NicSide,
  app: App,
  captured: CapturedPackets | null,
): void {
  const { world, parts, starters } = built;
  const { flows } = world;
  const { guest } = target;
  const index = guest?.place.index ?? -1;
  const seed = parts.seedOf(`load/${load.name ?? number}/${target.name}`);
  const program = ingress(built, nic, guest, app, load.bytes);
  const isClosed = load.kind === 'closed';
  const source = world.sources.length;
  const relaxed = parts.relaxed?.kind === 'clients' ? parts.relaxed.factor : 1;
  const count = isClosed ? load.clients * relaxed : load.flows;
  const protocol = load.protocol ?? (isClosed ? 'tcp' : 'udp');
  const first = flows.count;
  const n = captured === null ? count : 1 + captured.flows.reduce((most, f) => Math.max(most, f), -1);
  const make = frameMaker(protocol, seed, index);
  const frame = captured === null ? make : (i: number) => capturedFrame(captured, i, index) ?? make(i);
  const isRead = !IN_SOFTIRQ.has(app.spec.kind);
  const task = isRead && !app.isPlacedByFlow ? app.reserve(n) : null;
  const add = maker.of(frame, source, index, nic, task);
  for (let i = 0; i < n; i++) flows.program[add(i, mix(seed, i))] = program;
  // After all of them are known: threads are placed by what steering says.
  if (isRead && app.isPlacedByFlow) for (let i = 0; i < n; i++) app.assign(first + i);
  const { inbound, outbound } = nic.nic.parts;
  if (isClosed) {
    if (load.mirror) {
      buildMirror(built, maker, load, first, count, seed, source, nic, app);
      return;
    }
    const closed = new ClosedSource(
      world,
      inbound,
      first,
      count,
      load.bytes,
      ps(load.thinkUs * 1000),
      load.think === 'exponential',
      ps(load.retryMs * 1e6),
    );
    world.sources.push(closed);
    starters.push(closed);
  } else if (captured !== null) {
    const source = new CaptureSource(world, inbound, first, captured, ps(load.startMs * 1e6));
    world.sources.push(source);
    starters.push(source);
  } else {
    const source = new OpenSource(world, inbound, {
      ...{ first, flows: n, bytes: load.bytes, arrival: load.arrival, burst: load.burst, seed },
      rate: load.rate * relaxed,
      shares: sharesOf(load),
    });
    world.sources.push(source);
    starters.push(source);
  }
  outbound.receive = (p) => {
    const from = world.sources[flows.load[world.packets.flow[p]!]!];
    if (from instanceof ClosedSource) from.answered(p);
    else world.finish(p);
  };
}

/** A frame of a capture, addressed to its target. */
function capturedFrame(captured: CapturedPackets | null, i: number, guest: number): Uint8Array | null {
  const frame = captured?.frames[i];
  if (frame === undefined) return null;
  const { high, low } = parseMac(macOf(guest), 'guest');
  const addressed = frame.slice();
  const view = new DataView(addressed.buffer);
  view.setUint16(0, high);
  view.setInt32(2, low);
  return addressed;
}

function sharesOf({ flows, skew, elephants, elephantShare }: LoadSpec): Float64Array | null {
  if (skew === 0 && elephants === 0) return null;
  const shares = flowWeights(flows, skew, Math.min(elephants, flows), elephantShare);
  const total = shares.reduce((a, b) => a + b, 0);
  let sum = 0;
  return shares.map((share) => {
    sum += share / total;
    return sum;
  });
}

/** Clients on a second host like the first. */
function buildMirror(
  built: Built,
  maker: FlowMaker,
  load: LoadSpec,
  first: number,
  count: number,
  seed: number,
  source: number,
  nic: NicSide,
  app: App,
): void {
  const { world, parts, policy, starters } = built;
  const { flows } = world;
  const peerParts = new Parts(
    world,
    parts.scenario,
    parts.price,
    parts.topology,
    parts.seedOf('peer'),
    parts.relaxed,
    new Counters(),
  );
  const peer = buildHostSide(peerParts, policy, 'peer');
  const peerNic = nicNamed(peer, load.nic, 'peer');
  const client = new App(peerParts, hostHome(peerParts, peer, peerNic, 'peer'), app.spec, true);
  const task = client.isPlacedByFlow ? null : client.reserve(count);
  const add = maker.of(frameMaker('tcp', seed, -1, true), source, -1, peerNic, task);
  const back = flows.count;
  for (let i = 0; i < count; i++) {
    const flow = add(i, mix(seed, ~i));
    flows.reverse[first + i] = flow;
    flows.reverse[flow] = first + i;
  }
  if (client.isPlacedByFlow) for (let i = 0; i < count; i++) client.assign(back + i);
  peerParts.begin();
  const program = world.program([...peerNic.receiveSteps(), ...client.receiveSteps(load.bytes)]);
  flows.program.fill(program, back, back + count);
  nic.nic.parts.outbound.receive = (p) => {
    world.packets.flow[p] = flows.reverse[world.packets.flow[p]!]!;
    peerNic.nic.receive(p);
  };
  peerNic.nic.parts.outbound.receive = (p) => nic.nic.receive(p);
  const closed = new ClosedSource(
    world,
    nic.nic.parts.inbound,
    first,
    count,
    load.bytes,
    0,
    false,
    ps(load.retryMs * 1e6),
  );
  world.sources.push(closed);
  starters.push(closed);
}

/** Applications that need nothing from outside. */
function buildOwn(
  built: Built,
  maker: FlowMaker,
  spec: AppSpec,
  target: Target,
  home: Home,
  nic: NicSide,
): void {
  const { world, parts, starters, guests } = built;
  if (spec.kind === 'send' && target.guest?.path.disk !== undefined) throw noNetwork(target.name);
  const index = target.guest?.place.index ?? -1;
  const seed = parts.seedOf(`app/${target.name}/${spec.name}`);
  const app = new App(parts, home, spec);
  const source = world.sources.push({ lost: () => {} }) - 1;
  const receiver = spec.to === undefined ? null : guests.find(({ name }) => name === spec.to);
  if (receiver === undefined) {
    throw unknownName(
      `${home.name}: application ${spec.name}: to: guest`,
      spec.to!,
      guests.map(({ name }) => name),
    );
  }
  const reader = receiver === null ? null : readerOf(built, receiver, nic);
  let count = 0;
  const add = maker.of(
    frameMaker('udp', seed, index, true),
    source,
    receiver?.place.index ?? index,
    null,
    null,
  );
  const flowsOf = () =>
    Array.from({ length: spec.flows }, () => {
      const n = count++;
      const flow = add(n, mix(seed, count));
      if (reader !== null && !IN_SOFTIRQ.has(reader.spec.kind)) reader.assign(flow);
      return flow;
    });
  const after = (): Step[] => {
    if (receiver === null || reader === null) return home.transmit(spec.bypass);
    const out = target.guest === null ? [] : target.guest.transmitSteps();
    return [
      ...out,
      ...receiver.path.receive(),
      ...receiver.receiveSteps(),
      ...reader.receiveSteps(spec.bytes),
    ];
  };
  starters.push(...app.starters(flowsOf, after));
  (built.apps as App[]).push(app);
  const { outbound } = nic.nic.parts;
  const before = outbound.receive;
  outbound.receive = (p) => {
    const from = world.sources[world.flows.load[world.packets.flow[p]!]!];
    if (from instanceof ClosedSource) before(p);
    else world.finish(p);
  };
}

/** The application of a guest that takes what other guests send. */
function readerOf(built: Built, guest: Guest, nic: NicSide): App {
  const specs = guest.spec.apps ?? [{ ...DEFAULT_APP, kind: 'sink' as const, threads: guest.spec.vcpus }];
  const spec = specs.find(({ kind }) => kind === 'sink' || IN_SOFTIRQ.has(kind));
  if (spec === undefined)
    throw new UserError(`guest ${guest.name}: no application of kind sink, forward or drop to send to`);
  return new App(built.parts, guestHome(built.parts, guest, nic), spec);
}
