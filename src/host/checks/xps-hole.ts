/** Some CPUs have transmit queues and others none: those use a hash, and meet at the queues of the first. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, formatCpuMask, unique, without } from '../lists.js';
import { all, setXps } from '../remedy.js';
import { nics } from '../view.js';

export const xpsHole: Check = {
  id: 'xps-hole',
  severity: 'W',
  title: 'some CPUs are in no XPS mask',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const masks = device.tx.flatMap(({ queue, xps }) => (known(xps) ? [{ queue, xps }] : []));
      const covered = unique(masks.flatMap(({ xps }) => xps));
      const missing = without(host.cpus.online, covered);
      if (covered.length === 0 || missing.length === 0 || masks.length !== device.tx.length) continue;
      const adds = masks.map(({ queue, xps }, i) => ({
        queue,
        xps,
        wanted: unique([...xps, ...missing.filter((_, n) => n % masks.length === i)]),
      }));
      yield found(
        device.name,
        `CPUs ${formatCpuList(missing)} have no transmit queue by XPS, the others do`,
        {
          masks: masks.map(({ queue, xps }) => `tx-${queue}: ${formatCpuMask(xps)}`),
          missing: formatCpuList(missing),
        },
        all(
          ...adds
            .filter(({ xps, wanted }) => xps.length !== wanted.length)
            .map(({ queue, xps, wanted }) => setXps(device.name, queue, wanted, xps)),
        ),
        { device: device.name },
      );
    }
  },
};
