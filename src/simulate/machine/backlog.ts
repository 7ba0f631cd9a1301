/**
 * The backlog of a CPU: what RPS puts its packets into (`enqueue_to_backlog`, `process_backlog`).
 *
 * Promise: the kernel's rules for drops (`netdev_max_backlog`, the flow limit), for when an interrupt is needed (only
 * when the backlog was not being polled), and for the counters that RFS looks at: `tails` counts what was accepted,
 * `heads` what has been processed.
 */
import type { FlowLimit } from '../../linux/flow-limit.js';
import type { Context, PollSource } from './context.js';
import type { Cpu } from './cpu.js';
import { Fifo, type Packets } from './packets.js';

export class Backlog implements PollSource {
  readonly isBacklog = true;
  readonly queue: Fifo;
  #isScheduled = false;
  /** A packet was taken and is being processed. */
  #isProcessing = false;

  /**
   * @param heads one word for each CPU of the machine, shared by its backlogs; `tails` likewise.
   * @param limit the flow limit of the CPUs that enqueue here; null = none.
   */
  constructor(
    packets: Packets,
    readonly context: Context,
    readonly interruptCost: number,
    readonly heads: Int32Array,
    readonly tails: Int32Array,
    maxBacklog: number,
    readonly flowLimits: readonly (FlowLimit | null)[],
  ) {
    this.queue = new Fifo(packets, 'backlog', maxBacklog);
  }

  /**
   * A packet from a CPU of this machine, whose context is `from`.
   * @returns null when it was accepted, else the reason of its drop.
   */
  accept(p: number, hash: number, from: Context): 'backlog' | 'flowLimit' | null {
    const { queue } = this;
    const limits = this.flowLimits[this.context.id];
    if (limits?.refuses(hash, queue.length, queue.limit) === true) return 'flowLimit';
    if (!queue.push(p)) return 'backlog';
    this.tails[this.context.id]!++;
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      if (from === this.context) from.schedulePoll(this);
      else from.addTarget(this.context);
    }
    return null;
  }

  take(): number {
    this.#finish();
    const p = this.queue.shift();
    if (p >= 0) this.#isProcessing = true;
    return p;
  }

  complete(): void {
    this.#isScheduled = false;
  }

  #finish(): void {
    if (!this.#isProcessing) return;
    this.#isProcessing = false;
    this.heads[this.context.id]!++;
  }
}

/** Sends what waits outside a softirq: a task that received packets returns to user space. */
export function flushOutside(cpu: Cpu): void {
  cpu.context.flushTargets(cpu);
}
