/** The budget of flooded copies: rate, burst and threads, on virtual time. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ClockTime, type ThreadClock } from '#rxsteer/dataplane/memory/clock.js';
import { allocateShared, Carver } from '#rxsteer/dataplane/memory/layout.js';
import { burstOf, carveFloods, FloodBudget } from '#rxsteer/dataplane/shared/flood-budget.js';

/** Budgets of some threads over one memory, and the time that they see. */
function budgets(threads: number) {
  const carve = (carver: Carver) => carveFloods(carver, 4);
  const memory = allocateShared(carve);
  const time = { ms: 5_000_000 };
  const clock = () => {
    const times = new Float64Array(3);
    const look = () => {
      times[ClockTime.ns] = time.ms * 1e6;
    };
    return { times, look, lookAll: look, cpu: false } as ThreadClock;
  };
  return {
    time,
    each: Array.from({ length: threads }, () => new FloodBudget(carve(new Carver(memory)), clock())),
  };
}

it('grants no more than a burst and the rate, whichever thread asks, and no less when asked often', () => {
  const asks = fc.array(
    fc.record({
      thread: fc.nat(2),
      copies: fc.integer({ min: 1, max: 1200 }),
      afterMs: fc.integer({ min: 0, max: 40 }),
    }),
    { minLength: 1, maxLength: 200 },
  );
  fc.assert(
    fc.property(asks, fc.constantFrom(10_000, 100_000, 1_000_000), (list, rate) => {
      const { time, each } = budgets(3);
      const start = time.ms;
      let granted = 0;
      for (const { thread, copies, afterMs } of list) {
        time.ms += afterMs;
        if (each[thread]!.take(1, rate, copies)) granted += copies;
        expect(granted).toBeLessThanOrEqual(burstOf(rate) + ((time.ms - start) * rate) / 1000);
      }
      // After a rest as long as the burst takes there is a whole burst again, and not more.
      time.ms += Math.ceil((burstOf(rate) * 1000) / rate);
      expect(each[0]!.take(1, rate, burstOf(rate) - 1000)).toBe(true);
      expect(each[1]!.take(1, rate, burstOf(rate))).toBe(false);
    }),
  );
});

it('keeps ports apart, and does not limit a rate of 0 or a frame without further copies', () => {
  const { each } = budgets(1);
  const [budget] = each as [FloodBudget];
  expect(budget.take(0, 50_000, burstOf(50_000))).toBe(true);
  expect(budget.take(0, 50_000, 1)).toBe(false);
  expect(budget.take(1, 50_000, burstOf(50_000))).toBe(true);
  for (let k = 0; k < 10; k++) expect(budget.take(2, 0, 1e6)).toBe(true);
  for (let k = 0; k < 10; k++) expect(budget.take(0, 50_000, 0)).toBe(true);
});
