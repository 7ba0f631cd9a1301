/**
 * Which of its receive queues a worker asks: those that are busy. The rest is watched by the kernel and costs nothing.
 *
 * Promise: a queue that has frames is asked in the next round, or, where it was parked, within `LOOK_AFTER` frames and
 * passes; nothing is lost in between, since a watch is level-triggered. Every queue on the list gets one burst a round,
 * and a busy one cannot keep others from being asked: a pass ends after `PASS_FRAMES`, and the next one goes on where it
 * stopped, so that rings and commands get their turn.
 *
 * As NAPI does, a queue that gave a frame stays on the list, and leaves it when it was asked in vain `IDLE_ASKS` times
 * in a row; but a few whose asking is a look into memory stay, since looking at the watch costs more than that. While a
 * queue is on the list it is not in the watch: there the kernel would call the watcher for each frame. Before a sleep
 * the listed queues and the watch are waited for together. Queues without a descriptor (memory, captures) stay on the
 * list until they have ended.
 *
 * One object per worker thread. Nothing here allocates but when the queues change.
 */
import type { Native, NativeWatch } from '../../addon/native.js';
import type { ReceiveQueue } from '../ports/attach.js';

/** Asks in vain after which a queue leaves the list: it comes back for two system calls. */
const IDLE_ASKS = 64;
/** So many queues that are cheap to ask stay on the list: an ask takes 50 ns, a look at the watch several times that. */
const STAY = 4;
/** Frames and passes after which the watch is looked at, while there is other work: a system call of 0.1 us. */
const LOOK_AFTER = 32;
/** Frames after which a pass ends: eight bursts. */
export const PASS_FRAMES = 512;

export class PollList {
  /** The queues to ask. */
  readonly queues: ReceiveQueue[] = [];
  /** Queues in the watch. */
  private watched = 0;
  private watch: NativeWatch | null = null;
  private members: readonly ReceiveQueue[] = [];
  private readonly parked = new Map<number, ReceiveQueue>();
  private readonly keys = new Int32Array(64);
  /** Where the next round begins. */
  private next = 0;
  /** Frames and passes since the last look at the watch. */
  private since = 0;

  constructor(private readonly native: Native | null) {}

  /** These are the worker's queues now. Before anybody closes the descriptors of those that were. */
  adopt(members: readonly ReceiveQueue[]): void {
    const stay = new Set(members);
    for (const queue of this.members) if (!stay.has(queue)) this.unwatch(queue);
    this.members = members;
    this.queues.length = 0;
    for (const queue of members) if (!this.parked.has(queue.global)) this.queues.push(queue);
    this.next = 0;
  }

  /**
   * Asks the queues of the list, one burst each at most, until a pass has enough.
   * @param ask receives a burst from a queue; returns how many frames came, -1 for none from a queue that has some
   */
  round(ask: (queue: ReceiveQueue) => number): number {
    if (this.watched > 0 && this.since >= LOOK_AFTER) this.look();
    const { queues } = this;
    let frames = 0;
    let k = this.next;
    for (let left = queues.length; left > 0 && frames < PASS_FRAMES; left--) {
      if (k >= queues.length) k = 0;
      const queue = queues[k]!;
      const came = ask(queue);
      if (came > 0) frames += came;
      if (queue.left > 0 && came >= 0) queue.left = came === 0 ? 0 : Math.max(0, queue.left - came);
      if (came !== 0) {
        queue.idle = 0;
        k++;
      } else if (++queue.idle < IDLE_ASKS || !this.park(k)) k++;
    }
    this.next = k;
    this.since += 1 + frames;
    return frames;
  }

  /**
   * The queue's device has gone. It is asked until it is empty or has given `left` frames more (its `left` is 0 then),
   * so that nothing is lost of what the kernel had for it before.
   */
  retire(queue: ReceiveQueue, left: number): void {
    queue.left = left;
    if (!this.parked.has(queue.global)) return;
    this.unwatch(queue);
    this.queues.push(queue);
  }

  /** Descriptors to wait for before a frame can come, armed; returns how many. */
  descriptors(fds: Int32Array): number {
    let count = 0;
    if (this.watched > 0) fds[count++] = this.watch!.descriptor;
    for (const { receiver } of this.queues) {
      if (receiver.descriptor < 0) continue;
      receiver.arm?.();
      fds[count++] = receiver.descriptor;
    }
    return count;
  }

  /** After a wait: a parked queue may have been what ended it. */
  waited(): void {
    this.since = LOOK_AFTER;
  }

  /** Milliseconds until a queue without a descriptor has a frame. */
  dueInMs(now: number): number {
    let due = Infinity;
    for (const { receiver } of this.queues) due = Math.min(due, receiver.dueInMs(now));
    return due;
  }

  close(): void {
    this.adopt([]);
    this.watch?.close();
    this.watch = null;
  }

  /** Takes queue k off the list, and the last one into its place; false where it has to be asked on. */
  private park(k: number): boolean {
    const { queues } = this;
    const queue = queues[k]!;
    queue.idle = 0;
    const { descriptor, cheap } = queue.receiver;
    if (cheap === true && queues.length <= STAY) return false;
    queue.receiver.arm?.();
    if (descriptor < 0 ? !queue.receiver.finished() : !this.enter(descriptor, queue.global)) return false;
    this.parked.set(queue.global, queue);
    if (descriptor >= 0) this.watched++;
    queues[k] = queues[queues.length - 1]!;
    queues.length--;
    return true;
  }

  private enter(descriptor: number, key: number): boolean {
    if (this.native === null) return false;
    try {
      this.watch ??= new this.native.Watch();
    } catch {
      // No descriptor left: the queue is asked on.
      return false;
    }
    return this.watch.add(descriptor, key);
  }

  private unwatch(queue: ReceiveQueue): void {
    if (!this.parked.delete(queue.global) || queue.receiver.descriptor < 0) return;
    this.watched--;
    this.watch!.remove(queue.receiver.descriptor);
  }

  /** Parked queues that have frames come back. */
  private look(): void {
    this.since = 0;
    const { keys, queues, parked } = this;
    const count = this.watch!.take(keys);
    for (let i = 0; i < count; i++) {
      const queue = parked.get(keys[i]!);
      if (queue === undefined) continue;
      parked.delete(queue.global);
      this.watched--;
      queues.push(queue);
    }
    // More than fit: they are told of at once.
    if (count === keys.length) this.since = LOOK_AFTER;
  }
}
