/** `--shard` and `sweep merge` as they are called: parts together are the one-machine run, byte for byte. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeCapture } from '../sweep/support.js';
import { withFolder } from '../traffic/support.js';
import { rxsteer } from './run.js';

const sortedLines = (path: string) => readFileSync(path, 'utf8').split('\n').sort().join('\n');
const errorOf = (stdout: string) => JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { code: string };

describe('rxsteer sweep --shard and merge', () => {
  it('give the same file, Parquet and tables as one machine, and tell what is missing or contradicts', async () => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 400, flows: 20 });
      await makeCapture(path('b.pcap'), { packets: 90, flows: 20 });
      const axes = ['--policy', 'rss', '--policy', 'rps', '--queues', '2,4', '--seeds', '1-3'];
      const sweep = ['sweep', path('a.pcap'), path('b.pcap'), ...axes];
      const exports = (name: string) => [
        '--out',
        path(`${name}.jsonl`),
        '--parquet',
        path(`${name}.parquet`),
      ];
      const whole = await rxsteer([...sweep, ...exports('one')]);
      const first = await rxsteer([...sweep, '--shard', '1/2', '--out', path('1.jsonl')]);
      expect(first.stderr).toMatch(/^rxsteer: shard 1\/2: \d+ of 16 cells\n$/);
      // Another machine names them in another order.
      const turned = ['sweep', path('b.pcap'), path('a.pcap'), ...axes];
      const second = await rxsteer([...turned, '--shard', '2/2', '--out', path('2.jsonl')]);
      expect([first.code, second.code]).toEqual([0, 0]);
      const merge = ['sweep', 'merge', path('1.jsonl'), path('2.jsonl')];
      const merged = await rxsteer([...merge, ...exports('all')]);
      expect(merged).toMatchObject({ code: 0, stdout: whole.stdout });
      expect(sortedLines(path('all.jsonl'))).toBe(sortedLines(path('one.jsonl')));
      expect(readFileSync(path('all.parquet')).equals(readFileSync(path('one.parquet')))).toBe(true);

      const few = await rxsteer(['sweep', 'merge', path('1.jsonl'), '--out', path('few.jsonl'), '--json']);
      expect([few.code, errorOf(few.stdout).code]).toEqual([1, 'RXS_SWEEP_INCOMPLETE']);
      expect(few.stderr).toContain('there is no file of shard 2/2');
      expect(sortedLines(path('few.jsonl'))).toBe(sortedLines(path('1.jsonl')));
      // What an earlier merge left counts.
      expect((await rxsteer(['sweep', 'merge', path('2.jsonl'), '--out', path('few.jsonl')])).code).toBe(0);
      expect(sortedLines(path('few.jsonl'))).toBe(sortedLines(path('one.jsonl')));

      const lines = readFileSync(path('1.jsonl'), 'utf8').replace(/"packets":\d+/, '"packets":7');
      writeFileSync(path('bad.jsonl'), lines);
      const bad = await rxsteer([...merge, path('bad.jsonl'), '--out', path('no.jsonl'), '--json']);
      expect([bad.code, errorOf(bad.stdout).code]).toEqual([2, 'RXS_SWEEP_CONFLICT']);
      expect(existsSync(path('no.jsonl'))).toBe(false);
    });
  });

  it('take scenarios too, and shards that have nothing to do', async () => {
    await withFolder(async (path) => {
      const scenario =
        'durationMs: 0.2\nwarmupMs: 0\nhost: { cpus: { cores: 2 }, apps: [ { kind: echo } ] }\nload: [ { kind: closed, clients: 2 } ]\n';
      writeFileSync(path('s.yaml'), scenario);
      const sweep = ['sweep', '--scenario', path('s.yaml'), '--seeds', '1,2'];
      const shard = (i: number) => [...sweep, '--shard', `${i}/3`, '--out', path(`${i}.jsonl`)];
      const whole = await rxsteer([...sweep, '--out', path('one.jsonl')]);
      expect([(await rxsteer(shard(1))).code, (await rxsteer(shard(2))).code]).toEqual([0, 0]);
      const empty = { code: 0, stdout: '', stderr: 'rxsteer: shard 3/3: 0 of 2 cells\n' };
      expect(await rxsteer(shard(3))).toMatchObject(empty);
      const parts = [1, 2, 3].map((i) => path(`${i}.jsonl`));
      const merged = await rxsteer(['sweep', 'merge', ...parts, '--out', path('all.jsonl')]);
      expect(merged).toMatchObject({ code: 0, stdout: whole.stdout });
      expect(sortedLines(path('all.jsonl'))).toBe(sortedLines(path('one.jsonl')));
    });
  });

  it.each([
    [['sweep', 'merge', 'A', '--policy', 'rss', '--out', 'B'], '--policy: goes with a sweep, not with'],
    [['sweep', 'merge', 'A'], "required option '--out <file>' not specified"],
    [['sweep', 'merge', 'A', '--out', 'A'], 'is read by this command, and would be overwritten'],
    [['sweep', 'merge', 'A', '--out', 'B', '--parquet', 'A'], 'is read by this command'],
  ])('refuse %j', async (args, message) => {
    await withFolder(async (path) => {
      writeFileSync(path('A'), '');
      const { code, stderr } = await rxsteer(args.map((word) => (/^[AB]$/.test(word) ? path(word) : word)));
      expect(code).toBe(2);
      expect(stderr).toContain(message);
      expect(existsSync(path('B'))).toBe(false);
    });
  });
});
