/**
 * A host's CPUs as the simulator numbers them.
 *
 * Promise: node by node, core by core, siblings after all cores or beside each other; a host that has them so keeps its
 * numbers. A host whose nodes or cores are unlike, or which has more CPUs than the simulator takes, is an `Unknown`. Pure.
 */
import { type Fact, known, unknown } from '../host/fact.js';
import { common } from '../host/lists.js';
import type { Cpus } from '../host/read/cpus.js';

const CPUS_MAX = 128;
const NODES_MAX = 16;

/** CPUs in the words of a scenario. */
export interface Machine {
  readonly spec: {
    readonly sockets: number;
    readonly cores: number;
    readonly threads: number;
    readonly siblings?: 'beside';
  };
  /** Numbers of the simulated CPUs; those that the host does not have online are left out. */
  readonly cpus: (list: readonly number[]) => number[];
  /** Number of a node; null where it has no CPUs. */
  readonly node: (id: number) => number | null;
  readonly isRenumbered: boolean;
}

/** The machine of a host. */
export function machineOf({ nodes, online, siblings }: Cpus): Fact<Machine> {
  const own = nodes
    .map(({ id, cpus }) => ({ id, cpus: common(cpus, online) }))
    .filter(({ cpus }) => cpus.length > 0);
  if (online.length === 0 || online.length > CPUS_MAX) return unknown(`${online.length} CPUs`);
  if (own.length > NODES_MAX) return unknown(`${own.length} nodes`);
  const coreOf = (cpu: number) => (known(siblings) ? (siblings.get(cpu)?.[0] ?? cpu) : cpu);
  if (own.length === 0) return unknown('no node has CPUs');
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
  const numbered = (number: (node: number, core: number, thread: number) => number) =>
    new Map(
      cores.flatMap((list, n) =>
        list.flatMap((core, c) => core.map((cpu, t) => [cpu, number(n, c, t)] as const)),
      ),
    );
  const isKept = (numbers: ReadonlyMap<number, number>) =>
    [...numbers].every(([cpu, number]) => cpu === number);
  const last = numbered((n, c, t) => t * own.length * count + n * count + c);
  const beside = numbered((n, c, t) => (n * count + c) * threads + t);
  const isBeside = threads > 1 && !isKept(last) && isKept(beside);
  const numbers = isBeside ? beside : last;
  if (numbers.size !== online.length) return unknown('CPUs that are on no node');
  return {
    spec: { sockets: own.length, cores: count, threads, ...(isBeside ? { siblings: 'beside' } : {}) },
    cpus: (list) => list.flatMap((cpu) => numbers.get(cpu) ?? []).sort((a, b) => a - b),
    node: (id) => {
      const at = own.findIndex((node) => node.id === id);
      return at < 0 ? null : at;
    },
    isRenumbered: !isKept(numbers),
  };
}
