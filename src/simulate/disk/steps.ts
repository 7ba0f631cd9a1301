/**
 * The way of a request as steps: submission, the device, completion, and the next one.
 *
 * Promise: as `blk_mq_submit_bio` and `blk_mq_complete_request`: the queue is chosen, a tag is taken or waited for, the
 * elevator's and the queue's locks are held, the device rings; the completing CPU is `completionOf`'s (`src/block`).
 */
import type { Cpu } from '../machine/cpu.js';
import { Next, type Step } from '../machine/step.js';
import type { Disk } from './disk.js';

/** Chooses the queue and takes a tag; without one the request waits, to go on behind this step, and its thread goes on. */
export class TakeTag implements Step {
  readonly isVisible = true;
  readonly label = 'tag';

  constructor(private readonly disk: Disk) {}

  run(cpu: Cpu, packet: number): number {
    const queue = this.disk.choose(packet, cpu.id);
    if (!queue.takeTag()) {
      cpu.park(packet);
      this.disk.wait(queue, packet);
      return Next.done;
    }
    return Next.step;
  }
}

/** Rings the doorbell: the device has it. */
export class Ring implements Step {
  readonly isVisible = true;
  readonly label = 'doorbell';

  constructor(private readonly disk: Disk) {}

  run(cpu: Cpu, packet: number): number {
    cpu.park(packet);
    this.disk.submit(packet);
    return Next.done;
  }
}

/** The completion is found; goes on here, or on another CPU. */
export class Redirect implements Step {
  readonly isVisible = true;
  readonly label = 'completion found';

  constructor(private readonly disk: Disk) {}

  run(cpu: Cpu, packet: number): number {
    return this.disk.redirect(cpu, packet) ? Next.done : Next.step;
  }
}

/** The request is complete: its tag is free, its thread is told. */
export class Complete implements Step {
  readonly isVisible = true;
  readonly label = 'completion, wake-up';

  constructor(private readonly disk: Disk) {}

  run(cpu: Cpu, packet: number): number {
    cpu.park(packet);
    this.disk.complete(cpu, packet);
    return Next.done;
  }
}

/** The thread has its answer; the next request takes its place, at once or after a pause. */
export class AskNext implements Step {
  readonly isVisible = true;

  constructor(private readonly disk: Disk) {}

  run(cpu: Cpu, packet: number): number {
    return this.disk.next(cpu, packet) ? Next.step : Next.done;
  }
}
