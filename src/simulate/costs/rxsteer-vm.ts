/**
 * The forwarder's own ports on a virtual machine: what `--calibrate` measured there.
 *
 * Promise: figures of one machine, over `modern`; another machine has its own (`rxsteer simulate --calibrate FILE`).
 */
import { MODERN } from './modern.js';
import type { Costs } from './schema.js';
import type { CostSet } from './set.js';

const COSTS: Costs = {
  ...MODERN,
  ...{ hardIrq: 0, softirqEntry: 0, idleExit: 0, idleExitDevice: 0, bridge: 0 },
  ...{ wakeLocal: 251, contextSwitch: 2000, wakeRemote: 12_400, ipiSend: 12_100, ipiLatency: 7700 },
  ...{ ipiReceive: 2250, eventfd: 251, tunCall: 251, driverReceive: 2260, steer: 190, tapEnqueue: 440 },
  line: { core: 68, cache: 171, socket: 410, remote: 1030 },
  handOver: { core: 33, cache: 83, socket: 199, remote: 498 },
  copyByte: { local: 0.21, remote: 0.315 },
  lines: { ...MODERN.lines, backlog: 0 },
};

export const rxsteerVm: CostSet = {
  name: 'rxsteer-vm',
  about: "the forwarder's own packet sockets and taps on a virtual machine with two CPUs",
  costs: COSTS,
  origins: [
    {
      names: [
        ...(['wakeLocal', 'contextSwitch', 'wakeRemote', 'ipiSend', 'ipiLatency', 'ipiReceive'] as const),
        ...(['eventfd', 'tunCall', 'driverReceive', 'steer', 'tapEnqueue'] as const),
        ...(['line', 'handOver', 'copyByte'] as const),
      ],
      confidence: 'measured',
      source:
        'rxsteer simulate --calibrate on an Intel Xeon (virtual, 2 CPUs, Linux 6.18) that other programs used as well',
    },
    {
      names: ['hardIrq', 'softirqEntry', 'idleExit', 'idleExitDevice', 'bridge', 'lines'],
      confidence: 'derived',
      source: 'in driverReceive; lines.backlog in steer',
    },
  ],
  fittedTo: [],
};
