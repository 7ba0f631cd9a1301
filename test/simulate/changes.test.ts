/** Changes of policy in a running scenario: planned by the library, carried out at a budget, undone, and told. */
import { describe, expect, it } from 'vitest';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

const base: ScenarioInput = {
  ...{ durationMs: 4, warmupMs: 0, variation: 'none' },
  policies: ['rss:queues=4,weight=1+0+0+0'],
  host: { cpus: { cores: 4 }, apps: [{ kind: 'sink', cpus: [3], workNs: 100 }] },
  nics: { eth0: { queues: 4, irqs: '0-2+3' } },
  load: [{ kind: 'open', rate: 400_000, flows: 64 }],
};
const once = (changes: ScenarioInput['changes'], over: ScenarioInput = {}) =>
  simulate({ ...base, ...over, changes }, { limit: false }).results[0]!;
/** Softirq of the CPUs that had none before the change. */
const others = ({ cpus }: ReturnType<typeof once>) =>
  cpus.slice(1, 3).reduce((sum, { classes }) => sum + classes.softirq, 0);

describe('a change of policy', () => {
  const still = once([]);
  const moved = once([{ atMs: 1, policy: 'rss:queues=4' }]);

  it('is planned, carried out, and told', () => {
    expect(still.changes).toBeUndefined();
    expect(others(still)).toBe(0);
    expect(others(moved)).toBeGreaterThan(0.1);
    const [change] = moved.changes!;
    expect(change).toMatchObject({ atMs: 1, method: 'table', steps: 96 });
    expect(change!.words[0]).toBe('96 of 128 buckets get another queue, at once, without a pause');
  });

  it('goes bucket by bucket at a budget, and is not complete at the end of a run that is too short', () => {
    const slow = once([{ atMs: 1, policy: 'rss:queues=4', budget: 8000 }]);
    expect(others(slow)).toBeGreaterThan(0);
    expect(others(slow)).toBeLessThan(0.75 * others(moved));
  });

  it('leaves alone what is frozen: all buckets frozen is no change', () => {
    const frozen = once([{ atMs: 1, policy: 'rss:queues=4', freeze: ['0-127'] }]);
    expect(frozen.changes![0]).toMatchObject({ method: 'none', steps: 0 });
    expect(others(frozen)).toBe(0);
  });

  it('planned again once it runs moves nothing', () => {
    const policy = 'rss:queues=4';
    const twice = once([
      { atMs: 1, policy },
      { atMs: 2, policy },
    ]);
    expect(twice.changes!.map(({ method }) => method)).toEqual(['table', 'none']);
    expect(others(twice)).toBe(others(moved));
  });

  it('is undone by a rollback', () => {
    const undone = once([
      { atMs: 1, policy: 'rss:queues=4' },
      { atMs: 1.5, rollback: true },
    ]);
    expect(undone.changes!.map(({ method }) => method)).toEqual(['table', 'rollback']);
    expect(others(undone)).toBeLessThan(0.4 * others(moved));
    expect(others(undone)).toBeGreaterThan(0);
  });

  it('moves guests to configured owners, and switches to another kind of policy with the guests known', () => {
    const guests: ScenarioInput = {
      ...{ workers: '0-1', policies: ['mac:stage=nic,assign=follow-cpu'] },
      host: { cpus: { cores: 4 } },
      nics: { eth0: { queues: 2, irqs: '0-1' } },
      guests: { vm: { count: 2, vcpus: 1, cpus: '2-3', workerCpus: '0' } },
      load: [{ kind: 'open', rate: 100_000, flows: 16 }],
    };
    const byCpu = once([], guests);
    // Both guests' device threads are on CPU 0, and so is the softirq of their packets.
    expect(byCpu.cpus[1]!.classes.softirq).toBe(0);
    const owners = { policy: 'mac', stage: 'nic', assign: 'follow-cpu', owners: { '52:54:00:00:00:01': 1 } };
    const set = once([{ atMs: 1, policy: owners }], guests);
    expect(set.changes![0]).toMatchObject({ method: 'owners', steps: 1 });
    expect(set.cpus[1]!.classes.softirq).toBeGreaterThan(0.02);
    const switched = once([{ atMs: 1, policy: 'mac:stage=nic,assign=follow-cpu' }], {
      ...guests,
      policies: ['rss:queues=2'],
    });
    expect(switched.changes![0]!.method).toBe('policy');
    expect(switched.cpus[1]!.classes.softirq).toBeGreaterThan(0);
    expect(switched.cpus[1]!.classes.softirq).toBeLessThan(0.5 * switched.cpus[0]!.classes.softirq);
  });

  it('that cannot be is refused before the clock starts, with its place', () => {
    expect(() => once([{ atMs: 1, policy: 'rsss' }])).toThrow(/^changes\[0\]: .*did you mean rss/);
    expect(() => once([{ atMs: 1, policy: 'rps:cpus=0-1' }])).toThrow('changes[0]: policy: stage cpu had no');
    expect(() => once([{ atMs: 1, rpsCpus: '1' }])).toThrow('changes[0]: rpsCpus: the NIC has no rps');
    expect(() => once([{ atMs: 1, rollback: true }])).toThrow(
      'changes[0]: rollback: no change was made before',
    );
    expect(() =>
      once([
        { atMs: 1, policy: 'rss:queues=4', budget: 100 },
        { atMs: 2, policy: 'rss:queues=2' },
      ]),
    ).toThrow('changes[1]: the change before it is not complete');
  });
});

describe('the rebalancer', () => {
  it('tells how many buckets it moved', () => {
    const rebalance = { everyMs: 0.5, intervals: 1, moves: 128, least: 10 };
    expect(once([]).rebalanced).toBeUndefined();
    expect(once([], { rebalance }).rebalanced).toBeGreaterThan(10);
  });
});

describe('order=strict', () => {
  const run = (policy: string) =>
    simulate(
      {
        ...{ durationMs: 8, warmupMs: 0, variation: 'none', policies: [policy] },
        host: { cpus: { cores: 4 }, apps: [{ kind: 'sink', cpus: [3], workNs: 100 }] },
        workers: '1-2',
        load: [{ kind: 'open', arrival: 'bursts', burst: 64, rate: 700_000, flows: 7 }],
      },
      { limit: false },
    ).results[0]!;

  it('belongs to software: a NIC does not wait', () => {
    expect(() => run('rss:queues=2,order=strict')).toThrow('expected stage=cpu, or order=none');
  });

  it('says how many flows moved and how many frames waited, where it is asked for', () => {
    expect(run('mac-hash:queues=2,stage=cpu,order=strict').order).toEqual({ moves: 0, postponed: 0 });
    expect(run('mac-hash:queues=2,stage=cpu').order).toBeUndefined();
  });

  it('a flow that is moved to another CPU waits for its frames in flight', () => {
    const free = run('round-robin:stage=cpu');
    expect(free.reordered).toBeGreaterThan(100);
    const strict = run('round-robin:stage=cpu,order=strict');
    expect(strict.reordered).toBe(0);
    expect(strict.order!.moves).toBeGreaterThan(0);
    expect(strict.order!.postponed).toBeGreaterThan(100);
    expect(strict.throughput.value).toBeGreaterThan(0.9 * free.throughput.value);
  });
});
