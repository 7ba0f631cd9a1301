/**
 * Which CPUs of a kernel are idle, and how many tasks each has: as bits, so that a wake-up need not ask every CPU.
 *
 * Promise: an answer takes a few words of 32 CPUs each, not a step for each CPU (but where all have 31 tasks and more).
 * Of CPUs that are alike the task's own comes first, then the one with the lowest number.
 */

/** Distances, 0 = nearest, as `topology.ts` has them. */
const LEVELS = 5;
/** From so many tasks on a CPU is one of the crowded. */
const CROWDED = 31;

/** CPUs as bits, 32 to a word. */
export function cpuBits(ids: Iterable<number>, cpus: number): Int32Array {
  const bits = new Int32Array((cpus + 31) >> 5);
  for (const id of ids) bits[id >> 5]! |= 1 << (id & 31);
  return bits;
}

const has = (bits: Int32Array, id: number) => ((bits[id >> 5]! >>> (id & 31)) & 1) === 1;
const lowest = (word: number) => 31 - Math.clz32(word & -word);

export class LoadBoard {
  /** Words looked at in all: what choosing costs. */
  steps = 0;
  readonly #idle: Int32Array;
  readonly #loads: Int32Array;
  /** CPUs with so many tasks; the last: so many or more. */
  readonly #byLoad: Int32Array[];
  /** How many CPUs those are. */
  readonly #count = new Int32Array(CROWDED + 1);
  /** CPUs at a distance from one: `LEVELS` sets for each. Made when they are asked for. */
  readonly #near: (Int32Array[] | undefined)[];

  /** @param distance of two of the kernel's CPUs */
  constructor(
    readonly cpus: number,
    private readonly distance: (from: number, to: number) => number,
  ) {
    const all = Array.from({ length: cpus }, (_, id) => id);
    this.#idle = cpuBits(all, cpus);
    this.#loads = new Int32Array(cpus);
    this.#byLoad = Array.from({ length: CROWDED + 1 }, (_, n) => cpuBits(n === 0 ? all : [], cpus));
    this.#count[0] = cpus;
    this.#near = new Array(cpus);
  }

  /** No work runs on the CPU and none is waiting. */
  isIdle(id: number): boolean {
    return has(this.#idle, id);
  }

  setIdle(id: number, isIdle: boolean): void {
    const bit = 1 << (id & 31);
    if (isIdle) this.#idle[id >> 5]! |= bit;
    else this.#idle[id >> 5]! &= ~bit;
  }

  /** A task more, or one less. */
  add(id: number, by: 1 | -1): void {
    const before = this.#loads[id]!;
    this.#loads[id] = before + by;
    const from = Math.min(before, CROWDED);
    const to = Math.min(before + by, CROWDED);
    if (from === to) return;
    const bit = 1 << (id & 31);
    this.#byLoad[from]![id >> 5]! &= ~bit;
    this.#byLoad[to]![id >> 5]! |= bit;
    this.#count[from]!--;
    this.#count[to]!++;
  }

  /** The idle CPU of a set that is nearest to `from`; -1 without any. */
  nearestIdle(from: number, own: number, set: Int32Array): number {
    const idle = this.#idle;
    let some = 0;
    for (let w = 0; w < set.length; w++) some |= set[w]! & idle[w]!;
    this.steps += set.length;
    if (some === 0) return -1;
    const near = this.#nearTo(from);
    for (const at of near) {
      if (has(at, own) && has(idle, own)) return own;
      for (let w = 0; w < set.length; w++) {
        this.steps++;
        const word = set[w]! & idle[w]! & at[w]!;
        if (word !== 0) return 32 * w + lowest(word);
      }
    }
    return -1;
  }

  /** The CPU of a set with the fewest tasks. */
  leastLoaded(own: number, set: Int32Array): number {
    for (let n = 0; n < CROWDED; n++) {
      if (this.#count[n] === 0) continue;
      const alike = this.#byLoad[n]!;
      if (has(alike, own)) return own;
      for (let w = 0; w < set.length; w++) {
        this.steps++;
        const word = set[w]! & alike[w]!;
        if (word !== 0) return 32 * w + lowest(word);
      }
    }
    let best = own;
    for (let id = 0; id < this.cpus; id++) {
      this.steps++;
      if (has(set, id) && this.#loads[id]! < this.#loads[best]!) best = id;
    }
    return best;
  }

  #nearTo(from: number): Int32Array[] {
    let near = this.#near[from];
    if (near === undefined) {
      const levels: number[][] = Array.from({ length: LEVELS }, () => []);
      for (let to = 0; to < this.cpus; to++) levels[this.distance(from, to)]!.push(to);
      near = levels.filter((ids) => ids.length > 0).map((ids) => cpuBits(ids, this.cpus));
      this.#near[from] = near;
    }
    return near;
  }
}

/** CPUs that tasks may use: their contexts, all of one kernel. */
export class CpuGroup<C extends { readonly id: number; readonly board: LoadBoard }> {
  readonly bits: Int32Array;
  readonly board: LoadBoard;
  readonly #byId: C[] = [];

  /** @param contexts at least one */
  constructor(readonly contexts: readonly C[]) {
    this.board = contexts[0]!.board;
    for (const context of contexts) this.#byId[context.id] = context;
    this.bits = cpuBits(
      contexts.map(({ id }) => id),
      this.board.cpus,
    );
  }

  has(context: C): boolean {
    return context.board === this.board && has(this.bits, context.id);
  }

  at(id: number): C {
    return this.#byId[id]!;
  }
}
