/** A CPU sends on a queue whose completions interrupt another node. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList } from '../lists.js';
import { all, setXps } from '../remedy.js';
import { nics, nodeOfCpu, oneCpu } from '../view.js';

export const xpsRemote: Check = {
  id: 'xps-remote',
  severity: 'W',
  title: 'transmit queues complete on another node than the CPUs that use them',
  rests: 'traffic',
  *run(host) {
    if (host.cpus.nodes.length < 2) return;
    for (const device of nics(host)) {
      const queues = device.tx.flatMap(({ queue, xps }) => {
        const irq = device.irqs.find(
          ({ role }) => role !== null && role.type !== 'rx' && role.queue === queue,
        );
        const cpu = irq === undefined ? null : oneCpu(irq);
        return known(xps) && cpu !== null ? [{ queue, xps, node: nodeOfCpu(host, cpu), cpu }] : [];
      });
      const served = new Set(queues.map(({ node }) => node));
      // With queues on one node only the CPUs of others have no choice.
      const bad = queues.filter(({ xps, node }) =>
        xps.some((cpu) => nodeOfCpu(host, cpu) !== node && served.has(nodeOfCpu(host, cpu))),
      );
      if (bad.length === 0) continue;
      const wanted = (queue: number, node: number | null) => {
        const same = queues.filter((other) => other.node === node).map((other) => other.queue);
        const cpus = host.cpus.online.filter((cpu) => {
          const home = nodeOfCpu(host, cpu);
          return home === node || (!served.has(home) && node === queues[0]!.node);
        });
        return cpus.filter((_, i) => same[i % same.length] === queue);
      };
      yield found(
        device.name,
        `${bad.length} transmit queues are used by CPUs of another node than the one that they interrupt`,
        {
          table: bad.map(
            ({ queue, xps, cpu, node }) =>
              `tx-${queue}: CPUs ${formatCpuList(xps)}, interrupt CPU ${cpu} (node ${node})`,
          ),
        },
        all(...queues.map(({ queue, xps, node }) => setXps(device.name, queue, wanted(queue, node), xps))),
        { device: device.name },
      );
    }
  },
};
