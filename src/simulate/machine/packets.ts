/**
 * The packets under way, as parallel typed arrays, and queues of them.
 *
 * Promise: no object per packet; numbers are used again in the order in which packets end. A packet is in one queue at
 * most (`next` links it). A queue refuses what exceeds its limit and counts that under its name.
 */
import type { Recorder } from './recorder.js';

export class Packets {
  /** Listens; null = nobody does. */
  recorder: Recorder | null = null;
  /** Packets that exist now. */
  live = 0;
  flow: Int32Array;
  /** Its number among its flow's packets, from 0. */
  sequence: Int32Array;
  bytes: Int32Array;
  /** When it arrived or was made, in picoseconds. */
  born: Float64Array;
  /** Number of its program, and the step that is next. */
  program: Int32Array;
  step: Int32Array;
  /** CPU that touched it last; -1 = a device. */
  cpu: Int32Array;
  /** Node of its memory. */
  node: Int32Array;
  /** What the path keeps in it: the queue that it goes to, for example. */
  mark: Int32Array;
  next: Int32Array;
  #free = -1;
  #used = 0;

  constructor(capacity = 4096) {
    const words = () => new Int32Array(capacity);
    this.flow = words();
    this.sequence = words();
    this.bytes = words();
    this.born = new Float64Array(capacity);
    this.program = words();
    this.step = words();
    this.cpu = words();
    this.node = words();
    this.mark = words();
    this.next = words();
  }

  /** A new packet's number. Its `flow`, `sequence`, `bytes`, `program`, `node` are the caller's to fill. */
  make(now: number): number {
    let p = this.#free;
    if (p >= 0) this.#free = this.next[p]!;
    else {
      if (this.#used === this.flow.length) this.#grow();
      p = this.#used++;
    }
    this.live++;
    this.born[p] = now;
    this.step[p] = 0;
    this.cpu[p] = -1;
    this.mark[p] = 0;
    this.next[p] = -1;
    return p;
  }

  /** The packet has ended. */
  end(p: number): void {
    this.recorder?.gone(p);
    this.live--;
    this.next[p] = this.#free;
    this.#free = p;
  }

  #grow(): void {
    const grown = (from: Int32Array) => {
      const to = new Int32Array(2 * from.length);
      to.set(from);
      return to;
    };
    const born = new Float64Array(2 * this.born.length);
    born.set(this.born);
    this.born = born;
    this.flow = grown(this.flow);
    this.sequence = grown(this.sequence);
    this.bytes = grown(this.bytes);
    this.program = grown(this.program);
    this.step = grown(this.step);
    this.cpu = grown(this.cpu);
    this.node = grown(this.node);
    this.mark = grown(this.mark);
    this.next = grown(this.next);
  }
}

/** First in, first out, with a limit. */
export class Fifo {
  length = 0;
  /** Packets refused because it was full. */
  refused = 0;
  /** Most packets that it held. */
  peak = 0;
  #head = -1;
  #tail = -1;

  /** @param reason the name under which its drops are counted. */
  constructor(
    readonly packets: Packets,
    readonly reason: string,
    public limit: number,
  ) {}

  /** Appends a packet; false when it is full: the packet is still the caller's. */
  push(p: number): boolean {
    if (this.length >= this.limit) {
      this.refused++;
      return false;
    }
    const { next } = this.packets;
    next[p] = -1;
    if (this.#tail < 0) this.#head = p;
    else next[this.#tail] = p;
    this.#tail = p;
    if (++this.length > this.peak) this.peak = this.length;
    this.packets.recorder?.queued(p, this.reason);
    return true;
  }

  /** Takes the first packet; -1 when there is none. */
  shift(): number {
    const p = this.#head;
    if (p < 0) return -1;
    this.#head = this.packets.next[p]!;
    if (this.#head < 0) this.#tail = -1;
    this.length--;
    return p;
  }

  /** The first packet, which stays; -1 when there is none. */
  get first(): number {
    return this.#head;
  }
}
