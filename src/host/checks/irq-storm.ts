/** An interrupt for nearly each packet. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { ethtool } from '../remedy.js';
import { nics, round, rxIrqs } from '../view.js';

const MOST = 50_000;

export const irqStorm: Check = {
  id: 'irq-storm',
  severity: 'W',
  title: 'a queue interrupts more than 50,000 times a second',
  rests: 'rate',
  *run(host) {
    const { load } = host;
    for (const device of nics(host)) {
      const irqs = rxIrqs(device);
      const { coalescing } = device;
      if (irqs.length === 0 || (known(coalescing) && coalescing.adaptiveRx === true)) continue;
      if (!known(load) || !known(load.irqs)) {
        yield notKnown(device.name, load, known(load) ? load.irqs : load);
        continue;
      }
      const rates = irqs.map((irq) => ({ irq, rate: known(load.irqs) ? (load.irqs.get(irq.irq) ?? 0) : 0 }));
      const hot = rates.filter(({ rate }) => rate > MOST);
      if (hot.length === 0) continue;
      yield found(
        device.name,
        `${hot.length} queues interrupt more than ${MOST} times a second${known(coalescing) ? ', and adaptive moderation is off' : ''}`,
        {
          interruptsPerSecond: Object.fromEntries(
            hot.map(({ irq, rate }) => [`irq ${irq.irq}`, round(rate)]),
          ),
          rxUsecs: known(coalescing) ? coalescing.rxUsecs : null,
        },
        ethtool('-C', device.name, 'adaptive-rx on', 'adaptive-rx off'),
      );
    }
  },
};
