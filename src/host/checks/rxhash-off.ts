/** Without the NIC's hash RPS and RFS compute their own: each header is read once more. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { ethtool } from '../remedy.js';
import { nics, rpsQueues } from '../view.js';

export const rxhashOff: Check = {
  id: 'rxhash-off',
  severity: 'W',
  title: 'the NIC does not give its hash to RPS and RFS',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const feature = known(device.features) ? device.features['receive-hashing'] : undefined;
      const flows = device.rx.some((rx) => known(rx.flows) && rx.flows > 0);
      if (feature === undefined || feature.on || feature.fixed || (rpsQueues(device).length === 0 && !flows))
        continue;
      yield found(
        device.name,
        'receive-hashing is off and could be on: the CPU that is interrupted reads and hashes each header for RPS',
        { 'receive-hashing': 'off', rpsQueues: rpsQueues(device).length },
        ethtool('-K', device.name, 'rxhash on', 'rxhash off'),
        { device: device.name },
      );
    }
  },
};
