/**
 * The machine as the block layer sees it: which CPUs are possible, present, online, siblings, of one cluster, cache, node.
 *
 * Promise: plain data and pure functions. A CPU's number is its index. Sources: `cpu_possible_mask`, `cpu_present_mask`,
 * `cpu_online_mask`, `topology_sibling_cpumask`, `topology_cluster_cpumask`, `cpus_share_cache`, `cpu_to_node`.
 */
import { UserError } from '../errors.js';

/** CPUs at most, as Linux distributions for x86 build it (`CONFIG_NR_CPUS`). */
export const BLOCK_CPUS_MAX = 8192;

/** One possible CPU. */
export interface BlockCpu {
  /** CPUs with the same number are threads of one core. Counted through the whole machine. */
  readonly core: number;
  /** Memory node. */
  readonly node: number;
  /** CPUs with the same number share the L2 cache (or its tags). Default: the core. */
  readonly cluster?: number;
  /** CPUs with the same number share the last cache. Default: the node. */
  readonly cache?: number;
  /** Default true. A CPU that may be plugged in later is possible, but not present. */
  readonly present?: boolean;
  /** Default: where it is present. */
  readonly online?: boolean;
  /** Kept free of managed interrupts (`isolcpus=managed_irq,…`). Default false. */
  readonly isolated?: boolean;
  /** `arch_scale_cpu_capacity`; default 1024. Machines with big and small cores differ here. */
  readonly capacity?: number;
}

/** The machine: its possible CPUs in order. */
export interface BlockMachine {
  readonly cpus: readonly BlockCpu[];
}

/** A regular machine. */
export interface BlockMachineShape {
  /** Default 1. */
  readonly sockets?: number;
  /** Default 1. */
  readonly nodesPerSocket?: number;
  /** Cores of a socket; default 1. */
  readonly cores?: number;
  /** Threads of a core; default 1. */
  readonly threads?: number;
  /** Last caches of a socket; default 1. */
  readonly caches?: number;
  /** Cores that share an L2 cache; default 1. */
  readonly clusterCores?: number;
  /** Numbers of siblings: after all cores (default), or beside each other. */
  readonly siblings?: 'last' | 'beside';
}

/** CPUs of a regular machine, numbered socket by socket. @throws UserError for what is not whole or does not divide */
export function blockMachine(shape: BlockMachineShape): BlockMachine {
  const { sockets = 1, nodesPerSocket = 1, cores = 1, threads = 1, caches = 1, clusterCores = 1 } = shape;
  for (const [name, value] of Object.entries({
    ...{ sockets, nodesPerSocket, cores, threads, caches, clusterCores },
  })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new UserError(`${name} ${String(value)}: wanted a whole number from 1`);
    }
  }
  for (const [name, value] of Object.entries({ nodesPerSocket, caches, clusterCores })) {
    if (cores % value !== 0)
      throw new UserError(`${name} ${value} does not divide ${cores} cores of a socket`);
  }
  const all = sockets * cores;
  if (all * threads > BLOCK_CPUS_MAX) throw new UserError(`${all * threads} CPUs: at most ${BLOCK_CPUS_MAX}`);
  const isBeside = shape.siblings === 'beside';
  const cpus = Array.from({ length: all * threads }, (_, id): BlockCpu => {
    const core = isBeside ? Math.floor(id / threads) : id % all;
    const socket = Math.floor(core / cores);
    const inSocket = core % cores;
    return {
      core,
      cluster: Math.floor(core / clusterCores),
      cache: socket * caches + Math.floor((inSocket * caches) / cores),
      node: socket * nodesPerSocket + Math.floor((inSocket * nodesPerSocket) / cores),
    };
  });
  return { cpus };
}

/** The CPU is there. */
export const isPresent = ({ present }: BlockCpu): boolean => present ?? true;
/** The CPU runs. */
export const isOnline = (cpu: BlockCpu): boolean => cpu.online ?? isPresent(cpu);
/** Number of its last cache. */
const cacheOf = ({ cache, node }: BlockCpu): number => cache ?? node;

/** Threads of the CPU's core that are online, itself among them; empty where it is not (`topology_sibling_cpumask`). */
export function siblingsOf({ cpus }: BlockMachine, cpu: number): number[] {
  const own = cpus[cpu]!;
  return isOnline(own) ? idsWhere(cpus, (other) => isOnline(other) && other.core === own.core) : [];
}

/** CPUs of its cluster that are online, itself among them; empty where it is not (`topology_cluster_cpumask`). */
export function clusterOf({ cpus }: BlockMachine, cpu: number): number[] {
  const own = cpus[cpu]!;
  const of = ({ cluster, core }: BlockCpu) => cluster ?? core;
  return isOnline(own) ? idsWhere(cpus, (other) => isOnline(other) && of(other) === of(own)) : [];
}

/** Both have the same last cache (`cpus_share_cache`). */
export function shareCache({ cpus }: BlockMachine, a: number, b: number): boolean {
  return a === b || cacheOf(cpus[a]!) === cacheOf(cpus[b]!);
}

/** Numbers of the CPUs for which that holds, ascending. */
export function idsWhere(cpus: readonly BlockCpu[], holds: (cpu: BlockCpu) => boolean): number[] {
  const ids: number[] = [];
  for (let id = 0; id < cpus.length; id++) if (holds(cpus[id]!)) ids.push(id);
  return ids;
}

/** @throws UserError for a machine without CPUs, with too many, or none that is online; or a node that is no number */
export function checkMachine({ cpus }: BlockMachine): void {
  if (cpus.length === 0 || cpus.length > BLOCK_CPUS_MAX) {
    throw new UserError(`a machine of ${cpus.length} CPUs: wanted 1 to ${BLOCK_CPUS_MAX}`);
  }
  cpus.forEach((cpu, id) => {
    if (!Number.isInteger(cpu.node) || cpu.node < 0 || cpu.node > 1023) {
      throw new UserError(`CPU ${id}: node ${String(cpu.node)}: wanted a whole number from 0 to 1023`);
    }
    if (isOnline(cpu) && !isPresent(cpu)) throw new UserError(`CPU ${id} is online but not present`);
  });
  if (!cpus.some(isOnline)) throw new UserError('no CPU of the machine is online');
}
