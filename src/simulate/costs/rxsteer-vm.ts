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
  ...{ hardIrq: 0, softirqEntry: 0, bridge: 0, idleExit: 26_400, idleExitDevice: 44_800 },
  ...{ wakeLocal: 1570, contextSwitch: 5030, wakeRemote: 6380, ipiSend: 12_800, ipiLatency: 0 },
  ...{ ipiReceive: 0, eventfd: 1570, driverReceive: 0, steer: 0 },
  ...{ tunCall: 0, tapEnqueue: 2290, vethCall: 2570, vethEnqueue: 671 },
  line: { core: 84.1, cache: 210, socket: 505, remote: 1260 },
  handOver: { core: 26.2, cache: 65.5, socket: 157, remote: 393 },
  copyByte: { local: 0.0904, remote: 0.136 },
  lines: { ...MODERN.lines, backlog: 0 },
};

export const rxsteerVm: CostSet = {
  name: 'rxsteer-vm',
  about: "the forwarder's own packet sockets and taps on a virtual machine with two CPUs",
  costs: COSTS,
  origins: [
    {
      names: [
        ...(['wakeLocal', 'contextSwitch', 'wakeRemote', 'ipiSend', 'idleExit', 'idleExitDevice'] as const),
        ...(['eventfd', 'tunCall', 'tapEnqueue', 'vethCall', 'vethEnqueue'] as const),
        ...(['line', 'handOver', 'copyByte'] as const),
      ],
      confidence: 'measured',
      source:
        'rxsteer simulate --calibrate, three rounds on an AMD EPYC (virtual, 2 CPUs, Linux 6.18, Node 20) that did nothing else',
    },
    {
      names: ['driverReceive', 'steer'],
      confidence: 'measured',
      source:
        'bursts of 8 and of 32 packets cost the same at this pace: what a packet costs is in idleExitDevice and idleExit',
    },
    {
      names: ['hardIrq', 'softirqEntry', 'ipiLatency', 'ipiReceive', 'bridge', 'lines'],
      confidence: 'derived',
      source: 'in idleExit, idleExitDevice and driverReceive; lines.backlog in steer',
    },
  ],
  fittedTo: [],
};
