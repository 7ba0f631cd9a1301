/**
 * Costs that add up exactly where nothing varies: receive steering's hop, an interrupt between vCPUs, packets that end in
 * the softirq; and a whole host that is a closed queueing system once everything but one station is free.
 */
import { describe, expect, it } from 'vitest';
import { costSet } from '#rxsteer/simulate/costs/sets.js';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

const once = (scenario: ScenarioInput) =>
  simulate({ variation: 'none', durationMs: 4, warmupMs: 1, ...scenario }, { limit: false }).results[0]!;
const { costs } = costSet('modern');

/** All times of a set nought, but for those given. */
const free = (but: object) => {
  const nought = (value: unknown): unknown =>
    typeof value === 'number' ? 0 : Object.fromEntries(Object.keys(value as object).map((key) => [key, 0]));
  const factors = { siblingSlowdown: 1, interference: 0, slice: 3e6, granularity: 1e6 };
  const all = Object.entries(costs).map(([name, value]) => [name, nought(value)]);
  return { ...Object.fromEntries(all), ...factors, ...but };
};

describe('one guest, one flow', () => {
  const steered = (rps: { cpus: number[] } | undefined) =>
    once({
      host: { cpus: { cores: 4 } },
      nics: { eth0: { irqs: [0], ...(rps === undefined ? {} : { rps }) } },
      guests: { vm: { vcpus: 1, cpus: [3], workerCpus: [2] } },
      load: [{ kind: 'open', arrival: 'constant', rate: 20_000, flows: 1 }],
    });

  it('RPS is dearer by exactly the hop and the interrupt', () => {
    const [plain, rps] = [steered(undefined), steered({ cpus: [1] })];
    const hop =
      costs.steer + // on the CPU that receives
      costs.ipiSend +
      costs.ipiReceive +
      costs.idleExit + // of the CPU that is woken
      costs.softirqEntry +
      costs.lines.backlog * costs.line.cache;
    expect(1000 * (rps.cpu.usPerOperation - plain.cpu.usPerOperation)).toBeCloseTo(hop, 0);
    expect(rps.perPacket.ipis - plain.perPacket.ipis).toBeCloseTo(1, 2);
  });
});

describe('an interrupt between vCPUs', () => {
  const each = (ipis: 'exits' | 'hypercall' | 'offload') => {
    const { throughput, perPacket } = once({
      host: { cpus: { cores: 2 } },
      guests: {
        vm: {
          ...{ vcpus: 2, guestPollUs: 100, ipis, interrupts: 'posted' },
          apps: [{ kind: 'ipi', threads: 1, cpus: '0-1', workNs: 0 }],
        },
      },
    });
    return { ns: 1e9 / throughput.value, exits: perPacket.exits };
  };

  it('takes an exit, its sending and its handler; no exit where the hardware delivers it', () => {
    const handled = costs.guestIpi + costs.ipiReceive;
    expect(Math.abs(each('exits').ns - costs.exit - handled)).toBeLessThan(5);
    expect(Math.abs(each('offload').ns - handled)).toBeLessThan(5);
    expect(each('hypercall').ns).toBe(each('exits').ns);
    expect([each('exits').exits, each('offload').exits].map(Math.round)).toEqual([1, 0]);
  });
});

describe('what ends or turns round in the softirq', () => {
  it('drop needs no thread, and costs driver and protocol', () => {
    const { cpu, packets } = once({
      host: { cpus: { cores: 1 }, apps: [{ kind: 'drop' }] },
      nics: { eth0: { irqs: [0] } },
      load: [{ kind: 'open', arrival: 'constant', rate: 10_000 }],
    });
    const each =
      costs.hardIrq + costs.idleExitDevice + costs.softirqEntry + costs.driverReceive + costs.protocol;
    expect(1000 * cpu.usPerOperation).toBeCloseTo(each, -1);
    expect([cpu.classes.app, cpu.classes.scheduler]).toEqual([0, 0]);
    expect(packets.dropped).toBe(0);
  });

  it('a switch whose statistics have one lock forwards less from eight CPUs than one without', () => {
    const over = (switchLock: 'ticket' | 'none') =>
      once({
        durationMs: 1,
        costs: { handOver: { core: 300, cache: 300, socket: 300, remote: 300 } },
        policies: ['rss:queues=8'],
        host: { cpus: { cores: 8 }, apps: [{ kind: 'forward', switch: 'ovs', switchLock }] },
        nics: { eth0: { queues: 8, irqs: '0-7', transmit: { queues: 8, select: 'cpus' } } },
        load: [{ kind: 'open', rate: 9_000_000, flows: 256 }],
      });
    const [locked, open] = [over('ticket'), over('none')];
    expect(open.throughput.value).toBeGreaterThan(1.5 * locked.throughput.value);
    expect(locked.locks.map(({ name }) => name)).toContain('ovs statistics lock');
  });
});

describe('C10: a host that is free but for one station', () => {
  it.each([
    [10, 0.832037, 3.0187],
    [20, 0.999383, 11.0123],
  ])('%i clients, Z 9, s 1: X %f, T %f', (clients, x, t) => {
    const s = 10_000;
    const { throughput, latencyUs } = once({
      variation: 'exponential',
      ...{ durationMs: 250, warmupMs: 20 },
      costs: free({ application: s }),
      // One thread: first come, first served. (A softirq answers in batches.)
      host: { cpus: { cores: 1 }, apps: [{ threads: 1 }] },
      nics: { eth0: { irqs: [0], wireUs: 0 } },
      load: [{ kind: 'closed', clients, thinkUs: (9 * s) / 1000 }],
    });
    expect((throughput.value * s) / 1e9 / x).toBeGreaterThan(0.985);
    expect((throughput.value * s) / 1e9 / x).toBeLessThan(1.015);
    expect(Math.abs((latencyUs.mean * 1000) / s / t - 1)).toBeLessThan(0.05);
  });
});
