/**
 * Interrupts between vCPUs: what one takes, and how many exits RPS inside a guest makes.
 *
 * The cycles were published without a clock rate: here a cycle is a nanosecond, and rows are ratios to the first. The
 * guest with RPS polls before it halts, so that its exits are those of its interrupts: an assumption that the
 * published counts need (a poll that ended in a halt would be an exit more).
 */
import type { PartialCosts } from '../costs/schema.js';
import type { Family, PresetScenario } from './preset.js';

const CYCLES = 'kvm list, "KVM: IPI virtualization support", 17 runs each (patchwork 24319499)';
const RPS = 'TencentOS kernel, pull requests 43 and 57: RPS in a guest, one hypercall for each poll';

/** Two vCPUs that interrupt each other; the target spins. */
const cycles = (ipis: 'exits' | 'offload', costs: PartialCosts): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 5, warmupMs: 1, variation: 'none' },
  costs: { base: 'modern', ipiReceive: 500, exit: 1024, ...costs },
  host: { cpus: { cores: 2 } },
  guests: {
    vm: {
      ...{ vcpus: 2, guestPollUs: 100, ipis, interrupts: 'posted' },
      apps: [{ kind: 'ipi', threads: 1, cpus: '0-1', workNs: 0 }],
    },
  },
});

/** Register accesses through memory (xAPIC) cost more than through an MSR (x2APIC). */
const XAPIC: PartialCosts = { guestIpi: 4390 };
const X2APIC: PartialCosts = { guestIpi: 2985 };

const rate = (cyclesEach: number) => ({
  published: {
    ...{ value: 1e9 / cyclesEach, within: 0.1, fitted: true, source: CYCLES },
    ...(cyclesEach === 6060 ? {} : { relativeTo: 'guest-ipis/xapic' }),
  },
});

const rps = (ipis: 'exits' | 'hypercall' | 'offload'): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 15, warmupMs: 5 },
  host: { cpus: { sockets: 2, cores: 24 } },
  nics: { eth0: { queues: 8, irqs: '32-39' } },
  guests: {
    vm: {
      ...{ vcpus: 32, cpus: '0-31', queues: 8, irqs: '24-31', workers: 'queue', workerCpus: '40-47' },
      ...{ moderationUs: 47, guestPollUs: 100, interrupts: 'posted', ipis },
      policy: 'rss:nic=virtio-net,queues=8',
      rps: { cpus: '0-23' },
      apps: [{ kind: 'sink', cpus: '0-23', local: 1, workNs: 300 }],
    },
  },
  load: [{ kind: 'open', rate: 1_000_000, flows: 100 }],
});

const exits = (each: number, fitted: boolean) => ({
  published: { source: RPS, figures: [{ of: 'guests.0.exits', value: 8 * each, within: 0.1, fitted }] },
});

export const guestIpis: Family = {
  name: 'guest-ipis',
  about: 'interrupts between vCPUs, and the exits that RPS inside a guest makes',
  presets: {
    xapic: {
      about: 'an interrupt to a spinning vCPU, xAPIC: 6,060 cycles',
      ...cycles('exits', XAPIC),
      ...rate(6060),
    },
    'xapic-offload': {
      about: 'the same with IPI virtualization: 4,722 cycles',
      ...cycles('offload', XAPIC),
      ...rate(4722),
    },
    x2apic: { about: 'the same, x2APIC: 4,352 cycles', ...cycles('exits', X2APIC), ...rate(4352) },
    'x2apic-offload': {
      about: 'x2APIC with IPI virtualization: 3,642 cycles',
      ...cycles('offload', X2APIC),
      ...rate(3642),
    },
    'rps-exits': {
      about:
        'RPS in a guest with 32 vCPUs and 8 queues, 1 Mpps in 100 flows: an exit for each target (eight such vCPUs)',
      ...rps('exits'),
      ...exits(68_077, false),
    },
    'rps-hypercall': {
      about: 'the same with one hypercall for each poll',
      ...rps('hypercall'),
      ...exits(21_138, true),
    },
    'rps-offload': { about: 'the same where interrupts between vCPUs need no exit', ...rps('offload') },
  },
  claims: [
    {
      text: 'RPS in a guest: an exit for each target, one for each poll, none',
      of: 'perPacket.exits',
      order: ['guest-ipis/rps-exits', 'guest-ipis/rps-hypercall', 'guest-ipis/rps-offload'],
      source: RPS,
    },
  ],
};
