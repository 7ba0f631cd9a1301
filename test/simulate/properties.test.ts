/**
 * What must hold for any scenario: packets add up, the same goes in and the same comes out, and changes have the
 * effect that they must have.
 */

import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costSet } from '#rxsteer/simulate/costs/sets.js';
import { PATH_NAMES } from '#rxsteer/simulate/paths/names.js';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

const short = { durationMs: 2, warmupMs: 0.5 };
const once = (scenario: ScenarioInput, options = {}) =>
  simulate(scenario, { limit: false, ...options }).results[0]!;

const anyScenario = fc
  .record({
    cores: fc.integer({ min: 1, max: 8 }),
    sockets: fc.integer({ min: 1, max: 2 }),
    threads: fc.integer({ min: 1, max: 2 }),
    queues: fc.integer({ min: 1, max: 4 }),
    guests: fc.integer({ min: 0, max: 3 }),
    vcpus: fc.integer({ min: 1, max: 3 }),
    guestQueues: fc.integer({ min: 1, max: 3 }),
    path: fc.constantFrom(...PATH_NAMES.filter((name) => name !== 'vhost-scsi')),
    rps: fc.boolean(),
    guestRps: fc.boolean(),
    ring: fc.constantFrom(4, 64, 512),
    rate: fc.constantFrom(50_000, 500_000, 3_000_000),
    kind: fc.constantFrom('open' as const, 'closed' as const),
    app: fc.constantFrom('echo' as const, 'sink' as const, 'forward' as const),
    interrupts: fc.constantFrom('relayed' as const, 'posted' as const),
    tapLock: fc.constantFrom('shared' as const, 'split' as const, 'none' as const),
    policy: fc.constantFrom(
      null,
      'rss:queues=2',
      'mac:stage=nic',
      'mac',
      'rps:cpus=0',
      'rfs:cpus=0',
      'round-robin',
    ),
    qdisc: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1e6 }),
  })
  .map(({ kind, app, ...c }) => {
    // Clients need an answer.
    const appKind = kind === 'closed' && app === 'sink' ? 'echo' : app;
    const rps = c.rps ? { rps: { cpus: [0], flows: 64, sockEntries: 64 } } : {};
    const guest = {
      count: c.guests,
      vcpus: c.vcpus,
      queues: c.guestQueues,
      path: c.path,
      interrupts: c.interrupts,
      ...(/^(qemu|vhost-(tap|macvtap))/.test(c.path) ? { tapLock: c.tapLock } : {}),
      ring: c.ring,
      apps: [{ kind: appKind, ...(appKind === 'forward' ? {} : { threads: 2 as const }) }],
      ...(c.guestRps ? { rps: { cpus: [0] } } : {}),
    };
    const scenario: ScenarioInput = {
      ...{ durationMs: 0.6, warmupMs: 0.2, seed: c.seed },
      ...(c.policy === null ? {} : { policies: [c.policy] }),
      host: {
        cpus: { sockets: c.sockets, cores: c.cores, threads: c.threads },
        apps: [{ kind: appKind, ...(appKind === 'forward' ? {} : { threads: 3 }) }],
      },
      nics: { eth0: { queues: c.queues, ring: c.ring, gbps: 10, ...rps, transmit: { qdisc: c.qdisc } } },
      ...(c.guests > 0 ? { guests: { vm: guest } } : {}),
      load: [kind === 'closed' ? { kind, clients: 20 } : { kind, rate: c.rate, flows: 20 }],
    };
    return scenario;
  });

describe('any scenario', () => {
  it('C3: arrived = delivered + dropped + under way; busy time fits the window; the same again is the same', () => {
    fc.assert(
      fc.property(anyScenario, (scenario) => {
        // The run itself throws where packets do not add up.
        const first = once(scenario);
        const { packets, cpus } = first;
        expect(packets.arrived).toBe(packets.delivered + packets.dropped + packets.underWay);
        for (const { busyShare } of cpus) {
          expect(busyShare).toBeGreaterThanOrEqual(0);
          expect(busyShare).toBeLessThanOrEqual(1);
        }
        expect(packets.arrived).toBeGreaterThan(0);
        if (Number(scenario.seed) % 3 === 0) expect(once(scenario).digest).toBe(first.digest);
      }),
      { numRuns: 25, seed: 1 },
    );
  });
});

const guests: ScenarioInput = {
  ...short,
  host: { cpus: { sockets: 2, cores: 4 } },
  guests: { vm: { count: 2, vcpus: 1, cpus: [4, 5], workerCpus: [2, 3] } },
  nics: { eth0: { queues: 2, irqs: [0, 1] } },
  load: [{ kind: 'open', rate: 100_000, flows: 16 }],
};

describe('determinism', () => {
  it('the digest is the same in a thread, and differs by seed and by costs', async () => {
    const { digest } = simulate(guests, { limit: false });
    const url = new URL('../../dist/simulate/simulate.js', import.meta.url).href;
    const code = `import(${JSON.stringify(url)}).then(({ simulate }) => { const { parentPort, workerData } = require('node:worker_threads');
      parentPort.postMessage(simulate(workerData, { limit: false }).digest); });`;
    const inThread = await new Promise((resolve, reject) => {
      const worker = new Worker(code, { eval: true, workerData: guests });
      worker.on('message', resolve);
      worker.on('error', reject);
    });
    expect(inThread).toBe(digest);
    expect(simulate(guests, { limit: false, seed: 2 }).digest).not.toBe(digest);
    expect(simulate(guests, { limit: false, costs: { bridge: 301 } }).digest).not.toBe(digest);
  });

  it('a guest more does not change what the others are sent', () => {
    // Guests that share nothing: their own CPUs, queues and interrupts.
    const apart = (count: number): ScenarioInput => ({
      ...short,
      host: { cpus: { cores: 8 } },
      guests: { vm: { count, path: 'sriov', interrupts: 'posted', cpus: [0, 1, 2, 3], ring: 4096 } },
      load: [{ kind: 'open', to: ['vm'], rate: 100_000, flows: 8 }],
    });
    const two = once(apart(2));
    const three = once(apart(3));
    expect(three.guests.slice(0, 2).map(({ packets, classes }) => [packets, classes])).toEqual(
      two.guests.map(({ packets, classes }) => [packets, classes]),
    );
  });
});

/** All costs times a factor, those that are times. */
function scaledCosts(name: string, factor: number): object {
  const scale = (value: unknown): unknown =>
    typeof value === 'number'
      ? value * factor
      : Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, scale(inner)]));
  const numbers = new Set(['lines', 'misses', 'siblingSlowdown', 'interference']);
  return Object.fromEntries(
    Object.entries(costSet(name).costs).map(([key, value]) => [key, numbers.has(key) ? value : scale(value)]),
  );
}

describe('changes have their effect', () => {
  it('all times doubled: half the throughput, the same utilisation', () => {
    const scenario = (factor: number): ScenarioInput => ({
      durationMs: 8 * factor,
      warmupMs: 4 * factor,
      host: {
        cpus: { cores: 4 },
        apps: [{ kind: 'echo', workNs: 1000 * factor }],
        softirq: { timeUs: 2000 * factor },
      },
      nics: { eth0: { wireUs: 10 * factor, rps: { cpus: [1, 2, 3] } } },
      load: [{ kind: 'closed', clients: 40, thinkUs: 30 * factor }],
    });
    const one = once(scenario(1));
    const two = once(scenario(2), { costs: scaledCosts('modern', 2) });
    expect(two.throughput.value / one.throughput.value).toBeCloseTo(0.5, 1);
    expect(Math.abs(two.cpu.busyShare / one.cpu.busyShare - 1)).toBeLessThan(0.02);
  });

  it('CPUs of one node renamed: the same cost', () => {
    const on = (irq: number, cpu: number, worker: number) =>
      once({
        ...short,
        host: { cpus: { cores: 4 } },
        guests: { vm: { vcpus: 1, cpus: [cpu], workerCpus: [worker] } },
        nics: { eth0: { irqs: [irq] } },
        load: [{ kind: 'open', rate: 100_000 }],
      });
    const a = on(0, 1, 2);
    const b = on(3, 2, 0);
    expect(b.cpu.usPerOperation).toBe(a.cpu.usPerOperation);
    expect(b.latencyUs).toEqual(a.latencyUs);
  });

  it('a vCPU or a worker away from the node of its buffers never makes a packet cheaper', () => {
    const on = (cpu: number, worker: number, path: 'vhost-tap' | 'sriov' | 'qemu-virtio') =>
      once({
        ...short,
        variation: 'none',
        host: { cpus: { sockets: 2, cores: 4 } },
        guests: { vm: { vcpus: 1, cpus: [cpu], workerCpus: [worker], node: 0, path } },
        nics: { eth0: { irqs: [0], node: 0 } },
        load: [{ kind: 'open', rate: 100_000, arrival: 'constant', bytes: 1500 }],
      }).cpu.usPerOperation;
    for (const path of ['vhost-tap', 'qemu-virtio'] as const) {
      expect(on(4, 2, path)).toBeGreaterThan(on(1, 2, path));
      expect(on(1, 4, path)).toBeGreaterThan(on(1, 2, path));
    }
    expect(on(4, 4, 'sriov')).toBeGreaterThan(on(1, 1, 'sriov'));
  });

  it('one guest with one flow: flow steering costs as much as steering by MAC', () => {
    const with_ = (policy: string) =>
      once({
        ...guests,
        policies: [policy],
        nics: { eth0: { queues: 2, irqs: [0, 0] } },
        guests: { vm: { vcpus: 1, cpus: [4], workerCpus: [2] } },
        load: [{ kind: 'open', rate: 100_000, flows: 1 }],
      }).cpu.usPerOperation;
    expect(with_('mac:stage=nic')).toBe(with_('rss:queues=2'));
  });
});

describe('paths into a guest', () => {
  const through = (guest: object, extra: object = {}) =>
    once({
      ...{ durationMs: 4, warmupMs: 1 },
      variation: 'none',
      host: { cpus: { sockets: 2, cores: 6 } },
      nics: { eth0: { irqs: [0], node: 0 } },
      guests: {
        vm: {
          vcpus: 1,
          cpus: [3],
          apps: [{ kind: 'echo' }],
          ...((guest as { interrupts?: string }).interrupts === 'posted' ? {} : { workerCpus: [2] }),
          ...guest,
        },
      },
      load: [{ kind: 'open', rate: 20_000, flows: 4 }],
      ...extra,
    });

  it('emulated costs most exits and CPU; a posted function none and least', () => {
    const each = Object.fromEntries(
      (['qemu-e1000', 'qemu-virtio', 'vhost-tap', 'vhost-macvtap'] as const).map((path) => [
        path,
        through({ path }),
      ]),
    );
    const relayed = through({ path: 'sriov', workerCpus: [3] });
    const posted = through({ path: 'sriov', interrupts: 'posted' });
    expect(each['qemu-e1000']!.perPacket.userExits).toBeGreaterThanOrEqual(2);
    const costs = [
      each['qemu-e1000']!,
      each['qemu-virtio']!,
      each['vhost-tap']!,
      each['vhost-macvtap']!,
      relayed,
      posted,
    ].map(({ cpu }) => cpu.usPerOperation);
    for (let i = 1; i < costs.length; i++) expect(costs[i]!).toBeLessThan(costs[i - 1]!);
    expect(posted.perPacket.exits).toBeLessThan(relayed.perPacket.exits);
  });

  it('more CPUs on the way cost more: the emulated NIC with its thread, its vCPU and the interrupt on 1 to 4 CPUs', () => {
    const on = (irq: number, rps: number | null, worker: number, vcpu: number) =>
      through(
        { path: 'qemu-e1000', cpus: [vcpu], workerCpus: [worker] },
        {
          nics: { eth0: { irqs: [irq], ...(rps === null ? {} : { rps: { cpus: [rps] } }) } },
        },
      ).cpu.usPerOperation;
    const costs = [on(0, null, 0, 0), on(0, null, 0, 1), on(0, null, 1, 2), on(0, 3, 1, 2)];
    for (let i = 1; i < costs.length; i++) expect(costs[i]!).toBeGreaterThan(costs[i - 1]!);
  });

  it('interrupts between vCPUs: an exit for each target, one for each poll, none', () => {
    const exits = (['exits', 'hypercall', 'offload'] as const).map(
      (ipis) =>
        through(
          {
            vcpus: 4,
            cpus: [3, 4, 5, 1],
            ipis,
            rps: { cpus: [1, 2, 3] },
            moderationUs: 50,
            guestPollUs: 1000,
          },
          { load: [{ kind: 'open', rate: 200_000, flows: 64 }] },
        ).guests[0]!.vcpus[0]!.exits,
    );
    expect(exits[0]!).toBeGreaterThan(1.5 * exits[1]!);
    expect(exits[1]!).toBeGreaterThan(exits[2]!);
  });
});
