/**
 * One queue gets far more than its share. Five things do that; the first that the facts support is named, and what would
 * decide between the others.
 */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import type { Device, Host } from '../host.js';
import { advice, quoted } from '../remedy.js';
import { histogram } from '../table.js';
import { nics, queueSkew, round, rxQueueCount } from '../view.js';

const SKEWED = 1.5;

function causeOf(host: Host, device: Device, queue: number): string {
  const { rss, fields } = device;
  if (known(rss) && rss.entries.length > 0) {
    const counts = histogram(rss.entries, rxQueueCount(device));
    const expected = (counts[queue]! * rxQueueCount(device)) / rss.entries.length;
    if (expected > SKEWED)
      return `the table gives this queue ${round(expected)} times the fair share of buckets`;
  }
  if (known(fields) && Object.values(fields).some((letters) => !/[fn]/.test(letters))) {
    return 'some types are hashed by addresses only, so that few pairs fill few queues';
  }
  if (host.devices.some(({ kind, up }) => kind === 'tunnel' && up))
    return 'a tunnel ends here: its outer addresses may be few';
  return 'the table is even and ports are hashed: one heavy flow, or few peers';
}

export const queueSkewed: Check = {
  id: 'queue-skew',
  severity: 'W',
  title: 'one queue gets far more than its share',
  rests: 'rate',
  *run(host) {
    for (const device of nics(host)) {
      if (rxQueueCount(device) < 2) continue;
      const skew = queueSkew(host, device);
      if (!known(skew)) {
        yield notKnown(device.name, skew);
        continue;
      }
      if (skew === null || skew.ratio <= SKEWED) continue;
      const cause = causeOf(host, device, skew.queue);
      yield found(
        device.name,
        `queue ${skew.queue} got ${skew.ratio} times its fair share: ${cause}`,
        { packets: skew.packets, fullestOverFair: skew.ratio },
        advice(
          `to decide: tcpdump -Q in -s 128 -c 100000 -i ${quoted(device.name)} -w in.pcap; rxsteer replay in.pcap --policy rss:queues=${rxQueueCount(device)} --advice`,
        ),
      );
    }
  },
};
