/**
 * `rxsteer replay`: where each policy would send the packets of a capture, and what that does to load and order.
 *
 * Promise: the JSON has the fields of the contract; policies are checked before a packet is read. The modules that
 * read captures are loaded first and started in a thread, then those of the policies, whose loading takes as long as
 * reading a million packets: keep the imports of this module few.
 */
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { UserError } from '../errors.js';
import type { HostSteering } from '../host/policy/host-steering.js';
import type { QueueCounter } from '../nic/queue-counters.js';
import { splitLabel } from '../policy/label.js';
import type { PolicySpec } from '../policy/spec.js';
import { Chooser, type PacketChoice, parseDirection } from '../replay/choice.js';
import { IngestThread } from '../replay/ingest-source.js';
import { readingPays } from '../replay/reading-thread.js';
import type { ReplayResult } from '../replay/result.js';
import { readTextFile } from '../text-file.js';
import { Interrupt } from './interrupt.js';
import { origin } from './origin.js';
import { formatCount, note, noteLine, Progress, print, printJson } from './output.js';
import { type PlainOptions, plainWords } from './plain-words.js';

interface Flags {
  readonly policy: string[];
  readonly workers?: string;
  readonly speed?: string;
  readonly gap?: string;
  readonly model?: string;
  readonly apps?: string;
  readonly jobs?: string;
  readonly top?: string;
  readonly direction?: string;
  readonly to?: string;
  readonly filter?: string;
  readonly mtu?: string;
  readonly counters?: string[];
  readonly write?: string;
  readonly html?: string;
  readonly advice?: boolean;
  readonly json?: boolean;
}

const WORKERS_MAX = 1024;

function wholeNumber(
  text: string | undefined,
  least: number,
  most: number,
  flag: string,
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UserError(`${flag}: "${text}" is not a whole number from ${least} to ${most}`);
  }
  return value;
}

/** A number above 0. */
function positive(text: string | undefined, most: number, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{0,12}(\.\d{1,9})?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (!(value > 0 && value <= most)) {
    throw new UserError(`${flag}: "${text}" is not a number above 0, up to ${most}`);
  }
  return value;
}

/** What there is to read: files that exist, standard input once. */
function checkFiles(files: readonly string[]): void {
  if (files.filter((file) => file === '-').length > 1) {
    throw new UserError('standard input (-) is given twice: it can be read once');
  }
  for (const file of files) {
    if (file !== '-' && !existsSync(file)) {
      throw new UserError(`${file}: no such file`, { code: 'RXS_FILE' });
    }
  }
}

function fileBytes(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + (file === '-' ? 0 : statSync(file).size), 0);
}

async function writeReport(path: string, result: ReplayResult, files: readonly string[]): Promise<void> {
  const [{ renderReport }, { writePage }] = await Promise.all([
    import('../report/index.js'),
    import('./outputs.js'),
  ]);
  writePage(path, renderReport(result, { files, ...origin() }));
}

/** Which packets count. */
function choice({ direction, to, filter, mtu }: Flags): PacketChoice {
  const bytes = wholeNumber(mtu, 68, 65_535, '--mtu');
  return {
    ...(direction === undefined ? {} : { direction: parseDirection(direction) }),
    ...(to === undefined ? {} : { to: to.split(',').map((word) => word.trim()) }),
    ...(filter === undefined ? {} : { filter }),
    ...(bytes === undefined ? {} : { mtu: bytes }),
  };
}

/** What a NIC's queues counted, of the files given. */
async function counters(files: readonly string[] | undefined): Promise<QueueCounter[] | null> {
  if (files === undefined) return null;
  const { queueCounters } = await import('../nic/queue-counters.js');
  const texts = files.map((file) => readTextFile(file, `--counters ${file}`));
  return queueCounters(texts, `--counters ${files.join(' ')}`);
}

/** The result with each policy's queues beside the counters. */
async function withCounters(result: ReplayResult, counted: QueueCounter[] | null): Promise<ReplayResult> {
  if (counted === null) return result;
  const { compareCounted } = await import('../replay/counted.js');
  return {
    ...result,
    policies: result.policies.map((policy) => ({ ...policy, counted: compareCounted(policy, counted) })),
  };
}

/** The result with advice, where it is asked for: a second pass over the captures. */
async function advised(
  result: ReplayResult,
  files: readonly string[],
  flags: Flags,
  specs: readonly PolicySpec[],
  workers: number | null,
  progress: Progress,
  signal: AbortSignal,
): Promise<ReplayResult> {
  if (result.capture.interrupted && flags.advice === true) note('rxsteer: warning: no advice: interrupted');
  if (result.capture.interrupted) return result;
  if (flags.advice !== true && flags.html === undefined) return result;
  const [{ advise, canAdvise }, { bestPolicy }] = await Promise.all([
    import('../replay/advice/index.js'),
    import('../report/rank.js'),
  ]);
  if (!canAdvise(files, result)) {
    if (flags.advice === true) note('rxsteer: warning: no advice: it needs captures that can be read twice');
    return result;
  }
  if (specs.some(({ text }) => text.startsWith('host:'))) {
    if (flags.advice === true) note('rxsteer: warning: no advice: host:DEV is what is set up already');
    return result;
  }
  progress.update('advice');
  const best = bestPolicy(result.policies);
  const advice = await advise(files, result, specs, workers, best, choice(flags), signal);
  return signal.aborted ? result : { ...result, advice };
}

/** A policy, or what a host does (`host:DEV`), which is compiled here. */
async function hostOr(
  policy: string,
  workers: number | undefined,
  parse: (policy: string) => Promise<PolicySpec>,
): Promise<PolicySpec | HostSteering> {
  if (!/^host(:|$)/.test(policy)) return parse(policy);
  const { hostSteering } = await import('../host/policy/host-policy.js');
  const steering = await hostSteering(policy);
  if (workers !== undefined && workers < steering.workers) {
    throw new UserError(`--workers ${workers}: ${policy} has CPUs 0 to ${steering.workers - 1}`);
  }
  for (const text of steering.assumed) note(`rxsteer: ${policy}: ${text}`);
  return steering;
}

async function run(files: string[], flags: Flags): Promise<void> {
  checkFiles(files);
  if (flags.html !== undefined) {
    const { checkOutput } = await import('./outputs.js');
    checkOutput('--html', flags.html, [...files, ...(flags.counters ?? [])]);
  }
  if (flags.speed !== undefined && flags.gap !== undefined) {
    throw new UserError('--gap: replaces the clock of the capture, so --speed has nothing to change');
  }
  const workers = wholeNumber(flags.workers, 1, WORKERS_MAX, '--workers');
  const threads = wholeNumber(flags.jobs, 1, 256, '--jobs') ?? availableParallelism();
  const top = wholeNumber(flags.top, 0, 10_000, '--top') ?? 20;
  const clock = {
    speed: positive(flags.speed, 1e9, '--speed') ?? 1,
    gapNs: (positive(flags.gap, 1e9, '--gap') ?? 0) * 1000,
  };
  const counted = await counters(flags.counters);
  const chosen = choice(flags);
  // Says what is wrong with it before a thread begins to read.
  new Chooser(chosen);
  const isThreaded =
    threads > 1 && !files.includes('-') && readingPays(fileBytes(files), flags.policy.length);
  const reading = isThreaded ? new IngestThread(files, clock, chosen) : undefined;
  let interrupt: Interrupt | null = null;
  const progress = new Progress('replay');
  try {
    const [{ replayWith }, { parseModel, DEFAULT_MODEL }, { parseApps, DEFAULT_APPS }, { parseAlone }] =
      await Promise.all([
        import('../replay/replay.js'),
        import('../replay/model.js'),
        import('../replay/apps.js'),
        import('../policy/compile-plain.js'),
      ]);
    // Once: what a policy reads may be a pipe, and while that is waited for an interrupt ends the program.
    const named = flags.policy.map((policy) => splitLabel(policy));
    const asked = await Promise.all(named.map(({ policy }) => hostOr(policy, workers, parseAlone)));
    const specs = asked.map((one) => ('spec' in one ? one.spec : one));
    interrupt = new Interrupt(() =>
      note('rxsteer: interrupted: ends with what was read; a second interrupt ends at once'),
    );
    const divider =
      flags.write === undefined ? null : new (await import('../replay/divide.js')).Divider(flags.write);
    const replayed = await replayWith(files, asked, {
      ...clock,
      ...chosen,
      signal: interrupt.signal,
      labels: named.map(({ label }) => label),
      model: flags.model === undefined ? DEFAULT_MODEL : parseModel(flags.model),
      apps: flags.apps === undefined ? DEFAULT_APPS : parseApps(flags.apps),
      threads,
      top,
      onProgress: (packets) => progress.update(`${formatCount(packets)} packets`),
      ...(workers === undefined ? {} : { workers }),
      ...(reading === undefined ? {} : { reading }),
      ...(divider === null ? {} : { takers: divider.takers }),
    });
    const result = await withCounters(
      await advised(replayed, files, flags, specs, workers ?? null, progress, interrupt.signal),
      counted,
    );
    progress.done();
    const problems = divider?.close() ?? [];
    for (const warning of result.capture.warnings) noteLine(`rxsteer: warning: ${warning}`);
    if (flags.html !== undefined) await writeReport(flags.html, result, files);
    if (flags.json === true) printJson(result);
    else
      print(
        (await import('./replay-report.js')).renderReplay(result, flags.top === undefined ? undefined : top),
      );
    if (problems.length > 0) throw new Error(problems[0]);
  } finally {
    interrupt?.release();
    progress.done();
    await reading?.close();
  }
}

const PLAIN: PlainOptions = {
  values: [
    ...['workers', 'speed', 'gap', 'model', 'apps', 'top', 'write', 'html', 'jobs'],
    ...['direction', 'to', 'filter', 'mtu'],
  ],
  lists: ['policy'],
  switches: ['advice', 'json'],
};

/** Runs a plain command line (the words behind `replay`); null for one that needs the whole program. */
export function runPlain(words: readonly string[]): Promise<void> | null {
  const plain = plainWords(words, PLAIN);
  return plain === null ? null : run(plain.files, plain.flags as unknown as Flags);
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('replay')
    .description('where policies would send the packets of captures: load, hand-offs, reordering')
    .argument('<file...>', 'pcap or pcapng, plain, gzip or zstd; - is standard input')
    .requiredOption(
      '--policy <policy>',
      'a policy, LABEL= may stand before it; may be given several times',
      (text, list: string[] = []) => {
        // What makes it commander's own, without loading commander.
        if (text === '') {
          throw Object.assign(new Error('a policy is needed.'), { code: 'commander.invalidArgument' });
        }
        return [...list, text];
      },
    )
    .option('--workers <n>', 'number of workers (default: from each policy)')
    .option('--speed <factor>', 'virtual time runs so many times as fast as the capture (default: 1)')
    .option('--gap <us>', 'so many microseconds between packets, for captures without useful times')
    .option(
      '--model <costs>',
      'receive=NS, handoff=NS, wakeup=NS, packet=NS, byte=NS, backlog=PACKETS, joined by commas',
    )
    .option(
      '--apps <where>',
      'where applications run, for rfs: flow, port or none, with ,move=MS (default: flow)',
    )
    .option(
      '--direction <which>',
      'packets that count, where the file states directions: in, out or both (default: in)',
    )
    .option('--to <list>', 'only packets to these MAC addresses, IP addresses or networks: 192.0.2.0/24')
    .option('--filter <expression>', 'only packets that a pcap-filter expression takes (tcpdump compiles it)')
    .option('--mtu <bytes>', 'longer frames count as merged by GRO, LRO or TSO (default: 1500)')
    .option('--top <n>', 'largest flows to list (default: 5 as text, 20 as JSON)')
    .option('--write <dir>', 'write one capture for each queue or worker')
    .option(
      '--advice',
      'say what would help, with commands to paste (reads the captures twice; --html includes it)',
    )
    .option(
      '--counters <file>',
      'output of ethtool -S to hold the prediction against; twice: before and after',
      (file, all: string[] = []) => [...all, file],
    )
    .option('--html <file>', 'write a report as one self-contained page')
    .option('--jobs <n>', 'threads at most (default: the processors)')
    .option('--json', 'one JSON document on standard output')
    .action(run);
}
