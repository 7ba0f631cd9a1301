/**
 * The device: its queues, its tags, and what works on requests.
 *
 * Promise: a queue has at most `depth` requests between its tag and its completion; the rest wait for a tag in their
 * order. The device works on `parallelism` requests and takes the next one from its queues in turn (NVMe's round robin
 * arbitration, a burst of one), within a queue in order. It may finish them in any order, as NVMe may.
 */
import type { QueueType } from '../../block/queue-map.js';
import { Fifo, type Packets } from '../machine/packets.js';
import type { Actor, Sim } from '../machine/sim.js';

/** One queue pair. */
export class HardwareQueue {
  /** Between tag and completion. */
  underWay = 0;
  mostUnderWay = 0;
  /** In the window. */
  requests = 0;
  tagWaits = 0;
  /** Without a tag. */
  readonly waiting: Fifo;
  /** In the submission queue. */
  readonly submitted: Fifo;

  constructor(
    packets: Packets,
    readonly index: number,
    readonly type: QueueType,
    readonly depth: number,
  ) {
    this.waiting = new Fifo(packets, 'tag', Number.POSITIVE_INFINITY);
    this.submitted = new Fifo(packets, 'submission queue', Number.POSITIVE_INFINITY);
  }

  /** Takes a tag; false where all are in use. */
  takeTag(): boolean {
    if (this.underWay >= this.depth) return false;
    this.underWay++;
    if (this.underWay > this.mostUnderWay) this.mostUnderWay = this.underWay;
    return true;
  }
}

/** Sum over time of a number that changes. */
export class Integral {
  /** Picoseconds times number. */
  sum = 0;
  value = 0;
  #since = 0;

  constructor(private readonly sim: { readonly now: number }) {}

  add(delta: number): void {
    this.settle();
    this.value += delta;
  }

  settle(): void {
    const { now } = this.sim;
    this.sum += this.value * (now - this.#since);
    this.#since = now;
  }
}

export class Device implements Actor {
  readonly busy: Integral;
  readonly #actor: number;
  #next = 0;

  /**
   * @param serviceOf picoseconds for a request
   * @param finished the device has posted its completion
   */
  constructor(
    private readonly sim: Sim,
    readonly queues: readonly HardwareQueue[],
    private readonly parallelism: number,
    private readonly serviceOf: (packet: number) => number,
    private readonly finished: (packet: number) => void,
  ) {
    this.busy = new Integral(sim);
    this.#actor = sim.enter(this);
  }

  /** The doorbell of a queue: a request is there. */
  submit(queue: HardwareQueue, packet: number): void {
    queue.submitted.push(packet);
    this.#take();
  }

  fire(packet: number): void {
    this.busy.add(-1);
    this.finished(packet);
    this.#take();
  }

  #take(): void {
    const { queues } = this;
    let empty = 0;
    while (this.busy.value < this.parallelism && empty < queues.length) {
      const packet = queues[this.#next]!.submitted.shift();
      this.#next = (this.#next + 1) % queues.length;
      if (packet < 0) {
        empty++;
        continue;
      }
      empty = 0;
      this.busy.add(1);
      this.sim.at(this.sim.now + this.serviceOf(packet), this.#actor, packet);
    }
  }
}
