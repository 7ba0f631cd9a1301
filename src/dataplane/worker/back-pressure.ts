/**
 * When a worker leaves frames where they are, because a worker that they may be for has no room for them.
 *
 * Promise: a queue whose frames wait at their sender (`Receiver.waits`) is not received from while the ring to another
 * worker has no room for a burst, so nothing is taken only to be dropped: the sender's ring fills, and its own stack
 * hears of it. Bounded: a ring that nobody has emptied for `PATIENCE_MS` holds nobody up until it moves again; its
 * frames are dropped as `backlog` then, and those for other workers go on.
 *
 * Which worker a frame is for is not known before it is received, so frames for others wait as well, as they do behind
 * each other in the sender's ring.
 *
 * One object per worker thread, used between bursts.
 */
import { ClockTime, type ThreadClock } from '../memory/clock.js';
import type { RingProducer } from '../memory/producer.js';

const MS = ClockTime.ms;
/** Longer than a worker is descheduled for, as a rule, and shorter than what a stream takes for a loss. */
const PATIENCE_MS = 20;

export class BackPressure {
  /** By worker: how far it was when its ring was found full, and since when that is so. */
  private readonly seen: Int32Array;
  private readonly since: Float64Array;

  constructor(
    private readonly producer: RingProducer,
    private readonly me: number,
    workers: number,
    private readonly clock: ThreadClock,
  ) {
    this.seen = new Int32Array(workers);
    this.since = new Float64Array(workers).fill(-Infinity);
  }

  /** A burst might find no room in the ring to one of the workers 0 … span-1, which empties it. */
  holds(span: number): boolean {
    const { producer, me } = this;
    for (let to = 0; to < span; to++) {
      if (to !== me && producer.short(to) && this.moves(to)) return true;
    }
    return false;
  }

  private moves(to: number): boolean {
    const { clock, seen, since } = this;
    clock.look();
    const now = clock.times[MS]!;
    const taken = this.producer.takenBy(to);
    if (taken !== seen[to] || since[to] === -Infinity) {
      seen[to] = taken;
      since[to] = now;
    }
    return now - since[to]! < PATIENCE_MS;
  }
}
