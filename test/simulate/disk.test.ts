/**
 * Disks: exact laws where nothing varies and nothing costs, and the mechanisms one by one. The tests count with what the
 * scenario says, not with the simulator's own figures.
 */
import { describe, expect, it } from 'vitest';
import { costSet } from '#rxsteer/simulate/costs/sets.js';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

type DiskInput = NonNullable<ScenarioInput['disks']>[string];

/** No time passes but the device's. */
const nought = (value: unknown): unknown =>
  typeof value === 'number'
    ? 0
    : Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, nought(inner)]));
const FREE = {
  ...(nought(costSet('modern').costs) as object),
  ...{ siblingSlowdown: 1, slice: 3e6, granularity: 1e6 },
};
const FREE_DISK = { submitNs: 0, enqueueNs: 0, elevatorNs: 0, reapNs: 0, completeNs: 0, lines: 0 };
const tenant = { workNs: 0 };

function run(disk: DiskInput, more: ScenarioInput = {}) {
  const scenario = { durationMs: 2, warmupMs: 0.5, variation: 'none' as const, ...more, disks: { d: disk } };
  const result = simulate(scenario, { limit: false }).results[0]!;
  return { ...result, disk: result.disks![0]! };
}
const free = (disk: DiskInput, more: ScenarioInput = {}) =>
  run({ ...FREE_DISK, ...disk }, { costs: FREE, ...more } as ScenarioInput);
const cpus = (cores: number) => ({ host: { cpus: { cores } } });

describe('where only the device takes time', () => {
  it('a request takes exactly that time, by interrupt and polled', () => {
    for (const polled of [false, true]) {
      const { disk } = free({
        ...{ latencyUs: 50, pollQueues: 1 },
        tenants: { t: { ...tenant, polled, threads: 1 } },
      });
      expect(disk.latencyUs.mean).toBe(50);
      expect(disk.requestsPerSecond).toBe(20_000);
      expect(disk.inDevice).toBe(1);
      expect(disk.completions).toMatchObject(polled ? { polled: 40, local: 0 } : { polled: 0, local: 40 });
    }
  });

  it('it finishes as many as it works on, and the others wait: N = X W', () => {
    const { disk } = free(
      { latencyUs: 50, parallelism: 10, tenants: { t: { ...tenant, threads: 4, depth: 5 } } },
      cpus(4),
    );
    expect(disk.requestsPerSecond).toBe(200_000);
    expect(disk.latencyUs.mean).toBe(100);
    expect(disk.underWay).toBe(20);
    expect(disk.inDevice).toBe(10);
  });

  it('no queue has more requests under way than tags, and with few tags those limit', () => {
    const { disk } = free(
      { latencyUs: 50, queues: 2, depth: 3, tenants: { t: { ...tenant, threads: 4, depth: 8 } } },
      cpus(4),
    );
    for (const { mostUnderWay, tagWaits } of disk.queues) {
      expect(mostUnderWay).toBe(3);
      expect(tagWaits).toBeGreaterThan(0);
    }
    expect(disk.requestsPerSecond).toBe(6 / 50e-6);
    expect(disk.inDevice).toBe(6);
    expect(disk.latencyUs.mean).toBeCloseTo((32 / 6) * 50, 0);
  });

  it('queues have their turns: beside a queue of its own a neighbour with a thousand requests costs one service', () => {
    const beside = (steer: string, depth: number) =>
      free(
        {
          ...{ latencyUs: 10, parallelism: 1, queues: 2, steer },
          tenants: { quiet: tenant, loud: { ...tenant, depth } },
        },
        cpus(2),
      ).disk.tenants;
    for (const depth of [10, 1000]) {
      const [quiet] = beside('mac', depth);
      expect(quiet!.latencyUs.mean).toBe(20);
    }
    // In one queue it waits for all of them.
    const [quiet] = beside('single', 10);
    expect(quiet!.latencyUs.mean).toBe(110);
  });
});

describe('mechanisms', () => {
  it('N = X W with all costs, draws and pauses', () => {
    const { disk } = run(
      { queues: 3, elevator: 'queue', tenants: { t: { threads: 8, depth: 4, thinkUs: 100, reads: 0.7 } } },
      { ...cpus(8), variation: 'exponential', durationMs: 16 },
    );
    const product = (disk.requestsPerSecond * disk.latencyUs.mean) / 1e6;
    expect(Math.abs(product / disk.underWay - 1)).toBeLessThan(0.01);
  });

  it('rq_affinity: 0 interrupts nobody, 2 completes every request where it was submitted', () => {
    const at = (rqAffinity: 0 | 1 | 2) =>
      run(
        { queues: 2, rqAffinity, tenants: { t: { threads: 8, depth: 4 } } },
        { host: { cpus: { cores: 8, caches: 4 } }, durationMs: 1, warmupMs: 0.2 },
      ).disk;
    const [none, near, exact] = [at(0), at(1), at(2)];
    const all = (disk: typeof none) => disk.completions.local + disk.completions.ipi;
    expect(none.completions.ipi).toBe(0);
    expect(exact.completions.otherCpu).toBe(0);
    // A queue has four CPUs in two caches; one of the four gets the interrupt.
    expect(none.completions.otherCpu / all(none)).toBeCloseTo(3 / 4, 1);
    expect(near.completions.otherCpu / all(near)).toBeCloseTo(1 / 4, 1);
    expect(near.completions.ipi / all(near)).toBeCloseTo(1 / 2, 1);
    expect(exact.completions.ipi / all(exact)).toBeCloseTo(3 / 4, 1);
  });

  it('a queue of one CPU completes as the release has it', () => {
    const at = (kernel: string) =>
      run({ kernel, queues: 2, rqAffinity: 2, irqs: [1], tenants: { t: { threads: 2 } } }, cpus(2)).disk;
    const [before, after] = [at('6.4').completions, at('6.12').completions];
    expect([before.ipi, before.otherCpu > 0]).toEqual([0, true]);
    expect([after.ipi > 0, after.otherCpu]).toEqual([true, 0]);
  });

  it('interrupts avoid isolated CPUs, but for queues of those alone', () => {
    const { queues } = run({ queues: 2, isolated: '0+2-3', tenants: { t: {} } }, cpus(4)).disk;
    expect(queues.map((queue) => [queue.cpus, queue.irqCpu])).toEqual([
      [[0, 1], 1],
      [[2, 3], 2],
    ]);
  });

  it('the only queue completes in the softirq', () => {
    const { completions } = run({ queues: 1, tenants: { t: { threads: 4 } } }, cpus(4)).disk;
    expect(completions.softirq).toBeGreaterThan(0);
    expect(completions.local + completions.ipi).toBe(0);
  });

  it('the elevator lets through one request in the time of its lock', () => {
    const { disk } = free(
      {
        latencyUs: 1,
        parallelism: 1000,
        elevator: 'queue',
        elevatorNs: 1000,
        tenants: { t: { ...tenant, threads: 8, depth: 8 } },
      },
      { ...cpus(8), durationMs: 1, warmupMs: 0.2 },
    );
    expect(disk.requestsPerSecond).toBeCloseTo(1e6, -3);
  });

  it('completions that wait for their interrupt come in so few', () => {
    const at = (coalescePackets: number) => {
      const { disk } = run(
        { coalescePackets, coalesceUs: coalescePackets === 0 ? 0 : 100, tenants: { t: { depth: 64 } } },
        cpus(1),
      );
      const [queue] = disk.queues;
      return queue!.requests / queue!.interrupts;
    };
    expect(at(16)).toBeGreaterThan(2 * at(0));
  });

  it('steering by the fewest requests leaves queues even where the map leaves one alone', () => {
    const at = (steer: string) =>
      run({ queues: 4, steer, tenants: { t: { threads: 4, cpus: [0, 1], depth: 8 } } }, cpus(8)).disk.queues;
    expect(at('hctx').filter(({ requests }) => requests > 0)).toHaveLength(1);
    const counts = at('least-loaded').map(({ requests }) => requests);
    expect(Math.min(...counts)).toBeGreaterThan(0.8 * Math.max(...counts));
    expect(at('round-robin').every(({ requests }) => requests > 0)).toBe(true);
  });

  it('an owner per tenant: a queue each', () => {
    const { tenants } = run(
      { queues: 4, steer: 'mac', tenants: { t: { count: 4, threads: 2 } } },
      cpus(8),
    ).disk;
    expect(tenants.map(({ queues }) => queues.length)).toEqual([1, 1, 1, 1]);
    expect(new Set(tenants.flatMap(({ queues }) => queues)).size).toBe(4);
  });

  it('the policy under test steers requests too, and the digest is the run', () => {
    const scenario: ScenarioInput = {
      ...cpus(4),
      ...{ durationMs: 2, warmupMs: 1 },
      disks: { d: { queues: 2, tenants: { t: { threads: 4 } } } },
    };
    const policies = ['round-robin', 'mac'];
    const first = simulate(scenario, { limit: false, policies });
    expect(first.results.map(({ disks }) => disks![0]!.steer)).toEqual(policies);
    expect(simulate(scenario, { limit: false, policies }).digest).toBe(first.digest);
  });
});

describe('what is refused', () => {
  const t = { t: {} };
  it.each([
    [{ queues: 0, tenants: t }, 'scenario: disks.d.queues=0: expected a whole number from 1 to 65535'],
    [{ tenants: { t: { polled: true } } }, 'disks.d.tenants: t: polled: the disk has no poll queues'],
    [{ tenants: { t: { cpus: '9' } } }, 'disks.d.tenants: t: CPU 9 does not exist; CPUs: 0 to 1'],
    [{ isolated: '2', tenants: t }, 'disks.d: isolated: CPU 2 does not exist; CPUs: 0 to 1'],
    [{ irqs: [7], tenants: t }, 'disks.d: irqs: CPU 7 does not exist; CPUs: 0 to 1'],
    [{ kernel: '4.9', tenants: t }, 'disks.d: kernel release "4.9": the block layer is known from 5.15 on'],
    [{ steer: 'rss:queues=8', tenants: t }, 'workers, but the disk has 2 queues'],
    [{ steer: 'nobody', tenants: t }, 'disks.d: '],
    [{ rqAffinity: 3, tenants: t }, 'scenario: disks.d.rqAffinity=3: expected 0, 1 or 2'],
    [{ quues: 3, tenants: t }, 'scenario: disks.d: '],
    [{ pollQueues: 3, tenants: t }, 'disks.d: pollQueues 3: wanted a whole number from 0 to 2'],
  ])('%j', (disk, message) => {
    expect(() => run(disk as DiskInput, cpus(2))).toThrow(message);
  });
});
