/**
 * What a sweep over scenarios prints and writes when all its results are there.
 *
 * Promise: the same lines give the same tables and page, whoever computed them.
 */
import {
  axesOf,
  type ScenarioLine,
  type ScenarioRow,
  type ScenarioSection,
  scenarioSections,
} from '../sweep/scenario-line.js';
import { formatFitting } from './fitting.js';
import { origin } from './origin.js';
import { colour, formatCount, formatNanoseconds, print } from './output.js';
import { writePage } from './outputs.js';
import type { Telling } from './sweep-report.js';

/** Rows of all sections where nobody says. */
const ROWS_SHOWN = 20;
const ROWS_LEAST = 3;

const right = (title: string) => ({ title, align: 'right' as const });

function rateOf({ throughput, range, lines }: ScenarioRow): string {
  const [low, high] = range;
  return lines.length > 1
    ? `${formatCount(throughput)} (${formatCount(low)}-${formatCount(high)})`
    : formatCount(throughput);
}

function sectionOf({ scenario, rows }: ScenarioSection, all: readonly ScenarioLine[], top: number): string {
  const axes = axesOf(all);
  const hasSeeds = rows.some(({ lines }) => lines.length > 1);
  const hasLimit = all.some(({ limit }) => limit !== null);
  const shown = rows.slice(0, top).map((row): string[] => {
    const [first] = row.lines;
    const mean = (of: (line: ScenarioLine) => number) =>
      row.lines.reduce((sum, line) => sum + of(line), 0) / row.lines.length;
    return [
      ...axes.map(({ of }) => of(first!)),
      ...(hasSeeds ? [String(row.lines.length)] : []),
      rateOf(row),
      `${(100 * row.busyShare).toFixed(1)} %`,
      `${row.usPerOperation.toPrecision(3)} us`,
      formatNanoseconds(row.p99Us * 1000),
      mean(({ perPacket }) => perPacket.ipis! + perPacket.guestIpis!).toPrecision(3),
      formatCount(Math.round(mean(({ dropped }) => dropped))),
      ...(hasLimit ? [first!.limit ?? '-'] : []),
    ];
  });
  const unit = rows[0]?.lines[0]?.unit ?? 'operations/s';
  const columns = [
    ...axes.map(({ title }) => ({ title })),
    ...(hasSeeds ? [right('seeds')] : []),
    ...[right(unit), right('CPU busy'), right('CPU /op'), right('p99'), right('IPIs /op'), right('dropped')],
    ...(hasLimit ? [{ title: 'limit' }] : []),
  ];
  const more = rows.length > top ? `; the best ${top} of ${rows.length}, --top shows more` : '';
  return `${colour.bold(scenario)}${more}\n${formatFitting(columns, shown)}`;
}

/** Writes what is asked for, and prints the tables. @throws UserError */
export async function tellScenarios(
  lines: readonly ScenarioLine[],
  { html, json, top }: Telling,
): Promise<void> {
  if (html !== undefined) {
    const { renderScenarioSweep } = await import('../report/index.js');
    writePage(html, renderScenarioSweep(lines, origin()));
  }
  if (json === true || lines.length === 0) return;
  const sections = scenarioSections(lines);
  const most = top ?? Math.max(ROWS_LEAST, Math.floor(ROWS_SHOWN / sections.length));
  print(sections.map((section) => sectionOf(section, lines, most)).join('\n\n'));
}
