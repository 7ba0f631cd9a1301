/**
 * How many slots of a worker's pool the frames on their way to one other worker may hold.
 *
 * Promise: no worker that stands still keeps the pool of another one to itself. A ring may hold as many slots of a
 * class as are left beyond a reserve: one that nobody empties gets half of them, the next one half of the rest, and
 * so on; what does not fit is dropped as `backlog`. Each ring may have its part of half the reserve in any case, at
 * least one frame, so that the others go on. The rest of the reserve is for receiving. Frames that are held for a
 * move count as one ring more. Small and large slots are counted apart.
 *
 * This is the dynamic threshold of switches with shared memory (A. K. Choudhury, E. L. Hahne, "Dynamic queue length
 * thresholds for shared-memory packet switches", 1998): fixed parts would be a few frames each where workers are many.
 *
 * What the worker itself has in its burst and its own work counts as left: it comes back with this pass.
 *
 * Threads: used by the worker that polls, once a burst; for each frame only where that has a large slot.
 */

import type { FramePool } from './pool.js';
import type { RingProducer } from './producer.js';

/** Small slots are counted anew when their number has changed by a part of the pool so large. */
const STEPS = 16;
/**
 * The part of all slots that is kept back; and the part that is shared out among the rings of it, as much as held frames
 * may have at most.
 */
const RESERVE = 4;
const LEAST = 8;
/** Never more than so large a part, however many rings there are. */
const RESERVE_MOST = 2;

/** One class of slots of a home whose frames go to `rings` other workers. */
export class SlotShare {
  readonly reserve: number;
  private readonly least: number;

  constructor(
    readonly slots: number,
    rings: number,
  ) {
    const reserve = Math.max(Math.floor(slots / RESERVE), rings + Math.floor(slots / LEAST));
    this.reserve = Math.min(reserve, Math.floor(slots / RESERVE_MOST));
    this.least = Math.max(1, Math.floor(slots / LEAST / Math.max(1, rings)));
  }

  /** Slots that one ring may hold while so many are left (free, or in the worker's own hands). */
  of(left: number): number {
    return Math.max(this.least, left - this.reserve);
  }

  /** The same for frames that are held for a move: nothing is due to them. */
  ofHolds(left: number): number {
    return Math.max(0, Math.min(this.slots / LEAST, left - this.reserve));
  }
}

/** The shares of one worker's rings, as they are now. */
export class SlotShares {
  private small: SlotShare;
  private large: SlotShare;
  private rings = 0;
  /** Small slots that are left, as of when the rings were last told. */
  private leftSmall = 0;
  /** Large slots that are left, and what one ring may hold of them during this burst. */
  private leftLarge = 0;
  private mostLarge = 0;
  private fewer = 0;
  private more = -1;

  /** @param me the home, whose lane it is */
  constructor(
    private readonly pool: FramePool,
    private readonly producer: RingProducer,
    private readonly me: number,
    rings: number,
  ) {
    this.small = new SlotShare(pool.size.smallPerWorker, rings);
    this.large = new SlotShare(pool.size.largePerWorker, rings);
    this.adopt(rings);
  }

  /** Frames go to so many other workers from now on. */
  adopt(rings: number): void {
    const { smallPerWorker, largePerWorker } = this.pool.size;
    this.rings = rings;
    this.small = new SlotShare(smallPerWorker, rings);
    this.large = new SlotShare(largePerWorker, rings);
    // Nothing lies between these: the next burst counts.
    this.fewer = 0;
    this.more = -1;
  }

  /** A burst is to be dispatched: `n` frames, `large` of them in large slots, none in a ring yet. */
  begin(n: number, large: number): void {
    const { pool, producer, me } = this;
    const left = (pool.availableSmall(me) + producer.ownCount() - producer.largeIn(me) + n - large) | 0;
    if (left < this.fewer || left > this.more) this.tell(left);
    this.leftLarge = pool.availableLarge(me) + producer.largeIn(me) + large;
    this.mostLarge = this.large.of(this.leftLarge);
  }

  private tell(left: number): void {
    const step = Math.ceil(this.small.slots / STEPS);
    this.leftSmall = left;
    this.fewer = left - step;
    this.more = left + step;
    this.producer.setShare(this.small.of(left), this.rings + 1);
  }

  /** True when the ring to worker `to` may have one frame more in a large slot, `extra` beyond its share. */
  mayGiveLarge(to: number, extra = 0): boolean {
    // A whole burst may be for one ring; many rings together shall not use up what is for receiving.
    const most = this.leftLarge > this.large.reserve / 2 ? this.mostLarge : this.large.of(0);
    return to === this.me || this.producer.largeIn(to) < most + extra;
  }

  /** A frame of the burst in a large slot went into the ring to worker `to`. */
  gaveLarge(to: number): void {
    this.producer.addLarge(to);
    if (to !== this.me) this.leftLarge--;
  }

  /** A frame of the burst in a large slot is held. */
  heldLarge(): void {
    this.leftLarge--;
  }

  /** Slots of a class that all held frames together may have. */
  ofHolds(large: boolean): number {
    return large ? this.large.ofHolds(this.leftLarge) : this.small.ofHolds(this.leftSmall);
  }
}
