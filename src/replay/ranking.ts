/**
 * Which policy is better for some traffic, and why: the one rule of report and sweep.
 *
 * Promise: a stated rule, no weights. What breaks traffic counts before what costs time: reordering, then drops, then
 * how busy the busiest CPU is on virtual time, receiving and handing over included (steps of 2 %), then hand-offs and
 * wake-ups a packet. Policies are ranked against others with as many workers only (`rankSections`): that eight workers are
 * less busy than two says nothing about how they are steered. Where the capture has no clock nobody is busy, and the spread of packets takes that place.
 * Policies that differ only by their seed are one policy, judged by the mean over its seeds: nobody can choose in a
 * kernel or driver what the seed stands for. Pure.
 */

/** Shares below this count as none: a handful of packets in a long capture. */
export const NEGLIGIBLE = 1e-4;
/** Relative differences of load below this are not told apart. */
const STEP = 0.02;

/** What is known of a policy, or of a cell of a sweep. */
export interface Measured {
  /** Without the seed: what has the same name and number of workers is one policy. */
  readonly name: string;
  readonly workers: number;
  /** Reordered packets, and packets dropped on full backlogs, as parts of all. */
  readonly reordered: number;
  readonly dropped: number;
  /** Busy part of the busiest CPU's time; 0 where the capture has no clock. */
  readonly busiest: number;
  /** Packets of the fullest worker over the mean of all. */
  readonly fullestOverFair: number;
  readonly handoffs: number;
  readonly wakeups: number;
}

/** A policy over its seeds. */
export interface Ranked {
  /** Indices of what was given, in the order in which it was given. */
  readonly members: readonly number[];
  /** Means over the members. */
  readonly mean: Measured;
  /** The least and the most busy busiest CPU of the members. */
  readonly range: readonly [number, number];
}

/** A policy's text without the seed: a string's `seed=N`, an object's `seed`. */
export function withoutSeed(text: string): string {
  if (text.startsWith('{')) {
    try {
      const { seed: _, ...rest } = JSON.parse(text) as Record<string, unknown>;
      return JSON.stringify(rest);
    } catch {
      return text;
    }
  }
  const [name, keys] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
  if (!text.includes(':')) return text;
  const rest = keys.split(',').filter((pair) => !/^\s*seed\s*=/.test(pair));
  return rest.length === 0 ? name : `${name}:${rest.join(',')}`;
}

/**
 * How many workers' worth of throughput a policy gets out of the traffic, were receiving free: the whole load over the
 * fullest worker's.
 */
export function usedWorkers({
  workers,
  fullestOverFair,
}: Pick<Measured, 'workers' | 'fullestOverFair'>): number {
  return fullestOverFair === 0 ? 0 : workers / fullestOverFair;
}

const step = (value: number) => (value <= 0 ? -1e9 : Math.round(Math.log(value) / Math.log(1 + STEP)));

/** What is compared, most important first; smaller is better. */
function marks(one: Measured, hasClock: boolean): number[] {
  return [
    one.reordered < NEGLIGIBLE ? 0 : one.reordered,
    one.dropped < NEGLIGIBLE ? 0 : one.dropped,
    hasClock ? step(one.busiest) : -step(usedWorkers(one)),
    one.handoffs,
    one.wakeups,
  ];
}

function mean(all: readonly Measured[]): Measured {
  const of = (pick: (one: Measured) => number) => all.reduce((sum, one) => sum + pick(one), 0) / all.length;
  return {
    name: all[0]!.name,
    workers: all[0]!.workers,
    reordered: of((one) => one.reordered),
    dropped: of((one) => one.dropped),
    busiest: of((one) => one.busiest),
    fullestOverFair: of((one) => one.fullestOverFair),
    handoffs: of((one) => one.handoffs),
    wakeups: of((one) => one.wakeups),
  };
}

/** Policies, each over its seeds, best first; equals stay in the order in which they were given. */
export function rank(given: readonly Measured[]): Ranked[] {
  const groups = new Map<string, number[]>();
  given.forEach(({ name, workers }, i) => {
    const key = JSON.stringify([name, workers]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [i]);
    else group.push(i);
  });
  const hasClock = given.some(({ busiest }) => busiest > 0);
  return [...groups.values()]
    .map((members) => {
      const all = members.map((i) => given[i]!);
      const busy = all.map(({ busiest }) => busiest);
      const average = mean(all);
      return {
        ranked: { members, mean: average, range: [Math.min(...busy), Math.max(...busy)] as const },
        marks: marks(average, hasClock),
      };
    })
    .sort((a, b) => {
      const at = a.marks.findIndex((mark, k) => mark !== b.marks[k]!);
      return at < 0 ? 0 : a.marks[at]! - b.marks[at]!;
    })
    .map(({ ranked }) => ranked);
}

/** Policies with one number of workers. */
export interface RankedSection {
  readonly workers: number;
  /** Best first. `members` are indices of what was given, of all sections. */
  readonly places: readonly Ranked[];
}

/** Policies ranked among those with as many workers; few workers first. */
export function rankSections(given: readonly Measured[]): RankedSection[] {
  const counts = [...new Set(given.map(({ workers }) => workers))].sort((a, b) => a - b);
  return counts.map((count) => {
    const own = given.flatMap(({ workers }, i) => (workers === count ? [i] : []));
    const places = rank(own.map((i) => given[i]!));
    return {
      workers: count,
      places: places.map((place) => ({ ...place, members: place.members.map((k) => own[k]!) })),
    };
  });
}

/** Why the first of two is better, in words; empty where nothing tells them apart. `other` is how the second is called. */
export function whyBetter(best: Measured, next: Measured, other: string): string {
  const hasClock = best.busiest > 0 || next.busiest > 0;
  const [a, b] = [marks(best, hasClock), marks(next, hasClock)];
  switch (a.findIndex((mark, k) => mark !== b[k]!)) {
    case 0:
      return `it reorders ${share(best.reordered)} of the packets, ${other} ${share(next.reordered)}`;
    case 1:
      return `it drops ${share(best.dropped)} of the packets on full backlogs, ${other} ${share(next.dropped)}`;
    case 2:
      return hasClock
        ? `its busiest CPU is busy ${busy(best.busiest)} of the time, receiving included, that of ${other} ${busy(next.busiest)}`
        : `it spreads the packets as if over ${usedWorkers(best).toFixed(2)} even workers, ${other} over ${usedWorkers(next).toFixed(2)}`;
    case 3:
      return `it needs ${best.handoffs.toFixed(2)} hand-offs a packet, ${other} ${next.handoffs.toFixed(2)}, for the same load of the busiest CPU`;
    case 4:
      return `it needs ${best.wakeups.toFixed(3)} wake-ups a packet, ${other} ${next.wakeups.toFixed(3)}, for the same load of the busiest CPU`;
    default:
      return '';
  }
}

/** `26.9 %`, and `0.21 %` where there is little. */
export function busy(value: number): string {
  return `${(100 * value).toFixed(value < 0.01 ? 2 : 1)} %`;
}

function share(value: number): string {
  return value < NEGLIGIBLE ? 'none' : `${(value * 100).toFixed(2)} %`;
}

/** The rule, for readers. */
export const RANKING_RULE =
  'Ranked among policies with as many workers, by what breaks traffic first: reordering, then drops on full backlogs, then how busy the busiest CPU is, with receiving and handing over (in steps of 2 %; without a clock, how evenly packets are spread), then hand-offs and wake-ups a packet. Policies that differ only by their seed are one policy: the mean over its seeds counts.';
