/**
 * Queues of one device with unlike masks: mostly a script that did not reach all of them. One mask for each node of the
 * interrupts is a plan, not a slip.
 */
import { type Check, found, notKnown } from '../check.js';
import { known } from '../fact.js';
import type { Device, Host } from '../host.js';
import { formatCpuMask, unique } from '../lists.js';
import { all, setRps, setSysctl } from '../remedy.js';
import { cpuOfQueue, nodeOfCpu, rpsQueues, unreadRps } from '../view.js';

/** Whether each queue's mask has CPUs of its interrupt's node. */
function isByNode(
  host: Host,
  device: Device,
  masks: readonly { queue: number; cpus: readonly number[] }[],
): boolean {
  return (
    host.cpus.nodes.length > 1 &&
    masks.every(({ queue, cpus }) => {
      const cpu = cpuOfQueue(device, queue);
      const node = cpu === null ? null : nodeOfCpu(host, cpu);
      return node !== null && cpus.length > 0 && cpus.every((other) => nodeOfCpu(host, other) === node);
    })
  );
}

export const rpsUnevenQueues: Check = {
  id: 'rps-uneven-queues',
  severity: 'W',
  title: 'queues of one device have unlike RPS masks',
  *run(host) {
    for (const device of host.devices) {
      if (device.rx.length < 2 || rpsQueues(device).length === 0) continue;
      if (unreadRps(device).length > 0) {
        yield notKnown(device.name, ...unreadRps(device));
        continue;
      }
      const masks = device.rx.map(({ queue, rps }) => ({ queue, cpus: known(rps) ? rps : [] }));
      const texts = new Set(masks.map(({ cpus }) => formatCpuMask(cpus)));
      if (texts.size < 2 || isByNode(host, device, masks)) continue;
      const union = unique(masks.flatMap(({ cpus }) => cpus));
      const mask = host.sysctls['net.core.rps_default_mask'];
      yield found(
        device.name,
        `its ${masks.length} queues have ${texts.size} different RPS masks: flows are spread differently by the queue that they hash to`,
        { masks: masks.map(({ queue, cpus }) => `rx-${queue}: ${formatCpuMask(cpus)}`) },
        all(
          ...masks
            .filter(({ cpus }) => cpus.length !== union.length)
            .map(({ queue, cpus }) => setRps(device.name, queue, union, cpus)),
          ...(known(mask) && device.kind !== 'nic'
            ? [setSysctl('net.core.rps_default_mask', formatCpuMask(union), mask)]
            : []),
        ),
      );
    }
  },
};
