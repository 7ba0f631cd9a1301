/**
 * Minutes of changes: the stress of test/scenario/live.test.ts at a higher rate, with many seeds. SOAK_MINUTES says how
 * long (default 3); SOAK_SEED begins elsewhere. A line of figures per run; the whole outcome goes to a file in
 * SOAK_OUT (default: rxsteer-soak in the temporary directory).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { privileged, withLab } from '../support/lab.js';
import {
  describeStress,
  expectStrict,
  type StressOptions,
  type StressOutcome,
  stress,
} from '../support/stress.js';

const MINUTES = Number(process.env.SOAK_MINUTES ?? 3);
const SEED = Number(process.env.SOAK_SEED ?? 1);
/** One forwarder lives so long at most: start and end are part of the proof too. */
const RUN_SECONDS = 45;
const RUNS = Math.max(1, Math.round((MINUTES * 60) / RUN_SECONDS));
const SECONDS = (MINUTES * 60) / RUNS;
const OUT = process.env.SOAK_OUT ?? join(tmpdir(), 'rxsteer-soak');

/** A failed run must leave more than an excerpt. */
function keep(name: string, outcome: StressOutcome): void {
  mkdirSync(OUT, { recursive: true });
  writeFileSync(join(OUT, `${name}.json`), JSON.stringify(outcome, null, 1));
}

const common = { rate: 15_000, flows: 250, burst: 3, restMs: 10 } satisfies Partial<StressOptions>;

describe.skipIf(!privileged())('a switch that is changed many times a second', () => {
  it.each(Array.from({ length: RUNS }, (_, run) => SEED + run))('keeps order (seed %i)', async (seed) => {
    await withLab(async (lab) => {
      const outcome = await stress(lab, { ...common, order: 'strict', seed, until: { seconds: SECONDS } });
      keep(`strict-${seed}`, outcome);
      console.log(`seed ${seed}, ${SECONDS} s, ${describeStress(outcome)}`);
      expectStrict(outcome);
    });
  });

  it.each(['round-robin', 'none', 'linux'] as const)('loses it under %s', async (order) => {
    await withLab(async (lab) => {
      const outcome = await stress(lab, { ...common, flows: 20, order, seed: SEED, until: { seconds: 5 } });
      keep(order, outcome);
      console.log(`5 s, ${describeStress(outcome)}`);
      expect(outcome.failure).toBeNull();
      expect(outcome.summary.totals.reordered).toBeGreaterThan(0);
      expect(outcome.reordered).toBeGreaterThan(0);
    });
  });
});
