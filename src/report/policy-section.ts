/**
 * The part of the report about one policy, and the table in which policies meet flow by flow.
 *
 * Promise: everything shown is in the result, nothing is computed here but shares; all charts are there without script.
 */
import type { PolicyResult, ReplayShare, WorkerLoad } from '../replay/result.js';
import { bars, heatMap, lorenz } from './charts.js';
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
import { factList } from './page.js';

/** Rows of share tables at most; the rest is in the JSON. */
const SHARES_MAX = 256;

function shares(caption: string, what: string, rows: readonly (ReplayShare | WorkerLoad)[]): string {
  if (rows.length === 0) return '';
  const total = Math.max(
    1,
    rows.reduce((sum, row) => sum + row.packets, 0),
  );
  const most = Math.max(1, ...rows.map((row) => row.packets));
  const isBusy = rows.some((row) => 'busyRatio' in row);
  const headings: Heading[] = [
    { title: what },
    { title: 'packets' },
    { title: 'share', hint: 'of all packets' },
    { title: 'bytes', hint: 'on the wire' },
    { title: 'flows', hint: 'different directed 5-tuples' },
    ...(isBusy
      ? [{ title: 'busy', hint: 'time that the service-time model took, over the time of the capture' }]
      : []),
  ];
  const body = rows
    .slice(0, SHARES_MAX)
    .map((row) => [
      number(row.id),
      bar(row.packets, row.packets / most, count),
      number(row.packets / total, percent),
      number(row.bytes),
      number(row.flows),
      ...('busyRatio' in row ? [number(row.busyRatio, percent)] : []),
    ]);
  const more =
    rows.length > SHARES_MAX ? `<p class="quiet">${rows.length - SHARES_MAX} more in the JSON.</p>` : '';
  return table(caption, headings, body) + more;
}

function facts(policy: PolicyResult): string {
  return factList([
    ['fullest / fair', ratio(policy.fullestOverFair)],
    ['Gini', policy.gini.toFixed(3)],
    ['hand-offs a packet', ratio(policy.handoffsPerPacket)],
    ['wake-ups a packet', policy.wakeupsPerPacket.toFixed(3)],
    ['reordered', `${count(policy.reordered.packets)} (${percent(policy.reordered.ratio)})`],
    ['largest extent', count(policy.reordered.maxExtent)],
    ['backlog drops', count(policy.backlogDrops)],
    [
      'moves of flows',
      `${count(policy.moves.total)}, ${count(policy.moves.inFlight)} with packets under way`,
    ],
    ['elephants', count(policy.elephants)],
  ]);
}

function types(policy: PolicyResult): string {
  const entries = Object.entries(policy.hashTypes).filter(([, packets]) => packets > 0);
  const total = Math.max(
    1,
    entries.reduce((sum, [, packets]) => sum + packets, 0),
  );
  const rows = entries
    .sort(([, a], [, b]) => b - a)
    .map(([type, packets]): Cell[] => [
      code(type),
      bar(packets, packets / total, count),
      number(packets / total, percent),
    ]);
  return table('Packets by hash type', [{ title: 'type' }, { title: 'packets' }, { title: 'share' }], rows);
}

function topFlows(policy: PolicyResult): string {
  if (policy.topFlows.length === 0) return '';
  const most = policy.topFlows[0]!.share;
  const rows = policy.topFlows.map((flow): Cell[] => [
    code(flow.flow),
    bar(flow.packets, flow.share / Math.max(most, 1e-9), count),
    number(flow.share, percent),
    number(flow.bytes),
    flow.queue === null ? { ...text('-'), number: true, sort: -1 } : number(flow.queue),
    number(flow.worker),
  ]);
  return table(
    'Largest flows',
    [
      { title: 'flow' },
      { title: 'packets' },
      { title: 'share', hint: 'of all packets' },
      { title: 'bytes' },
      { title: 'queue', hint: 'of its last packet' },
      { title: 'worker', hint: 'of its last packet' },
    ],
    rows,
  );
}

/** What was taken for granted of the NIC, and what it would be otherwise. */
function assumptions({ assumed, otherwise, fullestOverFair }: PolicyResult): string {
  const lines = [...(assumed ?? [])];
  if (otherwise) {
    const outcomes = `${ratio(otherwise.fullestOverFair)} instead of ${ratio(fullestOverFair)}`;
    lines.push(`Otherwise, with ${otherwise.what}: fullest / fair ${outcomes}`);
  }
  return lines.map((line) => `<p class="warning" role="note">${escapeHtml(line)}</p>`).join('');
}

/** A policy's name for readers: its label, where it has one, and its text. */
export function nameOf({ policy, label }: PolicyResult): string {
  const text = `<code>${escapeHtml(policy)}</code>`;
  return label === null || label === undefined ? text : `<strong>${escapeHtml(label)}</strong> ${text}`;
}

/** One policy. `index` names the section and its time series. */
export function policySection(policy: PolicyResult, index: number, place: string): string {
  const loads = policy.workers.map((worker) => worker.packets);
  // Without several queues the buckets are a CPU list, whose load is that of the workers.
  const hasTable = policy.queues.length > 1 && policy.buckets.some((packets) => packets > 0);
  const buckets = hasTable
    ? `<figure><figcaption>Packets by bucket of the indirection table; the line is the mean</figcaption>${bars(policy.buckets, 'buckets')}</figure>`
    : '';
  return `<section class="policy" id="policy-${index}" data-policy="${index}" aria-labelledby="policy-title-${index}">
<h2 id="policy-title-${index}">${nameOf(policy)} <span class="place">${place}</span></h2>
${facts(policy)}
${assumptions(policy)}
<div class="charts">
<figure class="wide"><figcaption>Packets of each worker over time</figcaption>${heatMap(policy.overTime.loads, policy.overTime.intervalSeconds)}</figure>
<figure><figcaption>Lorenz curve of the workers; even loads follow the dashed line</figcaption>${lorenz(loads, policy.gini)}</figure>
</div>
<figure class="series" data-series="${index}" hidden><figcaption>Packets a second over time</figcaption><div class="plot"></div></figure>
${buckets}
<div class="columns">
${shares('Workers', 'worker', policy.workers)}
${shares('Queues', 'queue', policy.queues)}
${types(policy)}
</div>
${topFlows(policy)}
</section>`;
}

/** The largest flows, and where each policy puts them: one row a flow, one column a policy. */
export function flowMap(policies: readonly PolicyResult[]): string {
  const base = policies[0]?.topFlows ?? [];
  if (base.length === 0 || policies.length < 2) return '';
  const where = policies.map(
    (policy) => new Map(policy.topFlows.map((flow) => [flow.flow, flow.queue ?? flow.worker])),
  );
  const headings: Heading[] = [
    { title: 'flow' },
    { title: 'share', hint: 'of all packets' },
    ...policies.map((policy, i) => ({ title: policy.label ?? `${i + 1}`, hint: policy.policy })),
  ];
  const rows = base.map((flow): Cell[] => [
    code(flow.flow),
    number(flow.share, percent),
    ...where.map((places): Cell => {
      const at = places.get(flow.flow);
      if (at === undefined) return { ...text('-'), number: true };
      return {
        html: `<span class="slot" style="--h:${(at * 137.5) % 360}">${at}</span>`,
        sort: at,
        number: true,
      };
    }),
  ]);
  const key = policies.map((policy, i) => `<li value="${i + 1}">${nameOf(policy)}</li>`);
  return `<section id="flows"><h2>Flow by flow</h2><p>Queue (worker, where a policy has no queues) of the largest flows under each policy. One colour, one queue.</p><ol class="key">${key.join('')}</ol>${table('Where the largest flows go', headings, rows)}</section>`;
}
