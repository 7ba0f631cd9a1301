/**
 * What a vCPU that halts costs, and what polling before it saves.
 *
 * The published switches without a patch are taken as those of a host that polls before it puts a vCPU to sleep, as it
 * does by default: the rows for other lengths of that polling are the same within their noise.
 */
import type { Family, PresetScenario } from './preset.js';

const SWITCHES = 'lkml 1708.3/03774, "x86/idle: add halt poll support" (2017)';
const RR = 'Linux aca6ff29c406, "KVM: dynamic halt-polling" (2015)';

const ping = (hostPollUs: number, guestPollUs: number): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 15, warmupMs: 5 },
  host: { cpus: { cores: 4 } },
  guests: {
    vm: {
      ...{ vcpus: 2, cpus: [0, 1], hostPollUs, guestPollUs },
      apps: [{ kind: 'ping', threads: 1, cpus: '0-1', workNs: 100 }],
    },
  },
});

const rr = (hostPollUs: number): Omit<PresetScenario, 'about'> => ({
  ...{ costs: 'kvm-2015', durationMs: 50, warmupMs: 5 },
  host: { cpus: { cores: 4 } },
  nics: { eth0: { wireUs: 1, irqs: [0] } },
  guests: { vm: { vcpus: 1, cpus: [2], workerCpus: [1], hostPollUs } },
  load: [{ kind: 'closed', clients: 1 }],
});

export const haltPolling: Family = {
  name: 'halt-polling',
  about: 'vCPUs that halt, and polling before it, in the host and in the guest',
  presets: {
    switch: {
      about: 'threads on two vCPUs wake each other; the host polls before a vCPU sleeps',
      ...ping(200, 0),
      published: { value: 1e9 / 2493, within: 0.1, fitted: true, source: SWITCHES },
    },
    'switch-host-poll-short': {
      about: 'the same with a shorter polling of the host',
      ...ping(10, 0),
      published: { value: 1e9 / 2448, within: 0.1, source: SWITCHES },
    },
    'switch-guest-poll': {
      about: 'the guest polls before it halts',
      ...ping(200, 30),
      published: { value: 1e9 / 1324, within: 0.1, fitted: true, source: SWITCHES },
    },
    'switch-no-poll': { about: 'nobody polls: each wake-up goes through the host scheduler', ...ping(0, 0) },
    rr: {
      about: 'one TCP_RR with a guest whose vCPU halts in between, no polling: 34 us',
      ...rr(0),
      published: {
        source: RR,
        figures: [{ of: 'latencyUs.mean', value: 34, within: 0.1, fitted: true }],
      },
    },
    'rr-poll': { about: 'the same where the host polls', ...rr(200) },
  },
  claims: [
    {
      text: 'polling in the guest makes a switch cheaper than polling in the host, and that cheaper than none',
      of: 'throughput.value',
      order: ['halt-polling/switch-guest-poll', 'halt-polling/switch', 'halt-polling/switch-no-poll'],
      source: SWITCHES,
    },
    {
      text: 'polling of the host shortens a transaction with a guest that halts',
      of: 'latencyUs.mean',
      order: ['halt-polling/rr', 'halt-polling/rr-poll'],
      source: RR,
    },
  ],
};
