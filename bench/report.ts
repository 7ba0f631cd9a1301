/** The report as tables. */
import { type Column, colour, formatCount, formatNanoseconds, formatTable } from '#rxsteer/cli/output.js';
import type { Comparison } from './compare.js';
import type { Ratio, Report, Result } from './runner.js';

const RESULT_COLUMNS: readonly Column[] = [
  { title: 'suite' },
  { title: 'name' },
  { title: 'value', align: 'right' },
  { title: 'time', align: 'right' },
  { title: '95 %', align: 'right' },
  { title: 'best', align: 'right' },
  { title: 'n', align: 'right' },
  { title: 'note' },
];

const RATIO_COLUMNS: readonly Column[] = [
  { title: 'ratio' },
  { title: 'value', align: 'right' },
  { title: '95 %', align: 'right' },
  { title: 'wanted', align: 'right' },
  { title: '' },
  { title: 'note' },
];

const number = (value: number) => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '-');

function resultRow(result: Result): string[] {
  const { nsPerOp, ci95, best, value, unit } = result;
  const time = nsPerOp === null ? number : formatNanoseconds;
  const count = formatCount(value);
  const shown =
    unit === 'ns' ? formatNanoseconds(value) : /\d$/.test(count) ? `${count} ${unit}` : `${count}${unit}`;
  return [
    result.suite,
    result.name,
    shown,
    nsPerOp === null ? '' : formatNanoseconds(nsPerOp),
    `${time(ci95[0])} - ${time(ci95[1])}`,
    time(best),
    String(result.samples),
    result.note ?? '',
  ];
}

function ratioRow(ratio: Ratio): string[] {
  const verdict = ratio.holds === null ? '' : ratio.holds ? colour.green('holds') : colour.red('fails');
  return [
    ratio.name,
    number(ratio.value),
    `${number(ratio.ci95[0])} - ${number(ratio.ci95[1])}`,
    ratio.wanted ?? '',
    verdict,
    ratio.note ?? '',
  ];
}

/** Everything, for people. */
export function renderReport(report: Report): string {
  const { machine } = report;
  const lines = [
    `${machine.cpu}, ${machine.cpus} CPUs${machine.hypervisor ? ' (virtual)' : ''}, Linux ${machine.kernel}, ` +
      `Node ${machine.node}; load before ${machine.loadBefore.toFixed(2)}`,
    '',
    ...(report.results.length === 0 ? [] : [formatTable(RESULT_COLUMNS, report.results.map(resultRow))]),
  ];
  if (report.ratios.length > 0) lines.push('', formatTable(RATIO_COLUMNS, report.ratios.map(ratioRow)));
  if (report.failures.length > 0) {
    lines.push('', ...report.failures.map((line) => colour.red(`not measured: ${line}`)));
  }
  if (report.notes.length > 0) lines.push('', ...report.notes.map((note) => `- ${note}`));
  return `${lines.join('\n')}\n`;
}

const COMPARED_COLUMNS: readonly Column[] = [
  { title: 'suite' },
  { title: 'name' },
  { title: 'before', align: 'right' },
  { title: 'now', align: 'right' },
  { title: 'now / before', align: 'right' },
  { title: '' },
];

/** The comparison with an old report, for people: the slower ones first. */
export function renderComparison(comparison: Comparison): string {
  const { file, machine, compared, gone, added } = comparison;
  const order = { slower: 0, faster: 1, same: 2 } as const;
  const paint = { slower: colour.red, faster: colour.green, same: (text: string) => text } as const;
  const rows = [...compared]
    .sort((a, b) => order[a.verdict] - order[b.verdict] || b.ratio - a.ratio)
    .map(({ suite, name, before, now, ratio, verdict }) => [
      suite,
      name,
      number(before),
      number(now),
      number(ratio),
      verdict === 'same' ? '' : paint[verdict](verdict),
    ]);
  const slower = compared.filter(({ verdict }) => verdict === 'slower').length;
  const lines = [
    `Compared with ${file} (${machine.cpu ?? 'unknown CPU'}, ${machine.takenAt ?? 'unknown time'}):`,
    '',
    formatTable(COMPARED_COLUMNS, rows),
    '',
    slower === 0
      ? 'Nothing became slower beyond the intervals.'
      : `${slower} of ${compared.length} became slower beyond the intervals.`,
  ];
  if (gone.length > 0) lines.push(`Only there: ${gone.join('; ')}`);
  if (added.length > 0) lines.push(`Only here: ${added.join('; ')}`);
  return `${lines.join('\n')}\n`;
}
