/** A mask that holds the interrupt's own CPU alone: a hash and a look at the map for each packet, and no spread. */
import { type Check, found } from '../check.js';
import { all, setRps } from '../remedy.js';
import { cpuOfQueue, nics, rpsQueues } from '../view.js';

export const rpsSelf: Check = {
  id: 'rps-self',
  severity: 'W',
  title: 'an RPS mask holds only the CPU that is interrupted anyway',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const bad = rpsQueues(device).filter(
        ({ queue, cpus }) => cpus.length === 1 && cpus[0] === cpuOfQueue(device, queue),
      );
      if (bad.length === 0) continue;
      yield found(
        device.name,
        `RPS of ${bad.length} queues leads to the CPU that the queue interrupts: packets are hashed and looked up for nothing`,
        { queues: bad.map(({ queue }) => queue), cpus: bad.map(({ cpus }) => cpus[0]!) },
        all(...bad.map(({ queue, cpus }) => setRps(device.name, queue, [], cpus))),
        { device: device.name },
      );
    }
  },
};
