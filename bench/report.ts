/** The report as tables. */
import { type Column, colour, formatCount, formatNanoseconds, formatTable } from '#rxsteer/cli/output.js';
import type { Report } from './index.js';
import type { Ratio, Result } from './runner.js';

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
    formatTable(RESULT_COLUMNS, report.results.map(resultRow)),
  ];
  if (report.ratios.length > 0) lines.push('', formatTable(RATIO_COLUMNS, report.ratios.map(ratioRow)));
  if (report.notes.length > 0) lines.push('', ...report.notes.map((note) => `- ${note}`));
  return `${lines.join('\n')}\n`;
}
