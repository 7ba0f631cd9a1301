/** Automatic NUMA balancing unmaps memory to see who uses it: guests that are pinned gain nothing and pay. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { setSysctl } from '../remedy.js';

const NAME = 'kernel.numa_balancing';

export const numaBalancing: Check = {
  id: 'numa-balancing',
  severity: 'I',
  title: 'automatic NUMA balancing with guests that are pinned',
  *run(host) {
    const value = host.sysctls[NAME];
    if (!known(value) || value === '0' || host.cpus.nodes.length < 2) return;
    const pinned = host.guests.filter(({ vcpus }) =>
      vcpus.some(({ allowed }) => known(allowed) && allowed.length < host.cpus.online.length),
    );
    if (pinned.length === 0) return;
    yield found(
      'host',
      `${pinned.length} guests are pinned, and ${NAME} is ${value}: the kernel still unmaps their memory to see who uses it`,
      { [NAME]: Number(value), guests: pinned.map(({ name }) => name) },
      setSysctl(NAME, 0, value),
    );
  },
};
