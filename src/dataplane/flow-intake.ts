/**
 * What a policy that follows flows to their consumers (`rfs`) needs of the data plane, on the side where frames come
 * in.
 *
 * Promise: under order=linux the policy sees the real counters: for each worker the position up to which it has
 * finished this worker's frames, and the position of the newest one (in the kernel: `input_queue_head` and the tail
 * that `enqueue_to_backlog` returns, per CPU; here per pair of workers, which is the same to one receive queue). A
 * frame that a full backlog refused leaves its flow's entry as it was. Under order=strict and none the policy just
 * says where a flow is wanted, and the guard, or nobody, keeps order.
 *
 * Used by the worker that steers; the hashes are read by the worker that delivers the frame.
 */
import type { Burst } from '../packet/burst.js';
import type { RfsSteering } from '../policy/rfs.js';
import type { EnginePlan, EngineViews } from './engine-memory.js';
import type { Progress } from './progress.js';

interface Parts {
  readonly plan: EnginePlan;
  readonly views: EngineViews;
  readonly worker: number;
  readonly progress: Progress;
}

/** What `Fate` says of a frame that its worker never got; see `intake.ts`. */
const DROPPED = 2;

export class FlowIntake {
  private readonly heads: Int32Array;
  private readonly tails: Int32Array;
  private readonly taken: Int32Array;
  /** The tails before the burst. */
  private readonly before: Int32Array;
  private readonly linux: boolean;
  private readonly progress: Progress;
  private readonly hashes: Int32Array;

  /** @param position the position of the newest frame given to a worker */
  constructor(
    private readonly steering: RfsSteering,
    { plan, views, worker, progress }: Parts,
    private readonly position: (worker: number) => number,
  ) {
    this.progress = progress;
    this.hashes = views.flowHashes;
    const { workers } = plan;
    this.heads = new Int32Array(workers);
    this.tails = new Int32Array(workers);
    this.taken = new Int32Array(workers);
    this.before = new Int32Array(workers);
    this.linux = plan.order === 'linux';
    if (this.linux) steering.attach(this.heads, this.tails, this.taken, worker);
    else steering.release();
  }

  /** Before a burst is steered: where all workers stand. */
  look(): void {
    if (!this.linux) return;
    const { heads, tails, taken, before, progress } = this;
    for (let w = 0; w < heads.length; w++) {
      heads[w] = progress.done(w);
      taken[w] = progress.taken(w);
      tails[w] = this.position(w);
      before[w] = tails[w]!;
    }
  }

  /** After it: the worker that delivers a frame shall know its flow. */
  remember(burst: Burst): void {
    const { n, id, hash } = burst;
    const { hashes } = this;
    for (let i = 0; i < n; i++) hashes[id[i]!] = hash[i]!;
  }

  /** Some frames of the burst were refused. */
  refused(burst: Burst, fates: Int32Array): void {
    if (this.linux) this.steering.settle(burst, fates, DROPPED, this.before);
  }
}
