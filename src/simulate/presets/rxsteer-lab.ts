/**
 * The forwarder itself, as its own programs run it: the demo's lab (an uplink, two workers, four guests with one queue
 * each), and mixes of `bench flow-vs-mac`.
 *
 * A worker is a CPU: it receives, asks the policy, hands over or sends to the guest under that guest's lock. What lies
 * behind a guest's queue is on CPUs of its own and polls, so that it costs the workers nothing, as it costs the
 * forwarder's threads nothing. The costs are those of `--calibrate` on the machine that the set names; with
 * `--costs FILE` they are yours. Only the workers' CPUs are to be compared with what the forwarder says of itself.
 */
import type { Family } from './preset.js';

/** The policies, where the decision is the polling worker's. */
const POLICIES = [
  'single',
  'rss:queues=2,stage=cpu',
  'rps:cpus=0-1',
  'mac-hash:queues=2,stage=cpu',
  'mac:stage=cpu',
  'round-robin:stage=cpu',
];

/** A guest whose device and vCPU poll, on CPUs of their own: what it does costs the workers nothing. */
const WAITING = {
  ...{ workerPollUs: 1e6, guestPollUs: 1e6, tapRing: 65_536, ring: 4096 },
  apps: [{ kind: 'drop' as const, bypass: true }],
};
const TOGETHER = { enter: 'poll' } as const;

/** Guests whose devices and vCPUs have CPUs of their own behind those of the two workers. */
function behind(count: number) {
  const first = 2;
  return {
    host: { cpus: { cores: 2 + 2 * count } },
    guests: {
      g: {
        ...WAITING,
        ...{
          count,
          workerCpus: `${first}-${first + count - 1}`,
          cpus: `${first + count}-${first + 2 * count - 1}`,
        },
      },
    },
  };
}

/** A mix at full rate: two receive queues with flows of all guests, no sockets and no taps. */
function mix(about: string, guests: number, flows: number, more: object = {}) {
  return {
    ...{ about, durationMs: 2, warmupMs: 0.5, workers: '0-1', policies: POLICIES.slice(1, 5) },
    costs: { base: 'rxsteer-vm', ...MEMORY },
    ...behind(guests),
    nics: { up: { queues: 2, irqs: '0-1', ring: 512 } },
    load: [{ kind: 'open' as const, rate: 24e6 / guests, flows, ...more }],
  };
}

/** Between memory ports: a frame through the forwarder without system calls; what is behind a sink costs nothing. */
const MEMORY = {
  ...{ driverReceive: 45, tapEnqueue: 10, steer: 190 },
  ...{ vhostReceive: 0, guestHardIrq: 0, guestDriver: 0, bypassReceive: 0, inject: 0, lines: { ring: 0 } },
} as const;

export const rxsteerLab: Family = {
  name: 'rxsteer-lab',
  about: "the forwarder's own demo and mixes of bench flow-vs-mac, two workers",
  presets: {
    demo: {
      about:
        'npm start: 25,000 packets a second in bursts of 32, 64 flows to four guests with one queue each',
      ...{ costs: 'rxsteer-vm', durationMs: 400, warmupMs: 20, workers: '0-1', policies: POLICIES },
      host: { cpus: { cores: 10 } },
      // Workers take a burst as a whole, hand over, and send to each guest in one call.
      guests: {
        g: { ...WAITING, ...TOGETHER, device: 'veth', count: 3, workerCpus: '2-4', cpus: '6-8' },
        tap: { ...WAITING, ...TOGETHER, workerCpus: '5', cpus: '9' },
      },
      nics: { up: { irqs: [0], ring: 4096, dispatch: 'poll' } },
      // Four sources in step: eight packets to each guest make a burst of 32.
      load: [{ kind: 'open', rate: 6250, arrival: 'bursts', burst: 8, flows: 16 }],
    },
    even: mix('eight guests with 16 flows each, at full rate', 8, 16),
    'flow-elephant': mix('eight guests, one flow of each has half of its packets', 8, 16, {
      elephants: 1,
      elephantShare: 0.5,
    }),
    'one-guest': mix('one guest with 128 flows: flow steering makes both workers want its queue', 1, 128),
    'many-guests': mix('24 guests with four flows each', 24, 4),
  },
  claims: [],
};
