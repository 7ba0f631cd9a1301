/**
 * The first talk's claims, one by one, on a plain server: one queue is one CPU, flows keep their order where packets
 * spread at random do not, RPS pays interrupts, RFS saves a CPU on the way, accelerated RFS another.
 */
import type { Family, PresetScenario } from './preset.js';

const TALK = 'background: receive-side steering in Linux';

type Nic = NonNullable<PresetScenario['nics']>[string];

/** A server of so many CPUs that takes as many packets as it can. */
const flood = (cores: number, nic: Nic, policies?: string[]): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 10, warmupMs: 4 },
  ...(policies === undefined ? {} : { policies }),
  host: { cpus: { cores }, apps: [{ kind: 'sink', threads: cores, workNs: 300 }] },
  nics: { eth0: nic },
  load: [{ kind: 'open', rate: 6_000_000, flows: 256 }],
});

/** Request and response at a bearable load; applications are pinned, flows are hashed. */
const answers = (nic: Nic, clients = 64): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 20, warmupMs: 5 },
  host: { cpus: { cores: 8 }, apps: [{ cpus: '1-7', workNs: 2000 }] },
  nics: { eth0: { wireUs: 10, ...nic } },
  load: [{ kind: 'closed', clients, thinkUs: 100 }],
});

const tables = { flows: 4096, sockEntries: 32_768 };

export const steering: Family = {
  name: 'steering',
  about: "the first talk's claims one by one: queues, order, RPS, RFS, accelerated RFS",
  presets: {
    'one-queue-4-cpus': { about: 'one queue on a server with 4 CPUs', ...flood(4, { irqs: [0] }) },
    'one-queue-16-cpus': { about: 'the same with 16 CPUs', ...flood(16, { irqs: [0] }) },
    'eight-queues': {
      about: 'eight queues: RSS, and packet by packet',
      ...flood(16, { queues: 8, irqs: '0-7', wireUs: 1 }, ['rss:queues=8', 'round-robin:stage=nic']),
    },
    'one-flow': {
      about: 'one flow on eight queues: one hash, one queue, one CPU',
      ...flood(16, { queues: 8, irqs: '0-7' }, ['rss:queues=8']),
      load: [{ kind: 'open', rate: 6_000_000, flows: 1 }],
    },
    'rps-light': {
      about: 'RPS at light load',
      ...answers({ irqs: [0], rps: { cpus: '1-7' } }, 4),
    },
    'no-rps-light': { about: 'the same without', ...answers({ irqs: [0] }, 4) },
    rps: { about: 'RPS: the hash picks a CPU blindly', ...answers({ irqs: [0], rps: { cpus: '1-7' } }) },
    rfs: {
      about: 'RFS: the CPU where the application reads',
      ...answers({ irqs: [0], rps: { cpus: '1-7', ...tables } }),
    },
    'rfs-thrash': {
      about: 'RFS with tables far too small: flows share entries and go astray',
      ...answers({ irqs: [0], rps: { cpus: '1-7', flows: 4, sockEntries: 4 } }),
    },
    'accelerated-rfs': {
      about: "accelerated RFS: the NIC's filters send a flow to the queue of that CPU",
      ...answers({ queues: 8, irqs: '0-7', rps: { cpus: '1-7', ...tables, accelerated: true } }),
    },
  },
  claims: [
    {
      text: 'with one queue more CPUs receive no more',
      of: 'throughput.value',
      order: ['steering/one-queue-16-cpus', 'steering/one-queue-4-cpus'],
      ...{ atLeast: 0.9, atMost: 1.1 },
      source: TALK,
    },
    {
      text: 'RSS over eight queues receives several times as much',
      of: 'throughput.value',
      order: ['steering/eight-queues', 'steering/one-queue-16-cpus'],
      atLeast: 3,
      source: TALK,
    },
    {
      text: 'one flow stays on one queue whatever the number of queues',
      of: 'throughput.value',
      order: ['steering/eight-queues', 'steering/one-flow'],
      atLeast: 3,
      source: TALK,
    },
    {
      text: 'packets spread at random are reordered, flows are not',
      of: 'reordered',
      order: ['steering/eight-queues@round-robin:stage=nic', 'steering/eight-queues@rss:queues=8'],
      source: TALK,
    },
    {
      text: 'RPS costs interrupts between CPUs, and at light load CPU for nothing',
      of: 'cpu.usPerOperation',
      order: ['steering/rps-light', 'steering/no-rps-light'],
      source: 'Linux 0a9627f2649a: RPS costs throughput at light load',
    },
    {
      text: 'RFS moves fewer cache lines than RPS, with tables that are too small it does not',
      of: 'perPacket.remoteLines',
      order: ['steering/rps', 'steering/rfs'],
      source: TALK,
    },
    {
      text: 'tables that are too small lose most of what RFS gains',
      of: 'perPacket.remoteLines',
      order: ['steering/rfs-thrash', 'steering/rfs'],
      source: TALK,
    },
    {
      text: 'accelerated RFS costs less CPU than RFS: no other CPU is interrupted',
      of: 'cpu.usPerOperation',
      order: ['steering/rfs', 'steering/accelerated-rfs'],
      source: TALK,
    },
  ],
};
