/** Nobody spreads interrupts: all of them on CPU 0. Some hosts want that (real time, one queue). */
import { type Check, found, notKnown } from '../check.js';
import { valueOr } from '../fact.js';
import { advice, all, setAffinity } from '../remedy.js';
import { nearCpus, nics, oneCpu, rxIrqs } from '../view.js';

export const irqbalanceAbsent: Check = {
  id: 'irqbalance-absent',
  severity: 'I',
  title: 'all interrupts go to CPU 0 and nobody spreads them',
  rests: 'traffic',
  *run(host) {
    const pairs = nics(host).flatMap((device) => rxIrqs(device).map((irq) => ({ device, irq })));
    const isAll = pairs.length > 1 && pairs.every(({ irq }) => oneCpu(irq) === 0);
    if (!isAll || host.cpus.online.length < 2 || host.managers.irqbalance !== null) return;
    if (host.processes.all.length === 0 && host.processes.hidden?.startsWith('no processes') === true) {
      yield notKnown('host', `all interrupts go to CPU 0; whether irqbalance runs: ${host.processes.hidden}`);
      return;
    }
    yield found(
      'host',
      `all ${pairs.length} receive interrupts go to CPU 0, and irqbalance does not run`,
      {
        interrupts: pairs.map(({ device, irq }) => `${device.name} queue ${irq.role!.queue}: irq ${irq.irq}`),
      },
      all(
        ...pairs.map(({ device, irq }) => {
          const near = nearCpus(host, device);
          return setAffinity(
            irq.irq,
            irq.action,
            [near[irq.role!.queue % near.length] ?? 0],
            valueOr(irq.asked, [0]),
          );
        }),
        advice('or start irqbalance'),
      ),
      { device: pairs[0]!.device.name },
    );
  },
};
