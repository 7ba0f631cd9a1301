/** Queues that no bucket of the indirection table leads to. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { setTable } from '../remedy.js';
import { histogram, weightsOf } from '../table.js';
import { nics, rxQueueCount } from '../view.js';

export const retaHole: Check = {
  id: 'reta-hole',
  severity: 'W',
  title: 'queues that RSS never chooses',
  *run(host) {
    for (const device of nics(host)) {
      const queues = rxQueueCount(device);
      const { rss, rules } = device;
      if (queues < 2) continue;
      if (!known(rss)) {
        yield notKnown(device.name, rss);
        continue;
      }
      if (rss.entries.length === 0) continue;
      const counts = histogram(rss.entries, queues);
      // A queue that rules send to was left out on purpose.
      const ruled = new Set(known(rules) ? rules.map(({ queue }) => queue) : []);
      const holes = counts.flatMap((count, queue) => (count === 0 && !ruled.has(queue) ? [queue] : []));
      if (holes.length === 0) continue;
      const isOne = counts.filter((count) => count > 0).length === 1;
      yield found(
        device.name,
        isOne
          ? `queue ${counts.findIndex((count) => count > 0)} has every bucket of the table: the other ${holes.length} queues get nothing by RSS`
          : `${holes.length} of ${queues} queues have no bucket in the table and get nothing by RSS`,
        { entries: rss.entries.length, buckets: counts, holes },
        setTable(device.name, queues, weightsOf(counts)),
        isOne ? { severity: 'E' } : {},
      );
    }
  },
};
