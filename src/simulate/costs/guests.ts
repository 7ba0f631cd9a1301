/**
 * Machines on which guests were measured.
 *
 * Promise: each differs from `modern` in what its rows need, and says which rows those are.
 */
import { MODERN } from './modern.js';
import type { CostSet } from './set.js';

export const guestMachines: readonly CostSet[] = [
  {
    name: 'vhost-2023',
    about: 'the unnamed machine of a series for AF_XDP in virtio-net (2023)',
    costs: { ...MODERN, guestSend: 2350, vhostReceive: 1080, guestProtocol: 510, bypassReceive: 100 },
    origins: [
      {
        names: ['guestSend', 'vhostReceive', 'guestProtocol', 'bypassReceive'],
        confidence: 'fitted',
        source: 'sockets send 319 k/s and receive 692 k/s; AF_XDP receives 772 k/s',
      },
    ],
    fittedTo: ['tap-vhost/socket-send', 'tap-vhost/socket-receive', 'tap-vhost/xsk-receive'],
  },
  {
    name: 'kvm-2015',
    about: 'a server of 2015 whose idle CPUs wake slowly',
    costs: { ...MODERN, idleExit: 3700, idleExitDevice: 3700 },
    origins: [
      {
        names: ['idleExit', 'idleExitDevice'],
        confidence: 'fitted',
        source: 'a TCP_RR transaction with a guest that halts in between: 34 us',
      },
    ],
    fittedTo: ['halt-polling/rr'],
  },
];
