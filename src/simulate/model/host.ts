/**
 * A host: its CPUs and its kernel.
 *
 * Promise: only what the scenario says; CPUs are entered in the order of their numbers.
 */
import { Cpu, type CpuShared } from '../machine/cpu.js';
import { HostBelow } from '../machine/host-below.js';
import { hostKernelCosts, Kernel } from './kernel.js';
import type { Parts } from './parts.js';

export interface Host {
  readonly cpus: readonly Cpu[];
  readonly kernel: Kernel;
}

/** Builds the CPUs and the kernel of a host. */
export function buildHost(parts: Parts, name: string): Host {
  const { world, price, topology, scenario, relaxed } = parts;
  const { softirq } = scenario.host;
  const shared: CpuShared = {
    packets: world.packets,
    programs: world.programs,
    busyInSocket: new Int32Array(1 + topology.places.reduce((most, { socket }) => Math.max(most, socket), 0)),
    siblingSlowdown: price.siblingSlowdown,
    idleExit: price.idleExit,
    idleExitDevice: price.idleExitDevice,
  };
  const costs = hostKernelCosts(softirq, price);
  const cpus = topology.places.map((place, id) => new Cpu(world.sim, id, place, shared));
  for (const cpu of cpus) {
    if (relaxed?.cpus?.includes(cpu.id) === true) cpu.slowness = 1 / relaxed.factor;
    cpu.siblings = cpus.filter((other) => other !== cpu && other.place.core === cpu.place.core);
  }
  const below = cpus.map((cpu) => new HostBelow(world.sim, cpu, costs, parts.counters));
  const kernel = new Kernel({
    ...{ name, packets: world.packets, counters: parts.counters, softirq, costs, topology, below },
    ipiReceive: price.ipiReceive,
    cpuClass: -1,
  });
  kernel.contexts.forEach((context, id) => {
    below[id]!.context = context;
    cpus[id]!.root = context;
    cpus[id]!.context = context;
  });
  return { cpus, kernel };
}
