/**
 * Medians and bootstrap confidence intervals.
 *
 * Promise: pure and deterministic: the resampling is seeded, so that the same samples give the same interval.
 */
import { SeededRandom } from '#rxsteer/hash/random.js';

/** Resamplings of a bootstrap: the ends of a 95 % interval rest on 50 of them each. */
const RESAMPLES = 2000;
const SEED = 1;

export type Interval = [number, number];

/** The middle of the sorted samples (mean of the two middle ones); NaN for none. */
export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** Linear interpolation between the closest ranks; `p` from 0 to 1; NaN for no samples. */
export function percentile(samples: readonly number[], p: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = Float64Array.from(samples).sort();
  const at = p * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  return low + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)]! - low);
}

/** 2.5 and 97.5 percentile of `statistic`, which draws its sample with `below(n)`. */
function bootstrap(statistic: (below: (n: number) => number) => number): Interval {
  const random = new SeededRandom(SEED);
  const below = (n: number) => random.below(n);
  const values: number[] = [];
  for (let r = 0; r < RESAMPLES; r++) {
    const value = statistic(below);
    if (Number.isFinite(value)) values.push(value);
  }
  return [percentile(values, 0.025), percentile(values, 0.975)];
}

/** 95 % interval of the median. With one sample it is that sample: no more is known. */
export function medianInterval(samples: readonly number[]): Interval {
  return bootstrap((below) => median(samples.map(() => samples[below(samples.length)]!)));
}

/**
 * Median of a[i] / b[i] and its 95 % interval, for samples of the same rounds: right where the machine changes between
 * rounds by more than the two sides differ.
 */
export function medianOfRatios(
  a: readonly number[],
  b: readonly number[],
): { value: number; ci95: Interval } {
  const ratios = a.map((value, i) => value / b[i]!);
  return { value: median(ratios), ci95: medianInterval(ratios) };
}

/**
 * median(a) / median(b) and its 95 % interval. Where both have a sample for every round of an interleaved run, the
 * rounds are resampled, not the samples: what the machine did in a round it did to both.
 */
export function ratioOfMedians(
  a: readonly number[],
  b: readonly number[],
): { value: number; ci95: Interval } {
  const value = median(a) / median(b);
  const ci95 = bootstrap((below) => {
    const left = a.map(() => below(a.length));
    const right = a.length === b.length ? left : b.map(() => below(b.length));
    return median(left.map((i) => a[i]!)) / median(right.map((i) => b[i]!));
  });
  return { value, ci95 };
}
