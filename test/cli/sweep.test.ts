/** `rxsteer sweep` as it is called: results are those of replay, an interrupted one goes on, exports agree. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { makeCapture } from '../sweep/support.js';
import { withFolder } from '../traffic/support.js';
import { rxsteer } from './run.js';

const main = new URL(import.meta.resolve('#rxsteer/cli/main.js')).pathname;
const lines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((one) => JSON.parse(one));

describe('rxsteer sweep', () => {
  it('has the results of replay for each cell', async () => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 2000, flows: 50, zipf: 1 });
      const args = [
        'sweep',
        path('a.pcap'),
        '--policy',
        'rss',
        '--policy',
        'rps',
        '--queues',
        '2,4',
        '--json',
      ];
      const { code, stdout, stderr } = await rxsteer(args);
      expect([code, stderr]).toEqual([0, '']);
      const cells = lines(stdout);
      expect(cells.map(({ policy }) => policy).sort()).toEqual([
        'rps:cpus=0-1',
        'rps:cpus=0-3',
        'rss:queues=2',
        'rss:queues=4',
      ]);
      for (const cell of cells) {
        const replayed = await rxsteer(['replay', path('a.pcap'), '--policy', cell.policy, '--json']);
        const { capture, policies } = JSON.parse(replayed.stdout);
        const [policy] = policies;
        expect(cell).toMatchObject({
          packets: 2000,
          flows: capture.flows,
          fullestOverFair: policy.fullestOverFair,
          gini: policy.gini,
          handoffsPerPacket: policy.handoffsPerPacket,
          wakeupsPerPacket: policy.wakeupsPerPacket,
          reorderedPackets: policy.reordered.packets,
          loads: policy.workers.map(({ packets }: { packets: number }) => packets),
        });
      }
    });
  });

  it('goes on where it was cut off, and computes nothing twice', async () => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 500, flows: 20 });
      await makeCapture(path('b.pcap'), { packets: 300, flows: 20 });
      const args = [
        'sweep',
        path('a.pcap'),
        path('b.pcap'),
        '--policy',
        'rps',
        '--queues',
        '2-4',
        '--seeds',
        '1,2',
      ];
      const out = path('out.jsonl');
      const first = await rxsteer([...args, '--out', out]);
      expect(first.code).toBe(0);
      const all = lines(readFileSync(out, 'utf8'));
      expect(all).toHaveLength(12);
      const kept = readFileSync(out, 'utf8').split('\n').slice(0, 5).join('\n').length;
      truncateSync(out, kept + 40);
      const before = readFileSync(out, 'utf8').slice(0, kept + 1);
      const second = await rxsteer([...args, '--out', out]);
      expect(second.stderr).toContain('a torn last line was cut off');
      expect(second.stderr).toContain('5 of 12 cells are done already');
      expect(second.stdout).toBe(first.stdout);
      const text = readFileSync(out, 'utf8');
      expect(text.startsWith(before)).toBe(true);
      const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
      expect(lines(text).sort(byKey)).toEqual(all.sort(byKey));
      const third = await rxsteer([...args, '--out', out]);
      expect(third.stderr).toContain('12 of 12 cells are done already');
      expect(readFileSync(out, 'utf8')).toBe(text);
      // A changed capture is another one.
      await makeCapture(path('b.pcap'), { packets: 300, flows: 21 });
      expect((await rxsteer([...args, '--out', out])).stderr).toContain('6 of 12 cells are done already');
    });
  });

  it('gives the same results from threads, and stops when it is told to, for the next run to go on', async () => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 10_000, flows: 20 });
      const args = [
        'sweep',
        path('a.pcap'),
        '--policy',
        'rps:cpus=0-3',
        '--seeds',
        '1-400',
        '--out',
        path('out.jsonl'),
      ];
      const child = spawn(process.execPath, [main, ...args, '--jobs', '2', '--json'], { stdio: 'pipe' });
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      try {
        await once(child.stdout, 'data');
        child.stdout.resume();
        child.kill('SIGINT');
        const [code] = await once(child, 'close');
        expect(stderr).toMatch(
          /^rxsteer: interrupted after \d+ of 400 cells; the same command goes on with .*\n$/,
        );
        expect(code).toBe(1);
      } finally {
        child.kill('SIGKILL');
      }
      const finished = lines(readFileSync(path('out.jsonl'), 'utf8'));
      expect(finished.length).toBeGreaterThan(0);
      expect(finished.length).toBeLessThan(400);
      const few = [
        'sweep',
        path('a.pcap'),
        '--policy',
        'rps:cpus=0-3',
        '--seeds',
        String(finished[0].seed),
        '--json',
      ];
      const here = await rxsteer([...few, '--jobs', '1']);
      expect(lines(here.stdout)).toEqual([finished[0]]);
    });
  });

  it('takes the grid from a file, exports Parquet and a report', async () => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 500, flows: 20 });
      const grid =
        'captures: [a.pcap]\npolicies:\n  - rss\n  - policy: mac-hash\n    fields: src\nqueues: 2,4\nnics: [generic, mlx5]\n';
      writeFileSync(path('grid.yaml'), grid);
      const exports = ['--parquet', path('a.parquet'), '--html', path('a.html')];
      const { code, stdout } = await rxsteer(['sweep', '--grid', path('grid.yaml'), ...exports]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^NIC +mlx5 +2 /m);
      const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path('a.parquet')) });
      expect(rows).toHaveLength(6);
      const html = readFileSync(path('a.html'), 'utf8');
      for (const { policy } of rows) expect(html).toContain(String(policy).replaceAll('"', '&quot;'));
    });
  });

  it.each([
    [['--policy', 'rss'], 'no capture'],
    [['/nowhere/a', '--policy', 'rss'], '/nowhere/a: no such file'],
    [['CAPTURE'], 'no policy'],
    [['CAPTURE', '--policy', 'rss', '--queues', '0'], '--queues: "0": expected whole numbers from 1 to 1024'],
    [['CAPTURE', '--policy', 'rss', '--seeds', '3-1'], '--seeds: "3-1": expected whole numbers'],
    [['CAPTURE', '--policy', 'rss', '--speed', '1', '--gap', '1'], '--gap: replaces the clock'],
    [['CAPTURE', '--policy', 'rss', '--out', 'CAPTURE'], 'line 1 is no result of a sweep'],
    [['CAPTURE', '--policy', 'rss', '--model', 'x=1'], 'x'],
    [['--grid', 'GRID'], '--grid GRID: unknown key "polices": did you mean policies'],
    [['--grid', '/nowhere/grid.yaml'], '--grid /nowhere/grid.yaml: ENOENT: no such file'],
  ])('refuses %j in one line', async (args, message) => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 50, flows: 20 });
      writeFileSync(path('grid.yaml'), 'polices: [rss]\n');
      const real = (text: string) =>
        text.replaceAll('CAPTURE', path('a.pcap')).replaceAll('GRID', path('grid.yaml'));
      const { code, stdout, stderr } = await rxsteer(['sweep', ...args.map(real)]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(real(message));
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    });
  });
});
