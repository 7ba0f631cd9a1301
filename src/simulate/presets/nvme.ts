/**
 * Disks: who shares a queue, where completions go, polling or interrupts, neighbours.
 */
import type { Family, PresetScenario } from './preset.js';

type Disk = NonNullable<PresetScenario['disks']>[string];

const MODEL = "the kernel's rules and this simulator; no measurement";

const times = { durationMs: 20, warmupMs: 5 } as const;

/** Two sockets of eight cores, one cache for four; a disk for threads on all of them. */
const server = (disk: Omit<Disk, 'tenants'>, tenants: Disk['tenants']): Omit<PresetScenario, 'about'> => ({
  ...times,
  host: { cpus: { sockets: 2, cores: 8, caches: 2 } },
  disks: { nvme0: { parallelism: 128, latencyUs: 80, ...disk, tenants } },
});

/** Many small requests of every CPU. */
const busy = (disk: Omit<Disk, 'tenants'>) => server(disk, { t: { threads: 16, depth: 16, workNs: 500 } });

/** One CPU, so many requests at once. */
const one = (latencyUs: number, depth: number, polled: boolean): Omit<PresetScenario, 'about'> => ({
  ...times,
  host: { cpus: { cores: 1 } },
  disks: { nvme0: { latencyUs, pollQueues: 1, tenants: { t: { depth, polled } } } },
});

/** A tenant with one request at a time beside two with hundreds, on a disk that is the limit. */
const neighbours = (steer: Disk['steer']): Omit<PresetScenario, 'about'> => ({
  ...times,
  host: { cpus: { cores: 4 } },
  disks: {
    nvme0: {
      ...{ queues: 3, parallelism: 32, latencyUs: 80 },
      ...(steer === undefined ? {} : { steer }),
      tenants: {
        quiet: { cpus: [0] },
        loud: { count: 2, threads: 2, cpus: '0-3', depth: 128 },
      },
    },
  },
});

export const nvme: Family = {
  name: 'nvme',
  about: 'disks: queues, completions, polling, neighbours',
  presets: {
    'queue-per-cpu': { about: 'a queue for each of 16 CPUs', ...busy({ queues: 16 }) },
    'three-queues': { about: 'three queues for 16 CPUs on two nodes', ...busy({ queues: 3 }) },
    'one-queue': { about: 'one queue for all: completions of both nodes on one CPU', ...busy({ queues: 1 }) },
    'one-queue-rq-0': {
      about: 'the same, completed where the interrupt is',
      ...busy({ queues: 1, rqAffinity: 0 }),
    },
    'one-queue-rq-2': {
      about: 'the same, completed on the CPU that submitted',
      ...busy({ queues: 1, rqAffinity: 2 }),
    },
    'four-queues-rq-0': { about: 'four queues, one for a cache', ...busy({ queues: 4, rqAffinity: 0 }) },
    'four-queues-rq-2': {
      about: 'the same, completed on the CPU that submitted',
      ...busy({ queues: 4, rqAffinity: 2 }),
    },
    elevator: {
      about: 'a queue for each CPU behind a scheduler with one lock',
      ...busy({ queues: 16, elevator: 'queue' }),
    },
    'interrupt-1': { about: 'one request at a time, a fast disk, interrupts', ...one(10, 1, false) },
    'polled-1': { about: 'the same, polled', ...one(10, 1, true) },
    'interrupt-64': { about: '64 requests at a time, interrupts', ...one(10, 64, false) },
    'polled-64': { about: 'the same, polled', ...one(10, 64, true) },
    'interrupt-slow-1': { about: 'one request at a time, a slow disk, interrupts', ...one(80, 1, false) },
    'polled-slow-1': { about: 'the same, polled', ...one(80, 1, true) },
    'neighbours-hctx': {
      about: "a quiet tenant and two loud ones, the kernel's queues",
      ...neighbours(undefined),
    },
    'neighbours-owner': { about: 'the same, a queue for each tenant', ...neighbours('mac') },
    'neighbours-round-robin': { about: 'the same, queues in turn', ...neighbours('round-robin') },
    'neighbours-least-loaded': {
      about: 'the same, the queue with the fewest requests',
      ...neighbours('least-loaded'),
    },
  },
  claims: [
    {
      text: 'one queue for two nodes completes on the other node; a queue for each cache does not',
      of: 'disks.0.completions.otherNode',
      order: ['nvme/one-queue-rq-0', 'nvme/four-queues-rq-0'],
      source: MODEL,
    },
    {
      text: 'with one queue rq_affinity=2 pays: the CPU of the interrupt is the limit',
      of: 'throughput.value',
      order: ['nvme/one-queue-rq-2', 'nvme/one-queue-rq-0'],
      atLeast: 1.5,
      source: MODEL,
    },
    {
      text: 'with a queue for each cache it costs interrupts and CPU',
      of: 'cpu.usPerOperation',
      order: ['nvme/four-queues-rq-2', 'nvme/four-queues-rq-0'],
      source: MODEL,
    },
    {
      text: "a scheduler's one lock costs CPU that waits for it",
      of: 'cpu.usPerOperation',
      order: ['nvme/elevator', 'nvme/queue-per-cpu'],
      source: MODEL,
    },
    {
      text: 'one request at a time is answered sooner when it is polled for',
      of: 'latencyUs.mean',
      order: ['nvme/interrupt-1', 'nvme/polled-1'],
      source: MODEL,
    },
    {
      text: 'and takes more CPU',
      of: 'cpu.usPerOperation',
      order: ['nvme/polled-1', 'nvme/interrupt-1'],
      source: MODEL,
    },
    {
      text: 'where the CPU is the limit polling answers more',
      of: 'throughput.value',
      order: ['nvme/polled-64', 'nvme/interrupt-64'],
      source: MODEL,
    },
    {
      text: 'a queue for each tenant protects a quiet one from loud neighbours',
      of: 'disks.0.tenants.0.latencyUs.p99',
      order: ['nvme/neighbours-hctx', 'nvme/neighbours-owner'],
      atLeast: 5,
      source: MODEL,
    },
    {
      text: 'the queue with the fewest requests does not: all queues are full',
      of: 'disks.0.tenants.0.latencyUs.p99',
      order: ['nvme/neighbours-least-loaded', 'nvme/neighbours-owner'],
      atLeast: 5,
      source: MODEL,
    },
  ],
};
