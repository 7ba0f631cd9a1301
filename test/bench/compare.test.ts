import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compareReports, readReport } from '#rxsteer/bench/compare.js';
import { renderComparison } from '#rxsteer/bench/report.js';
import { resultOf } from '#rxsteer/bench/runner.js';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-compare-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const around = (value: number) => [value - 0.1, value, value + 0.1, value, value];
const ns = (name: string, value: number, suite = 's') =>
  resultOf(suite, name, around(value), 'nanoseconds', 'ns')!;

describe('an old report', () => {
  it('is read back as it was printed', () => {
    const report = { machine: { cpu: 'x' }, results: [ns('a', 10)], ratios: [], notes: [] };
    expect(readReport(file('good.json', JSON.stringify(report)))).toMatchObject({ results: report.results });
  });

  it.each([
    ['{', /expected what `rxsteer bench --json` prints/],
    ['null', /expected what/],
    ['{"results":[{"suite":"s"}]}', /expected what/],
  ])('must be one: %s', (text, message) => {
    expect(() => readReport(file('bad.json', text))).toThrow(message);
  });

  it('must be there', () => {
    expect(() => readReport(join(folder, 'absent.json'))).toThrow(/--compare .*absent.json: ENOENT/);
  });
});

describe('a comparison', () => {
  const old = {
    machine: { cpu: 'x' },
    results: [ns('a', 10), ns('b', 10), ns('c', 10), ns('gone', 1), ns('z', 1, 'other')],
  };
  const comparison = compareReports('old.json', old, [ns('a', 20), ns('b', 5), ns('c', 10.05), ns('new', 1)]);

  it('calls slower or faster what the intervals do not explain', () => {
    expect(comparison.compared.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['a', 'slower'],
      ['b', 'faster'],
      ['c', 'same'],
    ]);
    expect(comparison.compared[0]).toMatchObject({ before: 10, now: 20, ratio: 2 });
  });

  it('names what only one side has, among the suites that ran', () => {
    expect(comparison.gone).toEqual(['s gone']);
    expect(comparison.added).toEqual(['s new']);
  });

  it('is printed with the slower ones first', () => {
    const lines = renderComparison(comparison).split('\n');
    expect(lines.findIndex((line) => / a /.test(line))).toBeLessThan(
      lines.findIndex((line) => / b /.test(line)),
    );
    expect(lines.join('\n')).toContain('1 of 3 became slower');
  });

  it('takes the value where there is no operation', () => {
    const share = (value: number) => resultOf('s', 'idle', around(value), 'share', 'cores')!;
    const { compared } = compareReports('f', { machine: {}, results: [share(1)] }, [share(3)]);
    expect(compared[0]).toMatchObject({ ratio: 3, verdict: 'slower' });
  });
});
