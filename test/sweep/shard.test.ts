/** Shards are a balanced partition that every machine finds; parts, however they are cut, merge to the whole. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planSweep } from '#rxsteer/sweep/grid.js';
import { mergeResults } from '#rxsteer/sweep/merge.js';
import { planPath, readPlan, writePlan } from '#rxsteer/sweep/plan-file.js';
import { capturePortions, passWeight } from '#rxsteer/sweep/run.js';
import { planScenarios } from '#rxsteer/sweep/scenario-grid.js';
import { divide, parseShard } from '#rxsteer/sweep/shard.js';
import { withFolder } from '../traffic/support.js';
import { grid, line } from './support.js';

const keyOf = (n: number) => String(n).padStart(32, '0');
const sorted = (texts: readonly string[]) => [...texts].sort();

describe('divide', () => {
  const portions = fc
    .array(
      fc.record({ cells: fc.integer({ min: 1, max: 5 }), cost: fc.oneof(fc.nat(1e6), fc.constant(7)) }),
      { maxLength: 40 },
    )
    .map((sizes) => {
      let n = 0;
      return sizes.map(({ cells, cost }) => ({
        cost,
        cells: Array.from({ length: cells }, () => ({ key: keyOf(n++) })),
      }));
    });
  const count = fc.integer({ min: 1, max: 12 });

  it('is a partition, the same in whatever order the portions come', () => {
    fc.assert(
      fc.property(portions, count, fc.nat(), (given, shards, turn) => {
        const parts = divide(given, shards);
        expect(parts).toHaveLength(shards);
        const all = given.flatMap(({ cells }) => cells.map(({ key }) => key));
        expect(sorted(parts.flat().map(({ key }) => key))).toEqual(sorted(all));
        const at = given.length === 0 ? 0 : turn % given.length;
        const turned = [...given.slice(at), ...given.slice(0, at)].reverse();
        expect(divide(turned, shards)).toEqual(parts);
      }),
    );
  });

  it('is balanced: no two shards differ by more than the dearest portion', () => {
    fc.assert(
      fc.property(portions, count, (given, shards) => {
        const cost = new Map(given.flatMap((one) => one.cells.map(({ key }) => [key, one] as const)));
        const sums = divide(given, shards).map((cells) =>
          [...new Set(cells.map(({ key }) => cost.get(key)!))].reduce((sum, one) => sum + one.cost, 0),
        );
        const most = Math.max(0, ...given.map((one) => one.cost));
        expect(Math.max(...sums) - Math.min(...sums)).toBeLessThanOrEqual(most);
      }),
    );
  });

  it.each(['3', '0/4', '5/4', '1/0', '-1/2', '1/2/3', '1.5/2', 'a/b', ''])(
    'refuses %j as a shard',
    (text) => {
      expect(() => parseShard(text)).toThrow(/^--shard: "/);
    },
  );
});

describe('shards of a grid', () => {
  it('go by expected cost, do not depend on the order of the call, and keep passes whole', async () => {
    await withFolder((path) => {
      writeFileSync(path('large'), Buffer.alloc(90_000, 1));
      writeFileSync(path('a'), Buffer.alloc(1000, 2));
      writeFileSync(path('b'), Buffer.alloc(1000, 3));
      const files = [path('large'), path('a'), path('b')];
      const policies = ['rss', 'rps'];
      const cellsOf = (captures: string[], names: string[]) =>
        planSweep(grid(captures, names, { queues: [2, 4, 8], seeds: [1, 2, 3, 4] })).cells;
      const [cells, turned] = [cellsOf(files, policies), cellsOf([...files].reverse(), ['rps', 'rss'])];
      const keys = (given: typeof cells) =>
        divide(capturePortions(given, 4), 4).map((part) => sorted(part.map(({ key }) => key)));
      expect(keys(turned)).toEqual(keys(cells));
      expect(sorted(keys(cells).flat())).toEqual(sorted(cells.map(({ key }) => key)));
      const portions = capturePortions(cells, 4);
      const cost = divide(portions, 4).map((part) =>
        portions.filter((one) => part.includes(one.cells[0]!)).reduce((sum, one) => sum + one.cost, 0),
      );
      // The small captures are a hundredth of the work: by count of cells one shard would have nothing else.
      expect(Math.max(...cost) / Math.min(...cost)).toBeLessThan(1.5);
      for (const { cells: own } of portions) {
        expect(new Set(own.map(({ capture, workers }) => `${capture} ${workers}`)).size).toBe(1);
        expect(passWeight({ cells: own })).toBe(own[0]!.size * (1 + own.length));
      }
    });
  });

  it('of scenarios go by virtual time and CPUs', () => {
    const cells = planScenarios({
      scenarios: [{ name: 's', scenario: { host: { cpus: { cores: 2 } } } }],
      vary: { durationMs: [10, 1000], 'host.cpus.cores': [2, 8] },
      ...{ policies: [], costs: [], seeds: [], durationMs: null, limit: false },
    });
    expect(cells.map(({ cost }) => cost)).toEqual([30 * 2, 30 * 8, 1020 * 2, 1020 * 8]);
  });
});

describe('merge', () => {
  const lineOf = (n: number) => line({ key: keyOf(n), packets: n });
  const write = (path: string, numbers: readonly number[]) =>
    writeFileSync(path, numbers.map((n) => `${JSON.stringify(lineOf(n))}\n`).join(''));

  it('of any parts that cover the whole, in any order and with any duplicates, is the whole in its order', async () => {
    await withFolder((path) => {
      const cut = fc.array(fc.uniqueArray(fc.nat(20)), { minLength: 1, maxLength: 5 });
      fc.assert(
        fc.property(cut, fc.shuffledSubarray([...Array(21).keys()], { minLength: 21 }), (parts, order) => {
          const paths = parts.map((numbers, i) => {
            write(path(`part${i}`), numbers);
            return path(`part${i}`);
          });
          writeFileSync(planPath(paths[0]!), JSON.stringify({ shards: ['1/1'], cells: order.map(keyOf) }));
          const { lines, missing, duplicates } = mergeResults(paths);
          const there = new Set(parts.flat());
          const wanted = order.filter((n) => there.has(n));
          expect(lines.map(({ text }) => text)).toEqual(wanted.map((n) => JSON.stringify(lineOf(n))));
          expect(missing).toEqual(order.filter((n) => !there.has(n)).map(keyOf));
          expect(duplicates).toBe(parts.flat().length - there.size);
        }),
        { numRuns: 50 },
      );
    });
  });

  it('takes one cell under two names, and refuses one with two results', async () => {
    await withFolder((path) => {
      write(path('a'), [1, 2]);
      const renamed = { ...lineOf(2), capture: '/elsewhere/a.pcap', policy: 'rss', base: 'mine' };
      writeFileSync(path('b'), `${JSON.stringify({ ...renamed, warnings: ['/elsewhere/a.pcap: cut'] })}\n`);
      expect(mergeResults([path('a'), path('b')])).toMatchObject({ duplicates: 1, plan: null, missing: [] });
      writeFileSync(path('b'), `${JSON.stringify({ ...renamed, gini: 0.26 })}\n`);
      expect(() => mergeResults([path('a'), path('b')])).toThrow(
        `two results for one cell: ${keyOf(2)} of ${path('a')} and ${path('b')}`,
      );
    });
  });

  it('names shards of which there is no part, and refuses parts of several sweeps', async () => {
    await withFolder((path) => {
      write(path('a'), [1]);
      write(path('b'), [2]);
      writePlan(path('a'), { index: 1, count: 3 }, [1, 2, 3].map(keyOf));
      writePlan(path('b'), { index: 2, count: 3 }, [3, 2, 1].map(keyOf));
      expect(mergeResults([path('a'), path('b')])).toMatchObject({ absent: ['3/3'], missing: [keyOf(3)] });
      // One file may get several shards, one after the other.
      writePlan(path('b'), { index: 3, count: 3 }, [1, 2, 3].map(keyOf));
      expect(readPlan(path('b'))!.shards).toEqual(['2/3', '3/3']);
      writePlan(path('b'), { index: 2, count: 3 }, [1, 2, 4].map(keyOf));
      expect(readPlan(path('b'))!.shards).toEqual(['2/3']);
      expect(() => mergeResults([path('a'), path('b')])).toThrow('are parts of different sweeps');
    });
  });

  it('leaves a torn last line out and alone, and says what is no part', async () => {
    await withFolder((path) => {
      const text = `${JSON.stringify(lineOf(1))}\n{"key":"00`;
      writeFileSync(path('a'), text);
      expect(mergeResults([path('a')])).toMatchObject({ torn: [path('a')], lines: [{ line: lineOf(1) }] });
      expect(readFileSync(path('a'), 'utf8')).toBe(text);
      writeFileSync(planPath(path('a')), '{"shards":[],"cells":[]}');
      expect(() => mergeResults([path('a')])).toThrow('.plan: is no plan of a sweep');
      expect(() => mergeResults([path('nothing')])).toThrow('no such file');
      expect(existsSync(path('nothing'))).toBe(false);
    });
  });
});
