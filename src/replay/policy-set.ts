/**
 * Several policies over one stream of chunks: what one thread runs.
 *
 * Promise: the same counts whether the policies are in one set or in several. Policies that decide by flow see the
 * packets that say something new only; the others see every burst. One thread.
 */
import { Burst } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import type { Steering } from '../policy/steering.js';
import type { Chunk } from './chunk.js';
import { FlowRun, runsByFlow } from './flow-run.js';
import { type FlowRecords, FlowView } from './flow-table.js';
import { OddCounts } from './odd-counts.js';
import { type PacketTaker, PolicyRun, type RunOptions } from './policy-run.js';
import type { RunCounts } from './tally.js';

/** Time that a burst may span where policies look at the backlogs: about what a poll of 64 packets takes. */
const POLL_NS = 50_000;

export class PolicySet {
  /** In the order of the policies. */
  readonly #all: readonly (PolicyRun | FlowRun)[];
  readonly #byFlow: readonly FlowRun[];
  readonly #byPacket: readonly PolicyRun[];
  readonly #takers: readonly (PacketTaker | null)[];
  readonly #odd = new OddCounts();
  readonly #bursts = new Map<Chunk, Burst>();
  /** Longest burst, on virtual time. */
  readonly #spanNs: number;

  /** @param takers by policy: gets its packets after they were steered. */
  constructor(
    steerings: readonly Steering[],
    options: RunOptions,
    takers: readonly (PacketTaker | null)[] = [],
  ) {
    this.#all = steerings.map((steering, index) =>
      runsByFlow(steering) && (takers[index] ?? null) === null
        ? new FlowRun(steering, options)
        : new PolicyRun(steering, options),
    );
    this.#byFlow = this.#all.filter((run) => run instanceof FlowRun);
    this.#byPacket = this.#all.filter((run) => run instanceof PolicyRun);
    this.#takers = takers.filter((_, index) => this.#all[index] instanceof PolicyRun);
    this.#spanNs = this.#byPacket.some((run) => run.looksAtTime) ? POLL_NS : Number.POSITIVE_INFINITY;
  }

  /** A whole chunk. */
  walk(chunk: Chunk): void {
    let burst = this.#bursts.get(chunk);
    if (burst === undefined) {
      burst = new Burst(chunk.bytes);
      this.#bursts.set(chunk, burst);
    }
    if (this.#byFlow.length > 0) this.#walkFlows(chunk, burst);
    if (this.#byPacket.length > 0) this.#walkPackets(chunk, burst);
  }

  #walkFlows(chunk: Chunk, burst: Burst): void {
    const runs = this.#byFlow;
    const { n, odds, odd } = chunk;
    let from = 0;
    for (let at = 0; from < n; ) {
      chunk.loadOdd(burst, at);
      dissectBurst(burst);
      const next = at + burst.n;
      const to = next === odds ? n : (odd[next - 1]! >> 1) + 1;
      this.#odd.add(chunk, at, next);
      for (let p = 0; p < runs.length; p++) runs[p]!.take(chunk, burst, at, from, to);
      at = next;
      from = to;
    }
  }

  #walkPackets(chunk: Chunk, burst: Burst): void {
    const runs = this.#byPacket;
    for (let from = 0; from < chunk.n; ) {
      const count = chunk.load(burst, from, this.#spanNs);
      dissectBurst(burst);
      for (let p = 0; p < runs.length; p++) {
        runs[p]!.take(burst, chunk, from);
        this.#takers[p]?.(burst, chunk, from);
      }
      from += count;
    }
  }

  /** The counts of each policy; the run is over. `flows` are those of the whole capture. */
  finish(flows: FlowRecords): RunCounts[] {
    const view = new FlowView(flows);
    return this.#all.map((run) => (run instanceof FlowRun ? run.finish(view, this.#odd) : run.finish()));
  }
}
