/** The demo: with and without privileges, interrupted, killed. */
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { startTime } from '#rxsteer/cli/lab.js';
import { canForward } from '../support/forwarder.js';
import { inSoak } from '../support/matrix.js';
import { SLOW } from '../support/slow.js';
import { expectConservation, type Summary } from '../support/summary.js';
import { endAll, start, UNPRIVILEGED } from './run-cli.js';

interface Demo {
  live: boolean;
  frames: number;
  guests: number;
  workers: number;
  runs: { policy: string; sent: number; summary: Summary }[];
}

/** Namespaces of a process, as long as it can be named. */
const namespacesOf = (tag: string) => readdirSync('/run/netns').filter((name) => name.startsWith(tag));

const POLICIES = ['single', 'rss', 'rps', 'mac-hash', 'mac', 'round-robin'];

/** All policies, or those that it had time for, where it says so. */
function expectRuns(demo: Demo, stderr: string): void {
  const policies = demo.runs.map(({ policy }) => policy.replace(/:.*/, ''));
  const [, stopped] = stderr.match(/This machine is busy: stopped before ([\w-]+)/) ?? [];
  expect(policies).toEqual(stopped === undefined ? POLICIES : POLICIES.slice(0, POLICIES.indexOf(stopped)));
  for (const { policy, sent, summary } of demo.runs) {
    expectConservation(summary);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThanOrEqual(demo.frames);
    if (policy !== 'round-robin') expect(summary.totals.reordered, policy).toBe(0);
    expect(summary.workers).toHaveLength(demo.workers);
  }
}

afterEach(endAll);

describe('demo', () => {
  inSoak(
    'runs on memory ports without privileges, and says so',
    async () => {
      const process = start(['demo', '--json'], { before: UNPRIVILEGED });
      // It takes ten seconds on an idle machine; how long on this one decides nothing.
      const { code } = await process.finish(200_000);
      const { stdout, stderr } = process;
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
      expect(stderr).toMatch(/Memory ports instead of real interfaces: network namespaces need root/);
      const demo = JSON.parse(stdout) as Demo;
      expect(demo.live).toBe(false);
      expectRuns(demo, stderr);
      for (const { sent, summary } of demo.runs) {
        expect(sent).toBe(demo.frames);
        expect(summary.totals.delivered).toBe(demo.frames);
      }
    },
    220_000,
  );

  it('an interrupt ends it, also on memory ports', async () => {
    const process = start(['demo'], { before: UNPRIVILEGED });
    await process.line(/Every policy forwards/);
    expect((await process.stop('SIGINT')).code).toBe(130);
    expect(process.stdout).toBe('');
  });
});

describe.skipIf(!canForward())('demo with privileges', () => {
  inSoak(
    'sends real packets, compares the policies and leaves nothing behind',
    async () => {
      const process = start(['demo', '--json']);
      await process.line(/Every policy forwards/);
      const tag = `rxsteer-${process.pid}-${startTime(process.pid)}-`;
      expect(await process.finish(200_000)).toEqual({ code: 0, signal: null });
      expect(process.stderr).toMatch(/Real packets/);
      const demo = JSON.parse(process.stdout) as Demo;
      expect(demo.live).toBe(true);
      expectRuns(demo, process.stderr);
      expect(namespacesOf(tag)).toEqual([]);
    },
    220_000,
  );

  it('cleans up after an interrupt', async () => {
    const process = start(['demo']);
    await process.line(/Every policy forwards/);
    const tag = `rxsteer-${process.pid}-${startTime(process.pid)}-`;
    await expect.poll(() => namespacesOf(tag).length, { timeout: 60_000 * SLOW }).toBe(5);
    expect((await process.stop('SIGINT')).code).toBe(130);
    expect(namespacesOf(tag)).toEqual([]);
  });
});
