/**
 * Receive packet steering on a NIC with one queue: the table that the first talk quotes (bnx2x, 16-core AMD, 500
 * TCP_RR of one byte, 2009), as ratios to its first row.
 *
 * Its third row, one queue for each CPU, is not limited by the CPUs: at 12 % the server is idle most of the time, and
 * other published rows show that such a machine does several times as much. Two assumptions reproduce it, and the
 * source does not decide: only two CPUs carry the load (`multi-queue-a`), or something outside takes 2.35 ms of each
 * transaction (`multi-queue-b`). `multi-queue-even` is what sixteen even queues do without either.
 */
import type { Family } from './preset.js';

const SOURCE = 'LWN 362339, "Software receive packet steering" (2009)';
const RATIO = { relativeTo: 'lwn-rps/single', within: 0.1, cpuWithin: 0.1, source: SOURCE };

const common = { costs: 'amd-2009', durationMs: 15, warmupMs: 10 } as const;
const mirrored = [{ kind: 'closed' as const, clients: 500, mirror: true }];
const queues = (count: number, irqs: string) => ({
  eth0: {
    ...{ wireUs: 20, queues: count, irqs },
    transmit: { queues: 16, select: 'cpus' as const },
  },
});

export const lwnRps: Family = {
  name: 'lwn-rps',
  about: 'one queue, RPS, a queue for each CPU: bnx2x, 16-core AMD, 500 TCP_RR (2009)',
  presets: {
    single: {
      ...common,
      about: 'one queue, one interrupt: its CPU does all protocol work',
      policies: ['rss:queues=1'],
      host: { cpus: { cores: 16 }, apps: [{ cpus: '1-15' }] },
      nics: { eth0: { wireUs: 20, irqs: [0] } },
      load: mirrored,
      published: { value: 139_000, cpu: 0.17, fitted: true, cpuFitted: true, source: SOURCE },
    },
    rps: {
      ...common,
      about: 'one queue, RPS to the other 15 CPUs',
      policies: ['rss:queues=1'],
      host: { cpus: { cores: 16 }, apps: [{ cpus: '1-15', local: 0.9 }] },
      nics: { eth0: { wireUs: 20, irqs: [0], rps: { cpus: '1-15' } } },
      load: mirrored,
      published: { value: 352_000, cpu: 0.3, fitted: true, cpuFitted: true, ...RATIO },
    },
    'multi-queue-a': {
      ...common,
      about: 'a queue for each CPU, assuming that only two of 16 CPUs carry the load (2/16 = 12.5 % CPU)',
      policies: ['rss:queues=2'],
      host: { cpus: { cores: 16 }, apps: [{ local: 1 }] },
      nics: queues(2, '0-1'),
      load: [{ kind: 'closed', clients: 500 }],
      published: { value: 204_000, cpu: 0.12, ...RATIO },
    },
    'multi-queue-b': {
      ...common,
      about: 'a queue for each CPU, assuming that something outside takes 2.35 ms of each transaction',
      durationMs: 30,
      policies: ['rss:queues=16'],
      host: { cpus: { cores: 16 }, apps: [{ local: 1 }] },
      nics: queues(16, '0-15'),
      load: [{ kind: 'closed', clients: 500, thinkUs: 2350 }],
      published: { value: 204_000, cpu: 0.12, ...RATIO },
    },
    'multi-queue-even': {
      ...common,
      about: 'what sixteen even queues do on that machine: several times the published third row',
      policies: ['rss:queues=16'],
      host: { cpus: { cores: 16 }, apps: [{ local: 1 }] },
      nics: queues(16, '0-15'),
      load: mirrored,
    },
  },
  claims: [
    {
      text: 'RPS lets one queue do 2.5 times as much: protocol work leaves the interrupt CPU',
      of: 'throughput.value',
      order: ['lwn-rps/rps', 'lwn-rps/single'],
      atLeast: 2.2,
      source: SOURCE,
    },
    {
      text: 'with RPS a transaction costs less CPU: fewer wake-ups of idle CPUs, fewer lines from afar',
      of: 'cpu.usPerOperation',
      order: ['lwn-rps/single', 'lwn-rps/rps'],
      source: SOURCE,
    },
    {
      text: 'a transaction whose interrupt, protocol and application share a CPU costs least',
      of: 'cpu.usPerOperation',
      order: ['lwn-rps/single', 'lwn-rps/rps', 'lwn-rps/multi-queue-a'],
      source: SOURCE,
    },
    {
      text: 'evenly loaded, sixteen queues do far more than the published third row: it was not limited by the CPUs',
      of: 'throughput.value',
      order: ['lwn-rps/multi-queue-even', 'lwn-rps/multi-queue-a'],
      atLeast: 3,
      source: 'the same rows at 12 % CPU; 738 K with eight queues (Linux 0a9627f2649a)',
    },
  ],
};
