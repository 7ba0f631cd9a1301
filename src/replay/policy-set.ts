/**
 * Several policies over one stream of bursts: what one thread runs.
 *
 * Promise: the same counts whether the policies are in one set or in several. One thread.
 */
import { Burst } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import type { Steering } from '../policy/steering.js';
import type { Chunk } from './chunk.js';
import { type PacketTaker, PolicyRun, type RunCounts, type RunOptions } from './policy-run.js';

/** Time that a burst may span where policies look at the backlogs: about what a poll of 64 packets takes. */
const POLL_NS = 50_000;

export class PolicySet {
  readonly #runs: readonly PolicyRun[];
  readonly #bursts = new Map<Chunk, Burst>();
  /** Longest burst, on virtual time. */
  readonly spanNs: number;

  /** @param takers by policy: gets its packets after they were steered. */
  constructor(
    steerings: readonly Steering[],
    options: RunOptions,
    private readonly takers: readonly (PacketTaker | null)[] = [],
  ) {
    this.#runs = steerings.map((steering) => new PolicyRun(steering, options));
    this.spanNs = this.#runs.some((run) => run.looksAtTime) ? POLL_NS : Number.POSITIVE_INFINITY;
  }

  /** A dissected burst that begins at packet `from` of the chunk. */
  take(burst: Burst, chunk: Chunk, from: number): void {
    const runs = this.#runs;
    for (let p = 0; p < runs.length; p++) {
      runs[p]!.take(burst, chunk, from);
      this.takers[p]?.(burst, chunk, from);
    }
  }

  /** A whole chunk that another thread has read. */
  walk(chunk: Chunk): void {
    let burst = this.#bursts.get(chunk);
    if (burst === undefined) {
      burst = new Burst(chunk.bytes);
      this.#bursts.set(chunk, burst);
    }
    for (let from = 0; from < chunk.n; ) {
      const count = chunk.load(burst, from, this.spanNs);
      dissectBurst(burst);
      this.take(burst, chunk, from);
      from += count;
    }
  }

  /** The counts of each policy; the run is over. */
  finish(): RunCounts[] {
    return this.#runs.map((run) => run.finish());
  }
}
