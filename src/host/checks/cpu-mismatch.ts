/**
 * Interrupt, vhost worker and vCPU of a guest on different CPUs: a packet's lines move twice; on different nodes they
 * cross the link twice. On one node three CPUs may be meant: work in parallel.
 */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { guestPaths, lastCpus } from '../guest-table.js';
import { formatCpuList, unique } from '../lists.js';
import { advice, all, pinThread, quoted } from '../remedy.js';
import { nodesOf } from '../view.js';

const MANY = 3;

export const cpuMismatch: Check = {
  id: 'cpu-mismatch',
  severity: 'W',
  title: 'interrupt, vhost worker and vCPU of a guest are on different CPUs or nodes',
  rests: 'traffic',
  *run(host) {
    for (const { guest, tap, uplink, irqCpus, workers, vcpus } of guestPaths(host)) {
      if (tap === null || uplink === null || irqCpus.length === 0 || vcpus.length === 0) continue;
      const workerCpus = lastCpus(workers);
      const vcpuCpus = lastCpus(vcpus);
      const cpus = unique([...irqCpus, ...workerCpus, ...vcpuCpus]);
      const nodes = nodesOf(host, cpus);
      if (workerCpus.length === 0 || vcpuCpus.length === 0) continue;
      if (nodes.length < 2 && cpus.length < MANY) continue;
      // Many queues are spread on purpose; what counts then is the node.
      if (nodes.length < 2 && irqCpus.length > 1) continue;
      const home = host.cpus.nodes.find(({ id }) => id === (uplink.node ?? nodesOf(host, irqCpus)[0]));
      const near = home?.cpus.filter((cpu) => host.cpus.online.includes(cpu)) ?? [];
      const allowedOf = (threads: typeof workers) =>
        unique(threads.flatMap(({ allowed }) => (known(allowed) ? allowed : [])));
      yield found(
        guest.name,
        nodes.length > 1
          ? `${uplink.name} interrupts CPU ${formatCpuList(irqCpus)}, the worker of ${tap.name} ran on ${formatCpuList(workerCpus)}, its vCPUs on ${formatCpuList(vcpuCpus)}: nodes ${nodes.join(', ')}`
          : `${uplink.name} interrupts CPU ${formatCpuList(irqCpus)}, the worker of ${tap.name} ran on ${formatCpuList(workerCpus)}, its vCPUs on ${formatCpuList(vcpuCpus)}: each packet visits ${cpus.length} CPUs`,
        {
          irqCpus: formatCpuList(irqCpus),
          worker: `${formatCpuList(workerCpus)} (allowed ${formatCpuList(allowedOf(workers))})`,
          vcpus: `${formatCpuList(vcpuCpus)} (allowed ${formatCpuList(allowedOf(vcpus))})`,
          nodes,
        },
        nodes.length > 1 && near.length > 0
          ? all(
              ...[...workers, ...vcpus].map(({ tid, allowed }) =>
                pinThread(tid, near, known(allowed) ? allowed : host.cpus.online),
              ),
              advice(
                `libvirt: virsh vcpupin ${quoted(guest.name)} VCPU ${formatCpuList(near)}; virsh emulatorpin ${quoted(guest.name)} ${formatCpuList(near)}; memory: numatune --nodeset ${home!.id}`,
              ),
            )
          : advice(
              `pin them nearer: virsh vcpupin, virsh emulatorpin ${quoted(guest.name)}; the interrupt: /proc/irq/N/smp_affinity_list`,
            ),
        { severity: nodes.length > 1 ? 'E' : 'W', device: uplink.name },
      );
    }
  },
};
