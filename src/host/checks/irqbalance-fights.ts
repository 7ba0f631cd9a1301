/** irqbalance moves interrupts that somebody placed. Two readings show it; else an order that looks like a hand's. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { sameCpus } from '../lists.js';
import { advice } from '../remedy.js';
import { nics, oneCpu, rxIrqs } from '../view.js';

const TOLD =
  /--(banirq|policyscript|banmod|hintpolicy)|\bBAN(IRQS|NED)|IRQBALANCE_ARGS=.*--(banirq|policyscript)/;

export const irqbalanceFights: Check = {
  id: 'irqbalance-fights',
  severity: 'W',
  title: 'irqbalance moves interrupts that are placed by hand',
  *run(host) {
    const { irqbalance } = host.managers;
    if (irqbalance === null) return;
    const told = TOLD.test(`${irqbalance.words.join(' ')}\n${irqbalance.settings}`);
    for (const device of nics(host)) {
      const irqs = rxIrqs(device);
      const moved = known(host.load)
        ? [...host.load.moved].filter(([irq]) => device.irqs.some((one) => one.irq === irq))
        : [];
      const cpus = irqs.map(oneCpu);
      const inOrder =
        irqs.length > 1 &&
        cpus.every((cpu, i) => cpu !== null && (i === 0 || cpu > cpus[i - 1]!)) &&
        irqs.every(
          ({ asked, hint, cpus: goes }) =>
            known(asked) && known(goes) && sameCpus(asked, goes) && !(known(hint) && sameCpus(hint, asked)),
        );
      if (moved.length === 0 && (told || !inOrder)) continue;
      yield found(
        device.name,
        moved.length > 0
          ? `irqbalance (process ${irqbalance.pid}) moved ${moved.length} interrupts between the two readings`
          : `${irqs.length} interrupts are placed in the order of their queues, as by hand; irqbalance (process ${irqbalance.pid}) runs and has no order to leave them`,
        {
          irqbalance: irqbalance.words.join(' '),
          settings: irqbalance.settings.split('\n').filter(Boolean),
          ...(moved.length > 0
            ? { moved: moved.map(([irq, [from, to]]) => `irq ${irq}: ${from} -> ${to}`) }
            : { table: irqs.map((irq) => `irq ${irq.irq}: CPU ${oneCpu(irq)}`) }),
        },
        advice(
          `leave these to the hand: IRQBALANCE_ARGS="${irqs.map(({ irq }) => `--banirq=${irq}`).join(' ')}" in /etc/default/irqbalance or /etc/sysconfig/irqbalance`,
          'or leave all to irqbalance, and take the hand’s script away',
        ),
      );
    }
  },
};
