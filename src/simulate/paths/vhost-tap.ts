/**
 * Bridge (or Open vSwitch), tap, vhost-net: the ring is served in the kernel.
 *
 *   host softirq   switch, tap ring (lock), wakes the worker
 *   worker         packet from the tap, copied into guest memory, interrupt
 *   guest          ring read, stack
 *   back           kick (an exit unless the worker is awake), worker copies, switch
 */
import type { Path } from './path.js';
import { buildRingDevice, PIN_LEAST, switchSteps, THREAD } from './ring-device.js';
import { CopyOrPin } from './stages.js';

export const vhostTap: Path = {
  name: 'vhost-tap',
  about: 'bridge or Open vSwitch, tap, vhost-net',
  build(guest) {
    const { parts, spec, node } = guest;
    const { price } = parts;
    const toSwitch = switchSteps(guest, spec.switch ?? 'bridge');
    return buildRingDevice(guest, {
      cpuClass: THREAD.vhost,
      toRing: toSwitch,
      receive: () => [parts.work(price.vhostReceive, 'vhost worker'), parts.copy(node)],
      transmit: () => [
        parts.work(price.vhostTransmit, 'vhost worker'),
        spec.zeroCopy ? new CopyOrPin(parts.copy(-1), price.pinPages, PIN_LEAST) : parts.copy(-1),
      ],
      fromRing: toSwitch,
      driver: { receive: price.guestDriver, transmit: price.guestTransmit },
      guestReceive: () => [],
      guestTransmit: () => [],
      kick: { price: price.eventfd, needsExit: true },
      polls: false,
    });
  },
};
