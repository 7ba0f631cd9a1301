/**
 * Packets of a poll that enter a device's ring together: one call, under one lock, as XDP_REDIRECT's bulk queues and
 * forwarders of user space send.
 *
 * Promise: each CPU gathers the packets for each ring by itself; what was gathered goes in behind the other work of the
 * same run of the softirq. The lock is held for the call and for all of them, and the reader is woken once.
 */
import type { Context, PollSource } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import type { Lock } from '../machine/lock.js';
import { Fifo, type Packets } from '../machine/packets.js';
import { Next, type Step } from '../machine/step.js';
import type { WorkerTask } from '../model/tasks.js';
import type { World } from '../model/world.js';

/** What one CPU has gathered for one ring. Its packets stand before the step that enters them. */
class Gathered implements PollSource {
  readonly interruptCost = 0;
  readonly isBacklog = false;
  readonly queue: Fifo;
  #isScheduled = false;

  constructor(packets: Packets) {
    this.queue = new Fifo(packets, 'gathered', Number.POSITIVE_INFINITY);
  }

  add(packet: number, context: Context): void {
    this.queue.push(packet);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    context.schedulePoll(this);
  }

  /** The first of them: its step takes the others along. */
  take(): number {
    return this.queue.shift();
  }

  complete(): void {
    this.#isScheduled = false;
  }
}

/** What is gathered for the rings of a device, by CPU and ring. */
export class Gathering {
  readonly #of = new Map<number, Gathered>();

  constructor(
    private readonly packets: Packets,
    private readonly rings: number,
  ) {}

  at(cpu: number, ring: number): Gathered {
    const key = cpu * this.rings + ring;
    let found = this.#of.get(key);
    if (found === undefined) {
      found = new Gathered(this.packets);
      this.#of.set(key, found);
    }
    return found;
  }
}

/** Puts the packet aside until its CPU has gathered all of its poll. */
export class Gather implements Step {
  readonly isVisible = true;
  readonly label = 'gathered for the device';

  constructor(
    private readonly world: World,
    private readonly gathering: Gathering,
  ) {}

  run(cpu: Cpu, packet: number): number {
    cpu.park(packet);
    this.gathering.at(cpu.id, this.world.packets.mark[packet]!).add(packet, cpu.root);
    return Next.done;
  }
}

/** Enters the packet, and all that was gathered with it, in the ring under its lock; wakes the reader. */
export class EnterTogether implements Step {
  readonly isVisible = true;
  readonly label = "into the device's ring, wake-up";

  /** @param call price of the call; @param hold of each packet */
  constructor(
    private readonly world: World,
    private readonly gathering: Gathering,
    private readonly rings: readonly Fifo[],
    private readonly locks: readonly (Lock | null)[],
    private readonly call: number,
    private readonly hold: number,
    private readonly readers: readonly WorkerTask[],
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { packets } = this.world;
    const q = packets.mark[packet]!;
    const lock = this.locks[q]!;
    const { queue } = this.gathering.at(cpu.id, q);
    if (cpu.phase === 0) {
      cpu.phase = 1;
      if (lock !== null && !lock.acquire(cpu)) return Next.wait;
    }
    if (cpu.phase === 1) {
      cpu.phase = 2;
      const time = this.call + (1 + queue.length) * this.hold;
      cpu.spend(Math.round(time * (lock?.slowness ?? 1)));
      return Next.pay;
    }
    const ring = this.rings[q]!;
    cpu.park(packet);
    const isAny = this.#enter(ring, packet, packets.step[packet]!, cpu);
    let isMore = false;
    for (let p = queue.shift(); p >= 0; p = queue.shift()) {
      if (this.#enter(ring, p, packets.step[p]! + 1, cpu)) isMore = true;
    }
    lock?.release(cpu);
    if (isAny || isMore) this.readers[q]!.nudge(cpu, cpu.root);
    return Next.done;
  }

  /** True when there was room. */
  #enter(ring: Fifo, packet: number, step: number, cpu: Cpu): boolean {
    const { packets } = this.world;
    packets.step[packet] = step;
    packets.cpu[packet] = cpu.id;
    if (ring.push(packet)) return true;
    this.world.drop(packet, ring.reason);
    return false;
  }
}
