/** RPS on a device and on one below it: packets are handed over twice. */
import { type Check, found } from '../check.js';
import { formatCpuMask } from '../lists.js';
import { all, setRps } from '../remedy.js';
import { below, ipiRate, rpsQueues } from '../view.js';

export const rpsStacked: Check = {
  id: 'rps-stacked',
  severity: 'W',
  title: 'RPS on a device and on the one below it',
  rests: 'traffic',
  *run(host) {
    for (const device of host.devices) {
      const masks = rpsQueues(device);
      if (masks.length === 0) continue;
      const lower = below(host, device).filter((other) => rpsQueues(other).length > 0);
      if (lower.length === 0) continue;
      yield found(
        device.name,
        `RPS is on here and on ${lower.map(({ name }) => name).join(', ')} below: a packet is handed over once on each`,
        {
          chain: [device.name, ...lower.map(({ name }) => name)],
          masks: [device, ...lower].map(
            (one) =>
              `${one.name}: ${[...new Set(rpsQueues(one).map(({ cpus }) => formatCpuMask(cpus)))].join(' ')}`,
          ),
          ipisPerSecond: ipiRate(host),
        },
        all(...masks.map(({ queue, cpus }) => setRps(device.name, queue, [], cpus))),
        { device: lower[0]!.name },
      );
    }
  },
};
