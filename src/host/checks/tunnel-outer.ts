/** A tunnel between two hosts is one flow to a NIC that hashes outer addresses; encapsulations by UDP have source ports. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { advice, all, ethtool, NO_REMEDY } from '../remedy.js';
import { nics, queueSkew } from '../view.js';

const SKEWED = 1.5;

export const tunnelOuter: Check = {
  id: 'tunnel-outer',
  severity: 'W',
  title: 'a tunnel puts its packets on few queues',
  rests: 'rate',
  *run(host) {
    const tunnels = host.devices.filter(({ kind, up }) => kind === 'tunnel' && up);
    if (tunnels.length === 0) return;
    for (const device of nics(host)) {
      const skew = queueSkew(host, device);
      if (!known(skew) || skew === null || skew.ratio <= SKEWED) continue;
      const { fields } = device;
      const udp = known(fields) ? fields.udp4 : undefined;
      const lacksPorts = udp !== undefined && !/[fn]/.test(udp);
      yield found(
        device.name,
        `${tunnels.map(({ name }) => name).join(', ')} ends here, and queue ${skew.queue} gets ${skew.ratio} times its share: the NIC hashes the outer header${lacksPorts ? ', and of UDP only its addresses' : ''}`,
        { tunnels: tunnels.map(({ name }) => name), fullestOverFair: skew.ratio, udp4: udp ?? null },
        all(
          lacksPorts
            ? ethtool('-N', device.name, 'rx-flow-hash udp4 sdfn', `rx-flow-hash udp4 ${udp}`)
            : NO_REMEDY,
          advice(
            'VXLAN and Geneve carry the inner flow in their source port; GRE has none: RPS on the tunnel hashes inside',
          ),
        ),
      );
    }
  },
};
