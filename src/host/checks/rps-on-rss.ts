/**
 * RPS on a NIC whose queues reach every core by themselves: each packet is handed over a second time, for nothing.
 * Source: Documentation/networking/scaling.rst, "Suggested Configuration" of RPS.
 */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, formatCpuMask } from '../lists.js';
import { coresOf } from '../read/cpus.js';
import { all, setRps } from '../remedy.js';
import { ipiRate, nearCpus, nics, rpsQueues, rxCpus, rxQueueCount } from '../view.js';

export const rpsOnRss: Check = {
  id: 'rps-on-rss',
  severity: 'W',
  title: 'RPS hands packets over that RSS has spread already',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const masks = rpsQueues(device);
      const cpus = rxCpus(device);
      // Without its interrupts nobody can say what a NIC's queues reach; irq checks name that.
      if (masks.length === 0 || !known(cpus) || cpus.length < 2) continue;
      if (coresOf(host.cpus, cpus) < coresOf(host.cpus, nearCpus(host, device))) continue;
      yield found(
        device.name,
        `${rxQueueCount(device)} queues interrupt CPUs ${formatCpuList(cpus)}, every core near the device; RPS on ${masks.length} of them sends packets on to other CPUs by IPI`,
        {
          queues: rxQueueCount(device),
          irqCpus: formatCpuList(cpus),
          masks: [...new Set(masks.map((mask) => formatCpuMask(mask.cpus)))],
          ipisPerSecond: ipiRate(host),
        },
        all(...masks.map(({ queue, cpus: was }) => setRps(device.name, queue, [], was))),
        { device: device.name },
      );
    }
  },
};
