/**
 * The page of a simulation: one HTML file that shows what policies make of a host.
 *
 * Promise: pure function of the result (no clock, no network); self-contained. Throughput and CPU side by side come
 * first, then what limits, the way of one packet under each policy, and each policy's CPUs over time with its tables.
 */
import type { CpuClass } from '../simulate/machine/classes.js';
import type { RunResult, SimulationResult } from '../simulate/result/result.js';
import { CLASS_WORDS, classLegend } from './cpu-classes.js';
import { type Cell, code, count, escapeHtml, type Heading, number, percent, table, text } from './html.js';
import { drawnLength, packetPath } from './packet-path.js';
import { chooser, factList, originFacts, page, type ReportOrigin } from './page.js';
import { cpuText, rateText, sidesOf } from './sides.js';
import { simulationSection } from './simulation-section.js';

/** What the page says beside the result. */
export interface SimulationReportOptions extends ReportOrigin {
  /** Default: the scenario's name. */
  readonly title?: string;
  /** The scenario's own text about itself. */
  readonly about?: string;
  /** Name or file of the costs. */
  readonly costs?: string;
}

const HEADINGS: readonly Heading[] = [
  { title: 'policy' },
  { title: 'a second', hint: 'operations, with half of their 95 % interval' },
  { title: 'CPU', hint: 'busy part of all CPUs' },
  { title: 'µs each', hint: 'CPU time of an operation' },
  { title: 'p50 µs', hint: 'latency that half of the operations stay below' },
  { title: 'p99 µs' },
  { title: 'hand-offs', hint: 'packets that the host gave to another CPU, for each operation' },
  { title: 'IPIs', hint: 'interrupts between CPUs for each operation; in guests likewise' },
  { title: 'wake-ups', hint: 'of tasks, for each operation' },
  { title: 'exits', hint: 'of vCPUs, for each operation' },
  { title: 'remote lines', hint: 'cache lines taken from other CPUs, for each operation' },
  { title: 'lock wait ns', hint: 'for each operation' },
  { title: 'copied bytes', hint: 'for each operation' },
  { title: 'drops' },
  { title: 'late', hint: 'behind a later packet of their flow' },
];

const PUBLISHED: readonly Heading[] = [
  { title: 'published', hint: 'operations a second' },
  { title: 'published CPU', hint: 'busy part of all CPUs' },
];

const short = (value: number) => (value === 0 ? '0' : value < 10 ? value.toFixed(2) : count(value));
const nothing: Cell = { ...text('-'), number: true, sort: -1 };
const orNothing = (value: number | undefined, print: (value: number) => string) =>
  value === undefined ? nothing : number(value, print);

function comparison(results: readonly RunResult[]): string {
  const hasPublished = results.some(({ published }) => published !== undefined);
  const rows = results.map((result): Cell[] => {
    const { throughput, cpu, latencyUs, perPacket, dropped, reordered, published } = result;
    const half = (throughput.ci95[1] - throughput.ci95[0]) / 2;
    const own =
      published === undefined
        ? [nothing, nothing]
        : [orNothing(published.value, count), orNothing(published.cpu, percent)];
    return [
      code(result.policy),
      {
        ...number(throughput.value),
        html: `${count(throughput.value)} ± ${percent(throughput.value === 0 ? 0 : half / throughput.value)}`,
      },
      number(cpu.busyShare, percent),
      number(cpu.usPerOperation, short),
      number(latencyUs.p50, short),
      number(latencyUs.p99, short),
      number(perPacket.handOffs, short),
      number(perPacket.ipis + perPacket.guestIpis, short),
      number(perPacket.wakeups, short),
      number(perPacket.exits, short),
      number(perPacket.remoteLines, short),
      number(perPacket.lockWaitNs, short),
      number(perPacket.copiedBytes, short),
      number(Object.values(dropped).reduce((a, b) => a + b, 0)),
      number(reordered),
      ...(hasPublished ? own : []),
    ];
  });
  return table('Policies compared', hasPublished ? [...HEADINGS, ...PUBLISHED] : HEADINGS, rows, 'cards');
}

/** Where there are several: the fastest, and the cheapest for each operation. */
function winner(results: readonly RunResult[]): string {
  const [first, ...others] = results;
  if (first === undefined) return '';
  const name = ({ policy }: RunResult) => `<code>${escapeHtml(policy)}</code>`;
  if (others.length === 0)
    return `<p class="winner">${name(first)}: ${escapeHtml(rateText(first))}, ${escapeHtml(cpuText(first))}.</p>`;
  const fastest = results.reduce((a, b) => (b.throughput.value > a.throughput.value ? b : a));
  const working = results.filter(({ cpu }) => cpu.usPerOperation > 0);
  const cheapest = working.reduce<RunResult | null>(
    (a, b) => (a === null || b.cpu.usPerOperation < a.cpu.usPerOperation ? b : a),
    null,
  );
  const isClear = results.every(
    (one) => one === fastest || one.throughput.ci95[1] < fastest.throughput.ci95[0],
  );
  const most = isClear
    ? `<strong>Most: ${name(fastest)}</strong>, ${escapeHtml(rateText(fastest))}`
    : 'Throughputs do not differ by more than their intervals';
  const least = cheapest === null ? '' : `; least CPU: ${name(cheapest)}, ${escapeHtml(cpuText(cheapest))}`;
  return `<p class="winner">${most}${least}.</p>`;
}

function paths(results: readonly RunResult[]): string {
  const found = results.flatMap(({ policy, recording }) =>
    recording?.path === null || recording === undefined ? [] : [{ policy, path: recording.path }],
  );
  if (found.length === 0) return '';
  const units = Math.max(...found.map(({ path }) => drawnLength(path)));
  const figures = found.map(({ policy, path }) =>
    packetPath(path, `<code>${escapeHtml(policy)}</code>`, units),
  );
  return `<section id="paths"><h2>The way of one packet</h2><p class="quiet">One row a CPU, in the order in which they get the packet. Full colour: work on it; pale: what a CPU did to get at it; dashed: it waits, long waits cut short. One scale for all.</p>${figures.join('')}</section>`;
}

function usedClasses(results: readonly RunResult[]): Set<CpuClass> {
  return new Set(
    CLASS_WORDS.map(([cls]) => cls).filter((cls) => results.some(({ cpu }) => cpu.classes[cls] > 0)),
  );
}

/**
 * The page of a simulation, as HTML. With `record: true` it has the heat map and the packet's way.
 *
 *     writeFileSync('host.html', renderSimulationReport(simulate(scenario, { record: true })));
 */
export function renderSimulationReport(
  result: SimulationResult,
  options: SimulationReportOptions = {},
): string {
  const { results } = result;
  const facts = factList([
    ['CPUs', count(results[0]?.cpus.length ?? 0)],
    ['guests', count(results[0]?.guests.length ?? 0)],
    ['measured', `${result.virtualMs} ms, virtual`],
    ['seed', String(result.seed)],
    ...(options.costs === undefined ? [] : [['costs', escapeHtml(options.costs)] as const]),
    ['events', count(result.events)],
  ]);
  const about = options.about === undefined ? '' : `<p>${escapeHtml(options.about)}</p>`;
  const body = [
    `<section id="scenario">${originFacts(options)}${about}${facts}</section>`,
    `<section id="comparison"><h2>Throughput and CPU</h2>${winner(results)}${classLegend(usedClasses(results))}${sidesOf(results)}${comparison(results)}</section>`,
    paths(results),
    results.length > 1
      ? chooser(
          results.map(({ policy }) => policy),
          0,
        )
      : '',
    ...results.map((one, i) => simulationSection(one, i)),
    `<footer><h2>How this was computed</h2><p>On virtual time, by the code that steers packets in the forwarder. The same scenario, costs, seed and version give the same result: <code>${escapeHtml(result.digest)}</code>.</p></footer>`,
  ].join('\n');
  return page({
    title: options.title ?? result.scenario,
    body,
    data: null,
    style: 'simulation.css',
  });
}
