/**
 * A host's CPUs as the simulator numbers them.
 *
 * Promise: node by node, core by core, siblings after all cores; a host that has them so keeps its numbers. A host whose
 * nodes or cores are unlike, or which has more CPUs than the simulator takes, is an `Unknown`. Pure.
 */
import { type Fact, known, unknown } from '../fact.js';
import { common } from '../lists.js';
import type { Cpus } from '../read/cpus.js';

const CPUS_MAX = 128;
const NODES_MAX = 16;

/** CPUs in the words of a scenario. */
export interface Machine {
  readonly spec: { readonly sockets: number; readonly cores: number; readonly threads: number };
  /** Numbers of the simulated CPUs; those that the host does not have online are left out. */
  readonly cpus: (list: readonly number[]) => number[];
  /** Number of a node; null where it has no CPUs. */
  readonly node: (id: number) => number | null;
  readonly isRenumbered: boolean;
}

/** The machine of a host. */
export function machineOf({ nodes, online, siblings }: Cpus): Fact<Machine> {
  const own = nodes.map(({ id, cpus }) => ({ id, cpus: common(cpus, online) })).filter(({ cpus }) => cpus.length > 0);
  if (online.length === 0 || online.length > CPUS_MAX) return unknown(`${online.length} CPUs`);
  if (own.length > NODES_MAX) return unknown(`${own.length} nodes`);
  const coreOf = (cpu: number) => (known(siblings) ? (siblings.get(cpu)?.[0] ?? cpu) : cpu);
  const cores = own.map(({ cpus }) => {
    const found = new Map<number, number[]>();
    for (const cpu of cpus) found.set(coreOf(cpu), [...(found.get(coreOf(cpu)) ?? []), cpu]);
    return [...found.values()];
  });
  const count = cores[0]!.length;
  const threads = cores[0]![0]!.length;
  if (cores.some((list) => list.length !== count || list.some((core) => core.length !== threads))) {
    return unknown('nodes or cores that are not alike');
  }
  const numbers = new Map<number, number>();
  cores.forEach((list, n) => {
    list.forEach((core, c) => {
      core.forEach((cpu, t) => numbers.set(cpu, t * own.length * count + n * count + c));
    });
  });
  if (numbers.size !== online.length) return unknown('CPUs that are on no node');
  return {
    spec: { sockets: own.length, cores: count, threads },
    cpus: (list) => list.flatMap((cpu) => numbers.get(cpu) ?? []).sort((a, b) => a - b),
    node: (id) => {
      const at = own.findIndex((node) => node.id === id);
      return at < 0 ? null : at;
    },
    isRenumbered: [...numbers].some(([cpu, number]) => cpu !== number),
  };
}
