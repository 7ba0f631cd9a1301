/**
 * Samples of a measurement, and what is said of them.
 *
 * Promise: pure; median and quartiles, so that a moment in which the machine did something else does not count.
 */

/** What was measured, nanoseconds (for `copy` of a byte). */
export interface Measurement {
  readonly name: string;
  /** What it is, in a sentence. */
  readonly about: string;
  readonly median: number;
  /** Quartiles. */
  readonly low: number;
  readonly high: number;
  readonly samples: number;
}

/** What could not be measured here. */
export interface Unmeasured {
  readonly name: string;
  readonly about: string;
  readonly why: string;
}

/** The value below which a share of the samples lies, between neighbours by proportion. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}

/** @throws RangeError without samples */
export function measurementOf(name: string, about: string, samples: readonly number[]): Measurement {
  if (samples.length === 0) throw new RangeError(`${name}: no samples`);
  const sorted = [...samples].sort((a, b) => a - b);
  const [low, median, high] = [0.25, 0.5, 0.75].map((share) => quantile(sorted, share)) as [
    number,
    number,
    number,
  ];
  return { name, about, median, low, high, samples: samples.length };
}
