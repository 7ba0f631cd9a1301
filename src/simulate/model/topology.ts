/**
 * Where the CPUs of a host are, and what distance costs.
 *
 * Promise: pure. CPUs are numbered socket by socket; siblings come after all cores (`last`, as Linux on most Intel
 * servers) or beside each other.
 */
import type { CpuTopology } from '../../linux/cpu-rmap.js';
import type { CpuPlace } from '../machine/cpu.js';
import type { Distances } from '../machine/lock.js';
import type { MachineSpec } from '../scenario/schema.js';
import type { Price } from './prices.js';
import type { Memory } from './steps.js';

/** Distances, nearest first. */
export const DISTANCES = ['self', 'core', 'cache', 'socket', 'remote'] as const;

/** Places of all CPUs. */
export function placesOf(spec: MachineSpec): CpuPlace[] {
  const cores = spec.sockets * spec.cores;
  return Array.from({ length: cores * spec.threads }, (_, id) => {
    const core = spec.siblings === 'last' ? id % cores : Math.floor(id / spec.threads);
    const socket = Math.floor(core / spec.cores);
    const inSocket = core % spec.cores;
    return {
      core,
      socket,
      node: socket * spec.nodesPerSocket + Math.floor((inSocket * spec.nodesPerSocket) / spec.cores),
      cache: socket * spec.caches + Math.floor((inSocket * spec.caches) / spec.cores),
    };
  });
}

/** The places of a host with their costs: distances of locks, lines, and memory. */
export class Topology implements Distances, Memory {
  readonly cpus: number;
  readonly nodes: number;
  /** Index into `DISTANCES` for each pair of CPUs. */
  readonly levels: Uint8Array;
  readonly #lines: Float64Array;
  readonly #handOvers: Float64Array;

  constructor(
    readonly places: readonly CpuPlace[],
    private readonly price: Price,
  ) {
    const n = places.length;
    this.cpus = n;
    this.nodes = 1 + places.reduce((most, { node }) => Math.max(most, node), 0);
    this.levels = new Uint8Array(n * n);
    for (let a = 0; a < n; a++)
      for (let b = 0; b < n; b++) this.levels[a * n + b] = level(places[a]!, places[b]!, a === b);
    const { line, handOver } = price;
    this.#lines = Float64Array.of(0, line.core, line.cache, line.socket, line.remote);
    this.#handOvers = Float64Array.of(
      handOver.core,
      handOver.core,
      handOver.cache,
      handOver.socket,
      handOver.remote,
    );
  }

  level(from: number, to: number): number {
    return this.levels[from * this.cpus + to]!;
  }

  line(from: number, to: number): number {
    return from < 0 ? 0 : this.#lines[this.level(from, to)]!;
  }

  handOver(from: number, to: number): number {
    return this.#handOvers[this.level(from, to)]!;
  }

  farMiss(cpu: number, node: number): number {
    return node === this.places[cpu]!.node ? 0 : this.price.dram.remote - this.price.dram.local;
  }

  copyByte(cpu: number, node: number): number {
    return node === this.places[cpu]!.node ? this.price.copyByte.local : this.price.copyByte.remote;
  }

  /** As Linux's CPU maps want it. */
  get forMaps(): CpuTopology {
    return {
      core: this.places.map(({ core }) => core),
      package: this.places.map(({ socket }) => socket),
      node: this.places.map(({ node }) => node),
    };
  }
}

function level(a: CpuPlace, b: CpuPlace, isSelf: boolean): number {
  if (isSelf) return 0;
  if (a.core === b.core) return 1;
  if (a.cache === b.cache) return 2;
  return a.socket === b.socket ? 3 : 4;
}
