/**
 * A virtual function of the NIC (SR-IOV, VT-d): the guest's driver works on the NIC's own rings in guest memory. Only
 * the interrupt is the host's business: relayed by it (its interrupt, an injection, an exit of a running vCPU), or
 * posted to the vCPU by hardware.
 */
import type { Context, PollSource } from '../machine/context.js';
import type { DeviceQueue } from '../machine/device-queue.js';
import type { Step } from '../machine/step.js';
import type { Path, PathGuest } from './path.js';
import { SendOnLink } from './stages.js';

/** The host's interrupt handler for a function's queue: no packets, only the injection. */
class Relay implements PollSource {
  readonly isBacklog = false;

  constructor(
    readonly interruptCost: number,
    private readonly queue: DeviceQueue,
  ) {}

  take(): number {
    return -1;
  }

  complete(_context: Context): void {
    this.queue.arrive(null);
  }
}

function relayInterrupts({ parts, host, queues, workerCpus }: PathGuest): void {
  const { price } = parts;
  queues.forEach((queue, q) => {
    const cpus = workerCpus(q);
    const context = host.kernel.contexts[cpus[q % cpus.length]!]!;
    const relay = new Relay(price.hardIrq + price.inject, queue);
    queue.relay = () => context.raise(relay, null, 0);
  });
}

export const sriov: Path = {
  name: 'sriov',
  about: 'a virtual function of the NIC, interrupts relayed or posted',
  build(guest) {
    const { parts, spec, queues, queueOf, index, nic, node } = guest;
    const { world, price } = parts;
    if (spec.interrupts === 'relayed') relayInterrupts(guest);
    nic.functions.set(index, (packet) => {
      const q = queueOf(packet);
      world.packets.mark[packet] = q;
      world.packets.node[packet] = node;
      if (!queues[q]!.deliver(packet, null)) world.drop(packet, 'ring');
    });
    const { outbound } = nic.parts;
    return {
      receive: (): Step[] => [],
      transmit: () => [new SendOnLink(world, outbound)],
      driver: { receive: price.driverReceive, transmit: price.transmit },
      guestReceive: () => [],
      isDirect: true,
      endsAtSwitch: false,
      outlet: {
        get isFull() {
          return outbound.isFull;
        },
        waitForRoom: (task) => {
          const { sim } = world;
          sim.at(
            Math.max(sim.now, Math.round(outbound.roomAt)),
            sim.enter({ fire: () => task.wake(null, null) }),
            0,
          );
        },
      },
      workers: [],
    };
  },
};
