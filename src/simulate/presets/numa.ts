/**
 * Placement: buffers of another node, a network function away from its NIC, siblings that share a core, interrupts
 * placed by hand.
 */
import type { Family, PresetScenario } from './preset.js';

const TALK = 'background: CPU mismatch and NUMA';

const two = { sockets: 2, cores: 8 } as const;

const guestAt = (
  path: 'vhost-tap' | 'sriov',
  vcpu: number,
  worker: number,
): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 15, warmupMs: 5, variation: 'none' },
  host: { cpus: two },
  nics: { eth0: { irqs: [0], node: 0 } },
  guests: { vm: { vcpus: 1, cpus: [vcpu], workerCpus: [worker], node: vcpu < 8 ? 0 : 1, path } },
  load: [{ kind: 'open', rate: 100_000, arrival: 'constant', bytes: 1500 }],
});

/** A function that polls and sends every packet back; its memory is on the node of the NIC. */
const dpdk = (cpu: number): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 10, warmupMs: 3 },
  // A poll-mode driver.
  costs: { driverReceive: 100, transmit: 60 },
  host: { cpus: { sockets: 2, cores: 12 } },
  nics: { eth0: { node: 0, gbps: 10, irqs: [0], ring: 4096 } },
  guests: {
    nf: {
      ...{ vcpus: 1, cpus: [cpu], node: 0, path: 'sriov', interrupts: 'posted', ring: 4096 },
      apps: [{ kind: 'forward', bypass: true }],
    },
  },
  // 9 Gb/s of 1,500-byte frames.
  load: [{ kind: 'open', rate: 738_000, bytes: 1500, flows: 64 }],
});

/** A server on 4 cores with two threads each: applications on all threads, or on one of each core. */
const pinned = (cpus: string, pin: boolean): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 20, warmupMs: 5 },
  host: {
    cpus: { cores: 4, threads: 2 },
    apps: [{ threads: 8, cpus, pin, wake: pin ? 'home' : 'idle', workNs: 8000 }],
  },
  nics: { eth0: { queues: 2, irqs: [0, 1] } },
  load: [{ kind: 'closed', clients: 64 }],
});

const irqs = (list: number[]): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 20, warmupMs: 5 },
  policies: ['rss:queues=4'],
  host: { cpus: two, apps: [{ cpus: '4-7', threads: 16, workNs: 2000 }] },
  nics: { eth0: { queues: 4, irqs: list, node: 0 } },
  load: [{ kind: 'closed', clients: 128, bytes: 4096 }],
});

export const numa: Family = {
  name: 'numa',
  about: 'nodes, siblings, interrupts by hand',
  presets: {
    'guest-local': { about: 'vhost, everything on the node of the NIC', ...guestAt('vhost-tap', 2, 1) },
    'guest-remote': { about: 'the vCPU and its memory on the other node', ...guestAt('vhost-tap', 9, 1) },
    'guest-worker-remote': { about: 'vCPU and worker there', ...guestAt('vhost-tap', 9, 10) },
    'sriov-local': { about: 'a virtual function of the node', ...guestAt('sriov', 1, 1) },
    'sriov-remote': { about: 'the same from the other node', ...guestAt('sriov', 9, 0) },
    'nf-local': {
      about: 'a polling network function on the node of its NIC, 10 GbE, 9 Gb/s offered',
      ...dpdk(2),
      published: {
        source: 'openNetVM issue 285: 9 Gb/s, all that was offered',
        figures: [{ of: 'bitsPerSecond', value: 9e9, within: 0.1 }],
      },
    },
    'nf-remote': { about: 'the same on the other node', ...dpdk(14) },
    'pinned-siblings': {
      about: 'eight threads pinned to four cores, two on each core',
      ...pinned('0+4+1+5', true),
    },
    'pinned-cores': { about: 'eight threads pinned to all CPUs in turn', ...pinned('0-7', true) },
    floating: { about: 'eight threads that go where it is idle', ...pinned('0-7', false) },
    'irqs-by-hand': { about: "interrupts near the applications' CPUs", ...irqs([0, 1, 2, 3]) },
    'irqs-anywhere': { about: 'interrupts on the other socket', ...irqs([8, 9, 10, 11]) },
  },
  claims: [
    {
      text: 'a vCPU on another node than its packets costs more a packet',
      of: 'cpu.usPerOperation',
      order: ['numa/guest-remote', 'numa/guest-local'],
      source: TALK,
    },
    {
      text: 'the same of a virtual function',
      of: 'cpu.usPerOperation',
      order: ['numa/sriov-remote', 'numa/sriov-local'],
      source: TALK,
    },
    {
      text: 'a network function away from its NIC costs more a packet',
      of: 'cpu.usPerOperation',
      order: ['numa/nf-remote', 'numa/nf-local'],
      source: 'openNetVM issue 285',
    },
    {
      text: 'floating threads beat pinning that puts them on siblings',
      of: 'throughput.value',
      order: ['numa/floating', 'numa/pinned-siblings'],
      source: 'Runbound 163: 874 k floating, 630 k pinned',
    },
    {
      text: 'interrupts placed by hand gain over interrupts anywhere',
      of: 'throughput.value',
      order: ['numa/irqs-by-hand', 'numa/irqs-anywhere'],
      source: 'chef-bcpc 2115: 10 to 20 % (Ceph)',
    },
  ],
};
