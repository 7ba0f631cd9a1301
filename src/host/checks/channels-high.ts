/** More queues than cores: each wakes its own NAPI context, and siblings share a core. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { coresOf } from '../read/cpus.js';
import { setChannels } from '../remedy.js';
import { nics } from '../view.js';

export const channelsHigh: Check = {
  id: 'channels-high',
  severity: 'I',
  title: 'more queues than physical cores',
  rests: 'traffic',
  *run(host) {
    const cores = coresOf(host.cpus, host.cpus.online);
    for (const device of nics(host)) {
      const { channels } = device;
      if (!known(channels)) continue;
      const kind = channels.combined > 0 ? 'combined' : 'rx';
      const now = kind === 'combined' ? channels.combined : channels.rx;
      if (now <= cores) continue;
      yield found(
        device.name,
        `${now} queues, ${cores} cores: more interrupts and smaller batches, and no core more`,
        { channels: now, cores },
        setChannels(device.name, kind, cores, now),
        { device: device.name },
      );
    }
  },
};
