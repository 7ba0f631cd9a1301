/**
 * Suite `flow-vs-mac`: on this machine, for this mix of guests and flows, steer by flow or by MAC, and by how much?
 *
 * Every policy at both stages with the same receive queues, pollers and guests: at `nic` the source places flows in
 * queues as the policy says, at `cpu` all queues have flows of all guests and the polling worker hands off. Runs are
 * interleaved; each is a process of its own; the policies of one mix and stage share rounds.
 */
import { type ExecFileException, execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Lab, labProblem } from '#rxsteer/cli/lab.js';
import {
  abba,
  type BenchOptions,
  present,
  type Ratio,
  type Result,
  ratioOf,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';
import { median } from './stats.js';
import { mixOfCapture } from './verdict/capture-mix.js';
import type { RunAnswer, RunRequest } from './verdict/engine.js';
import {
  FLOW_POLICIES,
  MAC_POLICIES,
  MIXES,
  type Mix,
  POLICIES,
  type PolicyName,
  STAGES,
  type Stage,
  wishedMix,
} from './verdict/mixes.js';
import { type CaseFacts, type Comparison, summary, verdict } from './verdict/words.js';

const SUITE = 'flow-vs-mac';
/** Frames of one run at full rate, and of one at the rate that latency is taken at. */
const FULL = { memory: 3_000_000, tap: 600_000, timedSeconds: 1 };
const QUICK = { memory: 1_000_000, tap: 200_000, timedSeconds: 0.4 };
const RUN_TIMEOUT_MS = 60_000;
/** Latency is taken at this share of what the slowest policy of the mix and stage can do: all get the same load. */
const LATENCY_LOAD = 0.5;
const WORKERS_MAX = 4;

const MEASURES = [
  'cpuNs',
  'handoffs',
  'wakeups',
  'contended',
  'waitedNs',
  'workersPerGuest',
  'reordered',
  'dropped',
] as const;
const PERCENTILES = ['p50', 'p99', 'p99.9'] as const;
type Measure = (typeof MEASURES)[number];

const program = fileURLToPath(new URL('./verdict/engine.js', import.meta.url));

/** One run in a process of its own; inside a namespace where TAPs are made. */
export function runOnce(
  request: RunRequest,
  namespace: string | null,
  signal: AbortSignal,
): Promise<RunAnswer> {
  const command = ['setpriv', '--pdeathsig', 'KILL'];
  if (namespace !== null) command.push('ip', 'netns', 'exec', namespace);
  command.push(process.execPath, program, JSON.stringify(request));
  return new Promise((resolve, reject) => {
    execFile(command[0]!, command.slice(1), { timeout: RUN_TIMEOUT_MS, signal }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as RunAnswer);
      else reject(signal.aborted ? error : new Error(deathOf(error, stderr)));
    });
  });
}

/** Lines of standard error that are told. */
const STDERR_LINES = 3;

/** Why a run's process gave no answer: time-out, signal or exit code, and what it said last. */
export function deathOf(error: ExecFileException, stderr: string): string {
  const how =
    error.killed === true
      ? `no answer within ${RUN_TIMEOUT_MS / 1000} s`
      : typeof error.signal === 'string'
        ? `ended by ${error.signal}`
        : typeof error.code === 'number'
          ? `ended with exit code ${error.code}`
          : error.message;
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  // Where an exception ended it, that says more than the stack below.
  const thrown = lines.find((line) => /^\w*Error\b.*:/.test(line));
  const said = thrown ?? lines.slice(-STDERR_LINES).join(' | ');
  return said === '' ? how : `${how}: ${said}`;
}

interface Setting {
  readonly mix: Mix;
  readonly stage: Stage;
  readonly workers: number;
  readonly rounds: number;
  readonly lengths: typeof FULL;
  readonly namespace: string | null;
  /** Gets what could not be measured. */
  readonly failures: string[];
}

/** A run, repeated once where it gives no answer; null where it fails again. */
async function tryRun(
  setting: Setting,
  request: RunRequest,
  options: BenchOptions,
): Promise<RunAnswer | null> {
  for (let again = false; ; again = true) {
    try {
      return await runOnce(request, setting.namespace, options.signal);
    } catch (error) {
      options.signal.throwIfAborted();
      const why = `${SUITE}: ${setting.mix.name}, ${setting.stage}, ${request.policy}: ${(error as Error).message}`;
      options.progress(again ? why : `${why}; once more`);
      if (again) {
        setting.failures.push(why);
        return null;
      }
    }
  }
}

/** All policies of one mix and stage, interleaved. */
async function measure(setting: Setting, options: BenchOptions): Promise<Samples> {
  const { mix, stage, workers, rounds, lengths } = setting;
  const samples = new Samples();
  /** Policies that gave no answer are not asked again: their samples would belong to fewer rounds. */
  const lost = new Set<PolicyName>();
  const request = async (policy: PolicyName, packets: number, rate: number) => {
    if (lost.has(policy)) return null;
    const answer = await tryRun(
      setting,
      { mix, stage, policy, workers, packets, rate, table: null },
      options,
    );
    if (answer === null) lost.add(policy);
    return answer;
  };
  for (const [index, order] of abba(POLICIES, rounds).entries()) {
    for (const policy of order) {
      options.progress(`${SUITE}: ${mix.name}, ${stage}, round ${index + 1} of ${rounds}: ${policy}`);
      const answer = await request(policy, lengths[mix.path], 0);
      if (answer === null) continue;
      samples.add(policy, 'rate', answer.packetsPerSecond);
      for (const name of MEASURES) samples.add(policy, name, answer[name]);
    }
  }
  const measured = POLICIES.filter((policy) => samples.of(policy, 'rate').length > 0);
  if (mix.path === 'tap' || measured.length === 0) return samples;
  const slowest = Math.min(...measured.map((policy) => median(samples.of(policy, 'rate'))));
  const rate = Math.floor(LATENCY_LOAD * slowest);
  for (const [index, order] of abba(POLICIES, Math.max(1, Math.ceil(rounds / 2))).entries()) {
    for (const policy of order) {
      options.progress(`${SUITE}: ${mix.name}, ${stage}, latency ${index + 1}: ${policy}`);
      const answer = await request(policy, Math.ceil(rate * lengths.timedSeconds), rate);
      answer?.latency?.forEach((ns, k) => {
        samples.add(policy, PERCENTILES[k]!, ns);
      });
    }
  }
  return samples;
}

const factsOf = (samples: Samples, policy: PolicyName): CaseFacts => {
  const of = (measure: Measure | 'rate') => median(samples.of(policy, measure));
  return {
    policy,
    packetsPerSecond: of('rate'),
    cpuNs: of('cpuNs'),
    handoffs: of('handoffs'),
    wakeups: of('wakeups'),
    waitedNs: of('waitedNs'),
    workersPerGuest: of('workersPerGuest'),
  };
};

function results({ mix, stage }: Setting, samples: Samples): Result[] {
  return present(
    POLICIES.filter((policy) => samples.of(policy, 'rate').length > 0).flatMap((policy) => {
      const f = factsOf(samples, policy);
      const note = `${f.cpuNs.toFixed(0)} ns CPU, ${f.handoffs.toFixed(2)} hand-offs, ${f.wakeups.toFixed(3)} wake-ups, ${f.waitedNs.toFixed(0)} ns waited, ${f.workersPerGuest.toFixed(1)} workers a guest`;
      const name = `${mix.name}/${stage}/${policy}`;
      const rate = resultOf(SUITE, name, samples.of(policy, 'rate'), 'perSecond', 'pps', note);
      const details = Object.fromEntries(
        MEASURES.map((measure) => [measure, median(samples.of(policy, measure))]),
      );
      return [
        rate === null ? null : { ...rate, details },
        ...PERCENTILES.map((p) =>
          resultOf(SUITE, `${name}/latency ${p}`, samples.of(policy, p), 'nanoseconds', 'ns'),
        ),
      ];
    }),
  );
}

/** The best of each side, as this run found it; null where a side has nothing. */
function compare(
  { mix, stage, workers }: Setting,
  samples: Samples,
): { comparison: Comparison; ratio: Ratio } | null {
  const best = (policies: readonly PolicyName[]) =>
    policies
      .filter((policy) => samples.of(policy, 'rate').length > 0)
      .map((policy) => factsOf(samples, policy))
      .reduce<CaseFacts | null>(
        (a, b) => (a === null || b.packetsPerSecond > a.packetsPerSecond ? b : a),
        null,
      );
  const mac = best(MAC_POLICIES);
  const flow = best(FLOW_POLICIES);
  if (mac === null || flow === null) return null;
  const name = `${mix.name}, ${stage}: packets a second, MAC (${mac.policy}) / flow (${flow.policy})`;
  const ratio = ratioOf(name, samples.of(mac.policy, 'rate'), samples.of(flow.policy, 'rate'), null)!;
  return { comparison: { mix, stage, workers, mac, flow, ratio: ratio.value, ci95: ratio.ci95 }, ratio };
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  const lengths = options.quick ? QUICK : FULL;
  const rounds = options.rounds ?? (options.quick ? 3 : 7);
  const workers = options.workers ?? Math.max(2, Math.min(WORKERS_MAX, availableParallelism()));
  const notes: string[] = [
    `${SUITE}: ${workers} workers on ${availableParallelism()} CPUs; the frames are made by the workers themselves, so the rate is that of making, steering and delivering`,
    `${SUITE}: nic = the source places each flow in the queue that the policy names; cpu = queues hold flows of all guests, and the polling worker hands off`,
  ];
  const problem = labProblem();
  const lab = problem === '' ? new Lab() : null;
  const report: { results: Result[]; ratios: Ratio[] } = { results: [], ratios: [] };
  const comparisons: Comparison[] = [];
  const failures: string[] = [];
  const mixes = await mixesOf(options, notes);
  try {
    const namespace = lab?.namespace('flow-vs-mac') ?? null;
    for (const mix of mixes) {
      if (mix.path === 'tap' && namespace === null) {
        notes.push(`${SUITE}: ${mix.name} left out: ${problem}`);
        continue;
      }
      for (const stage of STAGES) {
        const inside = mix.path === 'tap' ? namespace : null;
        const setting = { mix, stage, workers, rounds, lengths, namespace: inside, failures };
        const samples = await measure(setting, options);
        report.results.push(...results(setting, samples));
        const compared = compare(setting, samples);
        if (compared === null) continue;
        const { comparison, ratio } = compared;
        report.ratios.push(ratio);
        comparisons.push(comparison);
      }
    }
  } catch (error) {
    // What was measured is kept, whatever ended it.
    failures.push(`${SUITE}: ${options.signal.aborted ? 'interrupted' : (error as Error).message}`);
  } finally {
    lab?.close();
  }
  return { ...report, notes: [...notes, ...comparisons.map(verdict), summary(comparisons)], failures };
}

/** The mix that is asked for, or the suite's own. */
async function mixesOf({ mix, quick }: BenchOptions, notes: string[]): Promise<readonly Mix[]> {
  if (mix === undefined || mix === null) return MIXES.filter((own) => own.quick || !quick);
  const { capture, ...wish } = mix;
  if (capture === undefined) return [wishedMix(wish)];
  const found = await mixOfCapture(capture);
  notes.push(...found.notes.map((note) => `${SUITE}: ${capture}: ${note}`));
  const own = wishedMix({ ...found.wish, ...wish });
  notes.push(`${SUITE}: ${capture} is taken for: ${own.name}`);
  return [own];
}

export const flowVsMac: Suite = {
  name: SUITE,
  about: 'flow steering against MAC steering in front of guests, and which to use here',
  run,
};
