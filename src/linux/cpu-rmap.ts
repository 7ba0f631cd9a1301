/**
 * The reverse map from CPUs to interrupts (`cpu_rmap`): which of a device's receive queues has its interrupt
 * nearest to a CPU.
 *
 * Promise: the kernel's result for any sequence of affinity changes. Only distances up to the NUMA node are looked
 * at; a CPU with nothing near keeps what it had, at first CPU number modulo objects.
 */
import { UserError } from '../errors.js';

/** No object is near. */
export const RMAP_FAR = 0xffff;

/** Where the CPUs of a machine are: group numbers per CPU. CPUs with equal numbers are in the same group. */
export interface CpuTopology {
  /** Physical core: CPUs of one core are SMT siblings. */
  readonly core: readonly number[];
  /** Package (what `topology_core_cpumask` spans). */
  readonly package: readonly number[];
  readonly node: readonly number[];
}

/** Nearest interrupt (object, queue) of each CPU of a device. */
export class CpuReverseMap {
  private readonly objects: Int32Array;
  private readonly distances: Int32Array;

  /** Throws `UserError` without objects, or for a topology of unequal lengths. */
  constructor(
    objects: number,
    private readonly topology: CpuTopology,
  ) {
    const cpus = topology.node.length;
    if (topology.core.length !== cpus || topology.package.length !== cpus || cpus === 0)
      throw new UserError('cpu topology: core, package and node need one number per CPU each');
    if (!Number.isInteger(objects) || objects < 1)
      throw new UserError(`cpu map: ${objects} objects; at least 1 is needed`);
    this.objects = Int32Array.from({ length: cpus }, (_, cpu) => cpu % objects);
    this.distances = new Int32Array(cpus).fill(RMAP_FAR);
  }

  /** Object (queue) for a CPU. */
  index(cpu: number): number {
    return this.objects[cpu]!;
  }

  /** 0 its own, 1 a sibling's, 2 the package's, 3 the node's, `RMAP_FAR`. */
  distance(cpu: number): number {
    return this.distances[cpu]!;
  }

  /** The interrupt of `object` may now run on the CPUs `affinity`. */
  update(object: number, affinity: readonly number[]): void {
    const { objects, distances, topology } = this;
    const marked = new Set<number>();
    for (let cpu = 0; cpu < objects.length; cpu++) {
      if (objects[cpu] !== object) continue;
      distances[cpu] = RMAP_FAR;
      marked.add(cpu);
    }
    for (const cpu of affinity) {
      objects[cpu] = object;
      distances[cpu] = 0;
      for (let other = 0; other < objects.length; other++)
        if (topology.node[other] === topology.node[cpu]) marked.add(other);
    }
    for (let cpu = 0; cpu < objects.length; cpu++) {
      if (!marked.has(cpu)) continue;
      if (this.copy(cpu, topology.core, 1)) continue;
      if (this.copy(cpu, topology.package, 2)) continue;
      this.copy(cpu, topology.node, 3);
    }
  }

  /** Takes the object of the first CPU of the same group that is at most `distance` from its own. */
  private copy(cpu: number, group: readonly number[], distance: number): boolean {
    if (this.distances[cpu]! <= distance) return false;
    for (let other = 0; other < group.length; other++) {
      if (group[other] !== group[cpu] || this.distances[other]! > distance) continue;
      this.objects[cpu] = this.objects[other]!;
      this.distances[cpu] = distance;
      return true;
    }
    return false;
  }
}
