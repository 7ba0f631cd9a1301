import { defineConfig } from 'vitest/config';
import { SLOW } from './test/support/slow.js';

// Tests import the built modules (`#rxsteer/…` is dist/) and node loads them itself: worker threads load the same
// files, so that no module exists twice. Files below test/serial touch machine-wide settings and run one by one. Those of
// `SHARED` need no privileges (a forwarder in the test's own process gives them up) and leave nothing else behind: they
// are run many to a process, since one for each costs a fifth of the time.
const SHARED =
  'bench block capture forward hash linux mac nic observe packet policy requests simulate sweep traffic what-if'
    .split(' ')
    .map((folder) => `test/${folder}/**/*.test.ts`);

const common = {
  environment: 'node' as const,
  testTimeout: 120_000 * SLOW,
  hookTimeout: 120_000 * SLOW,
  expect: { poll: { timeout: 60_000 * SLOW } },
  server: { deps: { external: [/\/dist\//] } },
};

export default defineConfig({
  test: {
    // Three at a time also on two CPUs: most of these tests wait for processes of their own.
    maxWorkers: 3,
    projects: [
      {
        test: {
          ...common,
          name: 'parallel',
          include: ['test/**/*.test.ts'],
          exclude: ['test/serial/**', 'test/soak/**', ...SHARED],
        },
      },
      { test: { ...common, name: 'shared', include: SHARED, isolate: false } },
      {
        test: {
          ...common,
          name: 'serial',
          include: ['test/serial/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
