/**
 * The plot of a sweep: for each policy where its cells lie, the mean as a bar's end and the span over its seeds.
 *
 * Promise: plain SVG with a text alternative; one chart for each capture and number of workers, policies best first.
 * The measure is how busy the busiest CPU is; without a clock, the fullest worker over its fair share.
 */
import type { Rankable, SweepSection } from '../sweep/summary.js';
import { escapeHtml } from './html.js';
import { round, svg } from './svg.js';

/** Policies of one chart at most: more are in the table. */
const ROWS_MAX = 24;
/** Charts at most. */
const CHARTS_MAX = 12;
const WIDTH = 720;
const LEFT = 6;
const ROW = 34;

function chart<L extends Rankable>({ capture, workers, places }: SweepSection<L>): string {
  const hasClock = places.some(({ mean }) => mean.busiest > 0);
  const of = ({
    busiest,
    fullestOverFair,
  }: {
    readonly busiest?: number;
    readonly fullestOverFair: number;
  }) => (hasClock ? (busiest ?? 0) : fullestOverFair);
  const shown = places.slice(0, ROWS_MAX);
  const most = Math.max(1e-9, ...shown.flatMap(({ lines }) => lines.map(of)));
  const print = (value: number) => (hasClock ? `${(100 * value).toFixed(1)} %` : value.toFixed(2));
  const x = (value: number) => round(LEFT + (value / most) * (WIDTH - 90 - LEFT));
  const rows = shown.map(({ name, lines, mean }, i) => {
    const y = i * ROW;
    const values = lines.map(of);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const dots = values
      .map((value) => `<circle class="dot" cx="${x(value)}" cy="${y + 24}" r="3"/>`)
      .join('');
    const span =
      lines.length > 1
        ? `<line class="span" x1="${x(low)}" x2="${x(high)}" y1="${y + 24}" y2="${y + 24}"/>`
        : '';
    return `<text x="${LEFT}" y="${y + 13}">${escapeHtml(name)}${lines.length > 1 ? ` (${lines.length} seeds)` : ''}</text><rect x="${LEFT}" y="${y + 19}" width="${round(x(of(mean)) - LEFT)}" height="10"/>${span}${dots}<text x="${x(high) + 8}" y="${y + 28}">${print(of(mean))}</text>`;
  });
  const what = hasClock ? 'Busy part of the busiest CPU' : 'Fullest worker over its fair share';
  const title = `${what}, ${capture}, ${workers} worker${workers === 1 ? '' : 's'}`;
  const [best, worst] = [shown[0]!, shown.at(-1)!];
  const label = `${title}: ${best.name} has ${print(of(best.mean))}, ${worst.name} ${print(of(worst.mean))}.`;
  const more = places.length > ROWS_MAX ? `; the best ${ROWS_MAX} of ${places.length}` : '';
  return `<figure><figcaption>${escapeHtml(title)}${more}</figcaption>${svg(WIDTH, shown.length * ROW + 4, label, `<g class="heat">${rows.join('')}</g>`, 'spread')}</figure>`;
}

/** All charts. */
export function spreadPlot<L extends Rankable>(sections: readonly SweepSection<L>[]): string {
  const charts = sections.filter(
    ({ places }) => places.length > 1 || places.some(({ lines }) => lines.length > 1),
  );
  const more =
    charts.length > CHARTS_MAX ? `<p class="quiet">${charts.length - CHARTS_MAX} more in the table.</p>` : '';
  return charts.slice(0, CHARTS_MAX).map(chart).join('\n') + more;
}
