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
import { Place } from './places.js';

// Constants of the module: docs/hot-loops.md.
const WORKER_MASK = Place.workerMask;
const WORKER_SHIFT = Place.workerShift;

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

  /**
   * Packets `from` … `to - 1` of a chunk arrive, all of flows whose worker is known; `numbers` is the number of the
   * chunk's first packet. What `serve` does, in one loop without calls, and without history of the flows where that can
   * be recalled.
   * @param places two words a flow, see `Place`
   */
  serveFlows(flows: Int32Array, places: Int32Array, from: number, to: number, numbers: number): void {
    if (this.isNic) this.#serveQueues(flows, places, from, to, numbers);
    else this.#serveBacklogs(flows, places, from, to, numbers);
  }

  #serveQueues(flows: Int32Array, places: Int32Array, from: number, to: number, numbers: number): void {
    const { finish, flow: ringFlow, number: ringNumber, busy } = this;
    const time = this.#time;
    const wire = this.#wire;
    const free = this.#free;
    const heads = this.#heads;
    const tails = this.#tails;
    const shift = this.#shift;
    const mask = this.#mask;
    const limit = this.#limit;
    const packet = this.#packet;
    const byte = this.#byte;
    const receive = this.#receive;
    for (let i = from; i < to; i++) {
      const flow = flows[i]!;
      const worker = (places[2 * flow]! & WORKER_MASK) >> WORKER_SHIFT;
      const now = time[i]!;
      const cost = packet + byte * wire[i]! + receive;
      let start = free[worker]!;
      let tail = tails[worker]!;
      if (start <= now) {
        start = now;
        heads[worker] = 0;
        tail = 0;
      } else if (((tail - heads[worker]!) | 0) > limit) {
        if (this.#waiting(worker, now) > limit) {
          this.dropped++;
          continue;
        }
      }
      const end = start + cost;
      free[worker] = end;
      busy[worker]! += cost;
      tails[worker] = (tail + 1) | 0;
      const slot = (worker << shift) | (tail & mask);
      finish[slot] = end;
      ringFlow[slot] = flow;
      ringNumber[slot] = (numbers + i) | 0;
    }
  }

  #serveBacklogs(flows: Int32Array, places: Int32Array, from: number, to: number, numbers: number): void {
    const { finish, flow: ringFlow, number: ringNumber, previous, busy } = this;
    const time = this.#time;
    const wire = this.#wire;
    const free = this.#free;
    const heads = this.#heads;
    const tails = this.#tails;
    const shift = this.#shift;
    const mask = this.#mask;
    const limit = this.#limit;
    const packet = this.#packet;
    const byte = this.#byte;
    const receive = this.#receive;
    const handing = this.#receive + this.#handoff;
    const wakeup = this.#wakeup;
    const taken = this.#taken;
    let handoffs = 0;
    let wakeups = 0;
    for (let i = from; i < to; i++) {
      const flow = flows[i]!;
      const worker = (places[2 * flow]! & WORKER_MASK) >> WORKER_SHIFT;
      const now = time[i]!;
      // Worker 0 takes it from its receive queue: as `receiveAt`.
      let head = this.#takenHead;
      let last = this.#takenTail;
      if (last === head || taken[(last - 1) & mask]! <= now) {
        head = 0;
        last = 0;
      } else if (((last - head) | 0) > limit) {
        while (taken[head & mask]! <= now) head = (head + 1) | 0;
      }
      this.#takenHead = head;
      this.#takenTail = last;
      if (worker !== 0) handoffs++;
      if (((last - head) | 0) > limit) {
        this.dropped++;
        continue;
      }
      let polled = free[0]!;
      if (polled < now) polled = now;
      const receiving = worker === 0 ? receive : handing;
      polled += receiving;
      busy[0]! += receiving;
      free[0] = polled;
      taken[last & mask] = polled;
      this.#takenTail = (last + 1) | 0;
      const cost = packet + byte * wire[i]!;
      let start = polled;
      let tail = tails[worker]!;
      if (worker !== 0) {
        start = free[worker]!;
        if (start <= polled) {
          heads[worker] = 0;
          tail = 0;
          wakeups++;
          start = polled + wakeup;
        } else if (((tail - heads[worker]!) | 0) > limit) {
          if (this.#waiting(worker, polled) > limit) {
            this.dropped++;
            continue;
          }
        }
      }
      const end = start + cost;
      free[worker] = end;
      busy[worker]! += cost;
      tails[worker] = (tail + 1) | 0;
      const slot = (worker << shift) | (tail & mask);
      finish[slot] = end;
      ringFlow[slot] = flow;
      ringNumber[slot] = (numbers + i) | 0;
      // Not to be recalled: a worker's ring is judged at the time of the hand-off, which may be after `now`.
      previous[slot] = places[2 * flow + 1]!;
      places[2 * flow + 1] = slot + 1;
    }
    this.handoffs += handoffs;
    this.wakeups += wakeups;
  }

  /**
   * Finds what `serveFlows` did not note at stage nic: the packets of a flow that are under way at its worker, linked by
   * `previous`. Returns slot + 1 of the last one, or 0.
   */
  recall(flow: number, worker: number, now: number): number {
    const { finish, previous } = this;
    const tail = this.#tails[worker]!;
    const most = (tail - this.#heads[worker]!) | 0;
    let latest = 0;
    let later = -1;
    // Backwards: a worker finishes in order.
    for (let back = 1; back <= most; back++) {
      const slot = (worker << this.#shift) | ((tail - back) & this.#mask);
      if (finish[slot]! <= now) break;
      if (this.flow[slot] !== flow) continue;
      if (later < 0) latest = slot + 1;
      else previous[later] = slot + 1;
      previous[slot] = 0;
      later = slot;
    }
    return latest;
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
    if (head === tail || taken[(tail - 1) & mask]! <= now) {
      head = 0;
      tail = 0;
    } else if (((tail - head) | 0) > this.#limit) {
      while (taken[head & mask]! <= now) head = (head + 1) | 0;
    }
    this.#takenHead = head;
    this.#takenTail = tail;
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
