/** `demo --stay`: a lab under traffic with a dashboard, of which nothing is left. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { endAll, start, UNPRIVILEGED } from '../cli/run-cli.js';

afterEach(endAll);

const isRoot = process.getuid?.() === 0;
const namespaces = (pid: number) =>
  execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => name.startsWith(`rxsteer-${pid}-`)).length;

it.each(isRoot ? [true, false] : [false])('shows a lab and cleans up (root: %s)', async (root) => {
  const demo = start(['demo', '--stay'], root ? {} : { before: UNPRIVILEGED });
  const [, socket] = await demo.line(/--socket (\S+)/, 120_000);
  const [url] = await demo.line(/http:\S+/, 1000);
  expect((await fetch(url)).status).toBe(200);
  const headers = {
    authorization: `Bearer ${new URL(url).hash.slice(1)}`,
    'content-type': 'application/json',
  };
  const plan = { method: 'POST', headers, body: JSON.stringify({ policy: 'single' }) };
  expect((await fetch(new URL('/apply', url), plan)).status).toBe(200);
  if (root) {
    expect(namespaces(demo.pid)).toBe(5);
    // Whoever gets into the process that listens has no rights, though the one that cleans up has.
    const children = readFileSync(`/proc/${demo.pid}/task/${demo.pid}/children`, 'utf8').trim().split(' ');
    const listens = children.find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0dashboard\0'),
    );
    expect(readFileSync(`/proc/${listens}/status`, 'utf8')).toMatch(/^CapPrm:\t0+$/m);
  }
  demo.signal('SIGINT');
  expect((await demo.finish(120_000)).code).toBe(0);
  if (root) expect(namespaces(demo.pid)).toBe(0);
  expect(existsSync(socket!)).toBe(false);
});

it.skipIf(!isRoot)(
  'leaves nothing when it was killed and another one has run, and two live side by side',
  async () => {
    const first = start(['demo', '--stay']);
    const [, socket] = await first.line(/--socket (\S+)/, 120_000);
    const second = start(['demo', '--stay']);
    await second.line(/--socket (\S+)/, 120_000);
    const urls = [first, second].map(({ stdout }) => /http:\S+/.exec(stdout)![0]);
    expect(new URL(urls[0]!).port).not.toBe(new URL(urls[1]!).port);
    first.signal('SIGKILL');
    await first.finish(120_000);
    // Its children end by themselves.
    await expect
      .poll(
        () =>
          fetch(urls[0]!).then(
            () => 'there',
            () => 'gone',
          ),
        { timeout: 60_000 },
      )
      .toBe('gone');
    expect((await fetch(urls[1]!)).status).toBe(200);
    expect(namespaces(first.pid)).toBe(5);
    const third = start(['demo', '--stay']);
    await third.line(/--socket (\S+)/, 120_000);
    expect(namespaces(first.pid)).toBe(0);
    expect(namespaces(second.pid)).toBe(5);
    expect(existsSync(dirname(socket!))).toBe(false);
    // An impatient one, one of another kind, and one whose terminal went.
    second.signal('SIGINT');
    second.signal('SIGINT');
    third.signal('SIGHUP');
    for (const demo of [second, third]) {
      expect((await demo.finish(120_000)).code).toBe(0);
      expect(namespaces(demo.pid)).toBe(0);
    }
  },
);
