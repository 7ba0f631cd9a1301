/** Packets that the flow limit refused: a flow had more than half of a filling backlog. Source: skb_flow_limit. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { sysctlNumber } from '../read/sysctls.js';
import { advice, all, setSysctl } from '../remedy.js';
import { round, softnetLoad } from '../view.js';

export const flowLimitDrops: Check = {
  id: 'flow-limit-drops',
  severity: 'W',
  title: 'the flow limit drops packets of heavy flows',
  rests: 'rate',
  *run(host) {
    const softnet = softnetLoad(host);
    if (!known(softnet)) {
      yield notKnown('softnet_stat', softnet);
      return;
    }
    const hit = [...softnet].filter(([, { flowLimit }]) => (flowLimit ?? 0) > 0);
    if (hit.length === 0) return;
    const backlog = sysctlNumber(host.sysctls, 'net.core.netdev_max_backlog');
    yield found(
      'host',
      `${hit.length} CPUs refused packets of flows that filled their backlog`,
      {
        dropsPerSecond: Object.fromEntries(
          hit.map(([cpu, { flowLimit }]) => [`cpu${cpu}`, round(flowLimit!)]),
        ),
        netdev_max_backlog: known(backlog) ? backlog : null,
      },
      all(
        ...(known(backlog) ? [setSysctl('net.core.netdev_max_backlog', 2 * backlog, backlog)] : []),
        advice('or find the heavy flow: capture, then rxsteer replay FILE --policy rps:cpus=…'),
      ),
    );
  },
};
