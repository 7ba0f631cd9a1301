/** An indirection table that gives some queues more buckets than others. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { setTable } from '../remedy.js';
import { histogram, weightsOf } from '../table.js';
import { nics, round, rxQueueCount } from '../view.js';

const MOST = 1.1;

export const retaUneven: Check = {
  id: 'reta-uneven',
  severity: 'W',
  title: 'the indirection table favours some queues',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const { rss } = device;
      // Without a table there is nothing uneven; that it could not be read is said by reta-hole.
      if (!known(rss) || rss.entries.length === 0) continue;
      const counts = histogram(rss.entries, rxQueueCount(device));
      const used = counts.filter((count) => count > 0);
      const most = Math.max(...used);
      const mean = rss.entries.length / used.length;
      // What an even filling comes to: one more where the size is no multiple.
      if (used.length < 2 || most / mean <= MOST || most <= Math.ceil(mean)) continue;
      yield found(
        device.name,
        `queue ${counts.indexOf(most)} has ${most} of ${rss.entries.length} buckets, ${round(most / mean)} times the mean; fine if these weights are meant`,
        { entries: rss.entries.length, buckets: counts },
        setTable(device.name, used.length, weightsOf(counts)),
        { device: device.name },
      );
    }
  },
};
