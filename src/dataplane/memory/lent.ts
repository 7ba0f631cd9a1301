/**
 * Slots of the pool that a device has: what the kernel writes frames to, and what it may still read.
 *
 * Promise: a device gets slots from a stock that belongs to nobody, and as many go back there when it is closed. In
 * between its pollers exchange one for one: for each slot with a frame that they take they give a free one of their own.
 * So no worker's number of slots changes, whoever polls; a slot that a device had is its poller's from then on (`home`),
 * and a lent slot says to whom (owner word -tag), so that all of them are counted where they are and none is swept.
 *
 * Main thread only. A device's slots are taken back when nobody polls it any more and its sockets are closed.
 */
import type { NativePool } from '../../addon/native.js';
import type { FramePool } from './pool.js';

export class LentSlots {
  private tags = 0;

  constructor(private readonly pool: FramePool) {}

  /** The pool, as the addon takes its geometry. */
  get memory(): NativePool {
    return this.pool.nativeView(0);
  }

  /** A tag for a device, above 0: its slots are known by it. */
  newTag(): number {
    this.tags++;
    return this.tags;
  }

  /** Slots that can be lent. */
  get left(): number {
    return this.pool.shared.stock[0]!;
  }

  /** Slots that a device has. */
  count(tag: number): number {
    let count = 0;
    for (let id = 0; id < this.pool.smallSlots; id++) if (this.pool.owner[id] === -tag) count++;
    return count;
  }

  /** Lends `count` slots; null where there are not so many. */
  lend(count: number, tag: number): Int32Array | null {
    const { stock } = this.pool.shared;
    const left = stock[0]!;
    if (left < count) return null;
    const ids = stock.slice(1 + left - count, 1 + left);
    for (const id of ids) this.pool.owner[id] = -tag;
    stock[0] = left - count;
    return ids;
  }

  /** The device is closed: its slots are nobody's. */
  takeBack(tag: number): void {
    const { owner, shared, smallSlots } = this.pool;
    const { stock, home } = shared;
    for (let id = 0; id < smallSlots; id++) {
      if (owner[id] !== -tag) continue;
      home[id] = -1;
      owner[id] = 0;
      stock[0] = stock[0]! + 1;
      stock[stock[0]!] = id;
    }
  }
}
