/**
 * Stages that several paths have: a tap's ring, a guest's ring, kicks, registers.
 */
import type { Cpu } from '../machine/cpu.js';
import type { DeviceQueue } from '../machine/device-queue.js';
import type { Lock } from '../machine/lock.js';
import type { Fifo } from '../machine/packets.js';
import { Next, type Step } from '../machine/step.js';
import type { Vcpu } from '../machine/vcpu.js';
import type { Link } from '../model/link.js';
import type { WorkerTask } from '../model/tasks.js';
import type { World } from '../model/world.js';

/** Chooses the guest's queue, into `mark`. */
export class ChooseGuestQueue implements Step {
  readonly isVisible = false;

  constructor(
    private readonly world: World,
    private readonly queueOf: (packet: number) => number,
  ) {}

  run(_cpu: Cpu, packet: number): number {
    this.world.packets.mark[packet] = this.queueOf(packet);
    return Next.step;
  }
}

/** Enters the packet in the ring of its queue under that ring's lock, and wakes the reader. */
export class EnterRing implements Step {
  readonly isVisible = true;
  readonly label = "into the device's ring, wake-up";

  constructor(
    private readonly world: World,
    private readonly rings: readonly Fifo[],
    private readonly locks: readonly (Lock | null)[],
    private readonly hold: number,
    private readonly readers: readonly WorkerTask[],
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { packets } = this.world;
    const q = packets.mark[packet]!;
    const lock = this.locks[q]!;
    if (cpu.phase === 0) {
      cpu.phase = 1;
      if (lock !== null && !lock.acquire(cpu)) return Next.wait;
    }
    if (cpu.phase === 1) {
      cpu.phase = 2;
      cpu.spend(lock === null || lock.slowness === 1 ? this.hold : Math.round(this.hold * lock.slowness));
      return Next.pay;
    }
    const ring = this.rings[q]!;
    cpu.park(packet);
    const isAccepted = ring.push(packet);
    lock?.release(cpu);
    if (isAccepted) this.readers[q]!.nudge(cpu, cpu.root);
    else this.world.drop(packet, ring.reason);
    return Next.done;
  }
}

/** Puts the packet into the guest's queue and interrupts the guest, if it is to be. */
export class EnterGuest implements Step {
  readonly isVisible = true;
  readonly label = "into the guest's ring, interrupt";

  constructor(
    private readonly world: World,
    private readonly queues: readonly DeviceQueue[],
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { packets } = this.world;
    cpu.park(packet);
    if (!this.queues[packets.mark[packet]!]!.deliver(packet, cpu)) this.world.drop(packet, 'guestRing');
    return Next.done;
  }
}

/** Puts the packet into the transmit ring of its queue; a device thread that sleeps is signalled, by an exit. */
export class Kick implements Step {
  readonly isVisible = true;
  readonly label = 'kick';

  /** @param price of the signal beyond the exit */
  constructor(
    private readonly world: World,
    private readonly rings: readonly Fifo[],
    private readonly workers: readonly WorkerTask[],
    private readonly vcpuOf: (cpu: Cpu) => Vcpu,
    private readonly price: number,
    private readonly needsExit: boolean,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { world } = this;
    const q = world.packets.mark[packet]!;
    const ring = this.rings[q]!;
    const worker = this.workers[q]!;
    cpu.park(packet);
    if (!ring.push(packet)) {
      world.drop(packet, ring.reason);
      return Next.done;
    }
    if (this.needsExit && worker.isSleeping) {
      world.counters.kicks++;
      this.vcpuOf(cpu).exit(cpu, false);
      cpu.spend(this.price);
    }
    worker.nudge(cpu, cpu.root);
    return Next.done;
  }
}

/** Registers of an emulated device: each is an exit to user space, and the device's lock there. */
export class Registers implements Step {
  readonly isVisible = true;
  readonly label = 'registers';

  constructor(
    private readonly count: number,
    private readonly lock: Lock,
    private readonly hold: number,
    private readonly vcpuOf: (cpu: Cpu) => Vcpu,
  ) {}

  run(cpu: Cpu): number {
    const { lock } = this;
    // Two phases for each access, from 1 on.
    for (;;) {
      const done = cpu.phase >> 2;
      const part = cpu.phase & 3;
      if (done === this.count) return Next.step;
      if (part === 0) {
        this.vcpuOf(cpu).exit(cpu, true);
        cpu.phase |= 1;
        return Next.pay;
      }
      if (part === 1) {
        cpu.phase = (done << 2) | 2;
        if (!lock.acquire(cpu)) return Next.wait;
      } else if (part === 2) {
        cpu.spend(Math.round(this.hold * lock.slowness));
        cpu.phase = (done << 2) | 3;
        return Next.pay;
      } else {
        lock.release(cpu);
        cpu.phase = (done + 1) << 2;
      }
    }
  }
}

/** A call whose price is paid once for so many packets in a row. */
export class BatchedCall implements Step {
  readonly isVisible = false;
  readonly label = 'call into tun';

  constructor(
    private readonly workerOf: (packet: number) => WorkerTask,
    private readonly batch: number,
    private readonly price: number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    // `burst` counts the present packet.
    if ((this.workerOf(packet).burst - 1) % this.batch === 0) cpu.spend(this.price);
    return Next.step;
  }
}

/** Copies the packet, or pins its pages where it is large enough. */
export class CopyOrPin implements Step {
  readonly isVisible = false;
  readonly label = 'copy or pin';

  constructor(
    private readonly copy: Step,
    private readonly pin: number,
    private readonly least: number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    if (cpu.shared.packets.bytes[packet]! < this.least) return this.copy.run(cpu, packet);
    cpu.spend(this.pin);
    return Next.step;
  }
}

/** Onto the wire. */
export class SendOnLink implements Step {
  readonly isVisible = true;

  constructor(
    private readonly world: World,
    private readonly link: Link,
  ) {}

  run(_cpu: Cpu, packet: number): number {
    if (!this.link.send(packet)) this.world.drop(packet, 'transmit');
    return Next.done;
  }
}
