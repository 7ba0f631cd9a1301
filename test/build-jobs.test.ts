/** How many compilers run at once when the addon is built. */
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';

const { buildJobs } = (await import('../scripts/build-jobs.mjs' as string)) as {
  buildJobs(environment?: NodeJS.ProcessEnv): string[];
};

describe('compilers at once', () => {
  it('are never without a number, and no more than CPUs', () => {
    const [flag, jobs] = buildJobs({});
    expect(flag).toBe('--parallel');
    expect(Number(jobs)).toBeGreaterThanOrEqual(1);
    expect(Number(jobs)).toBeLessThanOrEqual(availableParallelism());
  });

  it('are what the environment says', () => {
    expect(buildJobs({ CMAKE_BUILD_PARALLEL_LEVEL: '7' })).toEqual([]);
  });
});
