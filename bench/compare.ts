/**
 * Two reports beside each other: what became slower or faster, beyond what the intervals allow for.
 *
 * Promise: results are matched by suite and name; a difference counts where the 95 % intervals do not overlap. What is
 * in one report only is named. Comparing never fails for a result: runs on different machines or under load differ,
 * and the reader sees the machines.
 */
import { UserError } from '#rxsteer/errors.js';
import { readTextFile } from '#rxsteer/text-file.js';
import type { Machine } from './machine.js';
import type { Result } from './runner.js';
import type { Interval } from './stats.js';

export type Verdict = 'slower' | 'faster' | 'same';

/** One result in both reports. */
export interface Compared {
  readonly suite: string;
  readonly name: string;
  /** Nanoseconds an operation (or the value, where there is no operation) then and now. */
  readonly before: number;
  readonly now: number;
  /** now / before: above 1 is slower. */
  readonly ratio: number;
  readonly verdict: Verdict;
}

export interface Comparison {
  readonly file: string;
  /** What the old figures were taken on. */
  readonly machine: Partial<Machine>;
  readonly compared: Compared[];
  /** Names (`suite name`) that only the old, or only the new report has, among the suites of the new one. */
  readonly gone: string[];
  readonly added: string[];
}

type OldReport = { readonly machine: Partial<Machine>; readonly results: readonly Result[] };

const keyOf = ({ suite, name }: { suite: string; name: string }) => `${suite} ${name}`;
const figureOf = (result: Result) => result.nsPerOp ?? result.value;

function isResult(value: unknown): value is Result {
  const result = value as Partial<Result> | null;
  return (
    typeof result?.suite === 'string' &&
    typeof result.name === 'string' &&
    (typeof result.nsPerOp === 'number' || typeof result.value === 'number') &&
    Array.isArray(result.ci95) &&
    result.ci95.length === 2
  );
}

/** Reads a report that `bench --json` has printed. Throws UserError. */
export function readReport(file: string): OldReport {
  const text = readTextFile(file, `--compare ${file}`);
  let report: Partial<OldReport> | null = null;
  try {
    report = JSON.parse(text) as Partial<OldReport> | null;
  } catch {
    // Said below.
  }
  if (report === null || !Array.isArray(report.results) || !report.results.every(isResult)) {
    throw new UserError(`--compare ${file}: expected what \`rxsteer bench --json\` prints`);
  }
  return { machine: report.machine ?? {}, results: report.results };
}

function verdictOf(before: Interval, now: Interval): Verdict {
  if (now[0] > before[1]) return 'slower';
  return now[1] < before[0] ? 'faster' : 'same';
}

/** Compares new results with an old report. */
export function compareReports(file: string, old: OldReport, results: readonly Result[]): Comparison {
  const suites = new Set(results.map(({ suite }) => suite));
  const before = new Map(old.results.filter(({ suite }) => suites.has(suite)).map((r) => [keyOf(r), r]));
  const compared: Compared[] = [];
  const added: string[] = [];
  for (const result of results) {
    const other = before.get(keyOf(result));
    if (other === undefined) {
      added.push(keyOf(result));
      continue;
    }
    before.delete(keyOf(result));
    const [then, now] = [figureOf(other), figureOf(result)];
    const { suite, name } = result;
    compared.push({
      suite,
      name,
      before: then,
      now,
      ratio: now / then,
      verdict: verdictOf(other.ci95, result.ci95),
    });
  }
  return { file, machine: old.machine, compared, gone: [...before.keys()], added };
}
