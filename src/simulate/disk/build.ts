/**
 * From a scenario to its disks.
 *
 * Promise: CPUs come to queues by the library's model of Linux (`nvmeQueues`) for the scenario's machine; what the scenario
 * asks for and a disk does not have is a UserError with the place in it.
 */
import { blockBehaviour } from '../../block/behaviour.js';
import type { BlockMachine } from '../../block/machine.js';
import { type NvmeQueues, nvmeQueues } from '../../block/nvme.js';
import { UserError } from '../../errors.js';
import { mix } from '../machine/random.js';
import { ps } from '../machine/sim.js';
import type { Built } from '../model/build.js';
import { frameMaker } from '../model/flows.js';
import { Histogram } from '../model/meter.js';
import type { Parts } from '../model/parts.js';
import { AppWork } from '../model/steps.js';
import { CompletionQueue, DoneList } from './completions.js';
import { Disk, type Tenant } from './disk.js';
import type { DiskSpec } from './spec.js';
import { requestSteering } from './steering.js';
import { AskNext, Complete, Redirect, Ring, TakeTag } from './steps.js';
import { TenantThread } from './threads.js';

/** Builds the disks and their tenants' threads. @throws UserError */
export function buildDisks(built: Built): Disk[] {
  const { parts } = built;
  const done: DoneList[] = [];
  for (let cpu = 0; cpu < parts.topology.cpus; cpu++) {
    done.push(new DoneList(parts.world.packets, parts.price.ipiReceive));
  }
  return Object.entries(parts.scenario.disks ?? {}).map(([name, spec]) => buildDisk(built, name, spec, done));
}

function buildDisk(built: Built, name: string, spec: DiskSpec, done: readonly DoneList[]): Disk {
  const { parts, side, policy } = built;
  const { world, price, topology, scenario } = parts;
  const { contexts } = side.host.kernel;
  const place = `disks.${name}`;
  const isolated = new Set(knownCpus(`${place}: isolated`, spec.isolated ?? [], contexts.length));
  const machine: BlockMachine = {
    cpus: topology.places.map(({ core, node, cache }, cpu) => ({
      ...{ core, node, cache, isolated: isolated.has(cpu) },
    })),
  };
  const nvme = at(place, () =>
    nvmeQueues(
      machine,
      { ...spec, ioQueues: spec.queues, vectors: spec.vectors ?? 2048 },
      blockBehaviour(spec.kernel),
    ),
  );
  const irqCpus = interruptCpus(place, spec, nvme, contexts.length);
  const coalesce = ps(spec.coalesceUs * 1000);
  const tenants = tenantsOf(spec);
  const disk = new Disk({
    ...{ name, spec, world, machine, nvme, contexts, irqCpus, done, tenants },
    nodeOf: (cpu) => topology.places[cpu]!.node,
    interrupts: irqCpus.map((cpu) =>
      cpu === null
        ? null
        : new CompletionQueue(
            world.sim,
            world.packets,
            contexts[cpu]!,
            price.hardIrq,
            coalesce,
            spec.coalescePackets,
          ),
    ),
    locks: nvme.queues.map(({ index }) =>
      parts.lock(`${name} queue ${index} lock`, 'queue', price.lines.lock),
    ),
    ...{ variation: scenario.variation, spread: scenario.spread },
    ...{ latency: ps(spec.latencyUs * 1000), perByte: spec.byteNs * 1000 },
  });
  disk.firstFlow = world.flows.count;
  addThreads(parts, disk, place);
  const names = tenants.map((tenant) => tenant.name);
  disk.steering = at(place, () =>
    requestSteering(spec.steer, policy.spec, names, nvme.maps, disk.queues, world.flows),
  );
  built.starters.push({ start: () => start(disk) });
  return disk;
}

/** Names the place in front of what is wrong there. */
function at<T>(place: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${place}: ${error.message}`, { code: error.code });
    throw error;
  }
}

/** The CPUs, of a machine with so many. @throws UserError for others */
function knownCpus(place: string, cpus: readonly number[], count: number): readonly number[] {
  const high = cpus.find((cpu) => cpu >= count);
  if (high === undefined) return cpus;
  throw new UserError(`${place}: CPU ${high} does not exist; CPUs: 0 to ${count - 1}`);
}

function interruptCpus(
  place: string,
  { irqs }: DiskSpec,
  { queues }: NvmeQueues,
  cpus: number,
): (number | null)[] {
  knownCpus(`${place}: irqs`, irqs ?? [], cpus);
  return queues.map(({ vector, irqTargets, index }) => {
    if (vector === null) return null;
    if (irqs !== undefined && irqs.length > 0) return irqs[index % irqs.length]!;
    return irqTargets[0] ?? 0;
  });
}

function tenantsOf(spec: DiskSpec): Tenant[] {
  return Object.entries(spec.tenants).flatMap(([kind, tenant]) =>
    Array.from({ length: tenant.count }, (_, nth): Tenant => {
      const name = tenant.count === 1 ? kind : `${kind}${nth}`;
      return { name, spec: tenant, latency: new Histogram(), queues: new Set() };
    }),
  );
}

/** Threads of all tenants, each with a flow and the program of its requests. */
function addThreads(parts: Parts, disk: Disk, place: string): void {
  const { world } = parts;
  const { tenants, contexts, nvme } = disk.parts;
  const source = world.sources.push({ lost: () => {} }) - 1;
  const placed = new Map<object, number>();
  const programs = new Map<object, number>();
  tenants.forEach((tenant, number) => {
    const own = tenant.spec;
    const cpus = own.cpus ?? contexts.map(({ id }) => id);
    knownCpus(`${place}.tenants: ${tenant.name}`, cpus, contexts.length);
    if (own.polled && nvme.counts.poll === 0) {
      throw new UserError(`${place}.tenants: ${tenant.name}: polled: the disk has no poll queues`);
    }
    const seed = parts.seedOf(`${disk.parts.name}/${tenant.name}`);
    const kind = world.flows.enter({ frame: frameMaker('tcp', seed, number), hash: () => 1, task: null });
    const program = programs.get(own) ?? programOf(parts, disk, own.workNs);
    programs.set(own, program);
    for (let t = 0; t < own.threads; t++) {
      const nth = placed.get(own) ?? 0;
      placed.set(own, nth + 1);
      const context = contexts[cpus[nth % cpus.length]!]!;
      const flow = world.flows.add(kind, t, mix(seed, t), source, -1);
      world.flows.program[flow] = program;
      disk.programs.push(program);
      const name = `${disk.parts.name} ${tenant.name} ${t}`;
      disk.threads.push(new TenantThread(name, context, number, world.packets, own.polled));
    }
  });
}

/** The way of a request. */
function programOf(parts: Parts, disk: Disk, workNs: number): number {
  const { world, price } = parts;
  const { spec } = disk.parts;
  parts.begin();
  const work = new AppWork(ps(workNs), 0, price.interference, parts.chance, parts.draw);
  const steps = [work, parts.work(ps(spec.submitNs), 'submission'), new TakeTag(disk)];
  if (spec.elevator !== 'none') {
    const lockName = `${disk.parts.name} elevator lock`;
    const lock =
      world.locks.find(({ name }) => name === lockName) ??
      parts.lock(lockName, spec.elevator, price.lines.lock);
    steps.push(parts.locked(() => lock, ps(spec.elevatorNs), 'elevator'));
  }
  steps.push(
    parts.locked((_, packet) => disk.lockOf(packet), ps(spec.enqueueNs), 'submission queue'),
    new Ring(disk),
    parts.work(ps(spec.reapNs), 'completion queue'),
    new Redirect(disk),
    parts.touch(spec.lines),
    parts.work(ps(spec.completeNs), 'completion'),
    new Complete(disk),
    parts.touch(spec.lines),
    new AskNext(disk),
  );
  return world.program(steps);
}

/** All requests are asked for. */
function start(disk: Disk): void {
  const { world, tenants } = disk.parts;
  disk.threads.forEach((thread, i) => {
    const { depth, bytes } = tenants[thread.tenant]!.spec;
    for (let n = 0; n < depth; n++) {
      thread.inbox.push(world.make(disk.firstFlow + i, bytes));
      disk.active.add(1);
    }
    thread.wake(null, null);
  });
}
