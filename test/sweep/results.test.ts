/** Result lines: kept through a kill, other files untouched, read back from Parquet; passes and summary. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { UserError } from '#rxsteer/errors.js';
import { planSweep } from '#rxsteer/sweep/grid.js';
import { writeParquet } from '#rxsteer/sweep/parquet.js';
import { ResultFile, type SweepLine } from '#rxsteer/sweep/result-file.js';
import { planPasses, runPasses, type TaskRunner } from '#rxsteer/sweep/run.js';
import { axisRows, rankLines, sweepSections, usedWorkers } from '#rxsteer/sweep/summary.js';
import { withFolder } from '../traffic/support.js';
import { grid, line } from './support.js';

const keyOf = (n: number) => String(n).padStart(32, '0');

describe('ResultFile', () => {
  it('gives back what was appended, whichever byte the file was cut off at', async () => {
    await withFolder((path) => {
      const whole = path('whole.jsonl');
      const file = new ResultFile(whole);
      const lines = [1, 2, 3].map((n) => line({ key: keyOf(n), packets: n }));
      for (const one of lines) file.append(one);
      file.close();
      const bytes = readFileSync(whole);
      const ends = [...bytes.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at + 1);
      for (let length = 0; length <= bytes.length; length += 97) {
        const cut = path('cut.jsonl');
        writeFileSync(cut, bytes);
        truncateSync(cut, length);
        const again = new ResultFile(cut);
        const complete = ends.filter((end) => end <= length).length;
        expect([...again.done.values()]).toEqual(lines.slice(0, complete));
        expect(again.torn).toBe(length - (ends[complete - 1] ?? 0));
        again.append(lines[2]!);
        again.close();
        const last = new ResultFile(cut);
        expect(last.torn).toBe(0);
        expect(last.done.get(keyOf(3))).toEqual(lines[2]);
        last.close();
      }
    });
  });

  it.each(['text\n', '{"key":"short"}\n', 'no line feed at all', '[]\n{"key":', '\n', '{"a":1}'])(
    'leaves another file alone: %j',
    async (content) => {
      await withFolder((path) => {
        writeFileSync(path('other'), content);
        expect(() => new ResultFile(path('other'))).toThrow('line 1 is no result of a sweep');
        expect(readFileSync(path('other'), 'utf8')).toBe(content);
      });
    },
  );

  it('says what it cannot open or write', () => {
    expect(() => new ResultFile('/nowhere/a.jsonl')).toThrow('/nowhere/a.jsonl: its folder does not exist');
    expect(() => new ResultFile('/dev/full')).toThrow('is not a regular file');
  });
});

describe('writeParquet', () => {
  it('is read back by another library, value by value', async () => {
    await withFolder(async (path) => {
      const lines = Array.from({ length: 2500 }, (_, n) =>
        line({
          key: keyOf(n),
          seed: n % 3 === 0 ? null : n,
          nic: n % 2 === 0 ? null : 'mlx5',
          packets: 2 ** 40 + n,
          gini: n / 2500,
        }),
      );
      await writeParquet(path('a.parquet'), lines);
      const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path('a.parquet')) });
      const numbers = rows.map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]) => [
            name,
            typeof value === 'bigint' ? Number(value) : value,
          ]),
        ),
      );
      expect(numbers).toEqual(lines);
      await expect(writeParquet('/nowhere/a.parquet', lines)).rejects.toThrow(
        '/nowhere/a.parquet: its folder does not exist',
      );
    });
  });
});

describe('passes', () => {
  const answer: TaskRunner = async (task) => ({
    measures: task.policies.map((policy) => {
      const {
        key: _k,
        capture: _c,
        policy: _p,
        nic: _n,
        queues: _q,
        hashKey: _h,
        seed: _s,
        ...measures
      } = line();
      return { ...measures, flows: String(policy).length };
    }),
  });

  it('compute every cell once, one capture and number of workers at a time', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('a'), 'a');
      writeFileSync(path('b'), 'bbb');
      const whole = grid([path('a'), path('b')], ['rps', 'mac'], {
        queues: [1, 2, 3],
        seeds: [1, 2, 3, 4, 5, 6, 7, 8],
      });
      const { cells } = planSweep(whole);
      for (const threads of [1, 2, 7]) {
        const passes = planPasses(cells, whole, threads);
        expect(passes.every((pass) => pass.cells.length <= 16)).toBe(true);
        expect(passes[0]!.task.capture).toBe(path('b'));
        const lines: SweepLine[] = [];
        await runPasses(passes, answer, threads, (some) => lines.push(...some));
        expect(lines.map(({ key }) => key).sort()).toEqual(cells.map(({ key }) => key).sort());
        for (const one of lines) expect(one.flows).toBe(one.policy.length);
      }
    });
  });

  it('end at the first failure, with its class', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('a'), 'a');
      const whole = grid([path('a')], ['rps'], { queues: [1, 2, 3], seeds: [1, 2, 3, 4] });
      const passes = planPasses(planSweep(whole).cells, whole, 3);
      let calls = 0;
      const failing: TaskRunner = async (task) =>
        ++calls === 2 ? { message: 'a: damaged', isUserError: true, code: 'RXS_CAPTURE' } : answer(task);
      const lines: SweepLine[] = [];
      const run = runPasses(passes, failing, 1, (some) => lines.push(...some));
      await expect(run).rejects.toThrow(new UserError('a: damaged'));
      await expect(run).rejects.toBeInstanceOf(UserError);
      expect(calls).toBe(2);
      expect(lines).toHaveLength(passes[0]!.cells.length);
    });
  });
});

describe('summary', () => {
  it('ranks order before the busiest CPU, and only what has the same number of workers', () => {
    const lines = [
      line({ policy: 'reorders', busiest: 0.1, reorderedPackets: 5, reorderedRatio: 0.01 }),
      line({ policy: 'eight', workers: 8, fullestOverFair: 2.5, busiest: 0.2 }),
      line({ policy: 'even, but receives on one CPU', fullestOverFair: 1, busiest: 0.5 }),
      line({ policy: 'uneven', fullestOverFair: 1.1, busiest: 0.3 }),
    ];
    expect(rankLines(lines).map(({ policy }) => policy)).toEqual([
      'uneven',
      'even, but receives on one CPU',
      'reorders',
      'eight',
    ]);
    expect(sweepSections(lines).map(({ workers, places }) => [workers, places.length])).toEqual([
      [4, 3],
      [8, 1],
    ]);
    expect(usedWorkers(lines[1]!)).toBeCloseTo(3.2);
  });

  it('ranks a policy over its seeds: the luckiest seed is no policy', () => {
    const lines = [
      line({ policy: 'rss:key=random,seed=1', seed: 1, busiest: 0.1 }),
      line({ policy: 'rss:key=microsoft', seed: null, busiest: 0.3 }),
      line({ policy: 'rss:key=random,seed=2', seed: 2, busiest: 0.7 }),
    ];
    const [section] = sweepSections(lines);
    expect(section!.places.map(({ name, mean, range }) => [name, mean.busiest, range])).toEqual([
      ['rss:key=microsoft', 0.3, [0.3, 0.3]],
      ['rss:key=random', expect.closeTo(0.4), [0.1, 0.7]],
    ]);
  });

  it('tells what an axis does, where it has several values', () => {
    const lines = [
      line({ seed: 1 }),
      line({ seed: 2, fullestOverFair: 2.5 }),
      line({ seed: null, fullestOverFair: 9 }),
    ];
    expect(axisRows(lines)).toEqual([
      { axis: 'seed', value: '1', cells: 1, mean: 1.5, least: 1.5, most: 1.5 },
      { axis: 'seed', value: '2', cells: 1, mean: 2.5, least: 2.5, most: 2.5 },
    ]);
    const many = Array.from({ length: 30 }, (_, seed) => line({ seed, fullestOverFair: 1 + seed / 29 }));
    expect(axisRows(many).map(({ value }) => value)).toEqual(many.map(({ seed }) => String(seed)));
    const huge = Array.from({ length: 300 }, (_, seed) => line({ seed, fullestOverFair: 1 + seed / 299 }));
    const rows = axisRows(huge);
    expect(rows.map(({ value }) => value)).toEqual([
      ...['0', '1', '2', '3', '4'],
      '290 between',
      ...['295', '296', '297', '298', '299'],
    ]);
    expect(rows[5]).toMatchObject({ cells: 290, mean: expect.closeTo(1.5), least: 1 + 5 / 299 });
    const kinds = [
      line({ base: 'rss', options: { table: '128' } }),
      line({ base: 'rps', fullestOverFair: 3 }),
      line({ base: 'rss', options: { table: '512' }, fullestOverFair: 2.5 }),
    ];
    expect(axisRows(kinds).map(({ axis, value, cells, mean }) => [axis, value, cells, mean])).toEqual([
      ['policy', 'rss', 2, 2],
      ['policy', 'rps', 1, 3],
      ['table', '128', 1, 1.5],
      ['table', '512', 1, 2.5],
    ]);
  });
});
