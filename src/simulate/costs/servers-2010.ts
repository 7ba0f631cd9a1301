/**
 * Servers of the years in which Linux got receive packet steering, as its published tables were measured on.
 *
 * Promise: `protocol`, `driverReceive` and `steer` follow from published throughput where one CPU is the limit; what
 * CPU use alone says (`idleExit`, lines of sockets and transmit queues, `interference`) can be traded against each other:
 * fitted, not measured.
 */
import { MODERN } from './modern.js';
import type { Costs } from './schema.js';
import { type CostSet, even } from './set.js';

/** Sixteen cores of 2009 with a bnx2x, as the published RPS tables were measured on. */
const AMD: Costs = {
  ...MODERN,
  ...{ hardIrq: 1000, softirqEntry: 0, ipiSend: 400, ipiLatency: 1000, ipiReceive: 400 },
  ...{ idleExit: 4500, idleExitDevice: 0 },
  ...{ contextSwitch: 0, wakeLocal: 500, wakeRemote: 1400 },
  ...{ driverReceive: 2100, steer: 650, protocol: 3600, application: 2850, send: 0, transmit: 150 },
  ...{ qdiscEnqueue: 250, qdiscDequeue: 200 },
  line: even(100),
  handOver: even(100),
  lines: { backlog: 0, socket: 35, transmit: 32, lock: 0, ring: 10, task: 20 },
  misses: { receive: 0, guest: 0 },
  ...{ siblingSlowdown: 1, interference: 0.03 },
};

/** Eight Intel cores with an e1000e. */
const INTEL: Costs = {
  ...AMD,
  ...{ driverReceive: 2600, steer: 550, protocol: 5300, application: 4600, transmit: 400 },
  ...{ wakeLocal: 600, wakeRemote: 1600, idleExit: 3500 },
  lines: { ...AMD.lines, socket: 30, transmit: 10 },
};

/** The AMD server with a forcedeth: a driver with one costly transmit lock. */
const FORCEDETH: Costs = {
  ...AMD,
  ...{ driverReceive: 1500, steer: 850, protocol: 3400, application: 2200, transmit: 1300, idleExit: 3500 },
  handOver: even(50),
  lines: { ...AMD.lines, socket: 20, transmit: 10 },
};

/** Two quad-core Xeon E5450 on one bus, with a tg3. */
const XEON: Costs = {
  ...AMD,
  ...{ driverReceive: 450, steer: 400, protocol: 1500, application: 3400, socketBacklog: 1000 },
  ...{ send: 0, qdiscEnqueue: 250, qdiscDequeue: 200, transmit: 800 },
  line: { core: 10, cache: 30, socket: 110, remote: 130 },
  handOver: even(300),
  lines: { backlog: 4, socket: 8, transmit: 4, lock: 1, ring: 4, task: 20 },
};

const BY_THROUGHPUT = 'follow from 1/throughput of the rows whose interrupt CPU is the limit';

const fitted = (names: readonly (keyof Costs)[], source: string) =>
  ({ names, confidence: 'fitted', source }) as const;

export const servers2010: readonly CostSet[] = [
  {
    name: 'amd-2009',
    about: 'a 16-core AMD server of 2009 with a bnx2x NIC',
    costs: AMD,
    origins: [
      { names: ['driverReceive', 'steer', 'protocol'], confidence: 'derived', source: BY_THROUGHPUT },
      fitted(
        ['wakeRemote', 'idleExit', 'lines', 'interference', 'application'],
        'fitted to the CPU use of the tables of 2009 and 2010 (bnx2x, 16 cores); they can be traded against each other',
      ),
    ],
    fittedTo: ['lwn-rps/single', 'lwn-rps/rps', 'rps-2010/bnx2x-4-queues', 'rps-2010/bnx2x-8-queues'],
  },
  {
    name: 'intel-2010',
    about: 'an 8-core Intel server of 2010 with an e1000e NIC',
    costs: INTEL,
    origins: [
      { names: ['driverReceive', 'steer', 'protocol'], confidence: 'derived', source: BY_THROUGHPUT },
      fitted(
        ['wakeLocal', 'wakeRemote', 'idleExit', 'lines', 'application', 'transmit'],
        'fitted to the CPU use of two rows (e1000e, 8 cores, March 2010)',
      ),
    ],
    fittedTo: ['rps-2010/e1000e', 'rps-2010/e1000e-rps'],
  },
  {
    name: 'forcedeth-2010',
    about: 'the AMD server with a forcedeth NIC, whose one transmit lock is costly',
    costs: FORCEDETH,
    origins: [
      { names: ['driverReceive', 'steer', 'protocol'], confidence: 'derived', source: BY_THROUGHPUT },
      fitted(
        ['transmit', 'handOver', 'idleExit', 'lines', 'application'],
        'fitted to the CPU use of two rows; that the transmit lock is what costs is a hypothesis',
      ),
    ],
    fittedTo: ['rps-2010/forcedeth', 'rps-2010/forcedeth-rps'],
  },
  {
    name: 'xeon-2010',
    about: 'two quad-core Xeon E5450 of 2010 with a tg3 NIC',
    costs: XEON,
    origins: [
      {
        names: ['qdiscEnqueue', 'qdiscDequeue', 'transmit'],
        confidence: 'derived',
        source: 'their sum from 800,000 packets/s of one sender; how it divides is assumed',
      },
      fitted(['handOver'], 'fitted to 50,000 packets/s of eight CPUs that share the queue'),
      fitted(['driverReceive', 'steer'], 'their sum from 1.08 M packets/s without a drop through one CPU'),
      fitted(['application'], 'about 200,000 packets/s that one reader takes'),
      {
        names: ['socketBacklog'],
        confidence: 'assumed',
        source: 'a packet of the backlog goes through the socket',
      },
      { names: ['line'], confidence: 'assumed', source: 'two dual-core caches a socket, both on one bus' },
    ],
    fittedTo: [
      'transmit-lock/alone',
      'transmit-lock/eight',
      'softirq/ipis (throughput)',
      'softirq/socket-limited',
    ],
  },
];
