/**
 * Queues and receive steering that help one set-up and hurt the next; a switch whose statistics have one lock.
 */
import { even } from '../costs/set.js';
import type { Family, PresetScenario } from './preset.js';

const FREEBSD = 'FreeBSD review of RSS for epair: A 1.42 to 3.11 Mpps, B (a jail between) 1.36 to 0.78';
const OVS = 'Open vSwitch f7dc6d34b: one flow, about 4 to 15 Mpps without the shared lock';
const VIRTIO_WIN = 'virtio-win issue 237: Linux guests 15.3 to 25.2 Gb/s, Windows 2012 guests 4.3 to 2.3';
const CLOUD = 'cloud-hypervisor pull request 409: 36.9 to 44.8 Gb/s, retransmissions 0 to 4,816';

/** Sixteen CPUs forward through one flow entry. */
const ovs = (switchLock: 'ticket' | 'none'): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 3, warmupMs: 1 },
  policies: ['rss:queues=16'],
  host: { cpus: { cores: 16 }, apps: [{ kind: 'forward', switch: 'ovs', switchLock }] },
  nics: {
    eth0: { queues: 16, irqs: '0-15', ring: 512, wireUs: 1, transmit: { queues: 16, select: 'cpus' } },
  },
  load: [{ kind: 'open', rate: 20_000_000, flows: 512 }],
});

/** A host that bridges; with all of it through one device of one queue, or through a queue for each CPU. */
const bridge = (policy: string, isShared: boolean): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 8, warmupMs: 3, policies: [policy], costs: { handOver: even(isShared ? 120 : 60) } },
  host: { cpus: { cores: 8 }, apps: [{ kind: 'forward', switch: 'bridge' }] },
  nics: {
    eth0: {
      ...{ queues: 1, irqs: '0-7', ring: 512, wireUs: 1 },
      transmit: isShared ? { queues: 1, lock: 'ticket' } : { queues: 8, select: 'cpus' },
    },
  },
  load: [{ kind: 'open', rate: 9_000_000, flows: 256 }],
});

/** A guest sends 64 KB segments to another in eight streams. */
const iperf = (
  vcpus: number,
  queues: number,
  streams: number,
  transmit?: { queues: number; lock: 'ticket' | 'queue' },
): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 10, warmupMs: 4 },
  host: { cpus: { cores: 64 } },
  guests: {
    a: {
      ...{ vcpus, queues, cpus: `0-${vcpus - 1}`, workers: 'queue', workerCpus: '32-47', switch: 'bridge' },
      ...(transmit === undefined ? {} : { transmit: { ...transmit, select: 'hash' as const } }),
      apps: [
        { kind: 'send', to: 'b', threads: streams, flows: 1, bytes: 65_000, workNs: 4000, name: 'iperf' },
      ],
    },
    b: {
      ...{ vcpus, queues, cpus: `16-${16 + vcpus - 1}`, workers: 'queue', workerCpus: '48-63' },
      policy: `rss:queues=${queues}`,
      apps: [{ kind: 'sink', threads: streams, workNs: 4000, byteNs: 0.1 }],
    },
  },
});

export const multiQueue: Family = {
  name: 'multi-queue',
  about: 'queues that help one set-up and hurt the next; a lock that all flows share',
  presets: {
    'ovs-shared-lock': { about: "one flow's statistics under one lock", ...ovs('ticket') },
    'ovs-no-lock': { about: 'the same with statistics for each CPU', ...ovs('none') },
    'bridge-one-cpu': { about: 'a bridge on one CPU', ...bridge('single', false) },
    'bridge-rss': { about: 'the same spread over eight CPUs by RSS', ...bridge('rss:queues=8', false) },
    'jail-one-cpu': { about: 'a bridge into one device with one queue, one CPU', ...bridge('single', true) },
    'jail-rss': {
      about: 'the same spread over eight CPUs, which fight for that queue',
      ...bridge('rss:queues=8', true),
    },
    'guests-one-queue': { about: 'two guests of 16 vCPUs, eight streams, one queue', ...iperf(16, 1, 8) },
    'guests-16-queues': { about: 'the same with 16 queues', ...iperf(16, 16, 8) },
    'two-vcpus-one-queue': { about: 'two guests of 2 vCPUs, two streams, one queue pair', ...iperf(2, 1, 2) },
    'two-vcpus-two-queues': { about: 'the same with two queue pairs', ...iperf(2, 2, 2) },
  },
  claims: [
    {
      text: 'without the lock that all CPUs share a switch does several times as much',
      of: 'throughput.value',
      order: ['multi-queue/ovs-no-lock', 'multi-queue/ovs-shared-lock'],
      atLeast: 2,
      source: OVS,
    },
    {
      text: 'RSS helps where each CPU has a queue to send to',
      of: 'throughput.value',
      order: ['multi-queue/bridge-rss', 'multi-queue/bridge-one-cpu'],
      atLeast: 1.5,
      source: FREEBSD,
    },
    {
      text: 'and hurts where all send through one queue',
      of: 'throughput.value',
      order: ['multi-queue/jail-one-cpu', 'multi-queue/jail-rss'],
      atLeast: 1.2,
      source: FREEBSD,
    },
    {
      text: 'queues for each vCPU carry more streams',
      of: 'throughput.value',
      order: ['multi-queue/guests-16-queues', 'multi-queue/guests-one-queue'],
      source: VIRTIO_WIN,
    },
    {
      text: 'two queue pairs carry more than one',
      of: 'throughput.value',
      order: ['multi-queue/two-vcpus-two-queues', 'multi-queue/two-vcpus-one-queue'],
      source: CLOUD,
    },
  ],
};
