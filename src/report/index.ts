/**
 * The report: what a replay found out, as one HTML file for people who would rather look than read.
 *
 * Promise: pure function of the result (no clock, no network); the file is self-contained. The comparison with the
 * winner and why comes first, then advice, then each policy.
 */

import { busy, RANKING_RULE, type Ranked, type RankedSection, whyBetter } from '../replay/ranking.js';
import type { Advice, CaptureFacts, PolicyResult, ReplayResult } from '../replay/result.js';
import { countedTable } from './counted-section.js';
import { bar, type Cell, count, escapeHtml, type Heading, number, percent, ratio, table } from './html.js';
import { LOAD_HEADINGS } from './load-headings.js';
import { chooser, factList, originFacts, page, type ReportOrigin } from './page.js';
import { flowMap, nameOf, policySection } from './policy-section.js';
import { amongWorkers, busiestCpu, hottest, rankedName, rankedPolicies, usefulWorkers } from './rank.js';

export { renderScenarioSweep } from './scenario-sweep.js';
export { renderSimulationReport, type SimulationReportOptions } from './simulation.js';
export { renderSweepReport, type SweepRow } from './sweep.js';

export interface ReportOptions extends ReportOrigin {
  /** Default: `Where this traffic goes`. */
  readonly title?: string;
}

function captureFacts(capture: CaptureFacts, options: ReportOptions): string {
  const pairs: [string, string][] = [
    ['packets', count(capture.packets)],
    ['bytes', count(capture.bytes)],
    ['flows', count(capture.flows)],
    ['seconds', Number(capture.seconds.toPrecision(4)).toString()],
    ['destination MACs', count(capture.destinationMacs)],
    ...(capture.start === null || capture.start === undefined
      ? []
      : [['recorded', `${capture.start.replace('T', ' ').slice(0, 19)} UTC`] as [string, string]]),
  ];
  // What most captures have none of is worth a place only where there is some.
  const odd: [string, number][] = [
    ['fragments', capture.fragments],
    ['VLAN tagged', capture.vlanTagged],
    ['not IP', capture.notIp],
    ['captured short', capture.truncated],
    ['left out: direction', capture.leftOut?.direction ?? 0],
    ['left out: to others', capture.leftOut?.to ?? 0],
    ['left out: filter', capture.leftOut?.filter ?? 0],
    [`above the MTU of ${capture.mtu}`, capture.superFrames ?? 0],
  ];
  for (const [key, value] of odd) if (value > 0) pairs.push([key, count(value)]);
  const warnings = capture.warnings.map((line) => `<p class="warning" role="note">${escapeHtml(line)}</p>`);
  return `${originFacts(options)}${factList(pairs)}${warnings.join('')}`;
}

/** @param among which policies it is about */
function winner(policies: readonly PolicyResult[], order: readonly Ranked[], among: string): string {
  const [best, next] = order as [Ranked, Ranked | undefined];
  const { members, mean, range } = best;
  const name = `<code>${escapeHtml(rankedName(best, policies))}</code>`;
  const over =
    members.length === 1
      ? ''
      : `, the mean of ${members.length} seeds (busiest CPU from ${busy(range[0])} to ${busy(range[1])})`;
  const fullest = `${mean.workers === 1 ? 'its one worker' : `the fullest of its ${mean.workers} workers`} has ${ratio(mean.fullestOverFair)} times its fair share${over}`;
  if (next === undefined) {
    return `<p class="winner">${name}: ${fullest}.</p>`;
  }
  const other = rankedName(next, policies);
  const why = whyBetter(mean, next.mean, other);
  const reason =
    why === ''
      ? `nothing that is measured here tells it from <code>${escapeHtml(other)}</code>`
      : escapeHtml(why);
  return `<p class="winner"><strong>Best here${among}: ${name}</strong> &mdash; ${reason}; ${fullest}.</p>`;
}

const COLUMNS: readonly Heading[] = [
  { title: 'place' },
  { title: 'policy' },
  ...LOAD_HEADINGS,
  { title: 'drops', hint: 'on full backlogs' },
  { title: 'flows moved', hint: 'have another queue or worker than under the first policy' },
];

/** One table for all, so that any column sorts all of them. */
function comparison(policies: readonly PolicyResult[], sections: readonly RankedSection[]): string {
  const most = Math.max(...policies.map(busiestCpu), 1e-9);
  const placed = sections.flatMap((section) =>
    section.places.flatMap(({ members }, place) =>
      members.map((index) => ({ index, place, among: amongWorkers(section, sections) })),
    ),
  );
  const rows = placed.map(({ index, place, among }): Cell[] => {
    const policy = policies[index]!;
    return [
      number(place + 1, (value) => `${value}${among}`),
      {
        html: `<a href="#policy-${index}">${nameOf(policy)}</a>`,
        sort: policy.label ?? policy.policy,
        wide: true,
      },
      bar(busiestCpu(policy), busiestCpu(policy) / most, percent),
      number(policy.fullestOverFair, ratio),
      number(usefulWorkers(policy), (value) => `${ratio(value)} of ${policy.workers.length}`),
      number(policy.gini, (value) => value.toFixed(3)),
      number(policy.handoffsPerPacket, ratio),
      number(policy.wakeupsPerPacket, (value) => value.toFixed(3)),
      number(policy.reordered.ratio, percent),
      number(policy.backlogDrops),
      policy.flowsMoved === null ? { html: '-', sort: -1, number: true } : number(policy.flowsMoved),
    ];
  });
  const order = sections.length < 2 ? 'best first' : 'best first for each number of workers';
  return `${table(`Policies compared, ${order}`, COLUMNS, rows, 'cards')}<p class="quiet">${RANKING_RULE}</p>`;
}

/** The winner among policies with as many workers, wherever there are several. */
function winners(policies: readonly PolicyResult[], sections: readonly RankedSection[]): string {
  const compared = sections.filter(({ places }) => places.length > 1);
  return (compared.length > 0 ? compared : sections)
    .map((section) => winner(policies, section.places, amongWorkers(section, sections)))
    .join('');
}

function adviceList(advice: readonly Advice[]): string {
  if (advice.length === 0) return '';
  const items = advice.map(({ id, severity, text, commands }) => {
    const block =
      commands.length === 0
        ? ''
        : `<div class="commands"><pre tabindex="0"><code>${escapeHtml(commands.join('\n'))}</code></pre><button type="button" class="copy" hidden>Copy</button></div>`;
    return `<li class="${severity}" id="advice-${escapeHtml(id)}"><p><span class="severity">${severity}</span> ${escapeHtml(text)}</p>${block}</li>`;
  });
  return `<section id="advice"><h2>Advice</h2><ul class="advice">${items.join('\n')}</ul></section>`;
}

/**
 * The report of a replay, as HTML.
 *
 *     writeFileSync('report.html', renderReport(result));
 */
export function renderReport(result: ReplayResult, options: ReportOptions = {}): string {
  const { policies } = result;
  const ranked = rankedPolicies(policies);
  const places = new Map(
    ranked.flatMap((section) =>
      section.places.flatMap(({ members }, place) =>
        members.map((index) => [index, `place ${place + 1}${amongWorkers(section, ranked)}`]),
      ),
    ),
  );
  const sections = policies.map((policy, i) => policySection(policy, i, places.get(i)!));
  const body = [
    `<section id="capture">${captureFacts(result.capture, options)}</section>`,
    policies.length === 0
      ? ''
      : `<section id="comparison"><h2>Comparison</h2>${winners(policies, ranked)}${comparison(policies, ranked)}</section>`,
    adviceList(result.advice),
    countedTable(result),
    flowMap(policies),
    policies.length > 1
      ? chooser(
          policies.map(({ label, policy }) => label ?? policy),
          hottest(policies),
        )
      : '',
    ...sections,
    `<footer><h2>How this was computed</h2><p>${escapeHtml(result.model)}</p><p>A flow is a directed 5-tuple of the outer headers (ports 0 for fragments, VLAN ignored). Packets are counted where they were steered, before any drop. Fullest / fair and Gini are over workers, by packets, idle ones included.</p></footer>`,
  ].join('\n');
  return page({
    title: options.title ?? 'Where this traffic goes',
    body,
    data: policies.map(({ overTime }) => overTime),
  });
}
