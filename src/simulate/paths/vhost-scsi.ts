/**
 * vhost-scsi: block requests through a ring that a worker in the host's kernel serves. One worker for the device, one
 * for each queue, or so many.
 *
 * Promise: what the disk has completed waits for the worker of its queue, which takes all of it at once and then
 * interrupts the guest, once for each queue (`vhost_scsi_complete_cmd_work`). So a busy worker both needs no kicks and
 * interrupts less: a request costs its guest less than one that finds the worker asleep.
 */

import type { Runner } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import type { DeviceQueue } from '../machine/device-queue.js';
import { Fifo, type Packets } from '../machine/packets.js';
import { ps, type Sim } from '../machine/sim.js';
import { Next, type Step } from '../machine/step.js';
import type { WorkerTask } from '../model/tasks.js';
import type { World } from '../model/world.js';
import type { Path } from './path.js';
import { buildRingDevice, THREAD } from './ring-device.js';

/** The worker's part of a request that belongs to its completion; the source has only the whole. */
const COMPLETION_SHARE = 0.5;

/** What one worker has to complete. */
class Completions {
  readonly done: Fifo;

  constructor(
    packets: Packets,
    readonly worker: WorkerTask,
  ) {
    this.done = new Fifo(packets, 'completions', Number.POSITIVE_INFINITY);
    worker.serve(this.done);
  }
}

/** The disk: takes its time, then the request waits for the worker. */
class Disk implements Step {
  readonly isVisible = true;
  readonly #actor: number;
  readonly #sim: Sim;

  constructor(
    world: World,
    private readonly time: number,
    private readonly completionsOf: (packet: number) => Completions,
  ) {
    this.#sim = world.sim;
    this.#actor = world.sim.enter(this);
  }

  run(cpu: Runner, packet: number): number {
    (cpu as Cpu).park(packet);
    this.#sim.at(this.#sim.now + this.time, this.#actor, packet);
    return Next.done;
  }

  fire(packet: number): void {
    const { done, worker } = this.completionsOf(packet);
    done.push(packet);
    worker.nudge(null, null);
  }
}

/** The worker completes all that is done; a queue of the guest that got something is told once. */
class Complete implements Step {
  readonly isVisible = true;
  readonly label = 'completion';

  constructor(
    private readonly world: World,
    private readonly queues: readonly DeviceQueue[],
    private readonly price: number,
    private readonly completionsOf: (packet: number) => Completions,
  ) {}

  run(runner: Runner, packet: number): number {
    const cpu = runner as Cpu;
    const { packets } = this.world;
    const { done } = this.completionsOf(packet);
    if (cpu.phase === 0) {
      cpu.phase = 1;
      // What is completed meanwhile is for the next time.
      cpu.scratch = done.length;
      cpu.spend((1 + cpu.scratch) * this.price);
      return Next.pay;
    }
    const next = packets.step[packet]! + 1;
    for (let p = packet, left = cpu.scratch; ; left--) {
      packets.step[p] = next;
      packets.cpu[p] = cpu.id;
      const queue = this.queues[packets.mark[p]! % this.queues.length]!;
      if (!queue.deliver(p, cpu)) this.world.drop(p, 'guestRing');
      if (left === 0) break;
      p = done.shift();
    }
    return Next.done;
  }
}

export const vhostScsi: Path = {
  name: 'vhost-scsi',
  about: 'block requests, served in the kernel by one worker or several',
  build(guest) {
    const { parts, queues } = guest;
    const { price, world } = parts;
    const built = buildRingDevice(guest, {
      cpuClass: THREAD.vhost,
      toRing: () => [],
      receive: () => [],
      transmit: () => [parts.work(price.vhostBlock * (1 - COMPLETION_SHARE), 'vhost worker')],
      fromRing: () => [],
      driver: { receive: price.guestDriver, transmit: price.guestTransmit },
      guestReceive: () => [],
      guestTransmit: () => [],
      kick: { price: price.eventfd, needsExit: true },
      call: 0,
      polls: false,
    });
    const { packets } = world;
    const each = built.workers.map((worker) => new Completions(packets, worker));
    const completionsOf = (packet: number) => each[packets.mark[packet]! % each.length]!;
    const completion = Math.round(price.vhostBlock * COMPLETION_SHARE);
    return {
      ...built,
      endsAtSwitch: false,
      disk: (deviceUs) => [
        new Disk(world, ps(deviceUs * 1000), completionsOf),
        new Complete(world, queues, completion, completionsOf),
      ],
    };
  },
};
