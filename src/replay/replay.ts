/**
 * One capture, or several, through any number of policies: one pass over the packets.
 *
 * Promise: the counts are exact and the same for any number of threads. Policies are compiled before a packet is
 * read; whatever is wrong is a UserError of one line. Memory grows with flows and policies, not with packets.
 *
 * Threads: most captures are read and steered in this thread. Large ones are read by a thread of their own, and
 * the policies are dealt over this thread and, where it pays, Piscina's.
 */
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { compileAlone, insistsOnNative, parseAlone } from '../policy/compile-plain.js';
import type { AnyPolicy } from '../policy/experiment.js';
import { splitLabel } from '../policy/label.js';
import type { PolicySpec } from '../policy/spec.js';
import type { CompileOptions, Steering } from '../policy/steering.js';
import { policyWarnings } from '../policy/warnings.js';
import { type AppsModel, DEFAULT_APPS } from './apps.js';
import { assumedWarning, udpTwin, withAssumed } from './assumed.js';
import { Chooser, type PacketChoice } from './choice.js';
import type { Chunk } from './chunk.js';
import { runsByFlow } from './flow-run.js';
import { FlowView } from './flow-table.js';
import type { IngestEnd } from './ingest-order.js';
import { IngestThread } from './ingest-source.js';
import { DEFAULT_MODEL, describeModel, type ServiceModel } from './model.js';
import { policyResult } from './outcome.js';
import type { PacketTaker, RunOptions } from './policy-run.js';
import { PolicySet } from './policy-set.js';
import { readingPays } from './reading-thread.js';
import type { ReplayResult } from './result.js';
import type { RunCounts } from './tally.js';

/** Bytes times work from which threads for policies pay: each loads all policy modules first. */
const POOL_BYTES = 400 << 20;
/** Work of a policy that decides by flow; 1 is that of one that sees every packet, and about that of the reading thread. */
const FLOW_WORK = 0.2;

/** Bytes of captures from which the addon's hash kernels pay: loading them takes some milliseconds. */
export const NATIVE_BYTES = 256 << 20;

/** What a replay may be told. */
export interface ReplayOptions extends PacketChoice {
  /** Workers of every policy; default: each policy's own. */
  readonly workers?: number;
  /** How many times faster than the capture. Default 1. */
  readonly speed?: number;
  /** Nanoseconds between packets, instead of the timestamps. */
  readonly gapNs?: number;
  /** What packets cost on virtual time. Default: round figures, see docs/replay.md. */
  readonly model?: ServiceModel;
  /** Where applications run, for rfs. Default: flow n on worker n. */
  readonly apps?: AppsModel;
  /** Threads at most: 1 = everything in this one. Default: the processors. */
  readonly threads?: number;
  /** `always`: threads for reading and policies however small the captures are. Default `auto`. */
  readonly parallel?: 'auto' | 'always';
  /** Flows in `topFlows`. Default 20. */
  readonly top?: number;
  /** When it aborts, nothing more is read and the result is about what was: `capture.interrupted`. */
  readonly signal?: AbortSignal;
  /** Called now and then with the packets so far. */
  readonly onProgress?: (packets: number) => void;
}

/** What the command line adds: not for programs, whose captures are read once and not divided. */
export interface ReplayWork extends ReplayOptions {
  /** Gets the packets of a policy after they were steered, for each policy that it names one for. */
  readonly takers?: (steerings: readonly Steering[]) => (PacketTaker | null)[];
  /** Labels of policies that were parsed already. */
  readonly labels?: readonly (string | null)[];
  /** A reading thread that was started for the same files and clock. */
  readonly reading?: IngestThread;
}

function fileBytes(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** The addon's hash kernels where they pay, or where a policy insists on them. Values are the same with them. */
async function kernelsFor(specs: readonly PolicySpec[], bytes: number): Promise<CompileOptions> {
  if (bytes < NATIVE_BYTES && !specs.some(insistsOnNative)) return {};
  const { nativeHashKernels } = await import('../addon/hash-kernels.js');
  return { kernels: nativeHashKernels() };
}

/**
 * Replays captures through policies: where each would send the packets, how even that is, what it does to order.
 *
 *     const { policies } = await replay(['in.pcap'], ['rss:queues=8', 'rps:cpus=0-7']);
 *
 * Counts are exact and the same for any number of threads; loads, wake-ups and reordering are those of the stated
 * service-time model on virtual time. Memory grows with flows and policies, not with packets.
 *
 * @param files pcap or pcapng, plain, gzip or zstd; `-` is standard input. Several count as one capture.
 * @param policies policies in any form: strings, `@FILE`, objects, functions as `js:FILE` exports them, what `parsePolicy`
 *   gave, or compiled ones; strings may have a label before them, `mine=rss:queues=8`
 * @throws UserError for a policy or a capture that is wrong.
 */
export function replay(
  files: readonly string[],
  policies: readonly AnyPolicy[],
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  return replayWith(files, policies, options);
}

/** `replay` for the command line. */
export async function replayWith(
  files: readonly string[],
  policies: readonly AnyPolicy[],
  options: ReplayWork,
): Promise<ReplayResult> {
  const { speed = 1, gapNs = 0, model = DEFAULT_MODEL, apps = DEFAULT_APPS, top = 20 } = options;
  const clock = { speed, gapNs };
  const choice = choiceOf(options);
  // Says what is wrong with it before anything is read.
  new Chooser(choice);
  const workers = options.workers ?? null;
  const named = policies.map((policy) => splitLabel<AnyPolicy>(policy));
  const asked = await Promise.all(named.map(({ policy }) => parseAny(policy, workers)));
  const bytes = fileBytes(files);
  const twins = asked.map(({ spec }) => udpTwin(spec));
  const all = [...asked, ...twins.flatMap((spec) => (spec === null ? [] : [{ spec, steering: null }]))];
  const specs = all.map(({ spec }) => spec);
  const compile = { ...(workers === null ? {} : { workers }), ...(await kernelsFor(specs, bytes)) };
  const steerings = await Promise.all(
    all.map(({ spec, steering }) => steering ?? compileAlone(spec, compile)),
  );
  const warnings = new Set(steerings.flatMap((steering) => policyWarnings(steering)));
  const takers = options.takers?.(steerings.slice(0, asked.length)) ?? [];
  const isHere = asked.some(({ steering }) => steering !== null);
  const run: Run = {
    files,
    clock,
    choice,
    specs,
    steerings,
    workers,
    takers,
    isHere,
    options,
    model: { model, apps },
  };
  const threads = options.threads ?? availableParallelism();
  const isLarge = readingPays(bytes, specs.length) || options.parallel === 'always';
  const isThreaded = options.reading !== undefined || (threads > 1 && isLarge);
  const { end, counts } = isThreaded ? await runThreaded(run, threads, bytes) : await runHere(run);
  const flows = new FlowView(end.flows);
  const largest = flows.largest(top);
  const results = counts.map((own, i) =>
    policyResult(own, i === 0 ? null : counts[0]!, end.facts, flows, largest, end.virtualNs),
  );
  let next = asked.length;
  const complete = asked.map(({ spec }, i) =>
    withAssumed(results[i]!, spec, twins[i] === null ? null : results[next++]!),
  );
  for (const result of complete) {
    const warning = assumedWarning(result);
    if (warning !== null) warnings.add(warning);
  }
  return {
    capture: { ...end.facts, warnings: [...end.facts.warnings, ...warnings] },
    policies: complete.map((result, i) => ({
      ...result,
      label: options.labels?.[i] ?? named[i]!.label,
    })),
    advice: [],
    model: describeModel(model, clock),
  };
}

/** A policy in any form: its spec, and the compiled one where no other thread can make it. */
async function parseAny(
  policy: AnyPolicy,
  workers: number | null,
): Promise<{ readonly spec: PolicySpec; readonly steering: Steering | null }> {
  const isCompiled = typeof policy === 'object' && 'steer' in policy && 'decision' in policy;
  if (typeof policy !== 'function' && !isCompiled) return { spec: await parseAlone(policy), steering: null };
  const { toSteering } = await import('../policy/experiment.js');
  const steering = toSteering(policy, workers === null ? {} : { workers });
  return { spec: steering.spec, steering };
}

/** The part of the options that says which packets count. */
export function choiceOf({ direction, to, filter, mtu }: PacketChoice): PacketChoice {
  return {
    ...(direction === undefined ? {} : { direction }),
    ...(to === undefined ? {} : { to }),
    ...(filter === undefined ? {} : { filter }),
    ...(mtu === undefined ? {} : { mtu }),
  };
}

interface Run {
  readonly files: readonly string[];
  readonly choice: PacketChoice;
  readonly clock: { readonly speed: number; readonly gapNs: number };
  readonly specs: readonly PolicySpec[];
  readonly steerings: readonly Steering[];
  readonly workers: number | null;
  readonly takers: readonly (PacketTaker | null)[];
  /** A policy exists in this thread only. */
  readonly isHere: boolean;
  readonly options: ReplayWork;
  readonly model: RunOptions;
}

interface Finished {
  readonly end: IngestEnd;
  readonly counts: RunCounts[];
}

async function runHere({ files, clock, choice, steerings, takers, options, model }: Run): Promise<Finished> {
  // Not needed where a thread reads, and a twentieth of a second.
  const { ingestHere } = await import('./ingest-here.js');
  const set = new PolicySet(steerings, model, takers);
  const each = (chunk: Chunk) => {
    set.walk(chunk);
    options.onProgress?.(chunk.first + chunk.n);
  };
  const end = await ingestHere(files, clock, each, choice, options.signal);
  return { end, counts: set.finish(end.flows) };
}

async function runThreaded(run: Run, threads: number, bytes: number): Promise<Finished> {
  const { files, clock, choice, specs, steerings, takers, isHere, options } = run;
  const reading = options.reading ?? new IngestThread(files, clock, choice);
  const { signal } = options;
  const stop = () => reading.stop();
  if (signal?.aborted === true) stop();
  signal?.addEventListener('abort', stop, { once: true });
  // Policies whose packets are written stay here; of the others every thread gets its share.
  const work = steerings.reduce((sum, steering) => sum + (runsByFlow(steering) ? FLOW_WORK : 1), 0);
  const isWorth = bytes * (work - 1) >= POOL_BYTES || options.parallel === 'always';
  const pays = takers.length === 0 && !isHere && isWorth;
  const groups = pays ? Math.min(threads, specs.length) : 1;
  const here = specs.flatMap((_, i) => (i % groups === 0 ? [i] : []));
  const set = new PolicySet(
    here.map((i) => steerings[i]!),
    run.model,
    takers,
  );
  const pool = groups === 1 ? null : await startPool(run, groups, reading);
  try {
    const reads = reading.run((chunk, index) => {
      const others = pool?.take(chunk, index);
      set.walk(chunk);
      options.onProgress?.(chunk.first + chunk.n);
      return others;
    });
    const end = await (pool === null ? reads : Promise.race([reads, pool.failure]));
    const counts: RunCounts[] = [];
    const own = set.finish(end.flows);
    for (const [k, i] of here.entries()) counts[i] = own[k]!;
    for (const [group, list] of ((await pool?.finish(end.flows)) ?? []).entries()) {
      for (const [k, one] of list.entries()) counts[group + 1 + k * groups] = one;
    }
    return { end, counts };
  } finally {
    signal?.removeEventListener('abort', stop);
    await Promise.all([reading.close(), pool?.close()]);
  }
}

async function startPool(run: Run, groups: number, reading: IngestThread) {
  const { PolicyPool } = await import('./policy-pool.js');
  const others = Array.from({ length: groups - 1 }, (_, group) =>
    run.specs.filter((_, i) => i % groups === group + 1),
  );
  return new PolicyPool(others, run.workers, run.model, reading.chunks);
}
