/**
 * vhost-user: a switch in user space polls NIC and rings without end (DPDK, Open vSwitch's userspace datapath). Nobody
 * kicks it; it interrupts the guest unless the guest polls too.
 */
import type { Path } from './path.js';
import { buildRingDevice, THREAD } from './ring-device.js';

export const vhostUser: Path = {
  name: 'vhost-user',
  about: 'a polling switch in user space, vhost-user',
  build(guest) {
    const { parts, node } = guest;
    const { price } = parts;
    return buildRingDevice(guest, {
      cpuClass: THREAD.vhost,
      toRing: () => [],
      receive: () => [parts.work(price.vhostUser, 'polling switch'), parts.copy(node)],
      transmit: () => [parts.work(price.vhostUser, 'polling switch'), parts.copy(-1)],
      fromRing: () => [],
      driver: { receive: price.guestDriver, transmit: price.guestTransmit },
      guestReceive: () => [],
      guestTransmit: () => [],
      kick: { price: 0, needsExit: false },
      // Rings in memory: nothing is called.
      call: 0,
      polls: true,
    });
  },
};
