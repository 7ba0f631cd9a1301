/**
 * Every target for a quarter of a second with a fixed seed, and every case that ever failed. Hours of it: `npm run soak`.
 */
import { describe, expect, it } from 'vitest';
import { fuzz } from './driver.js';
import { TARGETS } from './targets/index.js';

const EXECUTIONS = 700;
/** For a machine that is busy; never a reason to fail. */
const BUDGET_MS = 250;

describe.each(TARGETS)('$name', (target) => {
  it('keeps its promises for whatever it is given', { timeout: 180_000 }, async () => {
    const report = await fuzz(target, { seed: 1, executions: EXECUTIONS, budgetMs: BUDGET_MS });
    expect(report.executions).toBeGreaterThanOrEqual(target.seeds().length);
    // The guide sees the code that it is to find its way through.
    expect(report.covered).toBeGreaterThan(1000);
  });
});
