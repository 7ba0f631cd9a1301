/**
 * Sweeps through a queue while something goes wrong: after each fault the results are those of one machine, byte for
 * byte after sorting.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Process } from '../support/processes.js';
import { GATED, Gate, makeCertificates, Redis, redisMissing, rxsteerProcess } from '../support/redis.js';
import { makeCapture } from '../sweep/support.js';

const missing = redisMissing();
if (missing !== null) process.stderr.write(`sweeps through a queue are not tested: ${missing}\n`);

let folder: string;
let redis: Redis;
const processes: Process[] = [];
const path = (name: string) => join(folder, name);
const sorted = (name: string) => readFileSync(path(name), 'utf8').split('\n').sort().join('\n');

function start(args: readonly string[], environment?: NodeJS.ProcessEnv): Process {
  const started = rxsteerProcess(args, environment);
  processes.push(started);
  return started;
}

/** A worker that takes cells. */
async function worker(options: readonly string[] = [], environment?: NodeJS.ProcessEnv): Promise<Process> {
  const args = ['worker', '--queue', redis.url, '--jobs', '1', '--lock', '1', '--allow-js', ...options];
  const started = start(args, environment);
  await started.line(/^ready$/m);
  return started;
}

/** The sweep of all tests, as far as it goes without its end. */
const sweepArgs = () => [
  ...['sweep', path('a.pcap'), path('b.pcap'), '--policy', `js:${path('gated.mjs')}`, '--policy', 'rss'],
  ...['--policy', 'rps', '--queues', '2,4,8', '--seeds', '1-3'],
];
const sweep = (out = 'all.jsonl') => start([...sweepArgs(), '--queue', redis.url, '--out', path(out)]);

/** Cells, each once, as one machine has them. */
function expectWhole(out = 'all.jsonl'): void {
  expect(sorted(out)).toBe(sorted('one.jsonl'));
}

beforeEach(async () => {
  if (missing !== null) return;
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-queue-'));
  redis = await Redis.start(path('redis'));
  await makeCapture(path('a.pcap'), { packets: 1000, flows: 20 });
  await makeCapture(path('b.pcap'), { packets: 3000, flows: 20 });
  writeFileSync(path('gated.mjs'), GATED);
  await start([...sweepArgs(), '--out', path('one.jsonl')]).expectExit(0);
});

afterEach(async () => {
  for (const one of processes.splice(0)) {
    one.signal('SIGCONT');
    one.kill();
    await one.ended;
  }
  await redis?.stop('SIGKILL').catch(() => {});
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(missing !== null)('a sweep through a queue', () => {
  /** A worker that stands in the middle of a cell, and the sweep that waits for it. */
  async function inTheMiddle(): Promise<{ gate: Gate; first: Process; running: Process }> {
    const gate = await Gate.make(path('gate'));
    const first = await worker([], gate.environment);
    const running = sweep();
    await gate.reached();
    return { gate, first, running };
  }

  it('survives a worker that is killed in the middle of a cell', async () => {
    const { first, running } = await inTheMiddle();
    first.kill();
    await worker();
    await running.expectExit(0);
    expectWhole();
  });

  it('survives a worker that stands still for longer than its lock, and drops what it brings late', async () => {
    const { gate, first, running } = await inTheMiddle();
    first.signal('SIGSTOP');
    await worker();
    await running.expectExit(0);
    expectWhole();
    first.signal('SIGCONT');
    await gate.open();
    await first.stop('SIGINT');
    expect(first.stdout).toMatch(/^\d+ cells, \d+ more that others had finished$/m);
    expectWhole();
  });

  it.each([
    ['with its append-only file', []],
    ['and has forgotten everything', ['--appendonly', 'no']],
  ])('survives a Redis that is restarted %s', async (_, options) => {
    await redis.stop();
    redis = await Redis.start(path('other'), options);
    const { gate, first, running } = await inTheMiddle();
    await redis.stop('SIGKILL');
    await running.line(/the connection is lost: waiting for it/);
    await first.line(/the connection is lost: waiting for it/);
    await redis.start();
    await running.line(/goes on/);
    await gate.open();
    await running.expectExit(0);
    expectWhole();
    expect((await first.stop('SIGINT')).code).toBe(0);
  });

  it('waits for a Redis that is full', async () => {
    const { gate, first, running } = await inTheMiddle();
    redis.cli('config', 'set', 'maxmemory', '1');
    await gate.open();
    await first.line(/Redis is full \(maxmemory\): waiting for room/);
    // One more cell than lies in the queue, which cannot be put in.
    const more = [...sweepArgs(), '--policy', 'single'];
    const second = start([...more, '--queue', redis.url, '--out', path('second.jsonl')]);
    await second.line(/Redis is full/);
    redis.cli('config', 'set', 'maxmemory', '0');
    await Promise.all([running.expectExit(0), second.expectExit(0)]);
    expectWhole();
    await start([...more, '--out', path('one.jsonl')]).expectExit(0);
    expectWhole('second.jsonl');
  });

  it('goes on after its coordinator was killed', async () => {
    const { gate, running } = await inTheMiddle();
    running.kill();
    await running.ended;
    await gate.open();
    const again = sweep();
    await again.expectExit(0);
    expectWhole();
  });

  it('shares a queue with another one, and computes what both want once', async () => {
    const { gate, first, running } = await inTheMiddle();
    const other = sweep('other.jsonl');
    // Both listen, one connection each.
    await expect.poll(() => redis.cli('client', 'list').match(/ name=\S+:qe /g)?.length).toBe(2);
    await gate.open();
    await Promise.all([running.expectExit(0), other.expectExit(0)]);
    expectWhole();
    expectWhole('other.jsonl');
    await first.stop('SIGINT');
    expect(first.stdout).toBe(`${sorted('one.jsonl').trim().split('\n').length} cells\n`);
  });

  it('goes through TLS, with a CA that the environment names, and says why it does not without', async () => {
    await redis.stop();
    makeCertificates(path('tls'));
    redis = await Redis.start(path('other'), [], path('tls'));
    const refused = start([...sweepArgs(), '--queue', redis.url]);
    await refused.expectExit(2);
    expect(refused.stderr).toMatch(/^rxsteer: --queue rediss:\/\/127\.0\.0\.1:\d+\/0: .*certificate.*\n$/);
    const plain = start([...sweepArgs(), '--queue', redis.url.replace('rediss', 'redis')]);
    await plain.expectExit(2);
    expect(plain.stderr.trimEnd().split('\n')).toHaveLength(1);
    const trusted = { ...process.env, NODE_EXTRA_CA_CERTS: path('tls/ca.pem') };
    await worker([], trusted);
    await start([...sweepArgs(), '--queue', redis.url, '--out', path('all.jsonl')], trusted).expectExit(0);
    expectWhole();
  });

  it('gives nothing to a worker whose capture is another one', async () => {
    mkdirSync(path('wrong'));
    for (const name of ['a.pcap', 'b.pcap', 'gated.mjs']) {
      const bytes = readFileSync(path(name));
      // In the middle of it, where a look at both ends sees nothing.
      if (name.endsWith('.pcap')) bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(join(path('wrong'), name), bytes);
    }
    const bad = await worker(['--map', `${folder}=${path('wrong')}`]);
    const running = sweep();
    await running.line(/refuses cells: .*\/wrong\/[ab]\.pcap: has another content than on the coordinator/);
    await worker();
    await running.expectExit(0);
    expectWhole();
    await bad.stop('SIGINT');
    expect(bad.stdout).toBe('0 cells\n');
  });

  it('reports cells that always fail, at the end, and has all the others', async () => {
    writeFileSync(
      path('fails.mjs'),
      `export default ({ workers }) => ({ steer({ n, worker }) { if (workers === 4) throw new Error('four is too many'); worker.fill(0, 0, n); } });\n`,
    );
    const args = [...sweepArgs(), '--policy', `js:${path('fails.mjs')}`];
    await worker();
    const running = start([...args, '--queue', redis.url, '--out', path('all.jsonl'), '--json']);
    await running.expectExit(1);
    expect(running.stderr).toMatch(/6 cells failed: .*four is too many/);
    expect(JSON.parse(running.stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({
      code: 'RXS_SWEEP_INCOMPLETE',
      error: expect.stringMatching(/^6 of \d+ cells have no result; the others are done/),
    });
    const all = sorted('all.jsonl').split('\n');
    for (const one of sorted('one.jsonl').split('\n')) expect(all).toContain(one);
    const failing = all.filter((text) => text.includes('fails.mjs'));
    expect(failing.map((text) => JSON.parse(text).workers).sort()).toEqual(Array(12).fill(2).fill(8, 6));
  });
});
