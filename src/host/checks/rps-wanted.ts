/** One queue, whose CPU is full of softirq while its neighbours are idle: RPS could share the work. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { without } from '../lists.js';
import { setRps } from '../remedy.js';
import {
  cpuOfQueue,
  idleShare,
  nearCpus,
  nics,
  percent,
  rpsQueues,
  rxQueueCount,
  softirqShare,
} from '../view.js';

const HOT = 0.7;
const IDLE = 0.5;

export const rpsWanted: Check = {
  id: 'rps-wanted',
  severity: 'I',
  title: 'one queue fills one CPU while others are idle',
  rests: 'rate',
  roles: ['server', 'guest', 'forwarder'],
  *run(host) {
    for (const device of nics(host)) {
      if (rxQueueCount(device) !== 1 || rpsQueues(device).length > 0) continue;
      const [queue] = device.rx;
      const cpu = cpuOfQueue(device, 0);
      if (queue === undefined || cpu === null || !known(queue.rps)) continue;
      const share = softirqShare(host, cpu);
      if (share === null) {
        yield notKnown(device.name, `how busy CPU ${cpu} is`, host.load);
        continue;
      }
      const others = without(nearCpus(host, device), [cpu]);
      const idle = others.filter((other) => (idleShare(host, other) ?? 0) > IDLE);
      if (share <= HOT || idle.length === 0) continue;
      yield found(
        device.name,
        `its only queue keeps CPU ${cpu} in softirqs ${percent(share)} of the time; ${idle.length} CPUs near it are mostly idle. Measure before and after`,
        { cpu, softirq: percent(share), idleCpus: idle },
        setRps(device.name, queue.queue, others, queue.rps),
      );
    }
  },
};
