/** A mask with CPUs that are not online: what they would get goes to others, and the spread is not what was meant. */
import { type Check, found } from '../check.js';
import { formatCpuList, formatCpuMask, without } from '../lists.js';
import { all, setRps } from '../remedy.js';
import { rpsQueues } from '../view.js';

export const rpsOffline: Check = {
  id: 'rps-offline',
  severity: 'W',
  title: 'an RPS mask names CPUs that are offline',
  *run(host) {
    for (const device of host.devices) {
      const bad = rpsQueues(device).filter(({ cpus }) => without(cpus, host.cpus.online).length > 0);
      if (bad.length === 0) continue;
      const gone = without(
        bad.flatMap(({ cpus }) => cpus),
        host.cpus.online,
      );
      yield found(
        device.name,
        `RPS masks of ${bad.length} queues have CPUs ${formatCpuList(gone)}, which are offline`,
        {
          masks: bad.map(({ queue, cpus }) => `rx-${queue}: ${formatCpuMask(cpus)}`),
          offline: formatCpuList(host.cpus.offline),
        },
        all(...bad.map(({ queue, cpus }) => setRps(device.name, queue, without(cpus, gone), cpus))),
      );
    }
  },
};
