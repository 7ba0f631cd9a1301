/**
 * What a policy that follows flows to their consumers (`rfs`) needs of the data plane: where
 * frames come in, and where they are delivered.
 *
 * Promise: under order=linux the policy sees the real counters: for each worker the position up to which it has
 * finished this worker's frames, and the position of the newest one (in the kernel: `input_queue_head` and the tail
 * that `enqueue_to_backlog` returns, per CPU; here per pair of workers, which is the same to one receive queue). A
 * frame that a full backlog refused leaves its flow's entry as it was. Under order=strict and none the policy just
 * says where a flow is wanted, and the guard, or nobody, keeps order.
 *
 * A frame that is delivered to a port with a consumer records its flow there, as reading from a socket does. The hash
 * gets to the worker that delivers in a word per pool slot, written before the frame is handed over. A hash that is
 * the same in both directions of a connection (`hash=linux`) has one entry: with consumers at both ends the last one
 * wins, as with two sockets on one machine.
 *
 * One object per worker.
 */
import { type Batch, LENGTH_MASK, Part } from '../../forward/batch.js';
import type { Burst } from '../../packet/burst.js';
import type { RfsSteering } from '../../policy/rfs.js';
import type { FramePool } from '../memory/pool.js';
import type { Progress } from '../memory/progress.js';
import type { Sender } from '../ports/port.js';
import type { EngineViews } from '../shared/engine-memory.js';
import type { EnginePlan } from '../shared/plan.js';

interface Parts {
  readonly plan: EnginePlan;
  readonly views: EngineViews;
  readonly worker: number;
  readonly progress: Progress;
}

/** What `DispatchResult` says of a frame that its worker never got; see `rxStage.ts`. */
const DROPPED = 2;

export class RfsFeedback {
  private readonly heads: Int32Array;
  private readonly tails: Int32Array;
  private readonly taken: Int32Array;
  /** The tails before the burst. */
  private readonly before: Int32Array;
  private readonly linux: boolean;
  private readonly progress: Progress;
  private readonly hashes: Int32Array;
  private readonly consumers: Int32Array;
  private readonly pool: FramePool;

  /** @param position the position of the newest frame given to a worker */
  constructor(
    private readonly steering: RfsSteering,
    { plan, views, worker, progress }: Parts,
    private readonly position: (worker: number) => number,
  ) {
    this.progress = progress;
    this.hashes = views.flowHashes;
    this.consumers = views.consumers;
    this.pool = views.pool;
    const { workers } = plan;
    this.heads = new Int32Array(workers);
    this.tails = new Int32Array(workers);
    this.taken = new Int32Array(workers);
    this.before = new Int32Array(workers);
    this.linux = plan.order === 'linux';
    if (this.linux) steering.attach(this.heads, this.tails, this.taken, worker);
    else steering.release();
  }

  /** Before a burst is steered: where workers 0 … span-1 stand. */
  look(span: number): void {
    if (!this.linux) return;
    const { heads, tails, taken, before, progress } = this;
    for (let w = 0; w < span; w++) {
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

  /** Frames were delivered to ports with a consumer: that is where their flows are wanted from now on. */
  delivered(batch: Batch, arrived: (i: number) => boolean, senders: readonly (Sender | null)[]): void {
    const { n, out } = batch;
    const { consumers, hashes, steering } = this;
    for (let i = 0; i < n; i++) {
      const port = out[i]!;
      if (port < 0) continue;
      if (consumers[port] === 0 || !arrived(i)) continue;
      const id = batch.part(i, Part.id);
      const sender = senders[port]!;
      const consumer =
        sender.readerOf === undefined
          ? consumers[port]!
          : sender.readerOf(this.pool.offsetOf(id), batch.part(i, Part.size) & LENGTH_MASK);
      if (consumer > 0) steering.sock.record(hashes[id]!, consumer - 1);
    }
  }

  /** Some frames of the burst were refused. */
  refused(burst: Burst, results: Int32Array): void {
    if (this.linux) this.steering.settle(burst, results, DROPPED, this.before);
  }
}
