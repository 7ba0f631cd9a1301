/** RPS across NUMA nodes: the packet's memory is on the other node than the CPU that reads it. */
import { type Check, found } from '../check.js';
import { formatCpuList } from '../lists.js';
import { all, setRps } from '../remedy.js';
import { cpuOfQueue, nics, nodeOfCpu, rpsQueues } from '../view.js';

export const rpsRemote: Check = {
  id: 'rps-remote',
  severity: 'W',
  title: 'RPS sends packets to another NUMA node',
  rests: 'traffic',
  *run(host) {
    if (host.cpus.nodes.length < 2) return;
    for (const device of nics(host)) {
      const bad = rpsQueues(device).flatMap(({ queue, cpus }) => {
        const cpu = cpuOfQueue(device, queue);
        const node = cpu === null ? device.node : nodeOfCpu(host, cpu);
        if (node === null) return [];
        const near = cpus.filter((other) => nodeOfCpu(host, other) === node);
        return near.length === cpus.length ? [] : [{ queue, cpus, near, node, cpu }];
      });
      if (bad.length === 0) continue;
      const { node } = bad[0]!;
      const home = host.cpus.nodes.find(({ id }) => id === node)!;
      yield found(
        device.name,
        `${bad.length} queues interrupt CPUs of node ${node} and hand packets to CPUs of other nodes`,
        {
          queues: bad.map(({ queue }) => queue),
          irqCpus: bad.flatMap(({ cpu }) => cpu ?? []),
          masks: bad.map(({ cpus }) => formatCpuList(cpus)),
          nodeCpus: formatCpuList(home.cpus),
          distance: home.distance,
        },
        all(
          ...bad.map(({ queue, cpus, near }) =>
            setRps(device.name, queue, near.length > 0 ? near : home.cpus, cpus),
          ),
        ),
        { device: device.name },
      );
    }
  },
};
