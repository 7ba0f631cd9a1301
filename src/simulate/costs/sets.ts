/**
 * The named sets of costs, and where each figure comes from.
 *
 * Promise: a set is complete. `origins` says of its figures whether they were measured by others, derived from
 * published rows, fitted (several fit as well), or assumed.
 */
import { unknownName } from '../../errors.js';
import type { Costs, PartialCosts } from './schema.js';

/** How much is known about a figure. */
export type Confidence = 'measured' | 'derived' | 'fitted' | 'assumed';

/** Where figures come from. */
export interface Origin {
  readonly names: readonly (keyof Costs)[];
  readonly confidence: Confidence;
  readonly source: string;
}

/** A named set. */
export interface CostSet {
  readonly name: string;
  readonly about: string;
  readonly costs: Costs;
  readonly origins: readonly Origin[];
}

const even = (value: number) => ({ core: value, cache: value, socket: value, remote: value });

/** A present server: two sockets, mesh interconnect. */
const MODERN: Costs = {
  ...{ hardIrq: 500, softirqEntry: 100, ipiSend: 400, ipiLatency: 700, ipiReceive: 400 },
  ...{ idleExit: 1000, idleExitDevice: 1000 },
  ...{ contextSwitch: 1200, wakeLocal: 300, wakeRemote: 600, slice: 3e6, granularity: 1e6 },
  ...{ driverReceive: 250, steer: 150, protocol: 900, route: 400, socketBacklog: 400, application: 1000 },
  ...{ send: 1200, qdiscEnqueue: 80, qdiscDequeue: 60, transmit: 200 },
  ...{ bridge: 300, macvlan: 150, ovs: 400, ovsStatistics: 60 },
  ...{
    tapEnqueue: 100,
    tunCall: 170,
    vhostReceive: 600,
    vhostTransmit: 800,
    vhostBlock: 2050,
    pinPages: 500,
  },
  ...{ qemuReceive: 2500, qemuTransmit: 2500, registerAccess: 1500, eventfd: 300, vhostUser: 150 },
  ...{ bypassSend: 200, bypassReceive: 250 },
  ...{ exit: 800, exitUser: 2500, inject: 400, post: 200, guestIpi: 500, halt: 1000 },
  ...{ guestHardIrq: 500, guestDriver: 300, guestProtocol: 900, guestSend: 1200, guestTransmit: 150 },
  ...{ guestContextSwitch: 1250, guestWake: 400 },
  line: { core: 8, cache: 20, socket: 48, remote: 120 },
  handOver: { core: 10, cache: 25, socket: 60, remote: 150 },
  dram: { local: 80, remote: 131 },
  copyByte: { local: 0.08, remote: 0.12 },
  lines: { backlog: 4, socket: 8, transmit: 4, lock: 1, ring: 4 },
  misses: { receive: 2, guest: 2 },
  ...{ siblingSlowdown: 1.5, interference: 0 },
};

/** Sixteen cores of 2009 with a bnx2x, as the published RPS tables were measured on. */
const AMD_2009: Costs = {
  ...MODERN,
  ...{ hardIrq: 1000, softirqEntry: 0, ipiSend: 400, ipiLatency: 1000, ipiReceive: 400 },
  ...{ idleExit: 4500, idleExitDevice: 0 },
  ...{ contextSwitch: 0, wakeLocal: 500, wakeRemote: 1400 },
  ...{ driverReceive: 2100, steer: 650, protocol: 3600, application: 2850, send: 0, transmit: 150 },
  ...{ qdiscEnqueue: 250, qdiscDequeue: 200 },
  line: even(100),
  handOver: even(100),
  lines: { backlog: 0, socket: 35, transmit: 32, lock: 0, ring: 10 },
  misses: { receive: 0, guest: 0 },
  ...{ siblingSlowdown: 1, interference: 0.03 },
};

/** The forwarder on a virtual machine with two CPUs: what `--calibrate` measured, over `modern`. */
const RXSTEER_VM: Costs = {
  ...MODERN,
  ...{ hardIrq: 0, softirqEntry: 0, idleExit: 0, idleExitDevice: 0, bridge: 0 },
  ...{ wakeLocal: 251, contextSwitch: 2000, wakeRemote: 12_400, ipiSend: 12_100, ipiLatency: 7700 },
  ...{ ipiReceive: 2250, eventfd: 251, tunCall: 251, driverReceive: 2260, steer: 190, tapEnqueue: 440 },
  line: { core: 68, cache: 171, socket: 410, remote: 1030 },
  handOver: { core: 33, cache: 83, socket: 199, remote: 498 },
  copyByte: { local: 0.21, remote: 0.315 },
  lines: { ...MODERN.lines, backlog: 0 },
};

const FITTED_2009 =
  'fitted to the RPS tables of 2009 and 2010 (bnx2x, 16 cores): driverReceive, steer and protocol + wake-up follow from 1/throughput, the rest can be traded against each other';

const LIST: readonly CostSet[] = [
  {
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
        names: ['tapEnqueue'],
        confidence: 'derived',
        source: 'tun with and without its lock: 1.30, 1.50 Mpps',
      },
      { names: ['tunCall'], confidence: 'derived', source: 'guest pktgen: 0.91 Mpps, 1.08 in batches of 64' },
      { names: ['vhostBlock'], confidence: 'derived', source: 'vhost-scsi with one worker: 488k requests/s' },
      {
        names: ['guestContextSwitch'],
        confidence: 'derived',
        source: 'switches in a guest with and without polling: 2,493 ns, 1,159-1,489',
      },
      {
        names: ['vhostReceive', 'vhostTransmit', 'guestSend', 'guestProtocol'],
        confidence: 'derived',
        source: 'vhost worker per packet into a guest 0.67-0.77 us, out of it 0.84-1.10 us',
      },
    ],
  },
  {
    name: 'amd-2009',
    about: 'a 16-core AMD server of 2009 with a bnx2x NIC',
    costs: AMD_2009,
    origins: [
      {
        names: [
          'driverReceive',
          'steer',
          'protocol',
          'wakeRemote',
          'idleExit',
          'lines',
          'interference',
          'application',
        ],
        confidence: 'fitted',
        source: FITTED_2009,
      },
    ],
  },
  {
    name: 'rxsteer-vm',
    about: "the forwarder's own packet sockets and taps on a virtual machine with two CPUs",
    costs: RXSTEER_VM,
    origins: [
      {
        names: [
          ...(['wakeLocal', 'contextSwitch', 'wakeRemote', 'ipiSend', 'ipiLatency', 'ipiReceive'] as const),
          ...(['eventfd', 'tunCall', 'driverReceive', 'steer', 'tapEnqueue'] as const),
          ...(['line', 'handOver', 'copyByte'] as const),
        ],
        confidence: 'measured',
        source:
          'rxsteer simulate --calibrate on an Intel Xeon (virtual, 2 CPUs, Linux 6.18) that other programs used as well; hardIrq, softirqEntry, idleExit and bridge are in driverReceive, lines.backlog in steer',
      },
    ],
  },
];

/** All named sets. */
export const COST_SETS: readonly CostSet[] = LIST;

/** The set where a scenario names none. */
export const DEFAULT_COSTS = 'modern';

/** @throws UserError for a name that does not exist. */
export function costSet(name: string): CostSet {
  const found = LIST.find((set) => set.name === name);
  if (found === undefined) {
    throw unknownName(
      'set of costs',
      name,
      LIST.map((set) => set.name),
    );
  }
  return found;
}

/** A part over a complete set. */
export function completeCosts(part: PartialCosts, fallback = DEFAULT_COSTS): Costs {
  const { base = fallback, ...given } = part;
  const result: Record<string, unknown> = { ...costSet(base).costs };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const before = result[name];
    result[name] = typeof value === 'object' ? { ...(before as object), ...(value as object) } : value;
  }
  return result as Costs;
}
