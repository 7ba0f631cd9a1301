/**
 * A report of benchmarks as one page.
 *
 * Promise: a pure function of the report that was just made: each suite's figures with their 95 % intervals, those of one
 * unit on one plot, and the ratios that were asked for.
 */
import { figure } from '../report/horizontal.js';
import { escapeHtml, table, text } from '../report/html.js';
import { originFacts, page, type ReportOrigin } from '../report/page.js';

/** The parts of a report that are shown (bench/runner.ts). */
export interface BenchReport {
  readonly machine: object;
  readonly results: readonly {
    readonly suite: string;
    readonly name: string;
    readonly value: number;
    readonly unit: string;
    readonly nsPerOp: number | null;
    readonly ci95: readonly [number, number];
  }[];
  readonly ratios: readonly {
    readonly name: string;
    readonly value: number;
    readonly ci95: readonly [number, number];
    readonly wanted: string | null;
    readonly holds: boolean | null;
  }[];
  readonly notes: readonly string[];
  readonly failures: readonly string[];
}

const digits = (value: number) =>
  Number(value.toPrecision(3)).toLocaleString('en-GB', { maximumSignificantDigits: 3 });

export function benchPage(
  { machine, results, ratios, notes, failures }: BenchReport,
  origin: ReportOrigin,
): string {
  const groups = new Map<string, BenchReport['results'][number][]>();
  for (const result of results) {
    const key = `${result.suite}: ${result.nsPerOp === null ? result.unit : 'nanoseconds each'}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  const plots = [...groups].map(([what, group]) =>
    figure(
      what,
      group.map(({ name, value, unit, nsPerOp, ci95 }) => ({
        name,
        value: nsPerOp ?? value,
        text: nsPerOp === null ? `${digits(value)} ${unit}` : `${digits(nsPerOp)} ns`,
        interval: ci95,
      })),
    ),
  );
  const facts = Object.entries(machine)
    .filter(([, value]) => typeof value !== 'object')
    .map(([key, value]) => `<dt>${escapeHtml(key)}</dt><dd>${escapeHtml(String(value))}</dd>`);
  const list = (items: readonly string[]) =>
    items.length === 0 ? '' : `<ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul>`;
  const body = [
    originFacts(origin),
    `<dl class="origin">${facts.join('')}</dl>`,
    ...plots,
    ratios.length === 0
      ? ''
      : table(
          'Ratios',
          ['ratio', 'value', '95 % interval', 'wanted', 'holds'].map((title) => ({ title })),
          ratios.map(({ name, value, ci95, wanted, holds }) => [
            text(name),
            text(digits(value)),
            text(`${digits(ci95[0])} to ${digits(ci95[1])}`),
            text(wanted ?? '-'),
            text(holds === null ? '-' : holds ? 'yes' : 'no'),
          ]),
        ),
    list(notes),
    failures.length === 0 ? '' : `<h2>Not measured</h2>${list(failures)}`,
  ].join('\n');
  return page({ title: 'Benchmarks', body, data: null });
}
