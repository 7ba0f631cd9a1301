/**
 * vCPUs are pinned and the thread that moves their packets is not. From Linux 6.4 a vhost worker inherits the mask of
 * the process that starts it, so that emulatorpin reaches it.
 */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, unique, without } from '../lists.js';
import { advice, all, pinThread, quoted } from '../remedy.js';

export const vhostUnpinned: Check = {
  id: 'vhost-unpinned',
  severity: 'I',
  title: 'vCPUs are pinned, their vhost worker is not',
  *run(host) {
    const { online } = host.cpus;
    for (const guest of host.guests) {
      const pinned = guest.vcpus.flatMap(({ allowed }) =>
        known(allowed) && allowed.length < online.length ? [allowed] : [],
      );
      if (pinned.length === 0 || pinned.length < guest.vcpus.length) continue;
      const free = guest.vhost.flatMap((thread) =>
        known(thread.allowed) && without(online, thread.allowed).length === 0
          ? [{ ...thread, allowed: thread.allowed }]
          : [],
      );
      if (free.length === 0 || online.length < 2) continue;
      const nodes = host.cpus.nodes.filter(({ cpus }) => pinned.flat().some((cpu) => cpus.includes(cpu)));
      const near = unique(nodes.flatMap(({ cpus }) => cpus)).filter((cpu) => online.includes(cpu));
      const rest = without(near, pinned.flat());
      const target = rest.length > 0 ? rest : near.length < online.length ? near : pinned.flat();
      yield found(
        guest.name,
        `its ${pinned.length} vCPUs may run on CPUs ${formatCpuList(pinned.flat())} only, ${free.length} vhost workers on any`,
        {
          vcpus: guest.vcpus.map(
            ({ name, allowed }) => `${name}: ${known(allowed) ? formatCpuList(allowed) : '?'}`,
          ),
          workers: free.map(({ tid, allowed }) => `${tid}: ${formatCpuList(allowed)}`),
        },
        all(
          ...free.map(({ tid, allowed }) => pinThread(tid, target, allowed)),
          advice(
            `libvirt, Linux 6.4 and newer: virsh emulatorpin ${quoted(guest.name)} ${formatCpuList(target)} before the card is started; libvirt has no pin for vhost itself`,
          ),
        ),
      );
    }
  },
};
