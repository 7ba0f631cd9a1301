/**
 * macvlan, macvtap, vhost-net: the switch is a lookup of the MAC address; transmit may pin pages instead of copying.
 */
import type { Path } from './path.js';
import { buildRingDevice, PIN_LEAST, switchSteps, THREAD } from './ring-device.js';
import { CopyOrPin } from './stages.js';

export const vhostMacvtap: Path = {
  name: 'vhost-macvtap',
  about: 'macvlan, macvtap, vhost-net, with zero-copy transmit if wanted',
  build(guest) {
    const { parts, spec, node } = guest;
    const { price } = parts;
    const toSwitch = switchSteps(guest, spec.switch ?? 'macvlan');
    return buildRingDevice(guest, {
      cpuClass: THREAD.vhost,
      toRing: toSwitch,
      receive: () => [parts.work(price.vhostReceive, 'vhost worker'), parts.copy(node)],
      transmit: () => [
        parts.work(price.vhostTransmit, 'vhost worker'),
        spec.zeroCopy ? new CopyOrPin(parts.copy(-1), price.pinPages, PIN_LEAST) : parts.copy(-1),
      ],
      // Sent by the lower device, without the lookup that the way in needs.
      fromRing: () => [],
      driver: { receive: price.guestDriver, transmit: price.guestTransmit },
      guestReceive: () => [],
      guestTransmit: () => [],
      kick: { price: price.eventfd, needsExit: true },
      polls: false,
    });
  },
};
