/**
 * The report: what a replay found out, as one HTML file for people who would rather look than read.
 *
 * Promise: pure function of the result (no clock, no network); the file is self-contained. The comparison with the
 * winner and why comes first, then advice, then each policy.
 */
import type { Advice, CaptureFacts, PolicyResult, ReplayResult } from '../replay/result.js';
import type { AxisRow } from '../sweep/summary.js';
import {
  bar,
  type Cell,
  code,
  count,
  escapeHtml,
  type Heading,
  number,
  percent,
  ratio,
  table,
  text,
} from './html.js';
import { page } from './page.js';
import { flowMap, policySection } from './policy-section.js';
import { RANKING_RULE, rankPolicies, usefulWorkers, whyBetter } from './rank.js';

export interface ReportOptions {
  /** Default: `Where this traffic goes`. */
  readonly title?: string;
}

function captureFacts(capture: CaptureFacts): string {
  const pairs: [string, string][] = [
    ['packets', count(capture.packets)],
    ['bytes', count(capture.bytes)],
    ['flows', count(capture.flows)],
    ['seconds', Number(capture.seconds.toPrecision(4)).toString()],
    ['destination MACs', count(capture.destinationMacs)],
  ];
  // What most captures have none of is worth a place only where there is some.
  const odd: [string, number][] = [
    ['fragments', capture.fragments],
    ['VLAN tagged', capture.vlanTagged],
    ['not IP', capture.notIp],
    ['captured short', capture.truncated],
  ];
  for (const [key, value] of odd) if (value > 0) pairs.push([key, count(value)]);
  const items = pairs.map(([key, value]) => `<div><dt>${key}</dt><dd>${value}</dd></div>`);
  const warnings = capture.warnings.map((line) => `<p class="warning" role="note">${escapeHtml(line)}</p>`);
  return `<dl class="facts">${items.join('')}</dl>${warnings.join('')}`;
}

function winner(policies: readonly PolicyResult[], order: readonly number[]): string {
  const best = policies[order[0]!]!;
  const next = order.length > 1 ? policies[order[1]!]! : null;
  const name = `<code>${escapeHtml(best.policy)}</code>`;
  const fullest = `the fullest of its ${best.workers.length} workers has ${ratio(best.fullestOverFair)} times its fair share`;
  if (next === null) {
    return `<p class="winner">${name}: ${fullest}.</p>`;
  }
  const why = whyBetter(best, next);
  const reason =
    why === ''
      ? `nothing that is measured here tells it from <code>${escapeHtml(next.policy)}</code>`
      : escapeHtml(why);
  return `<p class="winner"><strong>Best here: ${name}</strong> &mdash; ${reason}; ${fullest}.</p>`;
}

const COLUMNS: readonly Heading[] = [
  { title: 'place' },
  { title: 'policy' },
  { title: 'workers used', hint: 'all packets over the packets of the fullest worker' },
  { title: 'fullest / fair', hint: 'packets of the fullest worker over the mean of all workers' },
  { title: 'Gini', hint: '0 is even' },
  { title: 'hand-offs', hint: 'a packet' },
  { title: 'wake-ups', hint: 'a packet' },
  { title: 'reordered', hint: 'RFC 4737, share of the packets' },
  { title: 'drops', hint: 'on full backlogs' },
  { title: 'flows moved', hint: 'have another queue or worker than under the first policy' },
];

function comparison(policies: readonly PolicyResult[], order: readonly number[]): string {
  const most = Math.max(...policies.map(usefulWorkers), 1e-9);
  const rows = order.map((index, place): Cell[] => {
    const policy = policies[index]!;
    return [
      number(place + 1),
      {
        html: `<a href="#policy-${index}"><code>${escapeHtml(policy.policy)}</code></a>`,
        sort: policy.policy,
      },
      bar(usefulWorkers(policy), usefulWorkers(policy) / most, ratio),
      number(policy.fullestOverFair, ratio),
      number(policy.gini, (value) => value.toFixed(3)),
      number(policy.handoffsPerPacket, ratio),
      number(policy.wakeupsPerPacket, (value) => value.toFixed(3)),
      number(policy.reordered.ratio, percent),
      number(policy.backlogDrops),
      policy.flowsMoved === null ? { html: '-', sort: -1, number: true } : number(policy.flowsMoved),
    ];
  });
  return `${table('Policies compared, best first', COLUMNS, rows)}<p class="quiet">${RANKING_RULE}</p>`;
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

/** Chooses one policy's section; shown by the script. */
function chooser(policies: readonly PolicyResult[], best: number): string {
  const options = policies.map(
    (policy, i) =>
      `<option value="${i}"${i === best ? ' selected' : ''}>${escapeHtml(policy.policy)}</option>`,
  );
  return `<div class="chooser" hidden><label for="policy">Policy</label> <select id="policy">${options.join('')}<option value="all">all</option></select></div>`;
}

/**
 * The report of a replay, as HTML.
 *
 *     writeFileSync('report.html', renderReport(result));
 */
export function renderReport(result: ReplayResult, options: ReportOptions = {}): string {
  const { policies } = result;
  const order = rankPolicies(policies);
  const places = new Map(order.map((index, place) => [index, place + 1]));
  const sections = policies.map((policy, i) => policySection(policy, i, places.get(i)!));
  const body = [
    `<section id="capture">${captureFacts(result.capture)}</section>`,
    policies.length === 0
      ? ''
      : `<section id="comparison"><h2>Comparison</h2>${winner(policies, order)}${comparison(policies, order)}</section>`,
    adviceList(result.advice),
    flowMap(policies),
    policies.length > 1 ? chooser(policies, order[0]!) : '',
    ...sections,
    `<footer><h2>How this was computed</h2><p>${escapeHtml(result.model)}</p><p>A flow is a directed 5-tuple of the outer headers (ports 0 for fragments, VLAN ignored). Packets are counted where they were steered, before any drop. Fullest / fair and Gini are over workers, by packets, idle ones included.</p></footer>`,
  ].join('\n');
  return page({
    title: options.title ?? 'Where this traffic goes',
    body,
    data: policies.map(({ overTime }) => overTime),
  });
}

/** One cell of a sweep's grid with its results, as the report shows it. */
export interface SweepRow {
  readonly capture: string;
  readonly policy: string;
  readonly workers: number;
  readonly seed: number;
  readonly packets: number;
  readonly fullestOverFair: number;
  readonly gini: number;
  readonly handoffsPerPacket: number;
  readonly wakeupsPerPacket: number;
  readonly reorderedRatio: number;
}

/** Shares of reordered packets below this count as none, as in the ranking of policies. */
const REORDERED_LEAST = 1e-4;

/**
 * The report of a sweep: the best cell of each capture, all cells in one sortable table (best first: what reorders
 * least, then what uses most workers, then the cheaper one), and what each value of each axis makes of the load.
 */
export function renderSweepReport(
  given: readonly SweepRow[],
  options: ReportOptions & { readonly axes?: readonly AxisRow[] } = {},
): string {
  const used = (row: SweepRow) => (row.fullestOverFair === 0 ? 0 : row.workers / row.fullestOverFair);
  const share = (row: SweepRow) => (row.workers === 0 ? 0 : used(row) / row.workers);
  const reordered = ({ reorderedRatio }: SweepRow) => (reorderedRatio < REORDERED_LEAST ? 0 : reorderedRatio);
  const rows = [...given].sort(
    (a, b) =>
      reordered(a) - reordered(b) ||
      used(b) - used(a) ||
      a.handoffsPerPacket - b.handoffsPerPacket ||
      a.wakeupsPerPacket - b.wakeupsPerPacket,
  );
  const most = Math.max(1e-9, ...rows.map(used));
  const captures = [...new Set(rows.map((row) => row.capture))];
  const best = captures.map((capture) => {
    const top = rows.find((row) => row.capture === capture)!;
    const order = reordered(top) === 0 ? 'nothing reordered' : `${percent(top.reorderedRatio)} reordered`;
    return `<li><code>${escapeHtml(capture)}</code>: best is <code>${escapeHtml(top.policy)}</code> with seed ${top.seed}: it uses ${ratio(used(top))} of ${top.workers} workers (${percent(share(top))}), ${order}</li>`;
  });
  const body = rows.map((row): Cell[] => [
    code(row.capture),
    code(row.policy),
    number(row.workers),
    number(row.seed, String),
    number(row.packets),
    bar(used(row), used(row) / most, ratio),
    number(share(row), percent),
    number(row.fullestOverFair, ratio),
    number(row.gini, (value) => value.toFixed(3)),
    number(row.handoffsPerPacket, ratio),
    number(row.wakeupsPerPacket, (value) => value.toFixed(3)),
    number(row.reorderedRatio, percent),
  ]);
  const headings: Heading[] = [
    { title: 'capture' },
    { title: 'policy' },
    { title: 'workers' },
    { title: 'seed' },
    { title: 'packets' },
    ...COLUMNS.slice(2, 3),
    { title: 'efficiency', hint: 'workers used over workers' },
    ...COLUMNS.slice(3, 8),
  ];
  const axes = (options.axes ?? []).map((row): Cell[] => [
    text(row.axis),
    code(row.value),
    number(row.cells),
    number(row.mean, ratio),
    number(row.least, ratio),
    number(row.most, ratio),
  ]);
  const axisHeadings: Heading[] = [
    { title: 'axis' },
    { title: 'value' },
    { title: 'cells' },
    { title: 'fullest / fair, mean', hint: 'over all cells that have this value' },
    { title: 'best' },
    { title: 'worst' },
  ];
  const byAxis = axes.length === 0 ? '' : table('What each value makes of the load', axisHeadings, axes);
  const rule =
    '<p class="quiet">Best first: what reorders least, then what uses most workers (all packets over those of the fullest worker), then fewer hand-offs and wake-ups.</p>';
  return page({
    title: options.title ?? 'A sweep over policies',
    body: `<section><ul class="best">${best.join('\n')}</ul>${table(`${rows.length} cells`, headings, body)}${rule}${byAxis}</section>`,
    data: null,
  });
}
