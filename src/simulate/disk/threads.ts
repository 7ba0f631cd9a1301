/**
 * Threads of tenants: they submit, and sleep or poll until something is complete.
 *
 * Promise: one thread, one CPU. A polling thread burns its CPU while requests of its own are under way and no other
 * task wants the CPU; it finds the completions of its own requests.
 */
import { Class, Pick } from '../machine/classes.js';
import type { Context } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import { Fifo, type Packets } from '../machine/packets.js';
import { Task } from '../machine/task.js';

export class TenantThread extends Task {
  /** Requests that are complete, or to be submitted. */
  readonly inbox: Fifo;
  /** Completions that its polling will find. */
  readonly posted: Fifo;
  /** Polled requests that the device has. */
  inDevice = 0;

  constructor(
    name: string,
    context: Context,
    readonly tenant: number,
    packets: Packets,
    readonly isPolling: boolean,
  ) {
    super(name, Class.app, context, null, 'home', 0, 0);
    this.inbox = new Fifo(packets, 'thread', Number.POSITIVE_INFINITY);
    this.posted = new Fifo(packets, 'poll queue', Number.POSITIVE_INFINITY);
  }

  /** The device has posted a completion that is polled for. */
  post(packet: number): void {
    this.inDevice--;
    this.posted.push(packet);
    if (this.isSleeping) this.wake(null, null);
    else if (this.isRunning) this.context.below.notify(null, 2);
  }

  pick(cpu: Cpu): number {
    let p = this.inbox.shift();
    if (p < 0) p = this.posted.shift();
    if (p >= 0) {
      cpu.load(p);
      return Pick.packet;
    }
    if (!this.isPolling || this.inDevice === 0 || cpu.root.load > 1) return Pick.nothing;
    cpu.pollUntil = Number.POSITIVE_INFINITY;
    return Pick.poll;
  }
}
