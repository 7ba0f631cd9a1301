/** Tags that a NIC does not look behind: everything is hashed as no IP, to one queue. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { advice } from '../remedy.js';
import { deviceNamed, nics, queueSkew } from '../view.js';

const SKEWED = 1.5;

export const vlanDsaHidesIp: Check = {
  id: 'vlan-dsa-hides-ip',
  severity: 'I',
  title: 'tags hide the IP header from the NIC',
  rests: 'rate',
  *run(host) {
    for (const device of nics(host)) {
      const above = host.devices.filter(({ lower }) => lower.includes(device.name));
      const dsa = above.filter(({ kind }) => kind === 'dsa').map(({ name }) => name);
      const stacked = above
        .filter(({ kind }) => kind === 'vlan')
        .filter(({ upper }) => upper.some((name) => deviceNamed(host, name)?.kind === 'vlan'))
        .map(({ name }) => name);
      if (dsa.length + stacked.length === 0) continue;
      const skew = queueSkew(host, device);
      if (!known(skew) || skew === null || skew.ratio <= SKEWED) continue;
      yield found(
        device.name,
        `queue ${skew.queue} gets ${skew.ratio} times its share, and ${dsa.length > 0 ? `${dsa.join(', ')} puts switch tags` : `${stacked.join(', ')} stacks VLAN tags`} before the IP header: many NICs do not look behind them`,
        { dsa, stacked, fullestOverFair: skew.ratio, packets: skew.packets },
        advice(
          'a tag format that the NIC reads (802.1Q for a DSA switch), or flow rules by VLAN',
          `or RPS on ${device.name}, whose hash looks behind tags`,
        ),
      );
    }
  },
};
