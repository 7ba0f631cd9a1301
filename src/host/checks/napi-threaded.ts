/** Threads do the work of softirqs: where the interrupt goes is not where packets are processed. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { formatCpuList, sameCpus } from '../lists.js';
import { advice, all, pinThread, setAttribute } from '../remedy.js';
import { nics, rxCpus } from '../view.js';

export const napiThreaded: Check = {
  id: 'napi-threaded',
  severity: 'I',
  title: 'threads poll the NIC, and may run anywhere',
  *run(host) {
    const { online } = host.cpus;
    const isFree = (allowed: readonly number[]) => online.length > 1 && sameCpus(allowed, online);
    for (const device of nics(host)) {
      if (!known(device.threaded) || !device.threaded) continue;
      const threads = host.processes.kernel.filter(({ name }) => name.startsWith(`napi/${device.name}-`));
      const loose = threads.flatMap((thread) =>
        known(thread.allowed) && isFree(thread.allowed) ? [{ ...thread, allowed: thread.allowed }] : [],
      );
      if (threads.length > 0 && loose.length === 0) continue;
      const cpus = rxCpus(device);
      yield found(
        device.name,
        `NAPI is threaded: the CPU that is interrupted${known(cpus) ? ` (${formatCpuList(cpus)})` : ''} only wakes a thread, and ${threads.length === 0 ? 'no such thread is seen here' : `${loose.length} of ${threads.length} threads may run on any CPU`}`,
        {
          irqCpus: known(cpus) ? formatCpuList(cpus) : null,
          threads: threads.map(
            ({ name, tid, cpu, allowed }) =>
              `${name} (${tid}): CPU ${cpu ?? '?'}, allowed ${known(allowed) ? formatCpuList(allowed) : '?'}`,
          ),
        },
        loose.length === 0
          ? setAttribute(device.name, 'threaded', '0', '1')
          : all(
              ...loose.map(({ tid, allowed }, i) =>
                pinThread(tid, [known(cpus) ? cpus[i % cpus.length]! : online[i % online.length]!], allowed),
              ),
              advice('which thread polls which queue: netlink napi-get (pid, irq)'),
            ),
      );
    }
    const backlog = host.processes.kernel.filter(({ name }) => name.startsWith('backlog_napi/'));
    if (backlog.length === 0) return;
    yield found(
      'host',
      `${backlog.length} backlog threads process what RPS hands over: a hand-off wakes a thread instead of sending an IPI, and column 10 of softnet_stat stays still`,
      { threads: backlog.length, cmdline: known(host.cmdline) ? host.cmdline : null },
      advice(
        'thread_backlog_napi on the kernel’s command line, or PREEMPT_RT: they compete with applications, chrt decides',
      ),
    );
  },
};
