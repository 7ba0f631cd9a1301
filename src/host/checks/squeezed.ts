/** Softirqs that ended with work left: budget or time were used up. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { sysctlNumber } from '../read/sysctls.js';
import { advice, all, setSysctl } from '../remedy.js';
import { round, softnetLoad } from '../view.js';

const BUDGET = 'net.core.netdev_budget';
const USECS = 'net.core.netdev_budget_usecs';
const MOST = 1;

export const squeezed: Check = {
  id: 'squeezed',
  severity: 'W',
  title: 'softirqs end with packets left',
  rests: 'rate',
  *run(host) {
    const softnet = softnetLoad(host);
    if (!known(softnet)) {
      yield notKnown('softnet_stat', softnet);
      return;
    }
    const hit = [...softnet].filter(([, load]) => load.squeezed > MOST);
    if (hit.length === 0) return;
    const budget = sysctlNumber(host.sysctls, BUDGET);
    const usecs = sysctlNumber(host.sysctls, USECS);
    yield found(
      'host',
      `on ${hit.length} CPUs a softirq ended with packets left more than once a second`,
      {
        squeezedPerSecond: Object.fromEntries(hit.map(([cpu, load]) => [`cpu${cpu}`, round(load.squeezed)])),
        [BUDGET]: known(budget) ? budget : null,
        [USECS]: known(usecs) ? usecs : null,
      },
      all(
        ...(known(budget) ? [setSysctl(BUDGET, 2 * budget, budget)] : []),
        ...(known(usecs) ? [setSysctl(USECS, 2 * usecs, usecs)] : []),
        advice('or more queues: the other tasks of these CPUs wait longer with a larger budget'),
      ),
    );
  },
};
