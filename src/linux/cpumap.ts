/**
 * XDP's cpumap: a program on the receiving CPU chooses a CPU for each frame; frames travel in bulk to a kernel
 * thread there, before they are packets of the stack. For contrast to RPS.
 *
 * Promise: the map's refusals, bulks of 8 frames of each entry and producer, rings of `qsize` whose overflow drops,
 * batches of 8 for the consumer. Frames of one producer to one CPU stay in order; nothing keeps a flow's order when
 * the program changes its choice. One thread; no clock.
 *
 * Source: kernel/bpf/cpumap.c (5.4). Unknown there, so not modelled: what a second-stage program does.
 */

/** Frames of a bulk, and of a batch that the thread takes. */
export const CPUMAP_BULK = 8;
/** Largest `qsize`, in frames. */
export const CPUMAP_QSIZE_MAX = 16384;

/** What an update of the map comes to. */
export type CpuMapResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly errno: 'E2BIG' | 'EOVERFLOW' | 'ENODEV' | 'EEXIST' };

const OK = { ok: true } as const;

/** Size of a map, and of the machine. */
export interface CpuMapOptions {
  /** Keys are below this; at most the CPUs that the kernel was built for. */
  readonly maxEntries: number;
  /** CPUs that may exist: ids below this. */
  readonly possibleCpus: number;
}

/** One CPU's queue. */
interface Entry<T> {
  readonly qsize: number;
  readonly ring: T[];
  /** Not yet flushed, by producing CPU. */
  readonly bulks: Map<number, T[]>;
}

/** Counters of one CPU, over all entries that it ever had. */
export interface CpuMapCounters {
  enqueued: number;
  /** Found the ring full. */
  dropped: number;
  /** Flushes that took the entry's lock. */
  flushes: number;
  delivered: number;
}

/** A cpumap with frames of type `T`. */
export class CpuMap<T> {
  /** Frames that entries still had when they went, delivered by their ending threads; for the caller to take out. */
  readonly leaving: T[] = [];
  readonly #entries = new Map<number, Entry<T>>();
  readonly #counters: CpuMapCounters[];

  constructor(readonly options: CpuMapOptions) {
    this.#counters = Array.from({ length: options.possibleCpus }, () => ({
      enqueued: 0,
      dropped: 0,
      flushes: 0,
      delivered: 0,
    }));
  }

  /** CPUs with an entry, ascending. */
  get cpus(): number[] {
    return [...this.#entries.keys()].sort((a, b) => a - b);
  }

  /** Counters of a CPU. @param cpu one that may exist */
  counters(cpu: number): Readonly<CpuMapCounters> {
    return this.#counters[cpu]!;
  }

  /**
   * Makes, replaces, or (qsize 0) deletes the entry of a CPU. What an old entry held goes to `leaving`.
   * @param isNew BPF_NOEXIST: refused where there is an entry
   */
  update(cpu: number, qsize: number, isNew = false): CpuMapResult {
    if (cpu >= this.options.maxEntries) return { ok: false, errno: 'E2BIG' };
    if (isNew && this.#entries.has(cpu)) return { ok: false, errno: 'EEXIST' };
    if (qsize > CPUMAP_QSIZE_MAX) return { ok: false, errno: 'EOVERFLOW' };
    if (cpu >= this.options.possibleCpus) return { ok: false, errno: 'ENODEV' };
    const old = this.#entries.get(cpu);
    // The old thread ends when it has delivered everything.
    if (old !== undefined) this.#drain(cpu, old);
    if (qsize === 0) this.#entries.delete(cpu);
    else this.#entries.set(cpu, { qsize, ring: [], bulks: new Map() });
    return OK;
  }

  #drain(cpu: number, entry: Entry<T>): void {
    for (const producer of entry.bulks.keys()) this.#flush(cpu, entry, producer);
    this.leaving.push(...entry.ring);
    this.#counters[cpu]!.delivered += entry.ring.length;
  }

  /** The program on CPU `producer` sends a frame to a CPU. False where the map has none: the frame is lost. */
  redirect(producer: number, cpu: number, frame: T): boolean {
    const entry = this.#entries.get(cpu);
    if (entry === undefined) return false;
    let bulk = entry.bulks.get(producer);
    if (bulk === undefined) {
      bulk = [];
      entry.bulks.set(producer, bulk);
    }
    if (bulk.length === CPUMAP_BULK) this.#flush(cpu, entry, producer);
    bulk.push(frame);
    return true;
  }

  /** The end of the driver's poll on CPU `producer`: all that waits there is sent. */
  flush(producer: number): void {
    for (const [cpu, entry] of this.#entries) this.#flush(cpu, entry, producer);
  }

  #flush(cpu: number, entry: Entry<T>, producer: number): void {
    const bulk = entry.bulks.get(producer);
    if (bulk === undefined || bulk.length === 0) return;
    const counters = this.#counters[cpu]!;
    counters.flushes++;
    for (const frame of bulk) {
      if (entry.ring.length < entry.qsize) {
        entry.ring.push(frame);
        counters.enqueued++;
      } else counters.dropped++;
    }
    bulk.length = 0;
  }

  /** One batch of the CPU's thread: up to 8 frames, oldest first. */
  consume(cpu: number): T[] {
    const entry = this.#entries.get(cpu);
    if (entry === undefined) return [];
    const batch = entry.ring.splice(0, CPUMAP_BULK);
    this.#counters[cpu]!.delivered += batch.length;
    return batch;
  }

  /** Frames in the ring of a CPU, without the bulks. */
  waiting(cpu: number): number {
    return this.#entries.get(cpu)?.ring.length ?? 0;
  }
}
