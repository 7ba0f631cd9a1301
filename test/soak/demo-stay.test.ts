/** `demo --stay`: a lab under traffic with a dashboard, of which nothing is left. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
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
  if (root) expect(namespaces(demo.pid)).toBe(5);
  demo.signal('SIGINT');
  expect((await demo.finish(120_000)).code).toBe(0);
  if (root) expect(namespaces(demo.pid)).toBe(0);
  expect(existsSync(socket!)).toBe(false);
});
