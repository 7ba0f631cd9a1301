/**
 * How completions reach a CPU: a queue's interrupt, whose handler empties the queue; and the list of each CPU to which
 * others redirect (`blk_cpu_done`).
 *
 * Promise: the interrupt of a queue is pending, or its handler runs, or it is ready to come; what is posted while the
 * handler runs is found by it. Interrupts may be held back (coalescing) until so many completions wait or so long.
 */
import type { Context, PollSource } from '../machine/context.js';
import { Notice } from '../machine/context.js';
import { Fifo, type Packets } from '../machine/packets.js';
import type { Actor, Sim } from '../machine/sim.js';

/** A completion queue with an interrupt. Its handler works in the interrupt itself (`nvme_irq`). */
export class CompletionQueue implements PollSource, Actor {
  readonly isBacklog = false;
  readonly isWhole = true;
  interrupts = 0;
  readonly posted: Fifo;
  #isAsked = false;
  #isTimed = false;
  readonly #actor: number;

  /** @param time picoseconds that a completion may be held back; @param most completions that end that at once */
  constructor(
    private readonly sim: Sim,
    packets: Packets,
    readonly target: Context,
    readonly interruptCost: number,
    private readonly time: number,
    private readonly most: number,
  ) {
    this.posted = new Fifo(packets, 'completion queue', Number.POSITIVE_INFINITY);
    this.#actor = sim.enter(this);
  }

  /** The device posts a completion. */
  post(packet: number): void {
    this.posted.push(packet);
    if (this.#isAsked) return;
    if (this.time === 0 || (this.most > 0 && this.posted.length >= this.most)) this.#interrupt();
    else if (!this.#isTimed) {
      this.#isTimed = true;
      this.sim.at(this.sim.now + this.time, this.#actor, 0);
    }
  }

  fire(): void {
    this.#isTimed = false;
    if (!this.#isAsked && this.posted.length > 0) this.#interrupt();
  }

  #interrupt(): void {
    this.#isAsked = true;
    this.interrupts++;
    this.target.raise(this, null, Notice.device);
  }

  take(): number {
    return this.posted.shift();
  }

  complete(): void {
    this.#isAsked = false;
  }
}

/** Requests that other CPUs want completed here, in the block softirq. */
export class DoneList implements PollSource {
  readonly isBacklog = false;
  readonly list: Fifo;

  constructor(
    packets: Packets,
    readonly interruptCost: number,
  ) {
    this.list = new Fifo(packets, 'done list', Number.POSITIVE_INFINITY);
  }

  take(): number {
    return this.list.shift();
  }

  complete(): void {}
}
