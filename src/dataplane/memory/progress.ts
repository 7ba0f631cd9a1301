/**
 * How far each worker has come with the frames that one worker gave it: the clock of the order guard.
 *
 * Promise: `drained(w, tail)` is true only when every frame up to position `tail` of the ring from this worker to
 * worker w has been transmitted, delivered or dropped (or has died with its worker). Positions are free-running
 * 32-bit counters, compared by signed difference: exact while fewer than 2^31 frames lie between them. The ledger, which
 * keeps positions, renews them before that (see there).
 *
 * Reads are sequentially consistent loads of words that the consumers publish; for the worker that produces only.
 */
import { type RingMemory, ringDone, ringTaken, State } from './ring.js';

export class Progress {
  private readonly rings: readonly RingMemory[];

  /** @param rings all rings of the engine, see `EngineViews.rings` */
  constructor(
    rings: readonly RingMemory[],
    producer: number,
    readonly workers: number,
  ) {
    this.rings = rings.slice(producer * workers, (producer + 1) * workers);
  }

  /** Position up to which worker `w` has finished. */
  done(w: number): number {
    return ringDone(this.rings[w]!);
  }

  /** Position up to which frames were put into the ring to worker `w`, published or not. */
  given(w: number): number {
    const { area, state } = this.rings[w]!;
    return area[state + State.position]!;
  }

  /** Position up to which worker `w` has taken frames off its backlog. */
  taken(w: number): number {
    return ringTaken(this.rings[w]!);
  }

  drained(w: number, tail: number): boolean {
    return ((ringDone(this.rings[w]!) - tail) | 0) >= 0;
  }
}

/**
 * Up to which sequence number all frames of a receive queue have ended, whichever workers had them and however they
 * ended.
 *
 * Promise: found by looking twice. The first look notes how far all rings are filled, and each queue's newest number;
 * once all rings are finished up to there, so are the queues up to these numbers. Frames that are held are in no ring:
 * the caller knows of them. Costs a few loads a look, and nothing in between.
 */
export class Horizon {
  private readonly ended: Int32Array;
  private readonly known: Uint8Array;
  private readonly marks: Int32Array;
  private readonly newest: Int32Array;
  private marked = false;

  constructor(
    private readonly progress: Progress,
    queues: number,
  ) {
    this.ended = new Int32Array(queues);
    this.known = new Uint8Array(queues);
    this.marks = new Int32Array(progress.workers);
    this.newest = new Int32Array(queues);
  }

  /** Between two bursts. @param next number of each queue's next frame */
  look(next: Int32Array): void {
    const { progress, marks } = this;
    if (this.marked) {
      for (let w = 0; w < marks.length; w++) if (!progress.drained(w, marks[w]!)) return;
      this.ended.set(this.newest);
      this.known.fill(1);
    }
    for (let w = 0; w < marks.length; w++) marks[w] = progress.given(w);
    for (let q = 0; q < next.length; q++) this.newest[q] = (next[q]! - 1) | 0;
    this.marked = true;
  }

  /** True when the queue's frame `seq` is known to have ended (and was not held). */
  isOver(queue: number, seq: number): boolean {
    return this.known[queue] === 1 && ((seq - this.ended[queue]!) | 0) <= 0;
  }

  /** The queue is taken over: what was known of its numbers is void. */
  reset(queue: number): void {
    this.known[queue] = 0;
    this.marked = false;
  }
}
