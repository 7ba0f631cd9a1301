/**
 * Suite `scaling`: how the cost of a frame grows with flows, guests, workers and table size.
 *
 * One quantity varies at a time from a common middle; the engine runs whole, frames made by the workers themselves,
 * guests with a single queue each. What is reported is CPU time of all workers a frame, which other work on the
 * machine disturbs least. Points are visited forwards and backwards in turn.
 */
import { availableParallelism } from 'node:os';
import { runOnce } from './flow-vs-mac.js';
import {
  abba,
  type BenchOptions,
  present,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';
import type { Mix, PolicyName } from './verdict/mixes.js';

const SUITE = 'scaling';
const PACKETS = { full: 2_000_000, quick: 400_000 };

/** One point: what varies, its value, and the run. */
interface Point {
  readonly quantity: 'flows' | 'guests' | 'workers' | 'table';
  readonly value: number;
  readonly policy: PolicyName;
  readonly mix: Mix;
  readonly workers: number;
  readonly table: number | null;
}

const MIDDLE: Mix = {
  name: 'middle',
  guests: 8,
  flowsPerGuest: 128,
  size: 60,
  elephant: 'none',
  share: 50,
  path: 'memory',
  quick: true,
};

const POLICIES: readonly PolicyName[] = ['rss', 'mac'];

function points(quick: boolean): Point[] {
  const workers = Math.min(2, availableParallelism());
  const base = { mix: MIDDLE, workers, table: null };
  const every = <T>(list: readonly T[]) => list.filter((_, i) => !quick || i % 2 === 0);
  return [
    ...every([8, 64, 512, 4096, 32_768, 262_144]).flatMap((flows) =>
      POLICIES.map((policy) => ({
        ...base,
        quantity: 'flows' as const,
        value: flows,
        policy,
        mix: { ...MIDDLE, flowsPerGuest: flows / MIDDLE.guests },
      })),
    ),
    ...every([1, 4, 16, 64, 250]).flatMap((guests) =>
      POLICIES.map((policy) => ({
        ...base,
        quantity: 'guests' as const,
        value: guests,
        policy,
        mix: { ...MIDDLE, guests, flowsPerGuest: Math.ceil(1024 / guests) },
      })),
    ),
    ...every([1, 2, 4, 8]).flatMap((count) =>
      POLICIES.map((policy) => ({
        ...base,
        quantity: 'workers' as const,
        value: count,
        policy,
        workers: count,
      })),
    ),
    ...every([16, 128, 1024, 8192, 65_536]).map((table) => ({
      ...base,
      quantity: 'table' as const,
      value: table,
      policy: 'rss' as const,
      table,
    })),
  ];
}

const nameOf = ({ quantity, value, policy }: Point) => `${quantity}=${value}/${policy}`;

async function run(options: BenchOptions): Promise<SuiteReport> {
  const all = points(options.quick);
  const rounds = options.rounds ?? (options.quick ? 2 : 5);
  const packets = options.quick ? PACKETS.quick : PACKETS.full;
  const samples = new Samples();
  for (const [index, order] of abba(all, rounds).entries()) {
    for (const point of order) {
      options.progress(`${SUITE}: round ${index + 1} of ${rounds}: ${nameOf(point)}`);
      const { mix, policy, workers, table } = point;
      const request = { mix, policy, workers, packets, rate: 0, stage: 'cpu' as const, table };
      const { cpuNs } = await runOnce(request, null, options.signal);
      samples.add(nameOf(point), 'cpu', cpuNs);
    }
  }
  const results = all.map((point) => {
    const result = resultOf(SUITE, nameOf(point), samples.of(nameOf(point), 'cpu'), 'nanoseconds', 'ns');
    return result === null ? null : { ...result, details: { [point.quantity]: point.value } };
  });
  return {
    results: present(results),
    ratios: [],
    notes: [
      `${SUITE}: CPU time of all workers a frame, from making it to delivering it; stage=cpu, order=strict; the middle is ${MIDDLE.guests} guests with ${MIDDLE.flowsPerGuest} flows each, 2 workers, 128 table entries; ${availableParallelism()} CPUs, more workers than those share them`,
    ],
  };
}

export const scaling: Suite = {
  name: SUITE,
  about: 'how the cost of a frame grows with flows, guests, workers, table size',
  run,
};
