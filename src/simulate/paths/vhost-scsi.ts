/**
 * vhost-scsi: block requests through a ring that a worker in the host's kernel serves. One worker for the device, one
 * for each queue, or so many. The completion interrupts the guest's queue after the disk's own time.
 */

import type { Runner } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import type { DeviceQueue } from '../machine/device-queue.js';
import { ps, type Sim } from '../machine/sim.js';
import { Next, type Step } from '../machine/step.js';
import type { World } from '../model/world.js';
import type { Path } from './path.js';
import { buildRingDevice, THREAD } from './ring-device.js';

/** The disk: takes its time, then the request is in the guest's queue. */
class Disk implements Step {
  readonly isVisible = true;
  readonly #actor: number;
  readonly #sim: Sim;

  constructor(
    private readonly world: World,
    private readonly queues: readonly DeviceQueue[],
    private readonly time: number,
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
    const { packets } = this.world;
    if (!this.queues[packets.mark[packet]! % this.queues.length]!.deliver(packet, null)) {
      this.world.drop(packet, 'guestRing');
    }
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
      transmit: () => [parts.work(price.vhostBlock, 'vhost worker')],
      fromRing: () => [],
      driver: { receive: price.guestDriver, transmit: price.guestTransmit },
      guestReceive: () => [],
      guestTransmit: () => [],
      kick: { price: price.eventfd, needsExit: true },
      call: 0,
      polls: false,
    });
    return {
      ...built,
      endsAtSwitch: false,
      disk: (deviceUs) => [new Disk(world, queues, ps(deviceUs * 1000))],
    };
  },
};
