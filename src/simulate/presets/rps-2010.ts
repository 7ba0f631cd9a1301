/**
 * The tables of the commits that brought RPS and RFS to Linux (March and April 2010), other NICs and queues: 500
 * TCP_RR of one byte. Neither message says how the client was set up or which CPUs were in the masks; here the clients
 * run on a second host like the first, and the masks hold all CPUs but the interrupt's.
 */
import type { Family, PresetScenario } from './preset.js';

const MARCH = 'Linux 0a9627f2649a, "rps: Receive Packet Steering" (2010)';
const APRIL = 'Linux fec5e652e58f, "rfs: Receive Flow Steering" (2010)';

const common = { durationMs: 15, warmupMs: 10 } as const;
const load = [{ kind: 'closed' as const, clients: 500, mirror: true }];
type Rps = { readonly cpus: string; readonly flows?: number; readonly sockEntries?: number };

/** One queue with its interrupt on CPU 0, applications on the others. */
const oneQueue = (costs: string, cores: number, local: number, rps?: Rps): Omit<PresetScenario, 'about'> => ({
  ...{ ...common, costs, load },
  policies: ['rss:queues=1'],
  host: { cpus: { cores }, apps: [{ cpus: `1-${cores - 1}`, local }] },
  nics: { eth0: { wireUs: 20, irqs: [0], ...(rps === undefined ? {} : { rps }) } },
});

/** So many queues, each with an interrupt CPU of its own; applications on the other CPUs. */
const bnx2x = (queues: number, irqs: string, apps: string): Omit<PresetScenario, 'about'> => ({
  ...{ ...common, costs: 'amd-2009', load },
  policies: [`rss:queues=${queues}`],
  host: { cpus: { cores: 16 }, apps: [{ cpus: apps }] },
  nics: { eth0: { wireUs: 20, queues, irqs, transmit: { queues } } },
});

const fit = { fitted: true, cpuFitted: true };

export const rps2010: Family = {
  name: 'rps-2010',
  about: 'RPS and RFS on e1000e and forcedeth, 4 and 8 queues of a bnx2x (2010)',
  presets: {
    e1000e: {
      about: 'e1000e, 8 Intel cores, no RPS',
      ...oneQueue('intel-2010', 8, 0),
      published: { value: 108_000, cpu: 0.33, source: MARCH, ...fit },
    },
    'e1000e-rps': {
      about: 'e1000e, 8 Intel cores, RPS to the other 7; 60 % of the applications are where their softirq is',
      ...oneQueue('intel-2010', 8, 0.6, { cpus: '1-7' }),
      published: { value: 311_000, cpu: 0.64, source: MARCH, ...fit },
    },
    forcedeth: {
      about: 'forcedeth, 16 AMD cores, no RPS',
      ...oneQueue('forcedeth-2010', 16, 0),
      published: { value: 156_000, cpu: 0.15, source: MARCH, ...fit },
    },
    'forcedeth-rps': {
      about: 'forcedeth, 16 AMD cores, RPS to the other 15',
      ...oneQueue('forcedeth-2010', 16, 0, { cpus: '1-15' }),
      published: { value: 404_000, cpu: 0.49, source: MARCH, ...fit },
    },
    'bnx2x-4-queues': {
      about: 'bnx2x, 16 AMD cores, four queues, no RPS',
      ...bnx2x(4, '0+4+8+12', '1-3+5-7+9-11+13-15'),
      published: { value: 567_000, cpu: 0.61, source: MARCH, ...fit },
    },
    'bnx2x-8-queues': {
      about: 'bnx2x, 16 AMD cores, eight queues, no RPS',
      ...bnx2x(8, '0+2+4+6+8+10+12+14', '1+3+5+7+9+11+13+15'),
      published: { value: 738_000, cpu: 0.96, source: MARCH, ...fit },
    },
    'e1000e-april': {
      about: 'e1000e, 8 Intel cores, a month later: none',
      ...oneQueue('intel-2010', 8, 0),
      published: { value: 104_000, cpu: 0.3, source: APRIL },
    },
    'e1000e-april-rps': {
      about: 'the same, best RPS',
      ...oneQueue('intel-2010', 8, 0.6, { cpus: '1-7' }),
      published: { value: 290_000, cpu: 0.63, source: APRIL },
    },
    'e1000e-april-rfs': {
      about: 'the same, RFS: packets go where the application reads',
      ...oneQueue('intel-2010', 8, 0, { cpus: '1-7', flows: 4096, sockEntries: 32_768 }),
      published: { value: 303_000, cpu: 0.61, source: APRIL },
    },
  },
  claims: [
    {
      text: 'four queues do four times what one does: one CPU was the limit',
      of: 'throughput.value',
      order: ['rps-2010/bnx2x-4-queues', 'lwn-rps/single'],
      ...{ atLeast: 3.5, atMost: 4.6 },
      source: MARCH,
    },
    {
      text: 'RPS gains 2.5 to 2.9 times on e1000e too',
      of: 'throughput.value',
      order: ['rps-2010/e1000e-rps', 'rps-2010/e1000e'],
      ...{ atLeast: 2.4, atMost: 3.1 },
      source: MARCH,
    },
    {
      text: 'RFS costs less CPU a transaction than RPS: the application reads where the protocol ran',
      of: 'cpu.usPerOperation',
      order: ['rps-2010/e1000e-april-rps', 'rps-2010/e1000e-april-rfs'],
      source: APRIL,
    },
  ],
};
