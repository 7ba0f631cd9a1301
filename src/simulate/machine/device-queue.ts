/**
 * A receive queue of a device: a ring, an interrupt, a CPU that polls it. The same for a NIC's queue, a virtio queue,
 * and a virtual function's.
 *
 * Promise: as NAPI: the interrupt is off while the queue is polled. Moderation holds the interrupt back until so much
 * time has passed since the last one, or so many packets wait.
 */
import type { Context, PollSource } from './context.js';
import { Notice } from './context.js';
import type { Cpu } from './cpu.js';
import { Fifo, type Packets } from './packets.js';
import type { Actor, Sim } from './sim.js';

/** When a queue may interrupt. Times in picoseconds. */
export interface Moderation {
  readonly interval: number;
  /** Packets that override the interval; 0 = none do. */
  readonly packets: number;
}

export class DeviceQueue implements PollSource, Actor {
  readonly isBacklog = false;
  readonly ring: Fifo;
  interrupts = 0;
  /** How the interrupt gets to its target, where that is not straight (through the host). */
  relay: ((by: Cpu | null) => void) | null = null;
  /** Called when the ring has half emptied, by whoever waits for room. */
  onRoom: (() => void) | null = null;
  #isOff = false;
  #last = Number.NEGATIVE_INFINITY;
  #hasTimer = false;
  readonly #actor: number;

  /** @param target the context that its interrupt goes to. */
  constructor(
    private readonly sim: Sim,
    packets: Packets,
    readonly name: string,
    size: number,
    public target: Context,
    readonly interruptCost: number,
    private readonly moderation: Moderation,
    reason = 'ring',
  ) {
    this.ring = new Fifo(packets, reason, size);
    this.#actor = sim.enter(this);
  }

  /** A packet arrives; false when the ring is full. `by` pays for the interrupt; null = a device. */
  deliver(p: number, by: Cpu | null): boolean {
    if (!this.ring.push(p)) return false;
    this.#ask(by);
    return true;
  }

  take(): number {
    const { ring } = this;
    const p = ring.shift();
    if (this.onRoom !== null && ring.length <= ring.limit >> 1) this.onRoom();
    return p;
  }

  complete(): void {
    this.#isOff = false;
    if (this.ring.length > 0) this.#ask(null);
  }

  fire(): void {
    this.#hasTimer = false;
    if (!this.#isOff && this.ring.length > 0) this.#interrupt(null);
  }

  #ask(by: Cpu | null): void {
    if (this.#isOff) return;
    const { interval, packets } = this.moderation;
    const { now } = this.sim;
    if (interval > 0 && now - this.#last < interval && (packets === 0 || this.ring.length < packets)) {
      if (!this.#hasTimer) {
        this.#hasTimer = true;
        this.sim.at(this.#last + interval, this.#actor, 0);
      }
      return;
    }
    this.#interrupt(by);
  }

  #interrupt(by: Cpu | null): void {
    this.#isOff = true;
    this.#last = this.sim.now;
    this.interrupts++;
    if (this.relay === null) this.arrive(by);
    else this.relay(by);
  }

  /** The interrupt reaches its target. */
  arrive(by: Cpu | null): void {
    this.target.raise(this, by, Notice.device);
  }
}
