import { defineConfig } from 'vitest/config';
import { SLOW } from './test/support/slow.js';

// Tests import the built modules (`#rxsteer/…` is dist/) and node loads them itself: worker threads load the same
// files, so that no module exists twice. Most files run many to a process, since a process and the modules for each cost
// a fifth of the time: so a test leaves nothing behind in its process. Files below test/serial touch machine-wide settings
// and run one by one.

/** Folders whose tests need no privileges: a forwarder in the test's own process (`test/cli/run.ts`) gives them up. */
const UNPRIVILEGED =
  'bench block capture forward hash linux mac nic observe packet policy requests simulate sweep traffic'
    .split(' ')
    .map((folder) => `test/${folder}/**/*.test.ts`);

/** Those that want a process of their own. */
const ALONE = [
  // Ports of its forwarders are open: privileges are given up.
  'test/cli/forward-input.test.ts',
  // It counts threads and descriptors.
  'test/dataplane/engine/worker-death.test.ts',
];

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
      { test: { ...common, name: 'alone', include: ALONE } },
      {
        test: {
          ...common,
          name: 'together',
          isolate: false,
          include: ['test/**/*.test.ts'],
          exclude: ['test/serial/**', 'test/soak/**', ...ALONE, ...UNPRIVILEGED],
        },
      },
      { test: { ...common, name: 'unprivileged', isolate: false, include: UNPRIVILEGED } },
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
