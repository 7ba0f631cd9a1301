/** The rebalancer: when it acts, what it moves, and what it leaves alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flowFrame, parseFlow } from '#rxsteer/packet/flow-text.js';
import type { SeenFlow } from '#rxsteer/policy/census.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { NOTHING_FROZEN, parseFreeze } from '#rxsteer/policy/freeze.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import {
  balanceLoads,
  bucketLoads,
  checkRebalance,
  guestLoads,
  type LoadSample,
  queueFor,
  REBALANCE_DEFAULTS,
  Rebalancer,
  workerLoads,
} from '#rxsteer/policy/rebalance.js';
import type { RssSteering } from '#rxsteer/policy/rss.js';

const load = (worker: number, packets: number, frozen = false) => ({
  name: `bucket ${worker}/${packets}`,
  worker,
  packets,
  frozen,
});
const uneven: LoadSample = {
  workers: 2,
  loads: [load(0, 4000), load(0, 3000), load(0, 2000), load(1, 1000)],
};
const even: LoadSample = { workers: 2, loads: [load(0, 5000), load(1, 5000)] };

const anySample = fc
  .record({
    workers: fc.integer({ min: 1, max: 6 }),
    list: fc.array(fc.tuple(fc.nat(5), fc.nat(5000), fc.boolean()), { maxLength: 40 }),
    fixed: fc.array(fc.nat(3000), { minLength: 6, maxLength: 6 }),
  })
  .map(
    ({ workers, list, fixed }): LoadSample => ({
      workers,
      loads: list.map(([worker, packets, frozen]) => load(worker % workers, packets, frozen)),
      fixed: fixed.slice(0, workers),
    }),
  );

describe('moves', () => {
  it('never make the fullest worker fuller, keep to the budget, leave frozen things, and each helps', () => {
    fc.assert(
      fc.property(anySample, fc.integer({ min: 0, max: 20 }), (sample, most) => {
        const moves = balanceLoads(sample, 1.05, most);
        expect(moves.length).toBeLessThanOrEqual(most);
        const totals = workerLoads(sample);
        const all = totals.reduce((a, b) => a + b, 0);
        let fullest = Math.max(...totals);
        const at = sample.loads.map(({ worker }) => worker);
        for (const { index, from, to, packets } of moves) {
          expect(sample.loads[index]).toMatchObject({ frozen: false, packets });
          expect(at[index]).toBe(from);
          expect(totals[from]).toBeGreaterThan((all / sample.workers) * 1.05);
          at[index] = to;
          totals[from]! -= packets;
          totals[to]! += packets;
          expect(Math.max(...totals)).toBeLessThanOrEqual(fullest);
          fullest = Math.max(...totals);
        }
      }),
    );
  });

  it('leave one thing that is too heavy for every worker where it is', () => {
    expect(balanceLoads({ workers: 2, loads: [load(0, 9000), load(1, 10)] }, 1.05, 9)).toEqual([]);
  });
});

describe('hysteresis', () => {
  const settings = { threshold: 1.2, intervals: 3, least: 100 };

  it('acts after several uneven intervals in a row, then waits as many', () => {
    const rebalancer = new Rebalancer(settings);
    const acts = Array.from({ length: 9 }, () => rebalancer.observe(uneven, true).act);
    expect(acts).toEqual([false, false, true, false, false, false, false, false, true]);
  });

  it('starts over after an even interval', () => {
    const rebalancer = new Rebalancer(settings);
    const samples = [uneven, uneven, even, uneven, uneven, uneven];
    expect(samples.map((sample) => rebalancer.observe(sample, true).act)).toEqual([
      ...[false, false, false, false, false, true],
    ]);
  });

  it('goes on advising when nobody acts', () => {
    const rebalancer = new Rebalancer(settings);
    const advice = Array.from({ length: 5 }, () => rebalancer.observe(uneven, false));
    expect(advice.map(({ act }) => act)).toEqual([false, false, true, true, true]);
    expect(advice[4]).toMatchObject({ now: 1.8, predicted: 1, uneven: 5 });
    expect(advice[2]!.why).toBe(
      'worker 0 has 1.80 times its fair share for 3 intervals; 1 move brings it to 1.00',
    );
  });

  it('does nothing for a gain that is not worth it, for too few packets, or where nothing helps', () => {
    const once = (sample: LoadSample, more: object) =>
      new Rebalancer({ ...settings, intervals: 1, ...more }).observe(sample, true);
    expect(once(uneven, { gain: 0.9 })).toMatchObject({ act: false, moves: [] });
    expect(once(uneven, { gain: 0.9 }).why).toMatch(/not worth it \(gain 0.9\)$/);
    expect(once(uneven, { least: 10_001 }).why).toMatch(/^10000 packets in the interval: fewer than 10001/);
    expect(once({ workers: 2, loads: [load(0, 900)] }, {}).why).toMatch(/nothing that could move/);
    expect(once(uneven, {}).act).toBe(true);
  });

  it('refuses settings out of range, by name', () => {
    const check = (more: object) => () => checkRebalance({ ...REBALANCE_DEFAULTS, ...more });
    expect(check({ threshold: 0.5 })).toThrow('rebalance threshold=0.5: expected a number from 1 to 1000');
    expect(check({ intervals: 0 })).toThrow('rebalance intervals=0: expected a whole number from 1 to 3600');
    expect(check({ bound: 2 })).toThrow('rebalance bound=2: expected at most the threshold, 1.25');
    expect(check({})).not.toThrow();
  });
});

describe('samples', () => {
  const mac = (n: number) => `02:00:00:00:00:0${n}`;
  const flows: SeenFlow[] = Array.from({ length: 40 }, (_, n) => ({
    frame: flowFrame(parseFlow(`udp 10.0.0.${n}:${n} > 10.1.0.1:53`, 'test'), { dstMac: mac(n % 4) }),
    port: 0,
    queue: 0,
    worker: n % 2,
    packets: 100 + n,
  }));
  const total = flows.reduce((sum, flow) => sum + flow.packets, 0);

  it('of an rss policy are its buckets, with the table as it is', () => {
    const workers = 2;
    const spec = parsePolicy('rss:queues=4', { command: 'forward', workers });
    const steering = compilePolicy(spec, { workers }) as RssSteering;
    const sample = bucketLoads(steering, workers, flows, NOTHING_FROZEN);
    expect(workerLoads(sample).reduce((a, b) => a + b, 0)).toBe(total);
    expect(sample.buckets.length).toBe(sample.loads.length);
    sample.loads.forEach(({ name, worker }, i) => {
      expect(name).toBe(`bucket ${sample.buckets[i]}`);
      expect(worker).toBe(steering.table.entries[sample.buckets[i]!]! % 2);
    });
    const frozen = bucketLoads(
      steering,
      workers,
      flows,
      parseFreeze(['udp 10.0.0.3:3 > 10.1.0.1:53', mac(1)]),
    );
    const count = frozen.loads.filter((one) => one.frozen).length;
    expect(count).toBeGreaterThan(1);
    expect(count).toBeLessThan(frozen.loads.length);
    // Of the queues of a worker the one with the fewest entries.
    expect(queueFor(steering, 1, 2)).toBe(1);
    steering.table.set(0, 1);
    expect(queueFor(steering, 1, 2)).toBe(3);
  });

  it('of a mac policy are its guests; what goes to nobody owned stays with its worker', () => {
    const owners = [
      { mac: mac(0), vlan: 0, worker: 1, port: 0 },
      { mac: mac(1), vlan: null, worker: 0, port: null },
      { mac: mac(9), vlan: 0, worker: 0, port: 0 },
    ];
    const sample = guestLoads(owners, 2, flows, parseFreeze(mac(1)));
    const of = (n: number) =>
      flows.filter((_, i) => i % 4 === n).reduce((sum, flow) => sum + flow.packets, 0);
    expect(sample.loads).toEqual([
      { name: `guest ${mac(0)}`, worker: 1, packets: of(0), frozen: false },
      { name: `guest ${mac(1)}`, worker: 0, packets: of(1), frozen: true },
    ]);
    expect(sample.fixed).toEqual([of(2), of(3)]);
    expect(sample.guests.map((guest) => guest.mac)).toEqual([mac(0), mac(1)]);
  });
});
