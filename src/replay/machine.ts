/**
 * The emulated workers on virtual time: when each packet is finished, what waits, wakes and is dropped.
 *
 * Model. A worker serves first come, first served. `stage=nic`: the packet waits in the queue that the NIC chose; the
 * worker that polls it receives and processes it. `stage=cpu`: all packets wait in one receive queue, which worker 0
 * polls; it receives the packet and processes it at once if it is its own, else puts it into the other worker's
 * backlog. If that worker is idle it is woken (one inter-processor interrupt) and begins `wakeupNs` later. A packet
 * that finds its queue or backlog full is dropped.
 *
 * Promise: a deterministic function of the arrivals, which must not go back in time. A ring per worker keeps the
 * packets that are not finished; only slots of finished packets are used again. No allocation
 * per packet. One thread.
 */
import type { ServiceModel } from './model.js';

export class Machine {
  handoffs = 0;
  wakeups = 0;
  dropped = 0;
  /** Virtual time that each worker spent on packets, in nanoseconds. */
  readonly busy: Float64Array;
  /** By slot: when the packet is finished, its flow, its number, slot + 1 of the flow's packet before it (0 = none). */
  readonly finish: Float64Array;
  readonly flow: Int32Array;
  readonly number: Int32Array;
  readonly previous: Int32Array;
  readonly #free: Float64Array;
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;
  readonly #mask: number;
  readonly #shift: number;
  /** The receive queue of worker 0 at stage cpu: when each packet was taken from it. */
  readonly #taken: Float64Array;
  #takenHead = 0;
  #takenTail = 0;
  #time: Float64Array = new Float64Array(0);
  #wire: Float64Array = new Float64Array(0);
  readonly #limit: number;
  readonly #receive: number;
  readonly #handoff: number;
  readonly #wakeup: number;
  readonly #packet: number;
  readonly #byte: number;

  constructor(
    readonly workers: number,
    readonly isNic: boolean,
    model: ServiceModel,
  ) {
    // One more than may wait: the one in service.
    const slots = 2 ** Math.ceil(Math.log2(model.backlog + 1));
    this.#shift = Math.log2(slots);
    this.#mask = slots - 1;
    this.#limit = model.backlog;
    this.#receive = model.receiveNs;
    this.#handoff = model.handoffNs;
    this.#wakeup = model.wakeupNs;
    this.#packet = model.packetNs;
    this.#byte = model.byteNs;
    this.busy = new Float64Array(workers);
    this.finish = new Float64Array(workers * slots);
    this.flow = new Int32Array(workers * slots).fill(-1);
    this.number = new Int32Array(workers * slots);
    this.previous = new Int32Array(workers * slots);
    this.#free = new Float64Array(workers);
    this.#heads = new Int32Array(workers);
    this.#tails = new Int32Array(workers);
    this.#taken = new Float64Array(isNic ? 0 : slots);
  }

  /** Where `serve` finds the packets: when they arrive, and their bytes on the wire. */
  from(time: Float64Array, wire: Float64Array): void {
    this.#time = time;
    this.#wire = wire;
  }

  /**
   * Packet `at` arrives, for a worker. Returns its ring slot, or -1 when it is dropped. No argument or result is a
   * double: where V8 does not inline the call it would allocate each of them.
   * @param previous slot + 1 of the flow's packet before it, or 0
   */
  serve(worker: number, at: number, flow: number, number: number, previous: number): number {
    const free = this.#free;
    const now = this.#time[at]!;
    let start: number;
    let cost = this.#packet + this.#byte * this.#wire[at]!;
    if (this.isNic) {
      if (this.#waiting(worker, now) > this.#limit) return this.#drop();
      start = free[worker]!;
      if (start < now) start = now;
      cost += this.#receive;
    } else {
      // What was steered counts, dropped or not.
      if (worker !== 0) this.handoffs++;
      const taken = this.#receiveAt(now, worker !== 0);
      if (taken < 0) return this.#drop();
      if (worker === 0) start = taken;
      else {
        if (this.#waiting(worker, taken) > this.#limit) return this.#drop();
        start = free[worker]!;
        if (start <= taken) {
          this.wakeups++;
          start = taken + this.#wakeup;
        }
      }
    }
    const end = start + cost;
    free[worker] = end;
    this.busy[worker]! += cost;
    const tail = this.#tails[worker]!;
    this.#tails[worker] = (tail + 1) | 0;
    const slot = (worker << this.#shift) | (tail & this.#mask);
    this.finish[slot] = end;
    this.flow[slot] = flow;
    this.number[slot] = number;
    this.previous[slot] = previous;
    return slot;
  }

  /** Packets of a worker that are not finished at `now`; those that are leave its ring. */
  unfinished(worker: number, now: number): number {
    return this.#waiting(worker, now);
  }

  #waiting(worker: number, now: number): number {
    const tail = this.#tails[worker]!;
    let head = this.#heads[worker]!;
    const base = worker << this.#shift;
    const { finish } = this;
    while (head !== tail && finish[base | (head & this.#mask)]! <= now) head = (head + 1) | 0;
    if (head === tail) {
      // Empty: from the start again, so that a worker with little to do uses few cache lines.
      this.#heads[worker] = 0;
      this.#tails[worker] = 0;
      return 0;
    }
    this.#heads[worker] = head;
    return (tail - head) | 0;
  }

  /** Worker 0 takes a packet from its receive queue; gives the time when it has, or -1 when the queue is full. */
  #receiveAt(now: number, handsOff: boolean): number {
    const taken = this.#taken;
    const mask = this.#mask;
    let head = this.#takenHead;
    let tail = this.#takenTail;
    while (head !== tail && taken[head & mask]! <= now) head = (head + 1) | 0;
    if (head === tail) {
      head = 0;
      tail = 0;
    }
    this.#takenHead = head;
    if (((tail - head) | 0) > this.#limit) return -1;
    const free = this.#free;
    let start = free[0]!;
    if (start < now) start = now;
    const cost = handsOff ? this.#receive + this.#handoff : this.#receive;
    const end = start + cost;
    this.busy[0]! += cost;
    free[0] = end;
    taken[tail & mask] = end;
    this.#takenTail = (tail + 1) | 0;
    return end;
  }

  #drop(): number {
    this.dropped++;
    return -1;
  }
}
