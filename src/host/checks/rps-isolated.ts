/** Packets on CPUs that were isolated for something else. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { common, formatCpuList, without } from '../lists.js';
import { isolatedCpus } from '../read/cpus.js';
import { all, setRps } from '../remedy.js';
import { rpsQueues } from '../view.js';

export const rpsIsolated: Check = {
  id: 'rps-isolated',
  severity: 'W',
  title: 'RPS uses isolated CPUs',
  *run(host) {
    const isolated = isolatedCpus(host.cpus);
    const steered = host.devices.filter((device) => rpsQueues(device).length > 0);
    if (!known(isolated)) {
      if (steered.length > 0) yield notKnown('isolated CPUs', isolated);
      return;
    }
    for (const device of steered) {
      const bad = rpsQueues(device).filter(({ cpus }) => common(cpus, isolated).length > 0);
      if (bad.length === 0) continue;
      const used = common(
        isolated,
        bad.flatMap(({ cpus }) => cpus),
      );
      yield found(
        device.name,
        `RPS of ${bad.length} queues puts packets on CPUs ${formatCpuList(used)}, which are isolated or without a tick`,
        {
          masks: bad.map(({ queue, cpus }) => `rx-${queue}: ${formatCpuList(cpus)}`),
          isolated: formatCpuList(isolated),
        },
        all(...bad.map(({ queue, cpus }) => setRps(device.name, queue, without(cpus, isolated), cpus))),
      );
    }
  },
};
