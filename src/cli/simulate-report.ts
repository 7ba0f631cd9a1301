/**
 * A simulation for people: how much, what the CPUs do, what limits, and what would move it.
 *
 * Promise: a pure function of the result. Shares of CPU time are of all CPUs together.
 */
import { CLASS_WORDS } from '../report/cpu-classes.js';
import type { RunResult, SimulationResult } from '../simulate/result/result.js';
import type { Scenario } from '../simulate/scenario/schema.js';
import { formatFitting, lineColumns, wrap } from './fitting.js';
import { colour, formatCount, formatNanoseconds } from './output.js';
import { diskTables } from './simulate-disks.js';

const right = (title: string) => ({ title, align: 'right' as const });
const percent = (share: number) => (share === 0 ? '-' : `${(100 * share).toFixed(1)} %`);
const rate = (value: number) =>
  value < 0.005
    ? '-'
    : value
        .toPrecision(3)
        .replace(/(\.\d*?)0+$/, '$1')
        .replace(/\.$/, '');

function throughputText({ value, unit, ci95 }: RunResult['throughput']): string {
  const half = (ci95[1] - ci95[0]) / 2;
  const share = value === 0 ? 0 : half / value;
  return `${formatCount(value)} ${unit}${share < 0.0005 ? '' : ` ± ${(100 * share).toFixed(1)} %`}`;
}

function overview(results: readonly RunResult[]): string {
  return formatFitting(
    [
      ...[{ title: 'policy' }, right('throughput'), right('CPU busy'), right('CPU /op')],
      ...[right('latency p50'), right('p99')],
      ...[right('IPIs /op'), right('wake-ups /op'), right('exits /op'), right('remote lines /op')],
      ...[right('dropped'), right('reordered')],
    ],
    results.map(({ policy, throughput, cpu, latencyUs, perPacket, dropped, reordered }) => [
      policy,
      throughputText(throughput),
      percent(cpu.busyShare),
      `${cpu.usPerOperation.toPrecision(3)} us`,
      formatNanoseconds(latencyUs.p50 * 1000),
      formatNanoseconds(latencyUs.p99 * 1000),
      rate(perPacket.ipis + perPacket.guestIpis),
      rate(perPacket.wakeups),
      rate(perPacket.exits),
      rate(perPacket.remoteLines),
      formatCount(Object.values(dropped).reduce((sum, count) => sum + count, 0)),
      formatCount(reordered),
    ]),
  );
}

function classTable(results: readonly RunResult[]): string {
  const used = CLASS_WORDS.filter(([cls]) => results.some(({ cpu }) => cpu.classes[cls] >= 0.0005));
  return formatFitting(
    [{ title: 'CPU time' }, ...used.map(([, name]) => right(name))],
    results.map(({ policy, cpu }) => [policy, ...used.map(([cls]) => percent(cpu.classes[cls]))]),
  );
}

/** Guests that are shown one by one, where their kinds differ. */
const GUESTS_MOST = 16;

/** What each guest got, where there are guests of several kinds. */
function guestLines({ guests: kinds }: Scenario, { results, virtualMs }: SimulationResult): string[] {
  const count = results[0]?.guests.length ?? 0;
  if (Object.keys(kinds).length < 2 || count > GUESTS_MOST) return [];
  const isOne = results.length === 1;
  const table = formatFitting(
    [
      ...(isOne ? [] : [{ title: 'policy' }]),
      ...[{ title: 'guest' }, right('operations/s'), right('p50'), right('p99'), right('exits/s')],
    ],
    results.flatMap(({ policy, guests }) =>
      guests.map(({ name, packets, latencyUs, exits }) => [
        ...(isOne ? [] : [policy]),
        name,
        formatCount((1000 * packets) / virtualMs),
        formatNanoseconds(latencyUs.p50 * 1000),
        formatNanoseconds(latencyUs.p99 * 1000),
        formatCount(exits),
      ]),
    ),
  );
  return [table, ''];
}

/** What limits, and what was tried. */
function limitLines({ policy, limit, dropped }: RunResult, isOne: boolean): string[] {
  const who = isOne ? '' : `${policy}: `;
  const lost = Object.entries(dropped).filter(([, count]) => count > 0);
  const drops =
    lost.length === 0
      ? []
      : [`${who}dropped: ${lost.map(([why, n]) => `${why} ${formatCount(n)}`).join(', ')}`];
  if (limit === null) return drops;
  const others = limit.tried
    .filter(({ name }) => name !== limit.name)
    .map(({ name, gain }) => `${name} ${gain < 0.005 ? 'nothing' : `${(100 * gain).toFixed(0)} % more`}`);
  const used = limit.utilisation > 0 ? `, ${percent(limit.utilisation)} used` : '';
  const rest = others.length === 0 ? '' : `; twice as much of the others: ${others.join(', ')}`;
  const what =
    limit.kind === 'clients'
      ? 'no part of the host limits by itself'
      : `the limit is ${colour.bold(limit.name)}${used}`;
  return [`${who}${what}; ${limit.why}${rest}`, ...drops];
}

function publishedLines({ policy, published, throughput, cpu }: RunResult, isOne: boolean): string[] {
  if (published === undefined) return [];
  const { value, cpu: share, source } = published;
  const off = (simulated: number, known: number) => {
    const by = 100 * (simulated / known - 1);
    return `${by < 0 ? '−' : '+'}${Math.abs(by).toFixed(0)} %`;
  };
  const parts = [
    ...(value === undefined ? [] : [`${formatCount(value)} (here ${off(throughput.value, value)})`]),
    ...(share === undefined ? [] : [`${percent(share)} CPU (here ${off(cpu.busyShare, share)})`]),
  ];
  if (parts.length === 0) return [];
  return [`${isOne ? '' : `${policy}: `}published: ${parts.join(' at ')}; ${source}`];
}

/** The text of a simulation. */
export function simulationText(scenario: Scenario, result: SimulationResult): string {
  const { results, ...whole } = result;
  const isOne = results.length === 1;
  const cpus = results[0]?.cpus.length ?? 0;
  const head = `${whole.scenario}: ${cpus} CPUs, ${whole.virtualMs} ms of virtual time, seed ${whole.seed}`;
  const lines = results.flatMap((one) => [...limitLines(one, isOne), ...publishedLines(one, isOne)]);
  return [
    colour.bold(head),
    ...(scenario.about === undefined ? [] : [wrap(scenario.about, lineColumns())]),
    '',
    overview(results),
    '',
    classTable(results),
    '',
    ...guestLines(scenario, result),
    ...results.flatMap((one) =>
      diskTables(one).flatMap((text, i) => [i === 0 ? wrap(text, lineColumns()) : text, '']),
    ),
    ...lines.map((line) => wrap(`- ${line}`, lineColumns(), '  ')),
    colour.dim(whole.digest),
  ].join('\n');
}
