/**
 * The fuzzer: a seeded loop that mutates inputs, keeps those that run new code, and checks a target's promises on each.
 *
 * Promise: the same seed and number of executions try the same inputs as long as the code is the same. What fails is
 * shrunk, saved among the target's cases, and thrown with the path; cases are replayed by every run before anything
 * else. The loop ends after `executions` or at the end of `budgetMs`, whichever is first.
 *
 * Why not an existing fuzzer: the well-kept one for Node (jazzer.js, libFuzzer inside) does not instrument ES modules,
 * and its ready-made binary needs a newer C library than Debian 12 has. V8's own coverage needs neither.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { Coverage } from './coverage.js';
import { mutate } from './mutate.js';

/** What is fuzzed. */
export interface FuzzTarget {
  readonly name: string;
  /** Modules whose new code makes an input worth keeping, by URL. */
  readonly covers: RegExp;
  /** Longest input that is made. */
  readonly maxBytes: number;
  /** Inputs to start from: valid ones of every kind. */
  seeds(): readonly (Uint8Array | string)[];
  /** Words of the input's language. */
  readonly tokens?: readonly string[];
  /** Throws where a promise does not hold for this input. */
  check(input: Uint8Array): void | Promise<void>;
  /** Called once at the end, also after a failure; checks what holds over all inputs. */
  close?(): void | Promise<void>;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly executions: number;
  readonly budgetMs: number;
  /** A folder whose inputs are started from too, and which new ones are added to. */
  readonly corpus?: string;
  /** Where failing inputs are, a folder for each target. */
  readonly cases?: string;
}

export interface FuzzReport {
  readonly executions: number;
  /** Inputs kept, seeds included. */
  readonly corpus: number;
  /** Source characters that ran. */
  readonly covered: number;
  readonly slowestMs: number;
  /** The input that took so long. */
  readonly slowest: Uint8Array;
}

/** Inputs between two looks at the coverage: a look costs as much as a hundred short inputs. */
const BATCH = 24;
/** Inputs tried while a failing one is shrunk, at most. */
const SHRINK_TRIES = 1500;

const CASES = fileURLToPath(new URL('cases', import.meta.url));

/** Inputs that have failed once, by file name. */
function casesIn(folder: string): [string, Uint8Array][] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name))]);
}

/** Runs one input; what it failed with, or null. */
async function failureOf(target: FuzzTarget, input: Uint8Array): Promise<Error | null> {
  try {
    await target.check(input);
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** What must stay the same while an input is shrunk: the text without the input's own figures. */
function kindOf(error: Error): string {
  return `${error.name}: ${error.message
    .split('\n')[0]!
    .replace(/[0-9a-f]{4,}|\d+|"[^"]*"/gi, '#')
    .slice(0, 60)}`;
}

/** A shorter and plainer input that fails in the same way. */
async function shrink(target: FuzzTarget, input: Uint8Array, kind: string): Promise<Uint8Array> {
  let best = input;
  let tries = 0;
  const still = async (candidate: Uint8Array) => {
    if (tries++ >= SHRINK_TRIES) return false;
    const error = await failureOf(target, candidate);
    return error !== null && kindOf(error) === kind;
  };
  for (let piece = best.length >> 1; piece > 0; piece >>= 1) {
    for (let at = 0; at + piece <= best.length; ) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + piece)]);
      if (await still(shorter)) best = shorter;
      else at += piece;
    }
  }
  for (let at = 0; at < best.length; at++) {
    if (best[at] === 0x30) continue;
    const plainer = Uint8Array.from(best);
    plainer[at] = 0x30;
    if (await still(plainer)) best = plainer;
  }
  return best;
}

/** Replays the cases, then fuzzes. Throws what was found, with the path of the case that was saved. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const random = new SeededRandom(options.seed);
  const tokens = (target.tokens ?? []).map((token) => Buffer.from(token));
  const corpus: Uint8Array[] = target.seeds().map((seed) => Buffer.from(seed as Uint8Array));
  if (options.corpus !== undefined && existsSync(options.corpus)) {
    for (const name of readdirSync(options.corpus)) corpus.push(readFileSync(join(options.corpus, name)));
  }
  const cases = join(options.cases ?? CASES, target.name);
  const coverage = new Coverage(target.covers);
  const deadline = performance.now() + options.budgetMs;
  let executions = 0;
  let slowestMs = 0;
  let slowest = new Uint8Array(0);
  const run = async (input: Uint8Array) => {
    const start = performance.now();
    const error = await failureOf(target, input);
    const ms = performance.now() - start;
    if (ms > slowestMs) {
      slowestMs = ms;
      slowest = Uint8Array.from(input);
    }
    executions++;
    if (error !== null) await report(target, input, error, cases);
  };
  try {
    for (const [name, input] of casesIn(cases)) {
      const error = await failureOf(target, input);
      if (error !== null) throw new Error(`case ${target.name}/${name}: ${error.message}`, { cause: error });
    }
    for (const seed of corpus) await run(seed);
    coverage.fresh(true);
    while (executions < options.executions && performance.now() < deadline) {
      const batch: Uint8Array[] = [];
      for (let i = 0; i < BATCH; i++) {
        const parent = corpus[random.below(corpus.length)]!;
        const input = mutate(random, parent, corpus, tokens, target.maxBytes);
        batch.push(input);
        await run(input);
      }
      if (coverage.fresh(false) === 0) continue;
      for (const input of batch) {
        await failureOf(target, input);
        if (coverage.fresh(true) === 0) continue;
        corpus.push(input);
        if (options.corpus !== undefined) save(options.corpus, input);
      }
    }
    return { executions, corpus: corpus.length, covered: coverage.size, slowestMs, slowest };
  } finally {
    coverage.close();
    await target.close?.();
  }
}

async function report(target: FuzzTarget, input: Uint8Array, error: Error, cases: string): Promise<never> {
  const small = await shrink(target, input, kindOf(error));
  const path = save(cases, small);
  throw new Error(`${target.name}: ${error.message} (saved as ${path}, ${small.length} bytes)`, {
    cause: error,
  });
}

/** Keeps an input under a name of its content; the path. */
export function save(folder: string, input: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, createHash('sha1').update(input).digest('hex').slice(0, 12));
  writeFileSync(path, input);
  return path;
}
