/** Accelerated RFS needs RFS and the NIC's filters; one without the other is idle. Source: scaling.rst, "Accelerated RFS". */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { ethtool } from '../remedy.js';
import { nics, rfsOn } from '../view.js';

export const arfsIdle: Check = {
  id: 'arfs-idle',
  severity: 'W',
  title: 'the NIC could follow readers itself, and only half of that is on',
  roles: ['server', 'guest'],
  *run(host) {
    const on = rfsOn(host);
    if (!known(on)) return;
    for (const device of nics(host)) {
      const ntuple = known(device.features) ? device.features['ntuple-filters'] : undefined;
      if (ntuple === undefined || ntuple.fixed) continue;
      const rules = known(device.rules) ? device.rules.length : null;
      const uses = device.rx.some(({ flows }) => known(flows) && flows > 0);
      if (on && uses && !ntuple.on) {
        yield found(
          device.name,
          'RFS is on, and the NIC could place flows by itself: its ntuple filters are off, so each flow is handed over by IPI',
          { rfs: 'on', ntuple: 'off' },
          ethtool('-K', device.name, 'ntuple on', 'ntuple off'),
        );
      } else if (!on && ntuple.on && rules === 0) {
        yield found(
          device.name,
          'ntuple filters are on, there is no rule, and RFS, which would make some, is off',
          { rfs: 'off', ntuple: 'on', rules },
          ethtool('-K', device.name, 'ntuple off', 'ntuple on'),
        );
      }
    }
  },
};
