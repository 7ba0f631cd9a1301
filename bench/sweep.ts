/**
 * Suite `sweep`: 500 cells by two workers with one thread each through Redis, beside two threads in one process.
 *
 * Promise: whole processes, from start to exit of `rxsteer sweep`, interleaved; workers run already, as they do for
 * every sweep but the first. Redis is the suite's own, on loopback, and is emptied before each sweep. Both must give the
 * same lines.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { writeCapture } from './captures.js';
import { Child } from './lab/process.js';
import { missingProgram } from './lab/programs.js';
import {
  abba,
  type BenchOptions,
  present,
  ratioOf,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';

const SUITE = 'sweep';
const MAIN = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const [LOCAL, QUEUE] = ['2 threads of one process', '2 workers of one thread, through Redis'];
const TIME = 'time';
const START_MS = 60_000;

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const program = (...args: string[]) => [process.execPath, MAIN, ...args];

async function run(options: BenchOptions): Promise<SuiteReport> {
  const missing = missingProgram(SUITE, { 'redis-server': 'redis-server', 'redis-cli': 'redis-tools' });
  if (missing !== null) return { results: [], ratios: [], notes: [missing] };
  // Cells of a twentieth of a second: what a job costs the queue, two milliseconds, is there for shorter ones too.
  const [cells, packets] = options.quick ? [100, 200_000] : [500, 1_500_000];
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-bench-'));
  const children: Child[] = [];
  try {
    const capture = join(folder, 'in.pcap');
    writeCapture(capture, packets, 60, 1000);
    const port = await freePort();
    const flags = [
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'yes',
      '--maxmemory-policy',
      'noeviction',
    ];
    const server = new Child('redis', ['redis-server', '--port', String(port), '--dir', folder, ...flags]);
    children.push(server);
    await server.until(/Ready to accept connections/, START_MS);
    const url = `redis://127.0.0.1:${port}`;
    for (const name of ['worker 1', 'worker 2']) {
      const worker = new Child(name, program('worker', '--queue', url, '--jobs', '1'));
      children.push(worker);
      await worker.until(/^ready$/m, START_MS);
    }
    const grid = ['sweep', capture, '--policy', 'rps:cpus=0-3', '--seeds', `1-${cells}`];
    const outputs = new Map<string, string>();
    const timeOf = (name: string, how: readonly string[]): number => {
      const out = join(folder, 'out.jsonl');
      rmSync(out, { force: true });
      spawnSync('redis-cli', ['-p', String(port), 'flushall']);
      const started = performance.now();
      const [file, ...args] = program(...grid, ...how, '--out', out);
      const { status, stderr } = spawnSync(file!, args, {
        stdio: ['ignore', 'ignore', 'pipe'],
        encoding: 'utf8',
      });
      const time = performance.now() - started;
      if (status !== 0) throw new Error(`${name}: exit ${status}: ${stderr.split('\n')[0]}`);
      outputs.set(name, readFileSync(out, 'utf8').split('\n').sort().join('\n'));
      return time;
    };
    const candidates = [
      { name: LOCAL, how: ['--jobs', '2'] },
      { name: QUEUE, how: ['--queue', url] },
    ];
    // Threads of the workers compile their code once.
    for (const { name, how } of candidates) timeOf(name, how);
    const samples = new Samples();
    const rounds = options.rounds ?? (options.quick ? 2 : 5);
    for (const [index, order] of abba(candidates, rounds).entries()) {
      options.progress(`${SUITE}: round ${index + 1} of ${rounds}`);
      for (const { name, how } of order) {
        options.signal.throwIfAborted();
        samples.add(name, TIME, timeOf(name, how));
        // A synchronous child: let signals in.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    if (outputs.get(LOCAL) !== outputs.get(QUEUE)) throw new Error('the results differ');
    const cost = (name: string) => samples.of(name, TIME).map((ms) => (ms * 1e6) / cells);
    return {
      results: present(
        candidates.map(({ name }) =>
          resultOf(SUITE, name, cost(name), 'nanoseconds', 'ns', `${cells} cells`),
        ),
      ),
      ratios: present([ratioOf('cells a second, 2 workers / 2 threads', cost(LOCAL), cost(QUEUE), '>= 0.9')]),
      notes: [],
    };
  } finally {
    for (const child of children.reverse()) await child.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const sweep: Suite = { name: SUITE, about: 'cells through a queue, beside threads', run };
