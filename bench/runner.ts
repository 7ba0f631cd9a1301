/**
 * The runner of everything that spans processes or compares with others: interleaved rounds, and what is reported.
 *
 * Promise: candidates are visited A B C, C B A, A B C, … so that a drift of the machine meets all of them alike;
 * every figure is a median with a bootstrap 95 % interval, the best sample beside it. One candidate runs at a time.
 */
import type { Machine } from './machine.js';
import { type Interval, median, medianInterval, medianOfRatios, ratioOfMedians } from './stats.js';

/** One measured thing. Absent values are null. */
export interface Result {
  readonly suite: string;
  readonly name: string;
  /** Median; null where the thing is no operation (a share of a core). */
  readonly nsPerOp: number | null;
  readonly opsPerSecond: number | null;
  readonly samples: number;
  /** Of nsPerOp, or of value where there is no nsPerOp. */
  readonly ci95: Interval;
  /** The best sample, in nanoseconds (or in `unit`). */
  readonly best: number;
  /** The same in the unit people use for it. */
  readonly value: number;
  readonly unit: string;
  readonly note: string | null;
  /** Medians of what else was measured in the same runs, where there is such. */
  readonly details?: Readonly<Record<string, number | null>>;
}

export interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly ci95: Interval;
  /** `>= 1.2`; null where nothing is asked. */
  readonly wanted: string | null;
  readonly holds: boolean | null;
  /** Why the ratio counts less than it looks, or null. */
  readonly note: string | null;
}

export interface SuiteReport {
  readonly results: Result[];
  readonly ratios: Ratio[];
  /** What was left out and the package that brings it; what is odd about this run. */
  readonly notes: string[];
  /** What could not be measured, and why; what is missing for it is missing above. */
  readonly failures?: readonly string[];
}

/** What all suites of a run reported. */
export interface Report {
  readonly machine: Machine;
  readonly results: Result[];
  readonly ratios: Ratio[];
  readonly notes: string[];
  /** What could not be measured, and why. Everything else is complete. */
  readonly failures: string[];
}

/** A mix of guests and flows that was asked for; what is not said is that of an even mix. */
export interface MixWish {
  readonly guests?: number;
  readonly flowsPerGuest?: number;
  readonly size?: number | 'imix';
  readonly elephant?: 'none' | 'flow' | 'guest';
  /** Per cent of the frames that the elephant has. */
  readonly share?: number;
  /** The mix of a capture: guests, flows, sizes, and who has most. */
  readonly capture?: string;
}

export interface BenchOptions {
  /** Fewer rounds and shorter trials: for looking, not for quoting. */
  readonly quick: boolean;
  /** Rounds of the interleaved suites; null = the suite's default. */
  readonly rounds: number | null;
  /** For `flow-vs-mac`: a mix instead of its own, and a number of workers; null = its own. */
  readonly mix?: MixWish | null;
  readonly workers?: number | null;
  /** The suite's parts that are asked for; absent: all of them. */
  readonly parts?: readonly string[];
  /** Progress for people. */
  readonly progress: (text: string) => void;
  /** Aborted on an interrupt: the suite cleans up and throws. */
  readonly signal: AbortSignal;
}

export interface Suite {
  readonly name: string;
  readonly about: string;
  /** What can be run by itself, as `SUITE/PART`. */
  readonly parts?: readonly string[];
  run(options: BenchOptions): Promise<SuiteReport>;
}

/** The order of the visits of `rounds` rounds: forwards and backwards in turn. */
export function abba<T>(candidates: readonly T[], rounds: number): T[][] {
  return Array.from({ length: rounds }, (_, round) =>
    round % 2 === 0 ? [...candidates] : [...candidates].reverse(),
  );
}

/** Samples by candidate and measure, in the order of the rounds. */
export class Samples {
  readonly #all = new Map<string, number[]>();

  add(candidate: string, measure: string, value: number): void {
    const key = `${candidate}\0${measure}`;
    const list = this.#all.get(key);
    if (list === undefined) this.#all.set(key, [value]);
    else list.push(value);
  }

  of(candidate: string, measure: string): readonly number[] {
    return this.#all.get(`${candidate}\0${measure}`) ?? [];
  }
}

/** What a measure's samples are. */
export type Quantity = 'perSecond' | 'nanoseconds' | 'share';

/** A result from samples; null when there are none. */
export function resultOf(
  suite: string,
  name: string,
  samples: readonly number[],
  quantity: Quantity,
  unit: string,
  note: string | null = null,
): Result | null {
  if (samples.length === 0) return null;
  const base = { suite, name, samples: samples.length, note };
  const value = median(samples);
  if (quantity === 'share') {
    const ci95 = medianInterval(samples);
    return { ...base, nsPerOp: null, opsPerSecond: null, ci95, best: Math.min(...samples), value, unit };
  }
  const times = quantity === 'perSecond' ? samples.map((rate) => 1e9 / rate) : samples;
  const nsPerOp = median(times);
  return {
    ...base,
    nsPerOp,
    opsPerSecond: 1e9 / nsPerOp,
    ci95: medianInterval(times),
    best: Math.min(...times),
    value,
    unit,
  };
}

/** Does `value` satisfy `>= 1.2` or `<= 0.125`? */
export function satisfies(value: number, wanted: string): boolean {
  const match = /^(<=|>=|<|>) (-?[\d.]+)$/.exec(wanted);
  if (match === null) throw new RangeError(`wanted "${wanted}": expected an operator and a number`);
  const limit = Number(match[2]);
  if (match[1] === '<=') return value <= limit;
  if (match[1] === '>=') return value >= limit;
  return match[1] === '<' ? value < limit : value > limit;
}

function judged(
  name: string,
  value: number,
  ci95: Interval,
  wanted: string | null,
  note: string | null,
): Ratio {
  return { name, value, ci95, wanted, holds: wanted === null ? null : satisfies(value, wanted), note };
}

/** median(a) / median(b); null when either has no samples. */
export function ratioOf(
  name: string,
  a: readonly number[],
  b: readonly number[],
  wanted: string | null,
  note: string | null = null,
): Ratio | null {
  if (a.length === 0 || b.length === 0) return null;
  const { value, ci95 } = ratioOfMedians(a, b);
  return judged(name, value, ci95, wanted, note);
}

/** Median of the rounds' ratios a / b; null when the rounds are not the same or there are none. */
export function ratioOfRounds(
  name: string,
  a: readonly number[],
  b: readonly number[],
  wanted: string | null,
  note: string | null = null,
): Ratio | null {
  if (a.length === 0 || a.length !== b.length) return null;
  const { value, ci95 } = medianOfRatios(a, b);
  return judged(name, value, ci95, wanted, note);
}

/** A demand on the samples themselves (a share, an absolute time) in the form of a ratio. */
export function demandOn(
  name: string,
  samples: readonly number[],
  wanted: string,
  note: string | null = null,
): Ratio | null {
  if (samples.length === 0) return null;
  return judged(name, median(samples), medianInterval(samples), wanted, note);
}

/** Drops the absent ones. */
export function present<T>(list: readonly (T | null)[]): T[] {
  return list.filter((item) => item !== null);
}
