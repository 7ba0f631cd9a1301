/** Interrupts on CPUs that were isolated for something else. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { common, formatCpuList } from '../lists.js';
import { isolatedCpus } from '../read/cpus.js';
import { advice, all, setAffinity } from '../remedy.js';
import { nearCpus, nics } from '../view.js';

export const irqIsolated: Check = {
  id: 'irq-isolated',
  severity: 'W',
  title: 'interrupts go to isolated CPUs',
  *run(host) {
    const isolated = isolatedCpus(host.cpus);
    const devices = nics(host).filter(({ irqs }) => irqs.length > 0);
    if (!known(isolated)) {
      if (devices.length > 0) yield notKnown('isolated CPUs', isolated);
      return;
    }
    for (const device of devices) {
      const bad = device.irqs.flatMap((irq) =>
        known(irq.cpus) && common(irq.cpus, isolated).length > 0 ? [{ irq, cpus: irq.cpus }] : [],
      );
      const near = nearCpus(host, device);
      if (bad.length === 0) continue;
      yield found(
        device.name,
        `${bad.length} interrupts go to CPUs ${formatCpuList(
          common(
            isolated,
            bad.flatMap(({ cpus }) => cpus),
          ),
        )}, which are isolated or without a tick`,
        {
          isolated: formatCpuList(isolated),
          table: bad.map(({ irq, cpus }) => `irq ${irq.irq} (${irq.action}): CPU ${formatCpuList(cpus)}`),
        },
        near.length === 0
          ? advice('no CPU near the device is left for work: isolate fewer')
          : all(
              ...bad.map(({ irq, cpus }, i) =>
                setAffinity(
                  irq.irq,
                  irq.action,
                  [near[(irq.role?.queue ?? i) % near.length]!],
                  known(irq.asked) ? irq.asked : cpus,
                ),
              ),
              advice('for new interrupts: irqaffinity= on the kernel’s command line'),
            ),
      );
    }
  },
};
