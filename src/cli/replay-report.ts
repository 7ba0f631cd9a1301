/**
 * What `rxsteer replay` prints for people.
 *
 * Promise: a pure function of the result: the capture in a few lines, one row a policy, then each policy's queues and
 * workers, and the largest flows.
 */
import { type Ranked, whyBetter } from '../replay/ranking.js';
import type { PolicyResult, ReplayResult } from '../replay/result.js';
import { amongWorkers, rankedPolicies } from '../report/rank.js';
import { formatBreaking, formatFitting, lineColumns, wrap } from './fitting.js';
import {
  colour,
  formatBytes,
  formatCount,
  formatFields,
  formatNanoseconds,
  formatRatio,
  formatTable,
} from './output.js';

/** Rows of a list that are printed before the rest is summed up. */
const ROWS_MAX = 32;
const FLOWS_SHOWN = 5;
const BAR = 24;

const right = (title: string) => ({ title, align: 'right' as const });
const whole = (n: number) => n.toLocaleString('en-GB');

/** `0.75`, and `<0.01` rather than a zero that is none. */
function per(value: number): string {
  if (value === 0) return '0';
  return value < 0.005 ? '<0.01' : value.toFixed(2);
}

/** What the labels stand for. */
function labels({ policies }: ReplayResult): string {
  const named = policies.flatMap(({ label, policy }) => (label === null ? [] : [[label, policy] as const]));
  return named.length === 0 ? '' : formatFields(named);
}

function captureFields({ capture, model }: ReplayResult): string {
  const { packets, bytes, flows, seconds } = capture;
  const rate = seconds > 0 ? `, ${formatCount(packets / seconds)} packets/s` : '';
  const part = (count: number, what: string) => (count > 0 ? [`${whole(count)} ${what}`] : []);
  const odd = [
    ...part(capture.notIp, 'not IP'),
    ...part(capture.fragments, 'fragments'),
    ...part(capture.vlanTagged, 'with VLAN tags'),
    ...part(capture.truncated, 'captured short'),
  ];
  const { leftOut } = capture;
  const left = [
    ...part(leftOut.direction, capture.direction === 'in' ? 'sent, not received' : 'not sent'),
    ...part(leftOut.to, 'to others'),
    ...part(leftOut.filter, 'that the filter does not take'),
  ];
  const columns = lineColumns();
  return formatFields([
    ['packets', `${whole(packets)} (${formatBytes(bytes)}) in ${formatNanoseconds(1e9 * seconds)}${rate}`],
    ['flows', `${whole(flows)}, to ${whole(capture.destinationMacs)} MAC addresses`],
    ...(odd.length > 0 ? [['of these', odd.join(', ')] as const] : []),
    ...(left.length > 0 ? [['left out', left.join(', ')] as const] : []),
    ...(capture.superFrames > 0
      ? [
          [
            'on the wire',
            `about ${whole(capture.wirePackets)} packets: ${whole(capture.superFrames)} frames are longer than the MTU of ${capture.mtu}`,
          ] as const,
        ]
      : []),
    [
      'virtual time',
      wrap(model, columns === null ? null : columns - 14, '').replaceAll('\n', `\n${' '.repeat(14)}`),
    ],
  ]);
}

/** A policy as the tables name it: by its label, where it has one. */
const nameOf = ({ label, policy }: PolicyResult) => label ?? policy;

/** @param timed whether the clock goes on at all: else nobody is busy for any part of it. */
function summaryRow(result: PolicyResult, isFirst: boolean, timed: boolean): string[] {
  const { reordered, workers } = result;
  const lost = result.backlogDrops;
  return [
    nameOf(result),
    String(workers.length),
    result.fullestOverFair.toFixed(2),
    result.gini.toFixed(2),
    timed ? formatRatio(Math.max(0, ...workers.map((worker) => worker.busyRatio))) : '-',
    per(result.handoffsPerPacket),
    per(result.wakeupsPerPacket),
    reordered.packets === 0 ? '0' : colour.red(whole(reordered.packets)),
    lost === 0 ? '0' : colour.red(whole(lost)),
    isFirst ? '-' : whole(result.flowsMoved ?? 0),
  ];
}

function summary(result: ReplayResult): string {
  const columns = [
    { title: 'policy' },
    right('workers'),
    right('fullest/fair'),
    right('gini'),
    right('busiest'),
    right('hand-offs/pkt'),
    right('wake-ups/pkt'),
    right('reordered'),
    right('dropped'),
    right('flows moved'),
  ];
  return formatFitting(
    columns,
    result.policies.map((policy, i) => summaryRow(policy, i === 0, result.capture.seconds > 0)),
  );
}

/** Which policy is best among those with as many workers, by the rule of the report, and why. */
function verdict({ policies }: ReplayResult): string {
  const sections = rankedPolicies(policies);
  const compared = sections.filter(({ places }) => places.length > 1);
  if (compared.length === 0 && sections.length > 1) {
    return sentence('not ranked: no two have as many workers (--workers N gives all of them as many)');
  }
  return compared
    .map((section) => best(section.places, policies, amongWorkers(section, sections)))
    .join('\n');
}

/** The first two of a section. @param among which policies it is about */
function best([first, next]: readonly Ranked[], policies: readonly PolicyResult[], among: string): string {
  const name = (one: Ranked) => (one.members.length > 1 ? one.mean.name : nameOf(policies[one.members[0]!]!));
  const why = whyBetter(first!.mean, next!.mean, name(next!));
  const seeds = first!.members.length > 1 ? ` (mean of ${first!.members.length} seeds)` : '';
  return sentence(
    why === ''
      ? `nothing that is measured here tells ${name(first!)} from ${name(next!)}`
      : `best here${among}: ${name(first!)}${seeds}: ${why}`,
  );
}

/** Queues where the policy has several, else workers: packets as bars, on the scale of the fullest. */
function spread({ queues, workers }: PolicyResult): string {
  const byQueue = queues.length > 1;
  const rows = byQueue ? queues : workers;
  const most = Math.max(1, ...rows.map(({ packets }) => packets));
  const total = rows.reduce((sum, { packets }) => sum + packets, 0);
  const table = formatTable(
    [
      { title: byQueue ? 'queue' : 'worker', align: 'right' },
      right('packets'),
      right('share'),
      right('bytes'),
      right('flows'),
      { title: '' },
    ],
    rows
      .slice(0, ROWS_MAX)
      .map((row) => [
        String(row.id),
        whole(row.packets),
        formatRatio(total === 0 ? 0 : row.packets / total),
        formatBytes(row.bytes),
        whole(row.flows),
        '#'.repeat(Math.round((BAR * row.packets) / most)),
      ]),
  );
  const more = rows.length - ROWS_MAX;
  return more > 0 ? `${table}\n… and ${more} more (--json has all)` : table;
}

function details(result: PolicyResult): string {
  const types = Object.entries(result.hashTypes)
    .filter(([, packets]) => packets > 0)
    .map(([type, packets]) => `${type} ${whole(packets)}`)
    .join(', ');
  const { moves, reordered } = result;
  const lines = [
    colour.bold(nameOf(result)),
    spread(result),
    sentence(`hash types: ${types || 'none'}`, '  '),
  ];
  if (moves.total > 0 || moves.held > 0) {
    lines.push(
      `flows changed their worker ${whole(moves.total)} times, ${whole(moves.inFlight)} of them with packets under way` +
        `${moves.held > 0 ? `; ${whole(moves.held)} packets were kept on the old worker` : ''}`,
    );
  }
  if (reordered.packets > 0) {
    lines.push(
      `reordered: ${whole(reordered.packets)} packets (${reordered.ratio < 5e-4 ? '<0.1 %' : formatRatio(reordered.ratio)}), by up to ${whole(reordered.maxExtent)}`,
    );
  }
  lines.push(...result.assumed);
  if (result.otherwise !== null) {
    const { what, fullestOverFair, gini } = result.otherwise;
    lines.push(
      `otherwise, with ${what}: fullest/fair ${fullestOverFair.toFixed(2)} instead of ${result.fullestOverFair.toFixed(2)}, Gini ${gini.toFixed(2)} instead of ${result.gini.toFixed(2)}`,
    );
  }
  return lines.join('\n');
}

/** Names of columns for policies: their kinds, where these differ, else their places; labels in any case. */
function columnNames(policies: readonly PolicyResult[]): string[] {
  const kinds = policies.map(({ policy }) => policy.split(':')[0]!);
  const areDifferent = new Set(kinds).size === kinds.length;
  return policies.map(({ label }, i) => label ?? (areDifferent ? kinds[i]! : `(${i + 1})`));
}

/** @param shown rows at most */
function topFlows({ policies }: ReplayResult, shown: number): string {
  const [first] = policies;
  if (first === undefined || first.topFlows.length === 0) return '';
  const where = (policy: PolicyResult, i: number) => {
    const { queue, worker } = policy.topFlows[i]!;
    return queue === null ? `w${worker}` : `q${queue}`;
  };
  const table = formatBreaking(
    [
      { title: 'largest flows' },
      right('packets'),
      right('share'),
      ...columnNames(policies).map((title) => ({ title })),
    ],
    first.topFlows
      .slice(0, shown)
      .map((flow, i) => [
        flow.flow,
        whole(flow.packets),
        formatRatio(flow.share),
        ...policies.map((policy) => where(policy, i)),
      ]),
    ' > ',
  );
  const elephants = first.elephants;
  return elephants > 0
    ? `${table}\n${sentence(`${whole(elephants)} flow${elephants === 1 ? ' has' : 's have'} more packets than a worker's fair share under ${nameOf(first)}: no table can spread one flow`)}`
    : table;
}

/** Each policy's queues beside what the NIC counted. */
function counted({ policies }: ReplayResult): string {
  const tables = policies.flatMap((policy) => {
    if (policy.counted === undefined) return [];
    const { queues, elsewhere, countedPackets, predictedPackets } = policy.counted;
    const { predictedFullestOverFair, countedFullestOverFair } = policy.counted;
    const rows = queues.map((row) => [
      String(row.id),
      whole(row.predictedPackets),
      formatRatio(row.predictedShare),
      whole(row.countedPackets),
      formatRatio(row.countedShare),
    ]);
    const columns = ['queue', 'predicted', 'share', 'counted', 'share'].map(right);
    const facts = `at least ${formatRatio(elsewhere)} of the packets went to another queue than predicted; fullest queue over its fair share: predicted ${predictedFullestOverFair.toFixed(2)}, counted ${countedFullestOverFair.toFixed(2)}; ${whole(predictedPackets)} packets predicted, ${whole(countedPackets)} counted`;
    const name = colour.bold(`${nameOf(policy)}, and what the NIC counted`);
    return [`${name}\n${formatTable(columns, rows)}\n${sentence(facts)}`];
  });
  return tables.join('\n\n');
}

/** Prose at the width there is. */
function sentence(text: string, indent = ''): string {
  return wrap(text, lineColumns(), indent);
}

/**
 * The whole text, without a final line break.
 * @param flows rows of the table of the largest flows at most
 */
export function renderReplay(result: ReplayResult, flows = FLOWS_SHOWN): string {
  const parts = [
    captureFields(result),
    labels(result),
    [summary(result), verdict(result)].filter((part) => part !== '').join('\n'),
    ...result.policies.map(details),
    topFlows(result, flows),
    counted(result),
  ];
  const advice = result.advice.map(({ text, commands }) =>
    [sentence(`- ${text}`, '  '), ...commands.map((c) => `    ${c}`)].join('\n'),
  );
  if (advice.length > 0) parts.push([colour.bold('advice'), ...advice].join('\n'));
  return parts.filter((part) => part !== '').join('\n\n');
}
