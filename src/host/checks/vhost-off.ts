/** Packets of a tap go through QEMU's own loop instead of a vhost worker in the kernel. */
import { type Check, found } from '../check.js';
import { vhost as withVhost } from '../effects.js';
import { known } from '../fact.js';
import { advice } from '../remedy.js';

export const vhostOff: Check = {
  id: 'vhost-off',
  severity: 'W',
  title: 'virtio on a tap without vhost',
  *run(host) {
    for (const guest of host.guests) {
      const cards = guest.nics.filter(({ model, backend }) => /^virtio-net/.test(model) && backend === 'tap');
      if (cards.length === 0 || guest.vhost.length > 0) continue;
      const fds = known(guest.vhostFds) ? guest.vhostFds : null;
      // Without a right to look at descriptors the command line decides; what it leaves open is off by default.
      const off = fds === null ? cards.filter(({ vhost }) => vhost !== true) : fds === 0 ? cards : [];
      if (off.length === 0) continue;
      yield found(
        guest.name,
        `${off.map(({ ifname, netdev }) => ifname ?? netdev).join(', ')}: QEMU copies each packet itself (two system calls each, in one thread), no vhost worker runs`,
        {
          vhostNetDescriptors: fds,
          commandLine: off.map(
            ({ netdev, vhost }) => `${netdev}: vhost ${vhost === null ? 'not given' : vhost ? 'on' : 'off'}`,
          ),
        },
        {
          ...advice(
            'vhost=on on the netdev (libvirt: <driver name="vhost"/>), module vhost_net; takes effect when the guest starts anew',
          ),
          effects: [withVhost(guest.pid)],
        },
      );
    }
  },
};
