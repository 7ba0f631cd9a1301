/**
 * The tables of receive packet steering: a queue's CPU list, a queue's flow table, the machine's socket flow table.
 *
 * Promise: fixed-size tables on `Int32Array`s, which may lie in a `SharedArrayBuffer`. Threads: a queue's flow
 * table has one writer, the worker that steers this queue. The socket flow table is written by every worker with
 * plain stores, last writer wins, as in the kernel: an entry is one 32-bit word, so a reader sees an old or a new
 * entry, never a mixture.
 */
import { UserError } from '../errors.js';
import { hash32, log2, pow2up, RPS_NO_CPU, rscale } from './arith.js';
import type { LinuxBehaviour } from './version.js';

/** Most entries of the socket flow table (`rps_sock_flow_entries` above 2^29 is EINVAL). */
export const SOCK_FLOW_ENTRIES_MAX = 2 ** 29;

/** The CPUs of one receive queue, in map order (sysfs gives ascending order). Immutable. */
export class RpsMap {
  readonly cpus: Int32Array;

  /** @param cpus ids 0 … 65534. Throws `UserError` for an empty list or another id. */
  constructor(cpus: readonly number[]) {
    if (cpus.length === 0) throw new UserError('rps map: at least one CPU is needed');
    for (const cpu of cpus)
      if (!Number.isInteger(cpu) || cpu < 0 || cpu >= RPS_NO_CPU)
        throw new UserError(`rps map: CPU ${cpu} is not in 0-${RPS_NO_CPU - 1}`);
    this.cpus = Int32Array.from(cpus);
  }

  /** CPUs in the map. */
  get length(): number {
    return this.cpus.length;
  }

  /** Index into `cpus` for a hash: by its high bits, not modulo. */
  index(hash: number): number {
    return rscale(hash, this.cpus.length);
  }
}

function tableSize(what: string, size: number, most: number): number {
  if (!Number.isInteger(size) || size < 1 || size > most)
    throw new UserError(`${what}: ${size} entries; 1-${most} are permitted`);
  return pow2up(size);
}

function wordsFor(what: string, words: number, given: Int32Array | undefined): Int32Array {
  if (given === undefined) return new Int32Array(words);
  if (given.length !== words)
    throw new UserError(`${what}: the memory has ${given.length} words, ${words} are needed`);
  return given;
}

/** Words of a slot of `DevFlowTable.slots`. */
export const FlowSlot = { cpu: 0, lastQueueTail: 1, filter: 2, hash: 3 } as const;
export const FLOW_SLOT_WORDS = 4;

/** One receive queue's flow table (`rps_dev_flow_table`). */
export class DevFlowTable {
  readonly size: number;
  /** log2 of the size. */
  readonly log: number;
  /** `size` slots of `FLOW_SLOT_WORDS` words (see `FlowSlot`). */
  readonly slots: Int32Array;
  private readonly hashed: boolean;
  private readonly mask: number;

  /** Words of memory for a table of `size` entries (rounded up to a power of two). */
  static words(size: number): number {
    return pow2up(size) * FLOW_SLOT_WORDS;
  }

  /**
   * @param size entries, rounded up to a power of two (`rps_flow_cnt`).
   * @param options.slots memory of `DevFlowTable.words(size)` words that already holds a table (another thread made
   *   it, or `reset` is called on it before use); without it the table is new and empty.
   */
  constructor(
    size: number,
    options: { readonly slots?: Int32Array; readonly flowSlot?: LinuxBehaviour['flowSlot'] } = {},
  ) {
    this.size = tableSize('flow table', size, 2 ** 27);
    this.log = log2(this.size);
    this.mask = this.size - 1;
    this.hashed = (options.flowSlot ?? 'hash32') === 'hash32';
    this.slots = wordsFor('flow table', this.size * FLOW_SLOT_WORDS, options.slots);
    if (options.slots === undefined) this.reset();
  }

  /** Number of the slot that a hash falls into. */
  slotOf(hash: number): number {
    return this.hashed ? hash32(hash, this.log) : hash & this.mask;
  }

  /** Forgets everything: what a write to `rps_flow_cnt` does. */
  reset(): void {
    this.slots.fill(0);
    for (let i = 0; i < this.slots.length; i += FLOW_SLOT_WORDS) {
      this.slots[i + FlowSlot.cpu] = RPS_NO_CPU;
      this.slots[i + FlowSlot.filter] = RPS_NO_CPU;
    }
  }
}

/** The machine's table of the CPU on which each flow's application last ran (`rps_sock_flow_table`). */
export class SockFlowTable {
  readonly size: number;
  readonly entries: Int32Array;
  /** Bits of an entry that hold the CPU: the next power of two above the CPU ids, minus 1. */
  readonly cpuMask: number;
  private readonly mask: number;
  private readonly tagged: boolean;

  /**
   * @param size entries, rounded up to a power of two (`rps_sock_flow_entries`).
   * @param nrCpuIds highest CPU id + 1.
   * @param options.entries memory of that many words that already holds a table (or is `reset` before use); else
   *   the table is new and empty.
   */
  constructor(
    size: number,
    nrCpuIds: number,
    options: { readonly entries?: Int32Array; readonly sockEntry?: LinuxBehaviour['sockEntry'] } = {},
  ) {
    this.size = tableSize('socket flow table', size, SOCK_FLOW_ENTRIES_MAX);
    this.mask = this.size - 1;
    this.cpuMask = pow2up(nrCpuIds) - 1;
    this.tagged = (options.sockEntry ?? 'tag') === 'tag';
    this.entries = wordsFor('socket flow table', this.size, options.entries);
    if (options.entries === undefined) this.reset();
  }

  /** Forgets everything: what a write of any non-zero value to `rps_sock_flow_entries` does. */
  reset(): void {
    this.entries.fill(RPS_NO_CPU);
  }

  /** The application of the flow runs on `cpu` now (`rps_record_sock_flow`). Hash 0 is not recorded. */
  record(hash: number, cpu: number): void {
    if (hash === 0) return;
    const i = hash & this.mask;
    const entry = this.tagged ? (hash & ~this.cpuMask) | cpu : cpu;
    // Not written when equal, to leave the cache line shared.
    if (this.entries[i] !== entry) this.entries[i] = entry;
  }

  /** The socket was unhashed (`sock_rps_delete_flow`): wipes the entry, even when it is another flow's by now. */
  remove(hash: number): void {
    if (hash === 0) return;
    this.entries[hash & this.mask] = RPS_NO_CPU;
  }

  /**
   * The CPU wanted for a flow, or -1 when the entry's tag is another flow's. An empty entry has no special value:
   * it can match hashes near 0xffff. The result may be beyond the last CPU; without tags it may be 0xffff.
   */
  wanted(hash: number): number {
    const entry = this.entries[hash & this.mask]!;
    if (!this.tagged) return entry;
    return ((entry ^ hash) & ~this.cpuMask) === 0 ? entry & this.cpuMask : -1;
  }
}
