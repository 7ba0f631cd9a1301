/**
 * The page of a sweep over scenarios: for each scenario its cells ranked, throughput and CPU as bars, and in a sortable
 * table.
 *
 * Promise: pure; self-contained. Cells that differ by their seed only are one row.
 */
import { axesOf, type ScenarioLine, type ScenarioRow, scenarioSections } from '../sweep/scenario-line.js';
import {
  bar,
  type Cell,
  code,
  count,
  escapeHtml,
  type Heading,
  number,
  percent,
  table,
  text,
} from './html.js';
import { originFacts, page, type ReportOrigin } from './page.js';

const HEADINGS: readonly Heading[] = [
  { title: 'seeds' },
  { title: 'a second', hint: 'operations, mean over the seeds' },
  { title: 'from', hint: 'of the unluckiest seed' },
  { title: 'to', hint: 'of the luckiest seed' },
  { title: 'CPU', hint: 'busy part of all CPUs' },
  { title: 'µs each', hint: 'CPU time of an operation' },
  { title: 'p99 µs' },
  { title: 'IPIs', hint: 'for each operation, of host and guests' },
  { title: 'exits', hint: 'for each operation' },
  { title: 'dropped' },
];

function bestOf(scenario: string, { lines, throughput, usPerOperation }: ScenarioRow): string {
  const [first] = lines;
  const values = Object.entries(first!.options).map(([path, value]) => `${path}=${value}`);
  const what = [first!.policy, ...values].map((one) => `<code>${escapeHtml(one)}</code>`).join(', ');
  return `<li><code>${escapeHtml(scenario)}</code>: best is ${what}: ${count(throughput)} ${escapeHtml(first!.unit)}, ${usPerOperation.toFixed(2)} µs CPU each</li>`;
}

/** The page, as HTML. */
export function renderScenarioSweep(lines: readonly ScenarioLine[], options: ReportOrigin = {}): string {
  const sections = scenarioSections(lines);
  const axes = axesOf(lines);
  const hasLimit = lines.some(({ limit }) => limit !== null);
  const headings: Heading[] = [
    ...axes.map(({ title }) => ({ title })),
    ...HEADINGS,
    ...(hasLimit ? [{ title: 'limit' }] : []),
  ];
  const parts = sections.map(({ scenario, rows }) => {
    const most = Math.max(...rows.map(({ throughput }) => throughput), 1e-9);
    const busiest = Math.max(...rows.map(({ busyShare }) => busyShare), 1e-9);
    const body = rows.map((row): Cell[] => {
      const [first] = row.lines;
      const mean = (of: (line: ScenarioLine) => number) =>
        row.lines.reduce((sum, line) => sum + of(line), 0) / row.lines.length;
      return [
        ...axes.map(({ of }) => code(of(first!))),
        number(row.lines.length),
        bar(row.throughput, row.throughput / most, count),
        number(row.range[0]),
        number(row.range[1]),
        bar(row.busyShare, row.busyShare / busiest, percent),
        number(row.usPerOperation, (value) => value.toFixed(2)),
        number(row.p99Us, (value) => value.toFixed(1)),
        number(
          mean(({ perPacket }) => perPacket.ipis! + perPacket.guestIpis!),
          (value) => value.toFixed(2),
        ),
        number(
          mean(({ perPacket }) => perPacket.exits!),
          (value) => value.toFixed(2),
        ),
        number(mean(({ dropped }) => dropped)),
        ...(hasLimit ? [text(first!.limit ?? '-')] : []),
      ];
    });
    return `<section><h2>${escapeHtml(scenario)}</h2>${table(`${rows.length} combinations, best first`, headings, body, 'cards')}</section>`;
  });
  const best = sections.map(({ scenario, rows }) => bestOf(scenario, rows[0]!));
  const rule =
    '<p class="quiet">Ranked by throughput, and where that differs by less than a hundredth by the CPU time of an operation.</p>';
  return page({
    title: 'A sweep over scenarios',
    body: `<section>${originFacts(options)}<ul class="best">${best.join('\n')}</ul></section>${parts.join('\n')}${rule}`,
    data: null,
  });
}
