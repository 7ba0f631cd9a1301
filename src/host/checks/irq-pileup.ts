/** Several queues on one CPU while CPUs near the device have none. */
import { type Check, found } from '../check.js';
import { valueOr } from '../fact.js';
import { formatCpuList, unique, without } from '../lists.js';
import { all, setAffinity } from '../remedy.js';
import { dataIrqs, nearCpus, nics, oneCpu, rxIrqs } from '../view.js';

export const irqPileup: Check = {
  id: 'irq-pileup',
  severity: 'W',
  title: 'several queues interrupt one CPU while others have none',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const irqs = rxIrqs(device);
      const cpus = irqs.map(oneCpu);
      if (irqs.length < 2 || cpus.includes(null)) continue;
      const used = unique(cpus as number[]);
      const near = nearCpus(host, device);
      const free = without(near, used);
      if (used.length === irqs.length || free.length === 0) continue;
      const shared = used.filter((cpu) => cpus.filter((other) => other === cpu).length > 1);
      const home = (queue: number) => near[queue % near.length]!;
      const wrong = dataIrqs(device).filter((irq) => oneCpu(irq) !== home(irq.role!.queue));
      yield found(
        device.name,
        `${used.length === 1 ? `all ${irqs.length} queues interrupt CPU ${used[0]}` : `${irqs.length} queues interrupt CPUs ${formatCpuList(used)}, several of them CPU ${formatCpuList(shared)}`}; CPUs ${formatCpuList(free)} near the device have none`,
        {
          table: irqs.map((irq) => `queue ${irq.role!.queue}: irq ${irq.irq} CPU ${oneCpu(irq)}`),
          unused: formatCpuList(free),
        },
        all(
          ...wrong.map((irq) =>
            setAffinity(irq.irq, irq.action, [home(irq.role!.queue)], valueOr(irq.asked, [oneCpu(irq)!])),
          ),
        ),
        { device: device.name },
      );
    }
  },
};
