/** The driver told where its interrupts should go, and they go elsewhere. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, sameCpus, without } from '../lists.js';
import { all, setAffinity } from '../remedy.js';
import { dataIrqs, nics } from '../view.js';

export const irqHintUnused: Check = {
  id: 'irq-hint-unused',
  severity: 'W',
  title: 'interrupts do not go where their driver suggests',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const bad = dataIrqs(device).flatMap(({ irq, action, hint, asked, cpus }) => {
        if (!known(hint) || !known(asked) || hint.length === 0 || sameCpus(hint, asked)) return [];
        // It goes to one of the CPUs that the driver suggests: nothing is lost.
        if (known(cpus) && without(cpus, hint).length === 0) return [];
        return [{ irq, action, hint, asked }];
      });
      if (bad.length === 0) continue;
      yield found(
        device.name,
        `${bad.length} interrupts have a hint of the driver that is not followed${host.managers.irqbalance === null ? '' : ': irqbalance ignores hints unless it is told otherwise'}`,
        {
          table: bad.map(
            ({ irq, hint, asked }) =>
              `irq ${irq}: hint ${formatCpuList(hint)}, asked ${formatCpuList(asked)}`,
          ),
        },
        all(...bad.map(({ irq, action, hint, asked }) => setAffinity(irq, action, hint, asked))),
        { device: device.name },
      );
    }
  },
};
