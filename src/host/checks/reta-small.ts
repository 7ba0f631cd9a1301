/** A table with few buckets for each queue: the spread is as coarse as the buckets. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { advice, quoted } from '../remedy.js';
import { nics, round, rxQueueCount } from '../view.js';

const PER_QUEUE = 4;

export const retaSmall: Check = {
  id: 'reta-small',
  severity: 'I',
  title: 'few buckets for each queue',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const queues = rxQueueCount(device);
      const { rss } = device;
      if (queues < 2 || !known(rss) || rss.entries.length === 0) continue;
      const size = rss.entries.length;
      if (size >= PER_QUEUE * queues) continue;
      const most = Math.ceil(size / queues);
      yield found(
        device.name,
        `${size} buckets for ${queues} queues: the table alone gives a queue up to ${round((most * queues) / size)} times the fair share`,
        { entries: size, queues, fullestOverFair: round((most * queues) / size) },
        advice(`fewer queues: ethtool -L ${quoted(device.name)} combined ${Math.max(1, size / PER_QUEUE)}`),
        { device: device.name },
      );
    }
  },
};
