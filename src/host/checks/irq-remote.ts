/** Interrupts on another node than the device: descriptors and packets cross the link between nodes. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, without } from '../lists.js';
import { all, setAffinity } from '../remedy.js';
import { dataIrqs, nearCpus, nics, nodesOf } from '../view.js';

export const irqRemote: Check = {
  id: 'irq-remote',
  severity: 'W',
  title: 'interrupts go to another NUMA node than the device is on',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const node = host.cpus.nodes.find(({ id }) => id === device.node);
      if (node === undefined || host.cpus.nodes.length < 2) continue;
      const near = nearCpus(host, device);
      const bad = dataIrqs(device).flatMap((irq) =>
        known(irq.cpus) && without(irq.cpus, node.cpus).length > 0 ? [{ irq, cpus: irq.cpus }] : [],
      );
      if (bad.length === 0 || near.length === 0) continue;
      yield found(
        device.name,
        `${bad.length} interrupts go to CPUs of node ${nodesOf(
          host,
          bad.flatMap(({ cpus }) => cpus),
        ).join(', ')}; the device is on node ${node.id}`,
        {
          node: node.id,
          nodeCpus: formatCpuList(node.cpus),
          table: bad.map(({ irq, cpus }) => `irq ${irq.irq} (${irq.action}): CPU ${formatCpuList(cpus)}`),
        },
        all(
          ...bad.map(({ irq, cpus }) =>
            setAffinity(
              irq.irq,
              irq.action,
              [near[irq.role!.queue % near.length]!],
              known(irq.asked) ? irq.asked : cpus,
            ),
          ),
        ),
        { device: device.name },
      );
    }
  },
};
