/** Fewer queues than the NIC and the node could have, and one of their CPUs is full. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { coresOf } from '../read/cpus.js';
import { setChannels } from '../remedy.js';
import { nearCpus, nics, percent, rxCpus, softirqShare } from '../view.js';

const HOT = 0.7;

export const channelsLow: Check = {
  id: 'channels-low',
  severity: 'W',
  title: 'the NIC has more queues than are used, and a CPU is full',
  rests: 'rate',
  *run(host) {
    for (const device of nics(host)) {
      const { channels } = device;
      const cpus = rxCpus(device);
      if (!known(channels) || !known(cpus)) continue;
      const kind = channels.maxCombined > 0 ? 'combined' : 'rx';
      const now = kind === 'combined' ? channels.combined : channels.rx;
      const most = kind === 'combined' ? channels.maxCombined : channels.maxRx;
      const wanted = Math.min(most, coresOf(host.cpus, nearCpus(host, device)));
      if (now === 0 || now >= wanted) continue;
      const shares = cpus.map((cpu) => ({ cpu, share: softirqShare(host, cpu) }));
      if (shares.some(({ share }) => share === null)) {
        yield notKnown(device.name, 'how busy its CPUs are', host.load);
        continue;
      }
      const hot = shares.filter(({ share }) => share! > HOT);
      if (hot.length === 0) continue;
      yield found(
        device.name,
        `${now} of ${most} queues are in use, ${wanted} cores are near, and ${hot.length} of their CPUs are full of softirqs`,
        {
          channels: now,
          maximum: most,
          cores: wanted,
          softirq: hot.map(({ cpu, share }) => `cpu${cpu}: ${percent(share!)}`),
        },
        setChannels(device.name, kind, wanted, now),
      );
    }
  },
};
