/**
 * What a device whose transmit queues change under a port may have put out of order, in numbers.
 *
 * Promise: `queueChanges` counts the changes that were noticed. `mayBeLate` is at least the number of frames that were
 * sent past queues of which the port did not know yet (give or take a burst of each worker): those sent between a look
 * that was certain of the old state and the moment when the port turned. A look is certain for what was sent some time
 * before it: the kernel tells of a change when it is done, and frames take the new queues a little earlier.
 *
 * Main thread only.
 */

/** Longer than a driver takes from its first use of new queues to the kernel's notification. */
const CERTAIN_AFTER_MS = 100;

export class OrderRisk {
  queueChanges = 0;
  mayBeLate = 0;
  private queues = 0;
  /** Frames sent at the two latest looks that are so far apart; the earlier one is certain. */
  private earlier = 0;
  private latest = 0;
  private at = Number.NEGATIVE_INFINITY;

  /** A device is opened. */
  begin(queues: number): void {
    this.queues = queues;
  }

  /** The device has so many transmit queues now. */
  see(queues: number): void {
    if (queues !== this.queues) this.queueChanges++;
    this.queues = queues;
  }

  /** A look at time `at` has found nothing new; workers had sent so many frames before it. */
  assure(sent: number, at: number): void {
    if (at - this.at < CERTAIN_AFTER_MS) return;
    // At the first look there is none before it.
    this.earlier = this.at === Number.NEGATIVE_INFINITY ? sent : this.latest;
    this.latest = sent;
    this.at = at;
  }

  /** The port takes account of the queues now. */
  turned(sent: number): void {
    // A queueing discipline alone has one way to the device: what went past it was there first.
    if (this.queues > 1) this.mayBeLate += sent - this.earlier;
  }
}
