/** Channels that RSS of this driver does not reach. Source: the drivers' maximum of RSS queues. */

import { nicOfDriver, nicProfile } from '../../nic/profiles.js';
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { setChannels } from '../remedy.js';
import { nics } from '../view.js';

/** Drivers without a profile. */
const CAPS: Readonly<Record<string, number>> = { ixgbevf: 4, iavf: 16 };

function capOf(driver: string, entries: number | undefined): number | null {
  const id = nicOfDriver(driver, entries);
  return CAPS[driver] ?? (id === undefined ? null : nicProfile(id).maxQueues);
}

export const rssCap: Check = {
  id: 'rss-cap',
  severity: 'W',
  title: 'more channels than RSS reaches',
  *run(host) {
    for (const device of nics(host)) {
      const { channels, driver, rss } = device;
      if (!known(channels) || driver === null) continue;
      const cap = capOf(driver, known(rss) ? rss.entries.length : undefined);
      const kind = channels.combined > 0 ? 'combined' : 'rx';
      const now = kind === 'combined' ? channels.combined : channels.rx;
      if (cap === null || now <= cap) continue;
      // A table that names the queues beyond shows that this NIC's RSS does reach them.
      if (known(rss) && rss.entries.some((queue) => queue >= cap)) continue;
      yield found(
        device.name,
        `RSS of ${driver} reaches ${cap} queues; the other ${now - cap} get packets by filters only`,
        { driver, channels: now, reached: cap },
        setChannels(device.name, kind, cap, now),
      );
    }
  },
};
