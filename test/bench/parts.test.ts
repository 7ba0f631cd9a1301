/** Parts of a suite: what is named is what is run. */
import { expect, it } from 'vitest';
import { chooseSuites, SUITES } from '#rxsteer/bench/index.js';
import type { BenchOptions } from '#rxsteer/bench/runner.js';

it('a suite is told which of its parts are asked for', async () => {
  const suite = SUITES.find(({ name }) => name === 'guests')! as { run: (typeof SUITES)[number]['run'] };
  const { run } = suite;
  const asked: (readonly string[] | undefined)[] = [];
  suite.run = async ({ parts }) => {
    asked.push(parts);
    return { results: [], ratios: [], notes: [] };
  };
  try {
    for (const names of [
      ['guests/wire', 'guests/idle'],
      ['guests', 'guests/wire'],
    ]) {
      const [chosen, ...others] = chooseSuites(names);
      expect(others).toEqual([]);
      await chosen!.run({} as BenchOptions);
    }
  } finally {
    suite.run = run;
  }
  // In the suite's order.
  expect(asked).toEqual([['idle', 'wire'], undefined]);
});
