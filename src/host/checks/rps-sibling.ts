/** A hardware thread of the interrupt's own core in the mask: two halves of one core share what one does. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, without } from '../lists.js';
import { all, setRps } from '../remedy.js';
import { cpuOfQueue, nics, rpsQueues } from '../view.js';

export const rpsSibling: Check = {
  id: 'rps-sibling',
  severity: 'I',
  title: 'RPS uses the sibling thread of the CPU that is interrupted',
  rests: 'traffic',
  *run(host) {
    const { siblings } = host.cpus;
    if (!known(siblings)) return;
    for (const device of nics(host)) {
      const bad = rpsQueues(device).flatMap(({ queue, cpus }) => {
        const cpu = cpuOfQueue(device, queue);
        if (cpu === null) return [];
        const same = without(siblings.get(cpu) ?? [], [cpu]).filter((other) => cpus.includes(other));
        return same.length > 0 ? [{ queue, cpus, cpu, same }] : [];
      });
      if (bad.length === 0) continue;
      yield found(
        device.name,
        `RPS of ${bad.length} queues uses the other thread of the core that takes the interrupt: no core is gained`,
        {
          queues: bad.map(({ queue }) => queue),
          siblings: bad.map(({ cpu, same }) => `${cpu}: ${formatCpuList(same)}`),
        },
        all(...bad.map(({ queue, cpus, same }) => setRps(device.name, queue, without(cpus, same), cpus))),
        { device: device.name },
      );
    }
  },
};
