/**
 * Bridge, tap, QEMU's own virtio-net: a thread in user space reads the tap and fills the ring, under QEMU's big lock.
 */
import type { Path } from './path.js';
import { buildRingDevice, switchSteps, THREAD } from './ring-device.js';

export const qemuVirtio: Path = {
  name: 'qemu-virtio',
  about: "bridge, tap, QEMU's virtio-net in user space",
  build(guest) {
    const { parts, spec, node } = guest;
    const { price } = parts;
    const toSwitch = switchSteps(guest, spec.switch ?? 'bridge');
    const lock = parts.lock(`${guest.name} QEMU lock`, 'queue', price.lines.lock);
    return buildRingDevice(guest, {
      cpuClass: THREAD.io,
      toRing: toSwitch,
      receive: () => [parts.locked(() => lock, price.qemuReceive, 'QEMU thread'), parts.copy(node)],
      transmit: () => [parts.locked(() => lock, price.qemuTransmit, 'QEMU thread'), parts.copy(-1)],
      fromRing: toSwitch,
      driver: { receive: price.guestDriver, transmit: price.guestTransmit },
      guestReceive: () => [],
      guestTransmit: () => [],
      kick: { price: price.eventfd, needsExit: true },
      polls: false,
    });
  },
};
