/** Receive and transmit interrupts of one queue on different cores: a connection's state travels between them. */
import { type Check, found } from '../check.js';
import { known, valueOr } from '../fact.js';
import { all, setAffinity } from '../remedy.js';
import { nics, oneCpu } from '../view.js';

export const rxTxSplit: Check = {
  id: 'rx-tx-split',
  severity: 'W',
  title: 'receive and transmit interrupts of a queue go to different cores',
  rests: 'traffic',
  *run(host) {
    const { siblings } = host.cpus;
    const sameCore = (a: number, b: number) =>
      a === b || (known(siblings) && (siblings.get(a)?.includes(b) ?? false));
    for (const device of nics(host)) {
      const split = device.irqs.flatMap((rx) => {
        if (rx.role?.type !== 'rx') return [];
        const tx = device.irqs.find((irq) => irq.role?.type === 'tx' && irq.role.queue === rx.role!.queue);
        const from = oneCpu(rx);
        const to = tx === undefined ? null : oneCpu(tx);
        return tx === undefined || from === null || to === null || sameCore(from, to)
          ? []
          : [{ rx, tx, from, to }];
      });
      if (split.length === 0) continue;
      yield found(
        device.name,
        `${split.length} queues interrupt one core for packets that arrive and another for those that were sent`,
        { table: split.map(({ rx, from, to }) => `queue ${rx.role!.queue}: rx CPU ${from}, tx CPU ${to}`) },
        all(
          ...split.map(({ tx, from, to }) => setAffinity(tx.irq, tx.action, [from], valueOr(tx.asked, [to]))),
        ),
        { device: device.name },
      );
    }
  },
};
