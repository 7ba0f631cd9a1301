/** Sizes of RFS's tables that do not fit each other. Source: scaling.rst, "RFS Configuration": entries / queues each. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { sysctlNumber } from '../read/sysctls.js';
import { all, setFlows } from '../remedy.js';
import { flowShare } from '../view.js';

export const rfsSizes: Check = {
  id: 'rfs-sizes',
  severity: 'W',
  title: 'flow tables of RFS that do not fit the table of sockets',
  *run(host) {
    const entries = sysctlNumber(host.sysctls, 'net.core.rps_sock_flow_entries');
    if (!known(entries) || entries === 0) return;
    for (const device of host.devices) {
      const flows = device.rx.map((rx) => (known(rx.flows) ? rx.flows : 0));
      const sum = flows.reduce((a, b) => a + b, 0);
      const wanted = flowShare(entries, flows.length);
      if (sum === 0 || flows.every((count) => count === wanted)) continue;
      yield found(
        device.name,
        `its flow tables have ${sum} entries together, the table of sockets ${entries}: ${sum < entries ? 'flows of other sockets share entries and are sent to and fro' : 'memory and cache for nothing'}; ${wanted} a queue fits`,
        { rps_sock_flow_entries: entries, sum, perQueue: [...new Set(flows)], wanted },
        all(
          ...device.rx.flatMap(({ queue, flows: was }) =>
            known(was) && was !== wanted ? [setFlows(device.name, queue, wanted, was)] : [],
          ),
        ),
      );
    }
  },
};
