/** A sniffer whose two directions of a flow arrive on different queues, and so in different threads. */
import { parseHex } from '../../hash/hex.js';
import { keySymmetry } from '../../hash/key-tools.js';
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { advice, all, ethtool, quoted } from '../remedy.js';
import { sniffedDevice } from '../role.js';
import { deviceNamed, nics, rxQueueCount } from '../view.js';

export const snifferAsymmetric: Check = {
  id: 'sniffer-asymmetric',
  severity: 'W',
  title: 'the two directions of a flow reach different queues of a sniffer',
  *run(host) {
    const sniffed = sniffedDevice(host);
    if (host.role !== 'sniffer' && sniffed === null) return;
    const one = sniffed === null ? null : deviceNamed(host, sniffed);
    for (const device of one === null ? nics(host) : [one]) {
      const queues = rxQueueCount(device);
      const { rss } = device;
      if (queues < 2 || !device.up || device.kind !== 'nic') continue;
      if (!known(rss) || (rss.key === null && rss.symmetric === 'none')) {
        yield notKnown(device.name, known(rss) ? 'the key is not told' : rss);
        continue;
      }
      if (rss.symmetric !== 'none') continue;
      const { addresses, ports, both } = keySymmetry(parseHex(rss.key!, 'key'));
      if (both) continue;
      yield found(
        device.name,
        `it is sniffed (${host.role === 'sniffer' ? host.roleWhy : `packet sockets on ${sniffed}`}), has ${queues} queues, and its hash is not symmetric: a flow's directions meet different threads`,
        {
          queues,
          keySymmetric: `addresses ${addresses ? 'yes' : 'no'}, ports ${ports ? 'yes' : 'no'}`,
          transformation: rss.symmetric,
        },
        all(
          ethtool('-X', device.name, 'xfrm symmetric-xor', 'xfrm none'),
          advice(
            `where the driver refuses: one queue (ethtool -L ${quoted(device.name)} combined 1), or the key 6d5a repeated`,
          ),
        ),
      );
    }
  },
};
