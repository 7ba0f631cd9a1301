/**
 * Minutes or hours of fuzzing: FUZZ_MINUTES (default 5) over all targets, FUZZ_SEED to start elsewhere, FUZZ_TARGET for
 * one of them. Inputs that run new code are kept in build/fuzz and started from the next time; what fails is saved
 * among the cases in test/fuzz, which every run of the tests replays.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fuzz, save } from '../fuzz/driver.js';
import { TARGETS } from '../fuzz/targets/index.js';

const { FUZZ_MINUTES = '5', FUZZ_SEED = `${Date.now() % 1e6}`, FUZZ_TARGET = '' } = process.env;
const CORPUS = fileURLToPath(new URL('../../build/fuzz/', import.meta.url));
const targets = TARGETS.filter(({ name }) => FUZZ_TARGET === '' || name === FUZZ_TARGET);
const BUDGET_MS = (Number(FUZZ_MINUTES) * 60_000) / targets.length;

describe.each(targets)('$name', (target) => {
  it('keeps its promises for whatever it is given', async () => {
    const options = { seed: Number(FUZZ_SEED), executions: Number.POSITIVE_INFINITY, budgetMs: BUDGET_MS };
    const report = await fuzz(target, { ...options, corpus: `${CORPUS}${target.name}` });
    const { slowest, ...figures } = report;
    const path = save(`${CORPUS}slowest/${target.name}`, slowest);
    console.log(`${target.name}, seed ${FUZZ_SEED}: ${JSON.stringify(figures)}, slowest: ${path}`);
    expect(report.executions).toBeGreaterThan(0);
  });
});
