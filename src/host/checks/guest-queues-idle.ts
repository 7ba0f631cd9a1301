/** Queues that a guest was given and does not use. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { guestOfTap } from '../read/guests.js';
import { advice, setChannels } from '../remedy.js';
import { nics } from '../view.js';

export const guestQueuesIdle: Check = {
  id: 'guest-queues-idle',
  severity: 'W',
  title: 'a guest uses fewer queues than it was given',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const { channels } = device;
      if (device.driver !== 'virtio_net' || !known(channels)) continue;
      const wanted = Math.min(channels.maxCombined, host.cpus.online.length);
      if (channels.combined >= wanted) continue;
      yield found(
        device.name,
        `${channels.combined} of ${channels.maxCombined} pairs of queues are in use, with ${host.cpus.online.length} CPUs`,
        { combined: channels.combined, maximum: channels.maxCombined, cpus: host.cpus.online.length },
        setChannels(device.name, 'combined', wanted, channels.combined),
        { device: device.name },
      );
    }
    for (const tap of host.devices) {
      const guest = guestOfTap(host.guests, tap.name);
      if (tap.kind !== 'tap' || guest === null || tap.tx.length < 2) continue;
      const told = tap.ifindex !== null && known(host.load) ? host.load.txQueues.get(tap.ifindex) : undefined;
      if (told === undefined || told.size === 0) {
        yield notKnown(
          tap.name,
          `whether ${guest.name} uses all ${tap.tx.length} queues: the kernel counts nothing by queue of a tap`,
        );
        continue;
      }
      const moving = [...told].filter(([, packets]) => packets > 0).map(([queue]) => queue);
      if (moving.length !== 1) continue;
      yield found(
        tap.name,
        `${guest.name} has ${tap.tx.length} queues here, and only queue ${moving[0]} moves`,
        { queues: tap.tx.length, packets: [...told].map(([queue, packets]) => `tx-${queue}: ${packets}`) },
        advice(`in the guest: ethtool -L eth0 combined ${tap.tx.length}`),
        { device: tap.name },
      );
    }
  },
};
