/** A CPU's backlog was full: packets that RPS handed over, or that came from a tunnel or veth, are lost. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { sysctlNumber } from '../read/sysctls.js';
import { advice, all, setSysctl } from '../remedy.js';
import { round, softnetLoad } from '../view.js';

const NAME = 'net.core.netdev_max_backlog';

export const backlogDrops: Check = {
  id: 'backlog-drops',
  severity: 'E',
  title: 'packets are dropped because a CPU’s backlog is full',
  rests: 'rate',
  *run(host) {
    const softnet = softnetLoad(host);
    if (!known(softnet)) {
      yield notKnown('softnet_stat', softnet);
      return;
    }
    // The flow limit's refusals are counted here too, and told by their own check.
    const hit = [...softnet].filter(([, { added }]) => added.dropped > added.flowLimit);
    if (hit.length === 0) return;
    const backlog = sysctlNumber(host.sysctls, NAME);
    const sum = hit.reduce((total, [, { dropped }]) => total + dropped, 0);
    yield found(
      'host',
      `${hit.length} CPUs dropped packets at a full backlog, ${round(sum)} a second together`,
      {
        dropsPerSecond: Object.fromEntries(hit.map(([cpu, { dropped }]) => [`cpu${cpu}`, round(dropped)])),
        added: hit.reduce((total, [, { added }]) => total + added.dropped, 0),
        [NAME]: known(backlog) ? backlog : null,
      },
      all(
        ...(known(backlog) ? [setSysctl(NAME, 2 * backlog, backlog)] : []),
        advice(
          'a longer backlog helps bursts only: spread the work (rps-wanted, channels-low, softirq-one-cpu)',
          'where packets go: dropwatch, retis',
        ),
      ),
    );
  },
};
