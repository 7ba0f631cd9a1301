/**
 * How a packet reaches a guest, and on how many CPUs: the second talk's picture. The same load through an emulated
 * NIC, virtio in user space, vhost, macvtap, a polling switch, and a virtual function; and an emulated NIC whose
 * interrupt, steering, thread and vCPU are one CPU, two, three, four.
 */
import type { Family, PresetScenario } from './preset.js';

const TALK = "background: packet forwarding in virtualised hosts; the spec's table of stages";

type GuestSpec = NonNullable<NonNullable<PresetScenario['guests']>[string]>;

/** One guest that answers 20,000 small packets a second. */
const through = (guest: GuestSpec, rest: Partial<PresetScenario> = {}): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 20, warmupMs: 5 },
  host: { cpus: { cores: 4 } },
  nics: { eth0: { irqs: [0] } },
  guests: {
    vm: {
      vcpus: 1,
      cpus: [2],
      ...(guest.interrupts === 'posted' ? {} : { workerCpus: [1] }),
      apps: [{ kind: 'echo' }],
      ...guest,
    },
  },
  load: [{ kind: 'open', rate: 20_000, flows: 4 }],
  ...rest,
});

/** The emulated NIC with its interrupt, steering (or none), thread and vCPU on these CPUs. */
const emulated = (irq: number, rps: number | null, thread: number, vcpu: number) =>
  through(
    { path: 'qemu-e1000', cpus: [vcpu], workerCpus: [thread] },
    { nics: { eth0: { irqs: [irq], ...(rps === null ? {} : { rps: { cpus: [rps] } }) } } },
  );

/** vhost or a virtual function with interrupt and vCPU on one CPU or two. */
const pair = (path: 'vhost-tap' | 'sriov', irq: number, vcpu: number) =>
  through({ path, cpus: [vcpu], workerCpus: [irq] }, { nics: { eth0: { irqs: [irq] } } });

const zeroCopy = (isZeroCopy: boolean, bytes: number): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 20, warmupMs: 5 },
  host: { cpus: { cores: 4 } },
  nics: { eth0: { gbps: 10 } },
  guests: {
    vm: {
      ...{ vcpus: 1, cpus: [2], workerCpus: [1], path: 'vhost-macvtap', zeroCopy: isZeroCopy },
      apps: [{ kind: 'send', threads: 1, bytes, rate: bytes > 10_000 ? 15_000 : 200_000, workNs: 0 }],
    },
  },
});

export const paths: Family = {
  name: 'paths',
  about: 'paths into a guest, and on how many CPUs a packet is handled on its way',
  presets: {
    e1000: {
      about: 'emulated NIC: registers are exits to user space under one lock; two copies',
      ...through({ path: 'qemu-e1000' }),
    },
    virtio: {
      about: "virtio-net in QEMU: a shared ring, served by QEMU's thread",
      ...through({ path: 'qemu-virtio' }),
    },
    vhost: {
      about: 'vhost-net behind bridge and tap: the ring is served in the kernel',
      ...through({ path: 'vhost-tap' }),
    },
    ovs: {
      about: 'vhost-net behind Open vSwitch and tap',
      ...through({ path: 'vhost-tap', switch: 'ovs' }),
    },
    macvtap: { about: 'vhost-net behind macvlan and macvtap', ...through({ path: 'vhost-macvtap' }) },
    'vhost-user': { about: 'a polling switch in user space', ...through({ path: 'vhost-user' }) },
    'sriov-relayed': {
      about: 'a virtual function; the host relays its interrupt',
      ...through({ path: 'sriov', workerCpus: [2] }),
    },
    'sriov-posted': {
      about: 'a virtual function whose interrupts are posted to the vCPU',
      ...through({ path: 'sriov', interrupts: 'posted' }),
    },
    'e1000-1-cpu': { about: 'interrupt, thread and vCPU on one CPU', ...emulated(0, null, 0, 0) },
    'e1000-2-cpus': { about: 'interrupt and thread on one CPU, vCPU on another', ...emulated(0, null, 0, 1) },
    'e1000-3-cpus': { about: 'interrupt, thread, vCPU on three CPUs', ...emulated(0, null, 1, 2) },
    'e1000-4-cpus': { about: 'interrupt, RPS, thread, vCPU on four CPUs', ...emulated(0, 3, 1, 2) },
    'vhost-1-cpu': { about: 'vhost: interrupt, worker and vCPU on one CPU', ...pair('vhost-tap', 0, 0) },
    'vhost-2-cpus': {
      about: 'vhost: interrupt and worker on one CPU, vCPU on another',
      ...pair('vhost-tap', 0, 1),
    },
    'sriov-1-cpu': { about: 'a virtual function: interrupt and vCPU on one CPU', ...pair('sriov', 0, 0) },
    'sriov-2-cpus': {
      about: 'a virtual function: interrupt on one CPU, vCPU on another',
      ...pair('sriov', 0, 1),
    },
    'copy-large': { about: 'a guest sends 64 KB frames through macvtap, copied', ...zeroCopy(false, 65_000) },
    'zero-copy-large': { about: 'the same with pinned pages instead of the copy', ...zeroCopy(true, 65_000) },
    'copy-small': { about: 'a guest sends 512-byte packets, copied', ...zeroCopy(false, 512) },
    'zero-copy-small': { about: 'the same with pinned pages: dearer than the copy', ...zeroCopy(true, 512) },
  },
  claims: [
    {
      text: 'emulated, virtio, vhost, macvtap, a relayed function, a posted one: each costs less than the one before',
      of: 'cpu.usPerOperation',
      order: [
        'paths/e1000',
        'paths/virtio',
        'paths/vhost',
        'paths/macvtap',
        'paths/sriov-relayed',
        'paths/sriov-posted',
      ],
      source: TALK,
    },
    {
      text: 'an emulated NIC leaves the guest most often, a posted function least',
      of: 'perPacket.exits',
      order: ['paths/e1000', 'paths/vhost', 'paths/sriov-posted'],
      source: TALK,
    },
    {
      text: 'CPU mismatch: an emulated NIC on four CPUs costs more than on three, two, one',
      of: 'cpu.usPerOperation',
      order: ['paths/e1000-4-cpus', 'paths/e1000-3-cpus', 'paths/e1000-2-cpus', 'paths/e1000-1-cpu'],
      source: TALK,
    },
    {
      text: 'the same of vhost on two CPUs and one',
      of: 'cpu.usPerOperation',
      order: ['paths/vhost-2-cpus', 'paths/vhost-1-cpu'],
      source: TALK,
    },
    {
      text: 'the same of a virtual function',
      of: 'cpu.usPerOperation',
      order: ['paths/sriov-2-cpus', 'paths/sriov-1-cpu'],
      source: TALK,
    },
    {
      text: 'zero copy saves CPU for large frames',
      of: 'cpu.usPerOperation',
      order: ['paths/copy-large', 'paths/zero-copy-large'],
      source: 'Red Hat, quoted second-hand: host CPU down by up to 15 %, throughput unchanged',
    },
    {
      text: 'and costs some for small ones',
      of: 'cpu.usPerOperation',
      order: ['paths/zero-copy-small', 'paths/copy-small'],
      source: 'lkml 1007.3/02002: pinning pages wins only for large packets',
    },
  ],
};
