/** mlx5 of Linux 5.3 to 6.0 shows each queue twice; the upper half is for AF_XDP sockets. */
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { advice } from '../remedy.js';
import { nics } from '../view.js';

const FIRST = 5003;
const LAST = 6000;

export const queuesGhost: Check = {
  id: 'queues-ghost',
  severity: 'I',
  title: 'half of the queue folders are for AF_XDP only',
  *run(host) {
    const version = known(host.kernel) ? /^(\d+)\.(\d+)/.exec(host.kernel) : null;
    if (version === null) return;
    const release = 1000 * Number(version[1]) + Number(version[2]);
    if (release < FIRST || release > LAST) return;
    for (const device of nics(host)) {
      const { channels, driver, rx } = device;
      if (driver !== 'mlx5_core' || !known(channels)) continue;
      const queues = channels.combined + channels.rx;
      if (queues === 0 || rx.length !== 2 * queues) continue;
      yield found(
        device.name,
        `${rx.length} queue folders, ${queues} channels: mlx5 of Linux ${version[0]} shows each queue twice, the upper half is for AF_XDP`,
        { folders: rx.length, channels: queues, kernel: version[0] },
        advice(`count queues 0 to ${queues - 1} only; masks of the others steer nothing`),
      );
    }
  },
};
