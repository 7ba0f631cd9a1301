/** A vCPU pinned to a CPU that spends its time in softirqs: the guest stops whenever packets come. */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, without } from '../lists.js';
import { pinThread } from '../remedy.js';
import { nodeOfCpu, percent, softirqShare } from '../view.js';

const BUSY = 0.3;

export const vcpuOnIrqCpu: Check = {
  id: 'vcpu-on-irq-cpu',
  severity: 'W',
  title: 'a vCPU is pinned to a CPU that is busy with softirqs',
  rests: 'rate',
  *run(host) {
    for (const guest of host.guests) {
      for (const { tid, name, allowed } of guest.vcpus) {
        if (!known(allowed) || allowed.length !== 1) continue;
        const [cpu] = allowed as [number];
        const share = softirqShare(host, cpu);
        if (share === null) {
          yield notKnown(guest.name, `how busy CPU ${cpu} is`, host.load);
          continue;
        }
        if (share <= BUSY) continue;
        const node = nodeOfCpu(host, cpu);
        const quiet = without(host.cpus.online, [cpu]).filter(
          (other) => nodeOfCpu(host, other) === node && (softirqShare(host, other) ?? 1) <= BUSY,
        );
        yield found(
          guest.name,
          `${name} may run on CPU ${cpu} only, which is in softirqs ${percent(share)} of the time`,
          { vcpu: name, cpu, softirq: percent(share), quietCpus: formatCpuList(quiet) },
          pinThread(tid, quiet.slice(0, 1).length > 0 ? quiet.slice(0, 1) : host.cpus.online, allowed),
        );
      }
    }
  },
};
