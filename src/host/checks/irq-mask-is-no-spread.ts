/**
 * A wide mask of an interrupt is no spreading: x86 sends it to one CPU of the mask. Told where somebody chose the mask,
 * or where several queues of a device with wide masks meet on one CPU.
 */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, unique, without } from '../lists.js';
import { all, setAffinity } from '../remedy.js';
import { nearCpus, nics, oneCpu, rxIrqs } from '../view.js';

export const irqMaskIsNoSpread: Check = {
  id: 'irq-mask-is-no-spread',
  severity: 'I',
  title: 'a wide affinity mask sends an interrupt to one CPU all the same',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const wide = rxIrqs(device).flatMap((irq) =>
        known(irq.asked) && irq.asked.length > 1 && oneCpu(irq) !== null
          ? [{ irq, asked: irq.asked, cpu: oneCpu(irq)! }]
          : [],
      );
      const chosen = wide.filter(({ asked }) => without(host.cpus.online, asked).length > 0);
      const meet = wide.length > unique(wide.map(({ cpu }) => cpu)).length;
      if (wide.length === 0 || (chosen.length === 0 && !meet)) continue;
      const near = nearCpus(host, device);
      yield found(
        device.name,
        `${wide.length} interrupts have masks of several CPUs and each goes to one: ${unique(wide.map(({ cpu }) => cpu)).length} CPUs in all`,
        {
          table: wide.map(
            ({ irq, asked, cpu }) => `irq ${irq.irq}: asked ${formatCpuList(asked)}, goes to ${cpu}`,
          ),
        },
        all(
          ...wide.map(({ irq, asked }) =>
            setAffinity(irq.irq, irq.action, [near[irq.role!.queue % near.length]!], asked),
          ),
        ),
        { device: device.name },
      );
    }
  },
};
