/**
 * Functions of the NIC given to guests: interrupts that the host relays cost a third of what bare metal does; posted
 * ones do not. Many guests share a link at line rate.
 */
import type { Family, PresetScenario } from './preset.js';

const ELI = 'ELI, ASPLOS 2012: 60-65 % of bare metal with relayed interrupts, 97-100 % without exits';
const VRIO = 'vRIO, Technion MSC-2015-07: remote I/O adds at most 18 % to the best local latency';
const SRIOV = 'HPCA 2010: 9.48 Gb/s with up to 60 VMs, 1.76 % CPU for each more';

/**
 * Requests at saturation on one CPU, on bare metal or in a guest with a function of the NIC, with an interrupt for each.
 * The guest does not leave guest mode when it idles; a relayed interrupt is an exit, an injection, and an exit for its
 * end, which `inject` holds.
 */
const saturated = (guest: 'relayed' | 'posted' | null): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 20, warmupMs: 5 },
  // The guest's kernel costs what the host's does; hardware of 2012 leaves a guest slowly.
  costs: {
    ...{ base: 'modern', exit: 1000, inject: 2200, guestDriver: 250, guestHardIrq: 500, guestProtocol: 900 },
    ...{ guestSend: 1200, guestContextSwitch: 1200, guestWake: 300, guestTransmit: 200 },
    ...{ idleExit: 0, idleExitDevice: 0, misses: { guest: 0 }, lines: { ring: 0 } },
  },
  host: {
    cpus: { cores: 1 },
    ...(guest === null ? { apps: [{ kind: 'echo', threads: 1, workNs: 2000 }] } : {}),
  },
  nics: { eth0: { irqs: [0], wireUs: 1 } },
  ...(guest === null
    ? {}
    : {
        guests: {
          vm: {
            ...{ vcpus: 1, cpus: [0], path: 'sriov', interrupts: guest, guestPollUs: 1000 },
            apps: [{ kind: 'echo', threads: 1, workNs: 2000 }],
          },
        },
      }),
  load: [{ kind: 'closed', clients: 2 }],
});

const vms = (count: number): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 8, warmupMs: 3 },
  host: { cpus: { sockets: 2, cores: 8 } },
  nics: { eth0: { gbps: 10, wireUs: 5 } },
  guests: {
    vm: {
      ...{ count, vcpus: 1, cpus: '0-15', path: 'sriov', moderationUs: 50 },
      apps: [{ kind: 'sink', threads: 1, workNs: 500 }],
    },
  },
  // The link's worth of 1,500-byte frames, together.
  load: [{ kind: 'open', rate: 835_000 / count, bytes: 1500, flows: 4 }],
});

/**
 * One request at a time through a core that polls: of the host itself, or of another machine, to which the guest's own
 * function of the NIC sends. How far that machine is was not published: two microseconds each way are assumed, a NIC's
 * DMA and a cable.
 */
const polled = (where: 'local' | 'remote'): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 20, warmupMs: 5 },
  host: { cpus: { cores: 4 } },
  nics: { eth0: { wireUs: where === 'local' ? 10 : 12 } },
  guests: {
    vm: {
      ...{ vcpus: 1, cpus: [2] },
      ...(where === 'local'
        ? { path: 'vhost-user', workerCpus: [1] }
        : { path: 'sriov', interrupts: 'posted' }),
      apps: [{ kind: 'echo', threads: 1, workNs: 2000 }],
    },
  },
  load: [{ kind: 'closed', clients: 1, think: 'constant' }],
});

export const assignment: Family = {
  name: 'assignment',
  about: 'functions of the NIC in guests: relayed and posted interrupts, many guests on one link',
  presets: {
    'bare-metal': { about: 'requests at saturation, no guest', ...saturated(null) },
    relayed: { about: 'the same in a guest; the host relays interrupts', ...saturated('relayed') },
    posted: { about: 'the same with posted interrupts', ...saturated('posted') },
    'polling-local': { about: 'requests one at a time; a core of the host polls', ...polled('local') },
    'polling-remote': {
      about: 'the same; a core of another machine polls, 2 us further away (assumed)',
      ...polled('remote'),
    },
    '10-guests': { about: 'ten guests share a 10 Gb/s link', ...vms(10) },
    '60-guests': {
      about: 'sixty guests do',
      ...vms(60),
      published: {
        source: SRIOV,
        figures: [{ of: 'bitsPerSecond', value: 9.48e9, within: 0.1 }],
      },
    },
  },
  claims: [
    {
      text: "a core that polls for guests on another machine adds at most 18 % to the local one's latency",
      of: 'latencyUs.mean',
      order: ['assignment/polling-remote', 'assignment/polling-local'],
      ...{ atLeast: 1, atMost: 1.18 },
      source: VRIO,
    },
    {
      text: 'with posted interrupts a guest does 97 to 100 % of bare metal',
      of: 'throughput.value',
      order: ['assignment/bare-metal', 'assignment/posted'],
      ...{ atLeast: 0.99, atMost: 1.04 },
      source: ELI,
    },
    {
      text: 'with relayed ones 60 to 77 %',
      of: 'throughput.value',
      order: ['assignment/bare-metal', 'assignment/relayed'],
      ...{ atLeast: 1.3, atMost: 1.7 },
      source: ELI,
    },
    {
      text: 'posted interrupts gain 1.3 to 1.6 times over relayed ones',
      of: 'throughput.value',
      order: ['assignment/posted', 'assignment/relayed'],
      ...{ atLeast: 1.2, atMost: 1.7 },
      source: ELI,
    },
    {
      text: 'a link is full with ten guests as with sixty',
      of: 'bitsPerSecond',
      order: ['assignment/60-guests', 'assignment/10-guests'],
      ...{ atLeast: 0.95, atMost: 1.05 },
      source: SRIOV,
    },
    {
      text: 'each guest more costs CPU',
      of: 'cpu.busyShare',
      order: ['assignment/60-guests', 'assignment/10-guests'],
      source: SRIOV,
    },
  ],
};
