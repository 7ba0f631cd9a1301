/** GRO and LRO by role: a server wants the first, a forwarder must not have the second, a sniffer neither. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { ethtool } from '../remedy.js';
import { nics } from '../view.js';

export const gro: Check = {
  id: 'gro',
  severity: 'W',
  title: 'GRO or LRO does not fit what the host is for',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      if (!known(device.features)) continue;
      const merges = device.features['generic-receive-offload'];
      const lro = device.features['large-receive-offload'];
      const forwards = host.role === 'forwarder' || host.role === 'vm-host';
      if (forwards && lro?.on === true) {
        yield found(
          device.name,
          `LRO is on, and this host forwards (${host.roleWhy}): packets that it merged cannot be cut again as they were`,
          { 'large-receive-offload': 'on', role: host.role },
          ethtool('-K', device.name, 'lro off', 'lro on'),
          { severity: 'E' },
        );
      }
      if (host.role === 'sniffer' && (merges?.on === true || lro?.on === true)) {
        const on = [...(merges?.on === true ? ['gro'] : []), ...(lro?.on === true ? ['lro'] : [])];
        yield found(
          device.name,
          `${on.join(' and ')} ${on.length > 1 ? 'are' : 'is'} on: the sniffer sees merged packets, not those of the wire`,
          { on, role: host.role },
          ethtool(
            '-K',
            device.name,
            on.map((name) => `${name} off`).join(' '),
            on.map((name) => `${name} on`).join(' '),
          ),
          { device: device.name },
        );
      }
      if (host.role !== 'sniffer' && merges?.on === false && !merges.fixed) {
        yield found(
          device.name,
          'GRO is off: each TCP segment passes the stack by itself, and each is handed over by RPS by itself',
          { 'generic-receive-offload': 'off', role: host.role },
          ethtool('-K', device.name, 'gro on', 'gro off'),
          { device: device.name },
        );
      }
    }
  },
};
