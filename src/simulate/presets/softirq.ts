/**
 * The receive softirq by itself: interrupts between CPUs for each poll, a socket that several softirqs fill, and the
 * flow limit of a backlog.
 */
import type { Family } from './preset.js';

const IPIS = 'Linux ec7d2f2cf3a1, "net: rps: reset network header" (2010)';
const SOCKET = 'Linux c377411f2494, "net: sk_add_backlog() take rmem_alloc into account" (2010)';
const FLOW_LIMIT = 'Linux 99bbc7074190, "rps: selective flow shedding during softnet overflow" (2013)';

const xeon = { sockets: 2, cores: 4, caches: 2 } as const;

const socket = (socketLock: 'unlimited' | 'limited') => ({
  ...{ costs: 'xeon-2010', durationMs: 15, warmupMs: 5 },
  host: {
    cpus: { cores: 8 },
    apps: [{ kind: 'sink' as const, threads: 1, cpus: [7], socketLock, socket: 200 }],
  },
  nics: { eth0: { queues: 7, irqs: '0-6' } },
  load: [{ kind: 'open' as const, rate: 2_000_000, flows: 256 }],
});

const echo = (softirqSettings: { flowLimitCpus?: number[] }) => ({
  ...{ costs: 'amd-2009', durationMs: 60, warmupMs: 20 },
  host: {
    cpus: { cores: 8 },
    softirq: softirqSettings,
    apps: [
      { name: 'echo', kind: 'echo' as const, cpus: '2-7', threads: 6 },
      { name: 'sink', kind: 'sink' as const, cpus: [1], threads: 1 },
    ],
  },
  nics: { eth0: { irqs: [0], ring: 4096, rps: { cpus: [1] } } },
  load: [
    { name: 'good', kind: 'open' as const, rate: 120_000, flows: 600, app: 'echo' },
    { name: 'antagonist', kind: 'open' as const, rate: 280_000, flows: 1, app: 'sink' },
  ],
});

export const softirq: Family = {
  name: 'softirq',
  about: 'interrupts per poll, a socket behind seven softirqs, the flow limit',
  presets: {
    ipis: {
      about: 'tg3, 64 UDP flows, interrupt on CPU 0, RPS to the 7 others',
      costs: 'xeon-2010',
      durationMs: 20,
      warmupMs: 5,
      host: { cpus: xeon, apps: [{ kind: 'sink', cpus: '1-7', local: 1, workNs: 300 }] },
      nics: { eth0: { irqs: [0], ring: 511, rps: { cpus: '1-7' } } },
      load: [{ kind: 'open', rate: 1_080_000, flows: 64 }],
      published: {
        value: 1_080_000,
        fitted: true,
        source: IPIS,
        figures: [{ of: 'perSecond.ipis', value: 130_000, within: 0.2 }],
      },
    },
    'socket-unlimited': {
      about: 'one reader; softirq on seven CPUs refills its backlog faster than it may leave',
      ...socket('unlimited'),
    },
    'socket-limited': {
      about: 'the same, with senders refused before the lock',
      ...socket('limited'),
      published: { value: 200_000, within: 0.25, fitted: true, source: SOCKET },
    },
    'flow-limit-off': {
      about: 'UDP echo at 120 k/s through one backlog that one other flow floods',
      ...echo({}),
    },
    'flow-limit-on': {
      about: 'the same with the flow limit: the flood is dropped, the rest is served',
      ...echo({ flowLimitCpus: [1] }),
    },
  },
  claims: [
    {
      text: 'a reader that may not leave before its backlog is empty gets almost nothing; refusing before the lock helps',
      of: 'throughput.value',
      order: ['softirq/socket-limited', 'softirq/socket-unlimited'],
      atLeast: 100,
      source: SOCKET,
    },
    {
      text: 'the flow limit drops the flood and serves the others',
      of: 'throughput.value',
      order: ['softirq/flow-limit-on', 'softirq/flow-limit-off'],
      source: FLOW_LIMIT,
    },
  ],
};
