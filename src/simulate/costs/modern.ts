/**
 * The set that is taken where none is named: a server of the 2020s.
 *
 * Promise: round figures; what published rows say about a single figure is what that figure is.
 */
import type { Costs } from './schema.js';
import type { CostSet } from './set.js';

/** A present server: two sockets, mesh interconnect. */
export const MODERN: Costs = {
  ...{ hardIrq: 500, softirqEntry: 100, ipiSend: 400, ipiLatency: 700, ipiReceive: 400 },
  ...{ idleExit: 1000, idleExitDevice: 1000 },
  ...{ contextSwitch: 1200, wakeLocal: 300, wakeRemote: 600, slice: 3e6, granularity: 1e6 },
  ...{ driverReceive: 250, steer: 150, protocol: 900, route: 400, socketBacklog: 400, application: 1000 },
  ...{ send: 1200, qdiscEnqueue: 80, qdiscDequeue: 60, transmit: 200 },
  ...{ bridge: 300, macvlan: 150, ovs: 400, ovsStatistics: 60 },
  ...{
    tapEnqueue: 60,
    tunCall: 170,
    vhostReceive: 570,
    vhostTransmit: 640,
    vhostBlock: 2050,
    pinPages: 500,
  },
  ...{ qemuReceive: 2500, qemuTransmit: 2500, registerAccess: 1500, eventfd: 300, vhostUser: 150 },
  ...{ bypassSend: 200, bypassReceive: 250 },
  ...{ exit: 500, exitUser: 2500, inject: 400, post: 200, guestIpi: 400, halt: 300 },
  ...{ guestHardIrq: 500, guestDriver: 300, guestProtocol: 900, guestSend: 1200, guestTransmit: 150 },
  ...{ guestContextSwitch: 800, guestWake: 400 },
  line: { core: 8, cache: 20, socket: 48, remote: 120 },
  handOver: { core: 10, cache: 25, socket: 60, remote: 150 },
  dram: { local: 80, remote: 131 },
  copyByte: { local: 0.08, remote: 0.12 },
  lines: { backlog: 4, socket: 8, transmit: 4, lock: 1, ring: 4, task: 20 },
  misses: { receive: 2, guest: 2 },
  ...{ siblingSlowdown: 1.5, interference: 0 },
};

export const modern: CostSet = {
  name: 'modern',
  about: 'a server of the 2020s with two sockets; round figures from public measurements',
  costs: MODERN,
  origins: [
    {
      names: ['line'],
      confidence: 'measured',
      source:
        'core-to-core-latency (Xeon mesh, Zen): 4-10 ns siblings, 16-27 one L3, 44-51 one socket, 108-136 two',
    },
    { names: ['dram'], confidence: 'measured', source: 'FD.io CSIT: 78.5-81 ns local, 119-135 remote' },
    {
      names: ['vhostReceive', 'tapEnqueue'],
      confidence: 'derived',
      source: 'pktgen into a guest: 1.50 Mpps, 1.30 while both ends of the tap share a lock',
    },
    {
      names: ['vhostTransmit', 'tunCall'],
      confidence: 'derived',
      source: 'pktgen of a guest: 0.91 Mpps, 1.08 in batches of 64',
    },
    { names: ['vhostBlock'], confidence: 'derived', source: 'vhost-scsi with one worker: 488k requests/s' },
    {
      names: ['guestContextSwitch', 'guestIpi', 'halt'],
      confidence: 'derived',
      source: 'switches in a guest: 2,493 ns, 1,159-1,489 where the guest polls before it halts',
    },
  ],
  fittedTo: [
    'tap-vhost/tap-lock-shared',
    'tap-vhost/tap-lock-split',
    'tap-vhost/batch-1',
    'tap-vhost/batch-64',
    'workers/device-4-jobs',
    'workers/device-1-job (work of a job)',
    'workers/device-2-jobs (exit)',
    'guest-ipis/rps-hypercall (moderation of the device)',
    'halt-polling/switch',
    'halt-polling/switch-guest-poll',
  ],
};
