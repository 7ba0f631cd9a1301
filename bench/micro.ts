/**
 * Single-thread micro-benchmarks through benny.
 *
 * Promise: an operation is one item (a tuple, a frame), a measured call works on a whole burst of them, and there
 * are more bursts than a branch predictor can learn. Cases of a suite run in rounds, forwards and backwards in
 * turn; a result has all of benny's samples. Every run of a case has an isolate (a worker thread) of its own: code
 * that several cases share would else be compiled for all of them at once, which no worker of the forwarder is.
 */
import { Worker } from 'node:worker_threads';
import { needPackage } from './lab/packages.js';
import { abba, type BenchOptions, present, type Result, resultOf, Samples } from './runner.js';

export interface Case {
  readonly name: string;
  /** Items that one call works on. */
  readonly items: number;
  /** Makes the function that works on the next burst. */
  readonly call: () => () => void;
}

/** What a suite's module exports for `runCases`. */
export interface CasesModule {
  cases(): readonly Case[];
}

/** What the worker is told. */
export interface CaseRequest {
  readonly url: string;
  readonly name: string;
  readonly seconds: number;
}

const MEASURE = 'time';

function runCase(request: CaseRequest): Promise<number[]> {
  return new Promise((resolve, reject) => {
    // benny announces itself on standard output, which belongs to the report: the worker's is not read.
    const worker = new Worker(new URL('./micro-worker.js', import.meta.url), {
      workerData: request,
      stdout: true,
    });
    let times: number[] = [];
    worker.on('message', (message: number[]) => {
      times = message;
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve(times));
  });
}

/** Runs the cases that the module at `url` exports; samples are nanoseconds an item. `round` is called after each. */
export async function runCases(
  suite: string,
  url: string,
  list: readonly Case[],
  options: BenchOptions,
  round: (samples: Samples) => Promise<void> = async () => {},
): Promise<Samples> {
  needPackage(suite, 'benny');
  const samples = new Samples();
  const rounds = options.rounds ?? (options.quick ? 2 : 6);
  const seconds = options.quick ? 0.1 : 0.25;
  for (const [index, order] of abba(list, rounds).entries()) {
    options.progress(`${suite}: round ${index + 1} of ${rounds}`);
    for (const { name } of order) {
      options.signal.throwIfAborted();
      for (const time of await runCase({ url, name, seconds })) samples.add(name, MEASURE, time);
    }
    await round(samples);
  }
  return samples;
}

/** Samples of a case or of what a round added. */
export function timesOf(samples: Samples, name: string): readonly number[] {
  return samples.of(name, MEASURE);
}

export function addTime(samples: Samples, name: string, nanoseconds: number): void {
  samples.add(name, MEASURE, nanoseconds);
}

export function microResults(suite: string, samples: Samples, names: readonly string[]): Result[] {
  return present(names.map((name) => resultOf(suite, name, timesOf(samples, name), 'nanoseconds', 'ns')));
}
