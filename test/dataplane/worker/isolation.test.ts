/**
 * Workers that stand still stop nobody: the others get all of their frames, whatever the number of workers and the size
 * of frames, and what was meant for the stopped ones is dropped as `backlog` (or `hold`).
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { engineDefaults } from '#rxsteer/dataplane/engine/plan.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import { SlotShare } from '#rxsteer/dataplane/memory/shares.js';
import { Paused } from '#rxsteer/dataplane/shared/faults.js';
import { WorkerWord } from '#rxsteer/dataplane/shared/words.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { BURST_MAX } from '#rxsteer/packet/burst.js';
import { matrix } from '../../support/matrix.js';
import { SLOW } from '../../support/slow.js';
import { expectConservation, expectNoDrops } from '../../support/summary.js';
import { engineOptions } from '../engine/run-engine.js';
import { defaultPlan, Home, type Offer } from './isolation-kit.js';

const SIZES = { small: [60], jumbo: [9000], super: [65_000], mixed: [60, 60, 60, 9000, 65_000] };
const shapes = [2, 4, 8, 16, 64].flatMap((workers) =>
  (Object.keys(SIZES) as (keyof typeof SIZES)[]).map((size) => ({ workers, size })),
);
/** Rings are made of untouched memory: as many entries as no pool fills. */
const plans = new Map(
  await Promise.all(
    [2, 4, 8, 16, 64].map(
      async (workers) => [workers, { ...(await defaultPlan(workers)), backlog: 16_384 / workers }] as const,
    ),
  ),
);

/** Bursts for workers that a seed chooses, each third one for a single worker. */
function bursts(seed: number, workers: number, sizes: readonly number[], many: number): Offer[][] {
  const random = new SeededRandom(seed);
  return Array.from({ length: many }, () => {
    const only = random.below(3) === 0 ? random.below(workers) : -1;
    return Array.from({ length: BURST_MAX }, () => ({
      worker: only < 0 ? random.below(workers) : only,
      flow: random.below(8),
      length: sizes[random.below(sizes.length)]!,
    }));
  });
}

describe('a worker that stands still', { timeout: 120_000 }, () => {
  afterEach(() => void vi.restoreAllMocks());

  it.each(matrix(shapes, [0, 3]))(
    'of $workers, $size frames: the others get all of theirs',
    ({ workers, size }) => {
      const stopped = fc.integer({ min: 1, max: workers - 1 });
      fc.assert(
        fc.property(stopped, fc.nat(), fc.boolean(), (stuck, seed, grabs) => {
          const home = new Home(plans.get(workers)!);
          const due = new Array<number>(workers).fill(0);
          let offered = 0;
          const pass = (frames: readonly Offer[]) => {
            offered += frames.length;
            for (const { worker } of frames) due[worker]!++;
            expect(home.receive(frames)).toBe(frames.length);
            for (let w = 1; w < workers; w++) if (w !== stuck) home.run(w);
            if (grabs) home.grab(stuck);
          };
          // It gets more than any pool has.
          const flood = Array.from({ length: BURST_MAX }, (_, i) => ({
            worker: stuck,
            flow: i % 8,
            length: SIZES[size][i % SIZES[size].length]!,
          }));
          const floods = Math.ceil(home.plan.smallPerWorker / BURST_MAX / 8) + 8;
          for (let k = 0; k < floods; k++) for (let m = 0; m < 8; m++) pass(flood);
          for (const burst of bursts(seed, workers, SIZES[size], 12)) pass(burst);
          for (let w = 0; w < workers; w++) if (w !== stuck) expect(home.finished[w]).toBe(due[w]);
          const { backlog, ...others } = home.dropped();
          const inRing = home.views.pool.inFlight();
          expect(backlog).toBe(due[stuck]! - inRing);
          expect(inRing).toBeGreaterThan(0);
          expect(Object.values(others).every((n) => n === 0)).toBe(true);
          // It goes on: all that waits comes, and its share is its own again.
          home.run(stuck);
          home.receive(flood);
          home.run(stuck);
          expect(home.dropped().backlog).toBe(backlog);
          expect(offered).toBe(home.finished.reduce((a, b) => a + b, 0) - BURST_MAX + backlog);
        }),
        { numRuns: 3, seed: workers, endOnFailure: true },
      );
    },
  );

  it('and all others but one too: receiving never stops, and that one gets frames with every burst', () => {
    const shape = fc.record({
      workers: fc.constantFrom(4, 8, 16, 64),
      size: fc.constantFrom('small', 'super'),
    });
    fc.assert(
      fc.property(shape, fc.nat(), ({ workers, size }, n) => {
        const home = new Home(plans.get(workers)!);
        const runs = 1 + (n % (workers - 1));
        let mine = 0;
        const length = SIZES[size as 'small' | 'super'][0]!;
        const fill = (worker: number) =>
          Array.from({ length: BURST_MAX }, (_, i) => ({ worker, flow: i % 8, length }));
        // One after the other, each until it gets nothing more: the order in which most is lost.
        const slots = home.plan[size === 'small' ? 'smallPerWorker' : 'largePerWorker'];
        for (let w = 1; w < workers; w++) {
          if (w === runs) continue;
          for (let k = 0; k <= slots / BURST_MAX; k++) expect(home.receive(fill(w))).toBeGreaterThan(0);
        }
        for (let k = 0; k < 5; k++) {
          const before = home.finished[runs]!;
          expect(home.receive(fill(runs))).toBeGreaterThan(0);
          home.run(runs);
          expect(home.finished[runs]).toBeGreaterThan(before);
          const own = home.receive(fill(0));
          expect(own).toBeGreaterThan(0);
          mine += own;
        }
        expect(home.finished[0]).toBe(mine);
      }),
      { numRuns: 12, seed: 3, endOnFailure: true },
    );
  });

  it('does not get the pool by way of frames that are held for a move', () => {
    let now = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    for (const [workers, length] of [
      [4, 60],
      [4, 9000],
      [16, 65_000],
      [64, 60],
    ] as const) {
      const limits = { postponeMaxMs: 0, holdMaxFrames: 4096, holdMaxMs: 2000 };
      const home = new Home({ ...plans.get(workers)!, order: 'strict', orderLimits: limits });
      const fill = (wanted: number) =>
        Array.from({ length: BURST_MAX }, (_, i) => ({ worker: 1, flow: i % 8, length, wanted }));
      // The flows have frames at worker 1, which stands still, and are wanted on worker 2.
      home.receive(fill(1));
      for (let k = 0; k < 300; k++) {
        now += 40 * (k % 2);
        expect(home.receive(fill(2))).toBe(BURST_MAX);
        home.releaseDue();
        home.run(2);
      }
      const others = Array.from({ length: BURST_MAX }, (_, i) => ({ worker: 3, flow: i % 8, length }));
      for (let k = 0; k < 5; k++) {
        expect(home.receive(others)).toBe(BURST_MAX);
        home.run(3);
      }
      expect(home.finished[3]).toBe(5 * BURST_MAX);
    }
  });
});

describe('in a running engine', () => {
  it('one of 8 workers that stands still costs the others nothing', async () => {
    const workers = 8;
    const engine = await Engine.start({
      ...engineOptions({
        ports: [`a=memory:source,flows=256,rate=200000,queues=${workers}`, 'b=memory:sink'],
        policy: `rss:queues=${workers}`,
        workers,
      }),
      ...engineDefaults,
      fault: 'drain@1:1=',
      warn: () => {},
    });
    try {
      const patience = { timeout: 60_000 * SLOW, interval: 10 };
      const words = engine.views.workers[1]!;
      await expect.poll(() => Atomics.load(words, WorkerWord.faulted), patience).toBe(Paused.waits);
      const { totals, workers: now } = summarize(engine);
      // All that each other worker can put on its way to it is there; then as much again, several times.
      await expect
        .poll(() => summarize(engine).totals.dropped.backlog - totals.dropped.backlog, patience)
        .toBeGreaterThan(500);
      const full = summarize(engine).workers;
      for (const { id } of now.filter((w) => w.id !== 1)) {
        await expect
          .poll(() => summarize(engine).workers[id]!.received - full[id]!.received, patience)
          .toBeGreaterThan(500);
      }
      expect(summarize(engine).workers.map((w) => w.poolEmpty)).toEqual(full.map(() => 0));
      Atomics.store(words, WorkerWord.faulted, Paused.released);
      Atomics.notify(words, WorkerWord.faulted);
    } finally {
      await engine.stop();
    }
    const summary = summarize(engine);
    expectConservation(summary);
    expectNoDrops(summary, 'backlog');
    expect(summary.totals.reordered).toBe(0);
  });
});

describe('the share of a ring', () => {
  it('however many rings take theirs, one after the other, something is left and each gets a frame', () => {
    const shape = fc.record({
      slots: fc.integer({ min: 256, max: 1 << 15 }),
      rings: fc.integer({ min: 1, max: 63 }),
    });
    fc.assert(
      fc.property(shape, ({ slots, rings }) => {
        const share = new SlotShare(slots, rings);
        let left = slots;
        for (let r = 0; r < rings; r++) {
          let held = 0;
          while (held < share.of(left)) {
            held++;
            left--;
          }
          expect(held).toBeGreaterThan(0);
          expect(left).toBeGreaterThan(0);
        }
        let held = 0;
        while (held < share.ofHolds(left)) {
          held++;
          left--;
        }
        expect(left).toBeGreaterThan(0);
        expect(share.of(slots)).toBeGreaterThanOrEqual(BURST_MAX);
      }),
    );
  });
});
