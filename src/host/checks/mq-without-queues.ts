/** The card has many queues, the netdev behind it one: the guest uses one, whatever it is told. */
import { type Check, found } from '../check.js';
import { card, tapQueues } from '../effects.js';
import { known } from '../fact.js';
import { advice } from '../remedy.js';

export const mqWithoutQueues: Check = {
  id: 'mq-without-queues',
  severity: 'E',
  title: 'a card with mq=on and one queue behind it',
  *run(host) {
    for (const guest of host.guests) {
      for (const nic of guest.nics) {
        if (!nic.mq || nic.queues > 1 || !/^virtio-net/.test(nic.model)) continue;
        const held = known(guest.taps) && nic.ifname !== null ? (guest.taps.get(nic.ifname) ?? null) : null;
        if (held !== null && held > 1) continue;
        yield found(
          guest.name,
          `${nic.model} has mq=on, and its netdev ${nic.netdev || nic.backend} one queue: the guest gets one queue`,
          { netdev: nic.netdev, queues: nic.queues, mq: 'on', descriptors: held, vectors: nic.vectors },
          {
            ...advice(
              'queues=N on the netdev too (libvirt: <driver queues="N"/>), and vectors=2N+2; takes effect when the guest starts anew',
            ),
            effects: [
              card(guest.pid, nic.netdev, { queues: guest.vcpus.length }),
              ...(nic.ifname === null ? [] : [tapQueues(nic.ifname, Math.max(1, guest.vcpus.length))]),
            ],
          },
        );
      }
    }
  },
};
