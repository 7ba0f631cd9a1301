/**
 * Four single-queue guests behind two workers at full speed: with flow steering workers meet at the guests' rings, and the
 * counters say so; with MAC steering a guest's ring has one writer, and they say 0.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { compile } from '#rxsteer/bench/lab/compile.js';
import { Child } from '#rxsteer/bench/lab/process.js';
import { startForwarder, summarize } from '#rxsteer/index.js';
import { SLOW } from '../support/slow.js';

const ready = loadNative() !== null && availableParallelism() >= 2;
if (!ready) process.stderr.write('tests of ring locks are skipped: no addon, or one CPU\n');

const NAMES = ['a', 'b', 'c', 'd'];
/** Runs of the guests until workers have met; they do within the first where each has a CPU. */
const RUNS_MOST = 60;

it.skipIf(!ready).each(['mac', 'rss'])('%s', { timeout: 180_000 * SLOW }, async (policy) => {
  const { path: program, problem } = compile({ what: 'guests', source: 'guests/front.cc' });
  expect(problem).toBe('');
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-vhost-'));
  const sockets = NAMES.map((name) => join(folder, `${name}.sock`));
  const engine = await startForwarder({
    ports: NAMES.map((name, k) => `${name}=vhost-user:${sockets[k]}`),
    policy,
    workers: 2,
    cpus: [0, 1],
    warn: () => {},
  } as never);
  const front = new Child('front', [program, '60', '64', ...sockets]);
  try {
    await front.until(/^ready$/m, 30_000 * SLOW);
    const met = () => summarize(engine).workers.reduce((sum, { txLock }) => sum + txLock.contended, 0);
    const runs = policy === 'mac' ? 8 : RUNS_MOST;
    for (let k = 1; k <= runs && (policy === 'mac' || met() === 0); k++) {
      front.write('0.5\n');
      await front.until(new RegExp(`^(?:\\{.*\\}\\n){${k}}`, 'm'), 30_000 * SLOW);
    }
    const { totals, workers } = summarize(engine);
    const waited = workers.reduce((sum, { txLock }) => sum + txLock.waitedNs, 0);
    console.log(`${policy}: ${totals.transmitted} frames, ${met()} lock waits, ${waited} ns`);
    expect(totals.transmitted).toBeGreaterThan(10_000);
    // Both have worked.
    for (const { processed } of workers) expect(processed).toBeGreaterThan(0);
    if (policy === 'mac') expect([met(), waited]).toEqual([0, 0]);
    else expect(Math.min(met(), waited)).toBeGreaterThan(0);
    expect(totals.reordered).toBe(0);
  } finally {
    front.kill();
    await front.ended;
    await engine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
