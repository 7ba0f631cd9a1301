/**
 * Suite `pipeline`: the inside of the engine on two CPUs, nanoseconds a frame. Generator at worker 0, dissection, hash,
 * table, order ledger, hand-off of every frame to worker 1, forwarding decision, sink, completion, frames returned,
 * all counters on; beside the same work in C++ on the same memory layout, and DPDK's rte_distributor, which neither
 * parses nor hashes.
 */

import { fileURLToPath } from 'node:url';
import type * as HdrHistogram from 'hdr-histogram-js';
import { compile } from './lab/compile.js';
import type { Answer, Contestant } from './lab/contestant.js';
import { needPackage } from './lab/packages.js';
import { hasProgram } from './lab/programs.js';
import { type Entry, endAll, startAll, TIME, timeRounds } from './lab/rounds.js';
import type { PipelineRequest } from './pipeline/engine.js';
import { requireTwoCpus } from './ring.js';
import {
  abba,
  type BenchOptions,
  demandOn,
  present,
  type Ratio,
  ratioOfRounds,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';
import { median, percentile } from './stats.js';

const SUITE = 'pipeline';
const WINDOWS = { seconds: 0.003, count: 25 };
/** One window: whoever looks at the clocks in between takes a CPU from the threads, and that is a latency too. */
const LATENCY_WINDOWS = { seconds: 0.2, count: 1 };
const FLOWS = 1024;
/** Slots in circulation, as many as the C++ program has. */
const FRAMES = 2048;
const PERCENTILES = [50, 99, 99.9] as const;
/** The percentile of all frames of a turn, stalls of the machine included. */
const WHOLE = "p99.9 with the machine's stalls";

const REFERENCE = 'C++ reference';
/** Without what `Lane.claim` does: what the obvious loop costs. */
const PLAIN = 'C++, lines not claimed';
const DISTRIBUTOR = 'rte_distributor, burst mode';
const ours = (order: string, ledger = true) => `order ${order}${ledger ? '' : ', ledger off'}`;
const BASE = ours('none');

function engineEntry(name: string, request: PipelineRequest): Entry {
  const program = fileURLToPath(new URL('./pipeline/engine.js', import.meta.url));
  // V8 reports through stdio, which would buffer; line by line its reports fall between the right marks.
  const buffering = hasProgram('stdbuf') ? ['stdbuf', '-oL'] : [];
  const flags = ['--trace-gc', '--trace-deopt', '--expose-gc'];
  return { name, command: [...buffering, process.execPath, ...flags, program, JSON.stringify(request)] };
}

const CASES: readonly (readonly [PipelineRequest['order'], boolean])[] = [
  ['none', true],
  ['linux', true],
  ['strict', true],
  ['none', false],
];

function referenceCommand(path: string, rate: number, claims: boolean): string[] {
  return [path, String(FLOWS), String(FRAMES), 'none', 'on', String(rate), claims ? 'on' : 'off'];
}

/** The time of a frame: all cases, the reference and the distributor in turns. */
async function times(path: string, distributor: string, options: BenchOptions, notes: string[]) {
  const entries: Entry[] = CASES.map(([order, ledger]) =>
    engineEntry(ours(order, ledger), { order, ledger, flows: FLOWS, frames: FRAMES, rate: 0 }),
  );
  if (path !== '') {
    entries.push({ name: REFERENCE, command: referenceCommand(path, 0, true) });
    entries.push({ name: PLAIN, command: referenceCommand(path, 0, false) });
  }
  if (distributor !== '') entries.push({ name: DISTRIBUTOR, command: [distributor] });
  const contestants = await startAll(SUITE, entries, (name) => name.startsWith('order'), notes);
  try {
    const rounds = options.rounds ?? (options.quick ? 5 : 30);
    const { samples, lost } = await timeRounds(SUITE, contestants, rounds, options, WINDOWS);
    if (lost > 0) notes.push(`${SUITE}: ${lost} of ${rounds} rounds left out: other programs had the CPUs`);
    return { samples, contestants };
  } finally {
    await endAll(contestants);
  }
}

/**
 * Latencies of one answer in nanoseconds, by name. A turn of 0.2 s meets several moments at which the machine takes a
 * CPU away for up to milliseconds; whoever is hit has a p99.9 of that. So each percentile is taken of every slice of
 * 5 ms, and the median slice counts.
 */
function latenciesOf(
  { latency = [], slices = [] }: Answer,
  { build }: typeof HdrHistogram,
): [string, number][] {
  const histogram = build({ numberOfSignificantValueDigits: 3, highestTrackableValue: 2 ** 32 });
  for (const [ns, count] of latency) histogram.recordValueWithCount(Math.round(ns), count);
  const full = slices.filter((slice) => Number.isFinite(slice[0]));
  return [
    ...PERCENTILES.map((p, k): [string, number] => [`p${p}`, median(full.map((slice) => slice[k]!))]),
    [WHOLE, histogram.getValueAtPercentile(99.9)],
  ];
}

/** The time of a frame with stamps and the latency sink, as latency is measured: half load is half of this rate. */
async function stampedFrameNs(options: BenchOptions, notes: string[]): Promise<number | null> {
  const request = {
    order: 'none',
    ledger: true,
    flows: FLOWS,
    frames: FRAMES,
    rate: 0,
    stamped: true,
  } as const;
  const contestants = await startAll(SUITE, [engineEntry(BASE, request)], (name) => name === BASE, notes);
  try {
    const rounds = options.rounds ?? (options.quick ? 3 : 10);
    const { samples } = await timeRounds(SUITE, contestants, rounds, options, WINDOWS);
    const times = samples.of(BASE, TIME);
    return times.length === 0 ? null : percentile(times, 0.9);
  } finally {
    await endAll(contestants);
  }
}

/** The latency at a rate that both get. `frameNs`: the time of a frame of which the rate is half. */
async function latencies(path: string, frameNs: number, options: BenchOptions, notes: string[]) {
  const rate = Math.floor(0.5e9 / frameNs);
  const request: PipelineRequest = { order: 'none', ledger: true, flows: FLOWS, frames: FRAMES, rate };
  const entries: Entry[] = [engineEntry(BASE, request)];
  if (path !== '') {
    entries.push({ name: REFERENCE, command: referenceCommand(path, rate, true) });
  }
  const histograms = await import('hdr-histogram-js');
  const contestants = await startAll(SUITE, entries, (name) => name === BASE, notes);
  const samples = new Samples();
  try {
    const rounds = options.rounds ?? (options.quick ? 3 : 15);
    for (const [index, order] of abba(contestants, rounds + 1).entries()) {
      options.signal.throwIfAborted();
      options.progress(`${SUITE}: latency, round ${index} of ${rounds}`);
      for (const contestant of order) {
        const answer = await contestant.turn(LATENCY_WINDOWS.seconds, LATENCY_WINDOWS.count);
        if (index === 0) continue;
        for (const [measure, ns] of latenciesOf(answer, histograms))
          samples.add(contestant.name, measure, ns);
      }
    }
  } finally {
    await endAll(contestants);
  }
  return { samples, rate, contestants };
}

/** No garbage, no deoptimisation while it was measured. */
function steady(contestants: readonly Contestant[], notes: string[]): (Ratio | null)[] {
  if (!hasProgram('stdbuf')) {
    notes.push(`${SUITE}: steady state not checked: no stdbuf (apt-get install coreutils)`);
    return [];
  }
  const engines = contestants.filter(({ name }) => name.startsWith('order'));
  const all = (kind: 'collections' | 'deoptimisations') => engines.flatMap((contestant) => contestant[kind]);
  return (['collections', 'deoptimisations'] as const).map((kind) => {
    const label = kind === 'collections' ? 'garbage collections' : 'deoptimisations';
    const first = all(kind)[0] ?? null;
    return demandOn(`${SUITE}: ${label} while measured`, [all(kind).length], '<= 0', first);
  });
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  requireTwoCpus(SUITE);
  needPackage(SUITE, 'hdr-histogram-js');
  const notes: string[] = [];
  const reference = compile({ what: REFERENCE, source: 'pipeline/reference.cc' });
  const distributor = compile({ what: 'rte_distributor', source: 'peers/distributor.c', dpdk: true });
  for (const { problem } of [reference, distributor]) if (problem !== '') notes.push(problem);
  const { samples, contestants } = await times(reference.path, distributor.path, options, notes);
  const of = (name: string) => samples.of(name, TIME);
  const results = contestants.map(({ name }) => resultOf(SUITE, name, of(name), 'nanoseconds', 'ns'));
  const ratios: (Ratio | null)[] = [
    ratioOfRounds(`${SUITE}: ${BASE} / ${REFERENCE}`, of(BASE), of(REFERENCE), '<= 1.5'),
    ratioOfRounds(`${SUITE}: ${BASE} / ${PLAIN}`, of(BASE), of(PLAIN), null),
    ratioOfRounds(`${SUITE}: ${BASE} / ${DISTRIBUTOR}`, of(BASE), of(DISTRIBUTOR), '<= 2'),
    ratioOfRounds(`${SUITE}: order linux / none`, of(ours('linux')), of(BASE), null),
    ratioOfRounds(`${SUITE}: order strict / none`, of(ours('strict')), of(BASE), '<= 1.1'),
    ratioOfRounds(`${SUITE}: ledger on / off`, of(BASE), of(ours('none', false)), '<= 1.05'),
    ...steady(contestants, notes),
  ];
  const frameNs = await stampedFrameNs(options, notes);
  if (frameNs !== null) {
    const found = await latencies(reference.path, frameNs, options, notes);
    const mpps = (found.rate / 1e6).toFixed(1);
    const measures = [...PERCENTILES.map((p) => `p${p}`), WHOLE];
    for (const { name } of found.contestants) {
      for (const measure of measures) {
        const label = `${name}: latency at ${mpps} Mpps, ${measure}`;
        results.push(resultOf(SUITE, label, found.samples.of(name, measure), 'nanoseconds', 'ns'));
      }
    }
    for (const measure of measures) {
      const [a, b] = [found.samples.of(BASE, measure), found.samples.of(REFERENCE, measure)];
      const wanted = measure === 'p99.9' ? '<= 2' : null;
      ratios.push(
        ratioOfRounds(`${SUITE}: latency at half load, ${measure}: ${BASE} / ${REFERENCE}`, a, b, wanted),
      );
    }
    ratios.push(
      ...steady(found.contestants, []).map(
        (ratio) => ratio && { ...ratio, name: `${ratio.name} (half load)` },
      ),
    );
  }
  notes.push(
    `${SUITE}: half load is half of what the engine does with stamps and the latency sink (${frameNs === null ? 'not measured' : `${frameNs.toFixed(0)} ns a frame`}) in the slowest tenth of the windows, so that it stays half while the machine is slow; the C++ reference gets the same rate; latencies are those of the median slice of 5 ms`,
  );
  return { results: present(results), ratios: present(ratios), notes };
}

export const pipeline: Suite = {
  name: SUITE,
  about: 'the inside of the engine, beside the same in C++ and rte_distributor',
  run,
};
