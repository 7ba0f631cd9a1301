/**
 * The tap and its vhost worker: the ring's lock, calls in batches, sockets and AF_XDP of a guest.
 */
import type { Family, PresetScenario } from './preset.js';

const SKB_ARRAY = 'Linux commit "tun: switch to use skb array for tx" (2016)';
const BATCHED = 'Linux 5503fcecd49f, "tap: accept an array of XDP buffs through sendmsg" and before (2017)';
const XSK = 'virtualization list, series "virtio-net: support AF_XDP", figures quoted 2023-02-14';

const common = { durationMs: 20, warmupMs: 5 } as const;
const guest = { vcpus: 1, cpus: [2], workerCpus: [1], switch: 'none' as const };

/** pktgen of the host into a guest that throws everything away. */
const into = (tapLock: 'shared' | 'split'): Omit<PresetScenario, 'about'> => ({
  ...common,
  host: {
    cpus: { cores: 4 },
    apps: [{ kind: 'send', to: 'vm', threads: 1, bypass: true, bytes: 60, cpus: [0] }],
  },
  guests: {
    vm: {
      ...{ ...guest, tapLock, tapRing: 1000, ring: 1024 },
      apps: [{ kind: 'drop', bypass: true }],
    },
  },
});

/** A guest that sends; its worker is the limit. */
const outOf = (batch: number): Omit<PresetScenario, 'about'> => ({
  ...common,
  host: { cpus: { cores: 4 } },
  guests: { vm: { ...guest, batch, apps: [{ kind: 'send', threads: 1, bypass: true, bytes: 60 }] } },
});

const socketGuest = (bypass: boolean): Omit<PresetScenario, 'about'> => ({
  ...{ ...common, costs: 'vhost-2023' },
  host: {
    cpus: { cores: 4 },
    apps: [{ kind: 'send', to: 'vm', threads: 1, bypass: true, bytes: 64, cpus: [0] }],
  },
  guests: {
    vm: {
      ...{ ...guest, vcpus: 2, cpus: [2, 3], irqs: [0] },
      apps: [{ kind: 'sink', cpus: [1], workNs: bypass ? 350 : 600, threads: 1, bypass }],
    },
  },
});

const cpuOf = (cpu: number, value: number) => ({ of: `cpus.${cpu}.busyShare`, value, within: 0.1 });

export const tapVhost: Family = {
  name: 'tap-vhost',
  about: 'the tap and its worker: locks, batches, sockets and AF_XDP of a guest',
  presets: {
    'tap-lock-shared': {
      about: 'pktgen into a guest; host and worker share the lock of the tap ring',
      ...into('shared'),
      published: { value: 1_300_000, within: 0.1, fitted: true, source: SKB_ARRAY },
    },
    'tap-lock-split': {
      about: 'the same with a lock for each end',
      ...into('split'),
      published: { value: 1_500_000, within: 0.1, fitted: true, source: SKB_ARRAY },
    },
    'batch-1': {
      about: 'pktgen of a guest; the worker hands one packet at a time to the tap',
      ...outOf(1),
      published: { value: 910_000, within: 0.1, fitted: true, source: BATCHED },
    },
    'batch-64': {
      about: 'the same in batches of 64',
      ...outOf(64),
      published: { value: 1_080_000, within: 0.1, fitted: true, source: BATCHED },
    },
    'socket-send': {
      about: 'a guest sends through a socket: the worker sleeps in between and is kicked',
      ...common,
      costs: 'vhost-2023',
      host: { cpus: { cores: 4 } },
      guests: { vm: { ...guest, apps: [{ kind: 'send', threads: 1, workNs: 0, bytes: 64 }] } },
      published: {
        value: 318_967,
        ...{ within: 0.1, fitted: true, source: XSK },
        figures: [cpuOf(1, 0.9), cpuOf(2, 1)],
      },
    },
    'xsk-send': {
      about: 'a guest sends through AF_XDP: the worker never sleeps',
      ...outOf(64),
      costs: 'vhost-2023',
      published: { value: 1_192_064, within: 0.1, source: XSK, figures: [cpuOf(1, 1)] },
    },
    'socket-receive': {
      about: 'a guest receives through a socket: softirq on one vCPU, application on the other',
      ...socketGuest(false),
      published: {
        value: 692_288,
        ...{ within: 0.1, fitted: true, source: XSK },
        figures: [cpuOf(1, 1), cpuOf(2, 1)],
      },
    },
    'xsk-receive': {
      about: 'a guest receives through AF_XDP: the worker is the limit',
      ...socketGuest(true),
      published: {
        value: 771_670,
        ...{ within: 0.1, fitted: true, source: XSK },
        figures: [cpuOf(1, 1)],
      },
    },
  },
  claims: [
    {
      text: 'a worker that is kicked for its packets costs a packet more than one that never sleeps',
      of: 'cpu.usPerOperation',
      order: ['tap-vhost/socket-send', 'tap-vhost/xsk-send'],
      source: XSK,
    },
  ],
};
