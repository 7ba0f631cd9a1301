/** Nearly all packets on one CPU of many. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { advice } from '../remedy.js';
import { BUSY_PPS, percent, round, softnetLoad } from '../view.js';

const SHARE = 0.8;
const CPUS = 4;

export const softirqOneCpu: Check = {
  id: 'softirq-one-cpu',
  severity: 'W',
  title: 'nearly all packets are processed by one CPU',
  rests: 'rate',
  *run(host) {
    const { online } = host.cpus;
    if (online.length < CPUS) return;
    const softnet = softnetLoad(host);
    if (!known(host.load) || !known(softnet) || !known(host.load.netRx)) {
      yield notKnown('host', host.load, softnet, known(host.load) ? host.load.netRx : host.load);
      return;
    }
    const packets = [...softnet.values()].reduce((sum, { processed }) => sum + processed, 0);
    const rates = online.map((cpu) => ({
      cpu,
      rate: (known(host.load) && known(host.load.netRx) ? host.load.netRx.get(cpu) : 0) ?? 0,
    }));
    const sum = rates.reduce((total, { rate }) => total + rate, 0);
    const most = rates.reduce((a, b) => (b.rate > a.rate ? b : a));
    if (packets < BUSY_PPS || sum === 0 || most.rate / sum <= SHARE) return;
    yield found(
      'host',
      `CPU ${most.cpu} runs ${percent(most.rate / sum)} of the NET_RX softirqs of ${online.length} CPUs`,
      {
        netRxPerSecond: Object.fromEntries(
          rates.filter(({ rate }) => rate > 0).map(({ cpu, rate }) => [`cpu${cpu}`, round(rate)]),
        ),
        packetsPerSecond: round(packets),
      },
      advice('one queue: rps-wanted, channels-low; several: irq-pileup, reta-hole, queue-skew say why'),
    );
  },
};
