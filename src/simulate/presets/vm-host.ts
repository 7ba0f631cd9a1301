/**
 * A host of guests with one queue each, under flow steering and steering by MAC address: the second talk's main claim,
 * its cure, and what hardware offers. Whether flow steering costs throughput or only CPU follows from what is the limit:
 * the lock of the tap's ring, handed over in proportion to its waiters, or the worker behind it.
 */
import { even } from '../costs/set.js';
import type { Family, PresetScenario } from './preset.js';

const TALK = 'background: packet forwarding in virtualised hosts';
const OWN = 'this project: README, 5.48 us a packet by MAC, 6.52 by flow, on real packets';

/** Four guests with one queue, each with a CPU for its vCPU and one for its worker. */
const four = (queues: number, policies: string[], rate: number): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 15, warmupMs: 5, policies, workers: '0-3' },
  host: { cpus: { cores: 12 } },
  nics: { eth0: { queues, irqs: '0-3' } },
  guests: { vm: { count: 4, vcpus: 1, cpus: '4-7', workerCpus: '8-11' } },
  load: [{ kind: 'open', rate, flows: 64 }],
});
const BY_NIC = ['rss:queues=4', 'mac:stage=nic'];
const BY_SOFTWARE = ['rps:cpus=0-3', 'rss:queues=4,stage=cpu', 'mac', 'mac-hash', 'single'];

/** Sixteen CPUs push into one guest. */
const ring = (
  policies: string[],
  rest: Partial<NonNullable<PresetScenario['guests']>[string]>,
  costs: PresetScenario['costs'],
): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 10, warmupMs: 4, policies },
  ...(costs === undefined ? {} : { costs }),
  host: { cpus: { cores: 20 } },
  nics: { eth0: { queues: 1, irqs: '0-15', ring: 256 } },
  guests: {
    vm: {
      ...{ vcpus: 1, cpus: [17], workerCpus: [18], ring: 1024, ...rest },
      apps: [{ kind: 'drop', bypass: true }],
    },
  },
  load: [{ kind: 'open', rate: 8_000_000, flows: 512 }],
});

/** A guest of four vCPUs that forwards what it gets. */
const forwarder = (
  rps: boolean,
  transmit: { queues: number; select: 'cpus' | 'hash' },
): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 15, warmupMs: 5 },
  costs: { handOver: even(300), guestTransmit: 500, guestDriver: 300, route: 1500 },
  host: { cpus: { cores: 12 } },
  nics: { eth0: { queues: 4, irqs: '0-3' } },
  guests: {
    router: {
      ...{ vcpus: 6, cpus: '4-9', workers: 'queue', workerCpus: '10-11', irqs: [0], guestPollUs: 50 },
      ...{ interrupts: 'posted', ipis: 'offload' },
      ...(rps ? { rps: { cpus: '1-5' } } : {}),
      transmit,
      transmitQueues: transmit.queues,
      apps: [{ kind: 'forward' }],
    },
  },
  load: [{ kind: 'open', rate: 900_000, flows: 256 }],
});

/** Eight guests of 16 vCPUs on 128 CPUs, as pools of a NIC leave them queues. */
const split = (
  queues: number,
  policies: string[],
  path: 'sriov' | 'vhost-tap',
): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 5, warmupMs: 2 },
  ...(path === 'sriov' ? {} : { policies }),
  host: { cpus: { sockets: 4, cores: 32 } },
  nics: { eth0: { gbps: 40, queues: path === 'sriov' ? 1 : 128, irqs: path === 'sriov' ? [0] : '0-127' } },
  guests: {
    vm: {
      ...{ count: 8, vcpus: 16, cpus: '0-127', path, queues, interrupts: 'posted' },
      ...(path === 'sriov' ? {} : { workerCpus: '0-127', workers: 'queue' }),
      ...(queues > 1 ? { policy: `rss:queues=${queues}` } : {}),
      apps: [{ kind: 'sink', threads: 16, workNs: 500 }],
    },
  },
  load: [{ kind: 'open', rate: 1_500_000, flows: 64 }],
});

export const vmHost: Family = {
  name: 'vm-host',
  about: 'guests with one queue each: flow steering, MAC steering, hardware splits',
  presets: {
    'by-nic': {
      about: 'four guests with one queue each; the NIC chooses among four queues by flow, or by MAC',
      ...four(4, BY_NIC, 150_000),
    },
    'by-software': {
      about: 'the same behind one queue: the CPU that receives hands packets on by flow, or by MAC',
      ...four(1, BY_SOFTWARE, 100_000),
    },
    'ring-one-cpu': {
      about: 'one CPU pushes into a guest whose ring lock is handed over in proportion to its waiters',
      ...ring(['single'], {}, { handOver: even(300) }),
    },
    'ring-all-cpus': {
      about: 'sixteen CPUs do: they fight for that lock, and the guest gets less',
      ...ring(['rss:queues=16'], {}, { handOver: even(300) }),
    },
    'worker-one-cpu': {
      about: 'one CPU; a worker that costs more than the ring is the limit',
      ...ring(['single'], { tapLockKind: 'queue' }, { driverReceive: 150, bridge: 100, vhostReceive: 1500 }),
    },
    'worker-all-cpus': {
      about: 'sixteen CPUs: the guest gets as much, and a packet costs more',
      ...ring(
        ['rss:queues=16'],
        { tapLockKind: 'queue' },
        { driverReceive: 150, bridge: 100, vhostReceive: 1500 },
      ),
    },
    'follow-cpu': {
      about:
        'owners that follow the vCPU and its worker, against owners that do not: a guest on each of two sockets',
      ...{ durationMs: 15, warmupMs: 5 },
      policies: ['mac:assign=follow-cpu', 'mac:assign=least-loaded'],
      workers: '0-7',
      host: { cpus: { sockets: 2, cores: 4 } },
      nics: { eth0: { queues: 1, irqs: '0-7' } },
      guests: { vm: { count: 2, vcpus: 1, cpus: [6, 2], workerCpus: [7, 3] } },
      load: [{ kind: 'open', rate: 100_000, flows: 16 }],
    },
    'guest-forwards': {
      about: 'a guest forwards, one vCPU receives and sends',
      ...forwarder(false, { queues: 1, select: 'hash' }),
    },
    'guest-forwards-rps': {
      about: 'the same with RPS inside: five vCPUs fight for one transmit queue',
      ...forwarder(true, { queues: 1, select: 'hash' }),
    },
    'guest-forwards-rps-queues': {
      about: 'the same with a transmit queue for each vCPU',
      ...forwarder(true, { queues: 6, select: 'cpus' }),
    },
    'split-82576': {
      about: 'eight guests of 16 vCPUs on 128 CPUs, 82576: one queue each, 8 of 128 vCPUs receive',
      ...split(1, [], 'sriov'),
    },
    'split-82599-64x2': {
      about: '82599 as 64 pools of 2: 16 of 128 vCPUs receive',
      ...split(2, [], 'sriov'),
    },
    'split-82599-32x4': {
      about: '82599 as 32 pools of 4: 32 of 128 vCPUs receive',
      ...split(4, [], 'sriov'),
    },
  },
  claims: [
    {
      text: 'guests with one queue each cost a packet more where the NIC chooses by flow than where it chooses by MAC',
      of: 'cpu.usPerOperation',
      order: ['vm-host/by-nic@rss:queues=4', 'vm-host/by-nic@mac:stage=nic'],
      source: OWN,
    },
    {
      text: 'the same in software: flow hashes cost more than a hash of the address, and that more than owners',
      of: 'cpu.usPerOperation',
      order: [
        'vm-host/by-software@rps:cpus=0-3',
        'vm-host/by-software@rss:queues=4,stage=cpu',
        'vm-host/by-software@mac',
      ],
      source: OWN,
    },
    {
      text: 'and everything on one CPU costs least, while one CPU is enough',
      of: 'cpu.usPerOperation',
      order: ['vm-host/by-software@mac', 'vm-host/by-software@single'],
      source: OWN,
    },
    {
      text: 'where the lock of a ring is the limit, sixteen CPUs bring less into a guest than one does',
      of: 'throughput.value',
      order: ['vm-host/ring-one-cpu', 'vm-host/ring-all-cpus'],
      atLeast: 1.2,
      source: TALK,
    },
    {
      text: 'where the worker is the limit, sixteen CPUs bring as much as one',
      of: 'throughput.value',
      order: ['vm-host/worker-all-cpus', 'vm-host/worker-one-cpu'],
      ...{ atLeast: 0.9, atMost: 1.1 },
      source: TALK,
    },
    {
      text: 'and cost more a packet',
      of: 'cpu.usPerOperation',
      order: ['vm-host/worker-all-cpus', 'vm-host/worker-one-cpu'],
      source: TALK,
    },
    {
      text: 'steering that follows the vCPU moves lines over shorter distances: a packet costs less',
      of: 'cpu.usPerOperation',
      order: ['vm-host/follow-cpu@mac:assign=least-loaded', 'vm-host/follow-cpu@mac:assign=follow-cpu'],
      source: TALK,
    },
    {
      text: 'RPS in a guest that forwards through one transmit queue costs more a packet than without',
      of: 'cpu.usPerOperation',
      order: ['vm-host/guest-forwards-rps', 'vm-host/guest-forwards'],
      source: TALK,
    },
    {
      text: 'with a transmit queue for each vCPU it forwards more',
      of: 'throughput.value',
      order: ['vm-host/guest-forwards-rps-queues', 'vm-host/guest-forwards-rps'],
      source: TALK,
    },
    {
      text: 'four queues for each pool receive more than two, and these more than one',
      of: 'throughput.value',
      order: ['vm-host/split-82599-32x4', 'vm-host/split-82599-64x2', 'vm-host/split-82576'],
      source: TALK,
    },
  ],
};
