/** The interrupt's CPU is full and takes part in RPS too. Source: scaling.rst, "RPS Configuration". */
import { type Check, found, notKnown } from '../check.js';
import { without } from '../lists.js';
import { setRps } from '../remedy.js';
import { cpuOfQueue, nics, percent, rpsQueues, softirqShare } from '../view.js';

const HOT = 0.8;

export const rpsHotIrqCpu: Check = {
  id: 'rps-hot-irq-cpu',
  severity: 'I',
  title: 'the CPU that takes the interrupts is full and processes RPS packets too',
  rests: 'rate',
  *run(host) {
    for (const device of nics(host)) {
      for (const { queue, cpus } of rpsQueues(device)) {
        const cpu = cpuOfQueue(device, queue);
        if (cpu === null || cpus.length < 2 || !cpus.includes(cpu)) continue;
        const share = softirqShare(host, cpu);
        if (share === null) {
          yield notKnown(`${device.name} rx-${queue}`, `how busy CPU ${cpu} is`, host.load);
          continue;
        }
        if (share <= HOT) continue;
        yield found(
          `${device.name} rx-${queue}`,
          `CPU ${cpu} takes the queue's interrupts, is in softirqs ${percent(share)} of the time, and is in the RPS mask as well`,
          { cpu, softirq: percent(share), mask: cpus },
          setRps(device.name, queue, without(cpus, [cpu]), cpus),
        );
      }
    }
  },
};
