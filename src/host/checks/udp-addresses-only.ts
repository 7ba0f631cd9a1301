/** UDP hashed by addresses alone: all of a pair's flows on one queue. Fragments then stay with the rest of their flow. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { advice, all, ethtool } from '../remedy.js';
import { nics, percent, round, rxQueueCount } from '../view.js';

const SHARE = 0.2;

export const udpAddressesOnly: Check = {
  id: 'udp-addresses-only',
  severity: 'W',
  title: 'UDP is spread by addresses only',
  rests: 'rate',
  *run(host) {
    const { load } = host;
    for (const device of nics(host)) {
      const { fields } = device;
      if (rxQueueCount(device) < 2 || !known(fields)) continue;
      const types = (['udp4', 'udp6'] as const).filter((type) => {
        const letters = fields[type];
        return letters?.includes('s') === true && !/[fn]/.test(letters);
      });
      if (types.length === 0) continue;
      if (!known(load) || !known(load.snmp)) {
        yield notKnown(
          device.name,
          'UDP is hashed by addresses only; how much of it there is',
          load,
          known(load) ? load.snmp : load,
        );
        continue;
      }
      const udp = load.snmp.get('Udp.InDatagrams') ?? 0;
      const sum = udp + (load.snmp.get('Tcp.InSegs') ?? 0);
      if (sum === 0 || udp / sum <= SHARE) continue;
      const fragments = load.snmp.get('Ip.ReasmReqds') ?? 0;
      yield found(
        device.name,
        `${percent(udp / sum)} of what arrives is UDP, and ${types.join(' and ')} is hashed by addresses only: all flows of a pair share a queue${fragments > 0 ? `. Fragments arrive (${round(fragments)}/s): with ports in the hash they go to other queues than the rest of their flow` : ''}`,
        {
          fields: types.map((type) => `${type}: ${fields[type]}`),
          udpPerSecond: round(udp),
          tcpPerSecond: round(sum - udp),
          fragmentsPerSecond: round(fragments),
        },
        all(
          ...types.map((type) =>
            ethtool('-N', device.name, `rx-flow-hash ${type} sdfn`, `rx-flow-hash ${type} ${fields[type]}`),
          ),
          ...(fragments > 0 ? [advice('fragments arrive: measure reordering before and after')] : []),
        ),
      );
    }
  },
};
