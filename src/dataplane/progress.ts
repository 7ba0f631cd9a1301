/**
 * How far each worker has come with the frames that one worker gave it: the clock of the order guard.
 *
 * Promise: `drained(w, tail)` is true only when every frame up to position `tail` of the ring from this worker to
 * worker w has been transmitted, delivered or dropped (or has died with its worker). Positions are free-running
 * 32-bit counters, compared by signed difference: exact while fewer than 2^31 frames lie between them. A position
 * that is older than that can look as if it lay ahead, which delays a move until the flow's next frame.
 *
 * Reads are sequentially consistent loads of words that the consumers publish; for the worker that produces only.
 */
import { type RingMemory, ringDone, ringTaken } from './ring.js';

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

  /** Position up to which worker `w` has taken frames off its backlog. */
  taken(w: number): number {
    return ringTaken(this.rings[w]!);
  }

  drained(w: number, tail: number): boolean {
    return ((ringDone(this.rings[w]!) - tail) | 0) >= 0;
  }
}
