/** Which worker polls which queue: even, predictable, and steady while ports come and go. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dealQueues, pollerOf } from '#rxsteer/dataplane/shared/deal.js';

interface Port {
  readonly rxQueues: number;
  readonly firstPoller: number;
}

const CPU = { policy: 'rss', stage: 'cpu' } as const;
const ports = (...queues: number[]): Port[] => queues.map((rxQueues) => ({ rxQueues, firstPoller: -1 }));
const pollers = (dealt: readonly Port[], active: number) =>
  dealt.map((port) => Array.from({ length: port.rxQueues }, (_, q) => pollerOf({ active }, port, q)));
const loads = (dealt: readonly Port[], active: number) => {
  const counts = new Array<number>(active).fill(0);
  for (const worker of pollers(dealt, active).flat()) counts[worker]!++;
  return counts;
};
const unevenness = (dealt: readonly Port[], active: number) => {
  const counts = loads(dealt, active);
  return Math.max(...counts) - Math.min(...counts);
};

describe('queues are dealt to workers', () => {
  it('in turn', () => {
    expect(pollers(dealQueues(ports(1, 1, 1, 0, 1, 1), 2, CPU), 2)).toEqual([[0], [1], [0], [], [1], [0]]);
    expect(pollers(dealQueues(ports(4, 4), 4, CPU), 4)).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
    expect(pollers(dealQueues(ports(3, 3, 1), 2, CPU), 2)).toEqual([[0, 1, 0], [1, 0, 1], [0]]);
    expect(pollers(dealQueues(ports(2, 2, 2), 4, CPU), 4)).toEqual([
      [0, 1],
      [2, 3],
      [0, 1],
    ]);
  });

  it('as the policy says where the queue decides, and to worker 0 where that does all', () => {
    const nic = { policy: 'rss', stage: 'nic' } as const;
    expect(pollers(dealQueues(ports(1, 3, 3, 1), 2, nic), 2)).toEqual([[1], [0, 1, 0], [0, 1, 0], [1]]);
    const single = { policy: 'single', stage: 'cpu' } as const;
    expect(pollers(dealQueues(ports(1, 1, 1), 2, single), 2)).toEqual([[0], [0], [0]]);
    // Another policy, and back.
    const before = dealQueues(ports(1, 3, 1), 2, CPU);
    const after = dealQueues(dealQueues(before, 2, single), 2, CPU);
    expect(unevenness(after, 2)).toBeLessThanOrEqual(1);
  });

  const queues = fc.integer({ min: 0, max: 5 });
  const workers = fc.integer({ min: 1, max: 6 });

  it('evenly, whatever comes and goes, and ports stay where they are unless that makes it uneven', () => {
    type Step = { readonly add: number } | { readonly remove: number } | { readonly workers: number };
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ add: queues }),
      fc.record({ remove: fc.nat() }),
      fc.record({ workers }),
    );
    fc.assert(
      fc.property(
        fc.array(queues, { minLength: 1, maxLength: 12 }),
        workers,
        fc.array(step),
        (first, n, steps) => {
          let active = n;
          let dealt = dealQueues(ports(...first), active, CPU);
          for (const change of steps) {
            const before = dealt;
            if ('add' in change) {
              dealt = dealQueues([...before, { rxQueues: change.add, firstPoller: -1 }], active, CPU);
              const kept = before.filter((port, index) => port.firstPoller === dealt[index]!.firstPoller);
              // At most those of one queue that now find the workers uneven make way.
              expect(before.length - kept.length).toBeLessThanOrEqual(change.add);
            } else if ('remove' in change) {
              const gone = change.remove % before.length;
              const left = before.map((port, index) => (index === gone ? { ...port, rxQueues: 0 } : port));
              dealt = dealQueues(left, active, CPU);
            } else {
              active = change.workers;
              dealt = dealQueues(before, active, CPU);
            }
            expect(dealQueues(dealt, active, CPU)).toEqual(dealt);
            if (dealt.every(({ rxQueues }) => rxQueues <= 1)) {
              expect(unevenness(dealt, active)).toBeLessThanOrEqual(1);
            }
          }
        },
      ),
    );
  });

  it('so that a port of one queue that leaves moves one other at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), workers, fc.nat(), (count, active, which) => {
        const dealt = dealQueues(ports(...new Array<number>(count).fill(1)), active, CPU);
        const left = dealt.map((port, index) => (index === which % count ? { ...port, rxQueues: 0 } : port));
        const after = dealQueues(left, active, CPU);
        const moved = after.filter(
          (port, index) => port.rxQueues === 1 && port.firstPoller !== dealt[index]!.firstPoller,
        );
        expect(moved.length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
