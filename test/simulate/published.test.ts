/**
 * Published figures that the simulator comes out at with one set of costs: the receive steering table of 2009 (bnx2x,
 * 16 cores, 500 TCP_RR of one byte), as ratios.
 */
import { describe, expect, it } from 'vitest';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

const common = { costs: 'amd-2009', durationMs: 15, warmupMs: 10 };
const clients = (mirror: boolean) => [{ kind: 'closed' as const, clients: 500, mirror }];

/** One queue; the same with RPS to the other 15; two busy CPUs of 16, as the published use of CPU says. */
const rows: Record<string, ScenarioInput> = {
  single: {
    ...common,
    host: { cpus: { cores: 16 }, apps: [{ cpus: '1-15' }] },
    nics: { eth0: { wireUs: 20, irqs: [0] } },
    load: clients(true),
  },
  rps: {
    ...common,
    host: { cpus: { cores: 16 }, apps: [{ cpus: '1-15', local: 0.9 }] },
    nics: { eth0: { wireUs: 20, irqs: [0], rps: { cpus: '1-15' } } },
    load: clients(true),
  },
  multiQueue: {
    ...common,
    host: { cpus: { cores: 16 }, apps: [{ local: 1 }] },
    nics: { eth0: { wireUs: 20, queues: 2, irqs: [0, 1], transmit: { queues: 16, select: 'cpus' } } },
    load: clients(false),
  },
};

describe('139K at 17 %, 352K at 30 %, 204K at 12 %', () => {
  const results = Object.fromEntries(
    Object.entries(rows).map(([name, scenario]) => [name, simulate(scenario, { limit: false }).results[0]!]),
  );
  const ratio = (name: string, of: (result: (typeof results)[string]) => number) =>
    of(results[name]!) / of(results.single!);

  it.each([
    ['rps', 352 / 139, 30 / 17],
    ['multiQueue', 204 / 139, 12 / 17],
  ])('%s: throughput and CPU relative to one queue, within 10 %%', (name, tps, cpu) => {
    expect(Math.abs(ratio(name, (r) => r.throughput.value) / tps - 1)).toBeLessThan(0.1);
    expect(Math.abs(ratio(name, (r) => r.cpu.busyShare) / cpu - 1)).toBeLessThan(0.1);
  });

  it('one queue without RPS saturates its interrupt CPU and nothing else', () => {
    const { cpus } = results.single!;
    expect(cpus[0]!.busyShare).toBeGreaterThan(0.99);
    for (const { busyShare } of cpus.slice(1)) expect(busyShare).toBeLessThan(0.3);
  });
});

describe('what limits', () => {
  it('is found by doubling: the interrupt CPU, and with RPS still it', () => {
    for (const name of ['single', 'rps']) {
      const { limit } = simulate({ ...rows[name]!, durationMs: 4, warmupMs: 4 }).results[0]!;
      expect(limit).toMatchObject({ kind: 'cpu', name: 'cpu0 softirq' });
      expect(limit!.tried.length).toBeGreaterThan(1);
    }
  });
});
