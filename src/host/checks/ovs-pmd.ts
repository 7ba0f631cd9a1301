/** Open vSwitch's poll threads: one that is full, one that polls another node's queue, queues that nobody polls. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import type { Host } from '../host.js';
import type { Pmd } from '../read/ovs.js';
import { advice } from '../remedy.js';
import { deviceNamed } from '../view.js';

const FULL = 95;

const busyOf = ({ busy, queues }: Pmd): number =>
  busy ?? queues.reduce((sum, { usage }) => sum + (usage ?? 0), 0);

export const ovsPmd: Check = {
  id: 'ovs-pmd',
  severity: 'W',
  title: 'poll threads of Open vSwitch that are full, remote, or missing',
  *run(host) {
    // Where Open vSwitch has no user-space datapath, or there is none of it, nothing answers.
    if (!known(host.pmds) || host.pmds.length === 0) return;
    const { pmds } = host;
    const full = pmds.filter((pmd) => busyOf(pmd) > FULL);
    if (full.length > 0) {
      yield found(
        'ovs-vswitchd',
        `${full.length} of ${pmds.length} poll threads are full`,
        { pmds: pmds.map((pmd) => `core ${pmd.core}: ${busyOf(pmd)} %, ${pmd.queues.length} queues`) },
        advice(
          'ovs-appctl dpif-netdev/pmd-rxq-rebalance; more cores: ovs-vsctl set Open_vSwitch . other_config:pmd-cpu-mask=…',
        ),
      );
    }
    yield* remote(host, pmds);
    const isolated = pmds.filter(({ isolated: is }) => is);
    const unpolled = pmds.every(({ isolated: is }) => is);
    if (isolated.length > 0 && unpolled) {
      yield found(
        'ovs-vswitchd',
        `all ${pmds.length} poll threads are isolated by pinned queues: queues that are not pinned are polled by nobody`,
        { pmds: pmds.map(({ core, queues }) => `core ${core}: isolated, ${queues.length} queues`) },
        advice(
          'ovs-vsctl set Open_vSwitch . other_config:pmd-rxq-isolate=false, or one more core in pmd-cpu-mask',
        ),
        { severity: 'E' },
      );
    }
  },
};

function* remote(host: Host, pmds: readonly Pmd[]) {
  const bad = pmds.flatMap((pmd) =>
    pmd.queues.flatMap(({ port, queue }) => {
      const node = deviceNamed(host, port)?.node ?? null;
      return node === null || node === pmd.node
        ? []
        : [`${port} queue ${queue} (node ${node}): core ${pmd.core} (node ${pmd.node})`];
    }),
  );
  if (bad.length === 0) return;
  yield found(
    'ovs-vswitchd',
    `${bad.length} queues are polled from another NUMA node`,
    { queues: bad },
    advice(
      'cores of that node in pmd-cpu-mask, or ovs-vsctl set Interface PORT other_config:pmd-rxq-affinity=QUEUE:CORE',
    ),
  );
}
