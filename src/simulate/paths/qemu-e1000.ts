/**
 * Bridge, tap, QEMU's emulated e1000: registers instead of a shared ring. Every access of the guest's driver leaves the
 * guest for user space and takes QEMU's big lock, which its I/O thread wants too; two copies in user space.
 */
import type { Path } from './path.js';
import { buildRingDevice, switchSteps, THREAD, vcpuOn } from './ring-device.js';
import { Registers } from './stages.js';

export const qemuE1000: Path = {
  name: 'qemu-e1000',
  about: "bridge, tap, QEMU's emulated e1000",
  build(guest) {
    const { parts, spec, node } = guest;
    const { price } = parts;
    const toSwitch = switchSteps(guest, spec.switch ?? 'bridge');
    const lock = parts.lock(`${guest.name} QEMU lock`, 'queue', price.lines.lock);
    const { receive, transmit } = spec.registers;
    const accesses = (count: number) => new Registers(count, lock, price.registerAccess, vcpuOn);
    return buildRingDevice(guest, {
      cpuClass: THREAD.io,
      toRing: toSwitch,
      receive: () => [
        parts.locked(() => lock, price.qemuReceive, 'QEMU thread'),
        parts.copy(-1),
        parts.copy(node),
      ],
      transmit: () => [
        parts.locked(() => lock, price.qemuTransmit, 'QEMU thread'),
        parts.copy(-1),
        parts.copy(-1),
      ],
      fromRing: toSwitch,
      driver: { receive: price.guestDriver, transmit: price.guestTransmit },
      guestReceive: () => [accesses(receive)],
      guestTransmit: () => [accesses(transmit)],
      // The doorbell is one of the registers.
      kick: { price: 0, needsExit: false },
      polls: false,
    });
  },
};
