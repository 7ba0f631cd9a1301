/**
 * What a sweep over captures prints and writes when all its results are there.
 *
 * Promise: the same lines give the same tables, Parquet file and page, whoever computed them.
 */
import { busy } from '../replay/ranking.js';
import { writeParquet } from '../sweep/parquet.js';
import type { SweepLine } from '../sweep/result-file.js';
import {
  axisRows,
  type SweepPlace,
  type SweepSection,
  sweepSections,
  usedWorkers,
} from '../sweep/summary.js';
import { formatFitting } from './fitting.js';
import { origin } from './origin.js';
import { colour, formatCount, formatTable, noteLine, print } from './output.js';
import { writePage } from './outputs.js';

/** Rows of a section where nobody says: all in all about as many. */
const ROWS_SHOWN = 20;
const ROWS_LEAST = 3;

const number = (title: string) => ({ title, align: 'right' as const });

/** `12.7 %`, or over several seeds `12.7 % (11.0 to 19.3 %)`. */
function busiestOf({ mean, range, lines }: SweepPlace<SweepLine>): string {
  if (mean.busiest === 0) return '-';
  const [low, high] = range.map(busy) as [string, string];
  return lines.length > 1 ? `${busy(mean.busiest)} (${low.replace(' %', '')}-${high})` : busy(mean.busiest);
}

/** Policies of one capture and one number of workers, best first. */
function sectionOf(
  { capture, workers, places }: SweepSection<SweepLine>,
  top: number,
  withCapture: boolean,
): string {
  const hasSeeds = places.some(({ lines }) => lines.length > 1);
  const columns = [
    { title: 'policy' },
    ...(hasSeeds ? [number('seeds')] : []),
    number('busiest CPU'),
    number('fullest/fair'),
    number('used'),
    number('gini'),
    number('hand-offs/pkt'),
    number('wake-ups/pkt'),
    number('reordered'),
  ];
  const rows = places.slice(0, top).map((place) => {
    const { name, lines, mean } = place;
    const average = (of: (line: SweepLine) => number) =>
      lines.reduce((sum, line) => sum + of(line), 0) / lines.length;
    return [
      name,
      ...(hasSeeds ? [lines.length > 1 ? String(lines.length) : '-'] : []),
      busiestOf(place),
      mean.fullestOverFair.toFixed(2),
      usedWorkers(mean).toFixed(2),
      average(({ gini }) => gini).toFixed(3),
      mean.handoffs.toFixed(2),
      mean.wakeups.toFixed(3),
      formatCount(Math.round(average(({ reorderedPackets }) => reorderedPackets))),
    ];
  });
  const left = places.length > top ? `; the best ${top} of ${places.length} policies, --top shows more` : '';
  const where = `${withCapture ? `${capture}, ` : ''}${workers} worker${workers === 1 ? '' : 's'}`;
  return `${colour.bold(where)}${left}\n${formatFitting(columns, rows)}`;
}

function tablesOf(lines: readonly SweepLine[], top: number | null): string {
  const sections = sweepSections(lines);
  const most = top ?? Math.max(ROWS_LEAST, Math.floor(ROWS_SHOWN / sections.length));
  const withCapture = new Set(lines.map(({ capture }) => capture)).size > 1;
  return sections.map((section) => sectionOf(section, most, withCapture)).join('\n\n');
}

function axesOf(lines: readonly SweepLine[]): string {
  const columns = [
    { title: 'axis' },
    { title: 'value' },
    number('cells'),
    number('fullest/fair mean'),
    number('best'),
    number('worst'),
  ];
  const rows = axisRows(lines).map(({ axis, value, cells, mean, least, most }) => [
    axis,
    value,
    String(cells),
    mean.toFixed(2),
    least.toFixed(2),
    most.toFixed(2),
  ]);
  return rows.length === 0 ? '' : `\n\n${formatTable(columns, rows)}`;
}

async function writeHtml(path: string, lines: readonly SweepLine[], files: readonly string[]): Promise<void> {
  const { renderSweepReport } = await import('../report/index.js');
  writePage(path, renderSweepReport(lines, { axes: axisRows(lines), files, ...origin() }));
}

/** Where results go beside the result file. */
export interface Telling {
  readonly parquet?: string;
  readonly html?: string;
  readonly json?: boolean;
  /** Rows of each table; null: about as many as a screen has. */
  readonly top: number | null;
}

/** Writes what is asked for, and prints the tables. @param files captures. @throws UserError */
export async function tellCaptures(
  lines: readonly SweepLine[],
  files: readonly string[],
  { parquet, html, json, top }: Telling,
): Promise<void> {
  for (const warning of new Set(lines.flatMap(({ warnings }) => warnings)))
    noteLine(`rxsteer: warning: ${warning}`);
  if (parquet !== undefined) await writeParquet(parquet, lines);
  if (html !== undefined) await writeHtml(html, lines, files);
  if (json === true || lines.length === 0) return;
  print(`${tablesOf(lines, top)}${axesOf(lines)}`);
}
