/**
 * The report of a sweep: for each capture and number of workers the policies by the rule of replay/ranking, a plot of
 * what an axis does, all cells in one sortable table, and what each value of each axis makes of the load.
 *
 * Promise: pure. Cells with different numbers of workers are not ranked against each other, and policies that differ
 * only by their seed are one policy.
 */
import { busy, RANKING_RULE } from '../replay/ranking.js';
import {
  type AxisRow,
  type Rankable,
  type SweepSection,
  sweepSections,
  usedWorkers,
} from '../sweep/summary.js';
import {
  bar,
  type Cell,
  code,
  escapeHtml,
  type Heading,
  number,
  percent,
  ratio,
  table,
  text,
} from './html.js';
import { LOAD_HEADINGS } from './load-headings.js';
import { originFacts, page, type ReportOrigin } from './page.js';
import { spreadPlot } from './sweep-plot.js';

/** One cell of a sweep's grid with its results, as the report shows it. */
export interface SweepRow extends Rankable {
  readonly packets: number;
  readonly gini: number;
  readonly reorderedRatio: number;
}

export interface SweepReportOptions extends ReportOrigin {
  /** Default: `A sweep over policies`. */
  readonly title?: string;
  readonly axes?: readonly AxisRow[];
}

const HEADINGS: readonly Heading[] = [
  { title: 'capture' },
  { title: 'policy' },
  { title: 'workers' },
  { title: 'seed' },
  ...LOAD_HEADINGS,
];

const AXIS_HEADINGS: readonly Heading[] = [
  { title: 'axis' },
  { title: 'value' },
  { title: 'cells' },
  { title: 'fullest / fair, mean', hint: 'over all cells that have this value' },
  { title: 'best' },
  { title: 'worst' },
];

function bestOf({ capture, workers, places }: SweepSection<SweepRow>): string {
  const { name, lines, mean, range } = places[0]!;
  const seeds =
    lines.length > 1
      ? ` over ${lines.length} seeds (${busy(range[0])} to ${busy(range[1])})`
      : lines[0]!.seed === null || lines[0]!.seed === undefined
        ? ''
        : ` with seed ${lines[0]!.seed}`;
  const load =
    mean.busiest > 0
      ? `its busiest CPU is busy ${busy(mean.busiest)} of the time, receiving included${seeds}`
      : `it uses ${ratio(usedWorkers(mean))} of ${workers} workers${seeds}`;
  const order = mean.reordered === 0 ? 'nothing reordered' : `${percent(mean.reordered)} reordered`;
  return `<li><code>${escapeHtml(capture)}</code>, ${workers} worker${workers === 1 ? '' : 's'}: best is <code>${escapeHtml(name)}</code>: ${load}, ${order}</li>`;
}

/** The report of a sweep, as HTML. */
export function renderSweepReport(given: readonly SweepRow[], options: SweepReportOptions = {}): string {
  const sections = sweepSections(given);
  const rows = sections.flatMap(({ places }) => places.flatMap(({ lines }) => lines));
  const most = Math.max(1e-9, ...rows.map((row) => row.busiest ?? 0));
  const body = rows.map((row): Cell[] => [
    code(row.capture),
    code(row.policy),
    number(row.workers),
    row.seed === null || row.seed === undefined
      ? { ...text('-'), number: true, sort: -1 }
      : number(row.seed, String),
    bar(row.busiest ?? 0, (row.busiest ?? 0) / most, percent),
    number(row.fullestOverFair, ratio),
    number(usedWorkers(row), ratio),
    number(row.gini, (value) => value.toFixed(3)),
    number(row.handoffsPerPacket, ratio),
    number(row.wakeupsPerPacket, (value) => value.toFixed(3)),
    number(row.reorderedRatio, percent),
  ]);
  const axes = (options.axes ?? []).map((row): Cell[] => [
    text(row.axis),
    code(row.value),
    number(row.cells),
    number(row.mean, ratio),
    number(row.least, ratio),
    number(row.most, ratio),
  ]);
  const byAxis = axes.length === 0 ? '' : table('What each value makes of the load', AXIS_HEADINGS, axes);
  const rule = `<p class="quiet">${RANKING_RULE} Cells with different numbers of workers are not ranked against each other.</p>`;
  return page({
    title: options.title ?? 'A sweep over policies',
    body: `<section>${originFacts(options)}<ul class="best">${sections.map(bestOf).join('\n')}</ul>${spreadPlot(sections)}${byAxis}${table(`${rows.length} cells`, HEADINGS, body, 'cards')}${rule}</section>`,
    data: null,
  });
}
