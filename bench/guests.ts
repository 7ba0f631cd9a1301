/**
 * Suite `guests`: what a guest's frames cost by the way that they take to it, and what steering changes there.
 *
 * Its parts, each left out in one line where something is missing: rings without guests (MAC against flow steering for four
 * single-queue guests), guests at rest, a wire between two vhost-user ports against DPDK's back-end, and virtual machines on
 * e1000 and virtio-net behind a TAP and on vhost-user, by load. Machines are booted once, for all loads that are asked for.
 */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { loadNative, nativeProblem } from '#rxsteer/addon/native.js';
import { labProblem, ownFolder } from '#rxsteer/cli/lab.js';
import { UserError } from '#rxsteer/errors.js';
import { FRONTS, IDLE, IDLE_GUESTS, measureFronts, measureIdle } from './guests/fronts.js';
import { machinesMissing } from './guests/machines.js';
import { GUEST_PATHS } from './guests/paths.js';
import {
  candidate,
  LOADS,
  type Load,
  MEASURES,
  type Measure,
  measureMachines,
  POLICIES,
  SMALL_RATE,
} from './guests/real.js';
import { measureWires, WIRES, wireMissing } from './guests/wire.js';
import {
  type BenchOptions,
  demandOn,
  present,
  type Ratio,
  type Result,
  ratioOf,
  ratioOfRounds,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';
import { median } from './stats.js';

const SUITE = 'guests';
/** Two workers, and the thread that all guests without a guest are. */
const BUSY_THREADS = 3;

/** Rings without guests: results, and which steering to use. */
function frontReport(samples: Samples): { results: Result[]; ratios: Ratio[]; notes: string[] } {
  const results = FRONTS.map(({ name }) => {
    const of = (measure: string) => median(samples.of(name, measure));
    const note = `${of('contended').toFixed(4)} lock waits and ${of('waitedNs').toFixed(1)} ns of waiting a frame, ${of('handoffs').toFixed(2)} hand-offs, ${(100 * of('lost')).toFixed(1)} % lost (${(100 * of('lostBetween')).toFixed(1)} % between the workers), ${of('reordered')} reordered`;
    return resultOf(
      SUITE,
      `rings/four guests, two workers/${name}`,
      samples.of(name, 'rate'),
      'perSecond',
      'pps',
      note,
    );
  });
  const [far, near, flow] = FRONTS;
  const against = ({ name }: (typeof FRONTS)[number]) =>
    ratioOfRounds(
      `rings, four single-queue guests on two workers: packets a second, ${name} / rss`,
      samples.of(name, 'rate'),
      samples.of(flow.name, 'rate'),
      null,
    );
  const [worst, best] = [against(far), against(near)];
  const waits = demandOn(
    'rings: lock waits a frame with mac',
    [...samples.of(far.name, 'contended'), ...samples.of(near.name, 'contended')],
    '<= 0',
  );
  const idle = demandOn(
    `${IDLE_GUESTS} guests connected and at rest: part of a core`,
    samples.of(IDLE, 'share'),
    '<= 0.01',
  );
  const notes = [worst, best].flatMap((ratio, k) =>
    ratio === null ? [] : [verdictOf(FRONTS[k]!.name, ratio)],
  );
  const cpus = availableParallelism();
  if (notes.length > 0 && cpus < BUSY_THREADS) {
    notes.push(
      `guests: rings: two workers and the guests' thread share ${cpus} CPUs: a frame that goes through both workers needs all three, so it waits for a turn of the scheduler where one through a single worker does not; with more CPUs the verdict may differ`,
    );
  }
  return { results: present(results), ratios: present([worst, best, waits, idle]), notes };
}

/** In words, as far as the interval permits. */
function verdictOf(what: string, { value, ci95: [low, high] }: Ratio): string {
  const times = `${value.toFixed(2)} times as many frames (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`;
  const title = `guests: four single-queue guests on two workers: ${what}, against rss`;
  if (low > 1) return `${title}: MAC, ${times}`;
  if (high < 1) return `${title}: flow; MAC moves ${times}`;
  return `${title}: no difference shown: ${times}`;
}

function wireReport(samples: Samples): { results: Result[]; ratios: Ratio[] } {
  const [own, theirs] = WIRES;
  const results = WIRES.map((name) =>
    resultOf(SUITE, `wire/virtio-user/${name}`, samples.of(name, 'rate'), 'perSecond', 'pps'),
  );
  const ratio = ratioOf(
    'wire between two vhost-user ports, 64-byte frames: rxsteer / testpmd net_vhost',
    samples.of(own, 'rate'),
    samples.of(theirs, 'rate'),
    '>= 0.9',
    'the goal is 1.2',
  );
  return { results: present(results), ratios: present([ratio]) };
}

function machineReport(samples: Samples): { results: Result[]; ratios: Ratio[] } {
  const all = GUEST_PATHS.flatMap(({ name }) =>
    LOADS.flatMap((load) => POLICIES.map((policy) => candidate(name, policy, load))),
  ).filter((name) => samples.of(name, 'rate').length > 0);
  const results = all.flatMap((name) => {
    const of = (measure: Measure) => median(samples.of(name, measure));
    const details = Object.fromEntries(MEASURES.map((measure) => [measure, of(measure)]));
    const note = `${of('frameBytes').toFixed(0)} bytes a frame; a frame costs ${of('programNs').toFixed(0)} ns of rxsteer, ${of('emulatorNs').toFixed(0)} ns of QEMU, ${of('vcpuNs').toFixed(0)} ns of virtual CPUs, ${of('wakeups').toFixed(2)} wake-ups; ${of('waits').toFixed(4)} lock waits; ${(100 * of('lost')).toFixed(2)} % lost`;
    const own = samples.of(name, 'programNs').map((ns, k) => ns + samples.of(name, 'emulatorNs')[k]!);
    const rate = resultOf(SUITE, name, samples.of(name, 'rate'), 'perSecond', 'bit/s', note);
    return [
      rate === null ? null : { ...rate, details },
      resultOf(SUITE, `${name}/host threads a frame`, own, 'nanoseconds', 'ns'),
    ];
  });
  const against = (load: (typeof LOADS)[number], path: string, other: string, wanted: string | null) =>
    ratioOfRounds(
      `${load}, mac: throughput, ${path} / ${other}`,
      samples.of(candidate(path, 'mac', load), 'rate'),
      samples.of(candidate(other, 'mac', load), 'rate'),
      wanted,
    );
  const host = (path: string) => {
    const name = candidate(path, 'mac', '60-byte frames');
    return samples.of(name, 'programNs').map((ns, k) => ns + samples.of(name, 'emulatorNs')[k]!);
  };
  const [e1000, virtio, vhost] = GUEST_PATHS.map(({ name }) => name) as [string, string, string];
  const cost = (path: string, other: string) =>
    ratioOfRounds(
      `60-byte frames at ${SMALL_RATE / 1000} kpps, mac: host threads' time a frame, ${path} / ${other}`,
      host(path),
      host(other),
      null,
    );
  const waits = demandOn(
    `${vhost}, 4 guests: lock waits a frame with mac`,
    samples.of(candidate(vhost, 'mac', '4 guests'), 'waits'),
    '<= 0',
  );
  return {
    results: present(results),
    ratios: present([
      against('guest to guest', vhost, virtio, '>= 1.5'),
      against('guest to guest', vhost, e1000, null),
      ...(['1 guest', '2 guests', '4 guests'] as const).map((load) => against(load, vhost, virtio, null)),
      against('1 guest', virtio, e1000, null),
      cost(vhost, virtio),
      cost(virtio, e1000),
      waits,
    ]),
  };
}

/** Loads of the machines, by part. */
const MACHINE_PARTS: Readonly<Record<string, readonly Load[]>> = {
  tcp: ['guest to guest'],
  streams: ['1 guest', '2 guests', '4 guests'],
  frames: ['60-byte frames'],
};
const PARTS = ['rings', 'idle', 'wire', ...Object.keys(MACHINE_PARTS)];

async function run(options: BenchOptions): Promise<SuiteReport> {
  if (loadNative() === null) throw new UserError(`${SUITE}: ${nativeProblem()}`);
  const rounds = options.rounds ?? (options.quick ? 2 : 5);
  const notes: string[] = [];
  const failures: string[] = [];
  const [fronts, wires, machines] = [new Samples(), new Samples(), new Samples()];
  const folder = ownFolder();
  const { parts = PARTS } = options;
  const loads = Object.keys(MACHINE_PARTS).flatMap((name) =>
    parts.includes(name) ? MACHINE_PARTS[name]! : [],
  );
  /** What was measured is kept, whatever ends a part. */
  const part = async (name: string, what: string, work: () => Promise<void>) => {
    if (!parts.includes(name)) return;
    try {
      await work();
    } catch (error) {
      failures.push(
        `${SUITE}: ${what}: ${options.signal.aborted ? 'interrupted' : (error as Error).message}`,
      );
    }
  };
  try {
    await part('rings', 'rings without guests', async () => {
      const problem = await measureFronts(folder, rounds, options, fronts);
      if (problem !== null) notes.push(problem);
    });
    await part('idle', 'guests at rest', async () => {
      const problem = await measureIdle(folder, rounds, options, fronts);
      if (problem !== null) notes.push(problem);
    });
    await part('wire', 'wire', async () => {
      const missing = wireMissing();
      if (missing !== null) notes.push(missing);
      else await measureWires(folder, rounds, options, wires);
    });
    await part(
      loads.length > 0 ? parts.find((name) => name in MACHINE_PARTS)! : '',
      'virtual machines',
      async () => {
        const lab = labProblem();
        const missing = lab === '' ? machinesMissing() : `guests: virtual machines left out: ${lab}`;
        if (missing !== null) notes.push(missing);
        else notes.push(...(await measureMachines(folder, rounds, loads, options, machines)));
      },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const reports = [frontReport(fronts), wireReport(wires), machineReport(machines)];
  return {
    results: reports.flatMap(({ results }) => results),
    ratios: reports.flatMap(({ ratios }) => ratios),
    notes: [...notes, ...frontReport(fronts).notes],
    failures,
  };
}

/** The suite. */
export const guests: Suite = {
  name: SUITE,
  about: 'what frames of guests cost behind e1000, virtio-net and vhost-user, by policy (root, QEMU)',
  parts: PARTS,
  run,
};
