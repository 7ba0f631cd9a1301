/** Clocks that follow load on CPUs that take interrupts: a packet that comes alone meets a slow CPU. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, unique } from '../lists.js';
import type { Remedy } from '../remedy.js';
import { nics, rxCpus } from '../view.js';

export const cpufreq: Check = {
  id: 'cpufreq',
  severity: 'I',
  title: 'CPUs that take interrupts save power',
  *run(host) {
    const cpus = unique(
      nics(host).flatMap((device) => {
        const list = rxCpus(device);
        return known(list) ? list : [];
      }),
    );
    const slow = cpus.filter((cpu) => host.cpus.governors.get(cpu) === 'powersave');
    if (slow.length === 0) return;
    const path = (cpu: number) => `/sys/devices/system/cpu/cpu${cpu}/cpufreq/scaling_governor`;
    const remedy: Remedy = {
      fix: slow.map((cpu) => `echo performance > ${path(cpu)}`),
      undo: slow.map((cpu) => `echo powersave > ${path(cpu)}`),
      persistent: [
        'tuned-adm profile network-latency, or cpupower frequency-set -g performance in a unit of systemd',
      ],
    };
    yield found(
      'host',
      `CPUs ${formatCpuList(slow)} take receive interrupts under the governor powersave: latency of lone packets suffers (with intel_pstate less)`,
      { governors: slow.map((cpu) => `cpu${cpu}: ${host.cpus.governors.get(cpu)}`) },
      remedy,
    );
  },
};
