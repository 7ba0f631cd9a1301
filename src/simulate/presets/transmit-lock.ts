/**
 * One transmit queue for eight CPUs: the owner of the queueing discipline needs its lock for each packet that it sends,
 * and stands in line behind those who only want to add one. Remedies: a second lock in front, one line for each waiter,
 * a queue for each CPU.
 */
import type { Family, PresetScenario } from './preset.js';

const SOURCE = 'Linux 79640a4ca695, "net: add additional lock to qdisc" (2010)';

type Transmit = NonNullable<NonNullable<NonNullable<PresetScenario['nics']>[string]>['transmit']>;

const senders = (cpus: number, transmit: Transmit): Omit<PresetScenario, 'about'> => ({
  ...{ costs: 'xeon-2010', durationMs: 15, warmupMs: 10 },
  host: {
    cpus: { sockets: 2, cores: 4, caches: 2 },
    apps: [
      {
        kind: 'send',
        ...{ threads: cpus === 1 ? 1 : 4 * cpus, cpus: `0-${cpus - 1}`, workNs: 0, bytes: 60 },
      },
    ],
  },
  nics: { eth0: { transmit: { qdisc: true, busylock: false, ...transmit } } },
});

export const transmitLock: Family = {
  name: 'transmit-lock',
  about: 'eight CPUs share a transmit queue and its lock: tg3, two quad-core Xeons (2010)',
  presets: {
    alone: {
      about: 'one UDP flow alone',
      ...senders(1, {}),
      published: { value: 800_000, within: 0.25, fitted: true, source: SOURCE },
    },
    eight: {
      about: 'four senders on each of eight CPUs, one queue, ticket locks',
      ...senders(8, {}),
      published: { value: 50_000, within: 0.25, fitted: true, source: SOURCE },
    },
    busylock: {
      about: 'the same with a second lock for those who find an owner at work',
      ...senders(8, { busylock: true }),
    },
    'queue-lock': {
      about: 'the same without it, but each waiter spins on a word of its own',
      ...senders(8, { lock: 'queue' }),
    },
    'queue-per-cpu': {
      about: 'a transmit queue for each CPU (XPS)',
      ...senders(8, { queues: 8, select: 'cpus' }),
    },
  },
  claims: [
    {
      text: 'eight CPUs on one queue send a sixteenth of what one does alone',
      of: 'throughput.value',
      order: ['transmit-lock/alone', 'transmit-lock/eight'],
      ...{ atLeast: 12, atMost: 20 },
      source: SOURCE,
    },
    {
      text: 'each remedy does more: a lock for each waiter, a lock in front, a queue for each CPU',
      of: 'throughput.value',
      order: [
        'transmit-lock/queue-per-cpu',
        'transmit-lock/busylock',
        'transmit-lock/queue-lock',
        'transmit-lock/eight',
      ],
      source: SOURCE,
    },
  ],
};
