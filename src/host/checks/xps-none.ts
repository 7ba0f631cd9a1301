/** No XPS: which CPU sends on which queue is decided by a hash, and CPUs share transmit queues. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { all, setXps } from '../remedy.js';
import { nics } from '../view.js';

export const xpsNone: Check = {
  id: 'xps-none',
  severity: 'I',
  title: 'no CPU has a transmit queue of its own',
  rests: 'traffic',
  *run(host) {
    const { online } = host.cpus;
    for (const device of nics(host)) {
      const { tx } = device;
      if (tx.length < 2) continue;
      const unread = tx.map(({ xps }) => xps).filter((xps) => !known(xps));
      if (unread.length > 0) {
        yield notKnown(device.name, unread[0]!);
        continue;
      }
      if (tx.some(({ xps }) => known(xps) && xps.length > 0)) continue;
      yield found(
        device.name,
        `${tx.length} transmit queues and no XPS: a hash chooses, so CPUs meet at the locks of queues`,
        { txQueues: tx.length, masks: 'all empty' },
        all(
          ...tx.map(({ queue }, i) =>
            setXps(
              device.name,
              queue,
              online.filter((_, n) => n % tx.length === i),
              [],
            ),
          ),
        ),
        { device: device.name },
      );
    }
  },
};
