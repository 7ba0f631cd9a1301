/** Pool, rings, locks and sleeping between real threads: invariants only, timing decides nothing. */
import { describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { LINE_WORDS } from '#rxsteer/dataplane/memory/layout.js';
import { ringDrained } from '#rxsteer/dataplane/memory/ring.js';
import { SLEEP_MAX_MS } from '#rxsteer/dataplane/worker/sleeper.js';
import { matrix, WHOLE } from '../../support/matrix.js';
import { attachPool, makeLane, poolMemory, runThreads } from './shared-kit.js';

interface Exchanged {
  full: number;
  empty: number;
  highest: number;
  problems: string[];
}

describe('frames between threads', () => {
  it.each([
    { threads: 2, frames: 60_000, slots: 48, capacity: 64, limit: 64 },
    { threads: 3, frames: 15_000, slots: 200, capacity: 16, limit: 11 },
    { threads: 4, frames: 6_000, slots: 24, capacity: 8, limit: 8 },
  ])('$threads threads, rings of $limit: nothing lost, doubled, torn or out of order', async (shape) => {
    const { threads, frames, slots, capacity, limit } = shape;
    const memory = poolMemory({ workers: threads, smallPerWorker: slots, largePerWorker: 4 });
    // Indices pass 2^31 on some rings and 2^32 on others.
    const rings = Array.from({ length: threads }, (_, p) =>
      makeLane(threads, capacity, p % 2 === 0 ? 0x7fff_ff00 : -300, slots + 4),
    ).flat();
    const pool = attachPool(memory, rings);
    pool.initialise();
    const sent = new Int32Array(new SharedArrayBuffer(threads * threads * 4));
    const task = { memory, rings, frames, capacity, limit, sent };
    const results = await runThreads<Exchanged>(
      'exchange',
      Array.from({ length: threads }, () => task),
    );
    expect(results.flatMap(({ problems }) => problems)).toEqual([]);
    expect(rings.every(ringDrained)).toBe(true);
    expect(pool.inFlight()).toBe(0);
    expect(pool.countFree()).toBe(pool.slots);
    for (let w = 0; w < threads; w++) pool.reclaim(w);
    const free = Array.from({ length: threads }, (_, w) => pool.available(w));
    expect(free).toEqual(Array.from({ length: threads }, () => slots + 4));
  });
});

describe('lock', () => {
  it('excludes all others, under contention', async () => {
    const shared = new Int32Array(new SharedArrayBuffer(3 * LINE_WORDS * 4));
    const counter = new Int32Array(new SharedArrayBuffer(4));
    const rounds = 20_000;
    const task = { words: shared, counter, rounds };
    const results = await runThreads<{ taken: number; contended: number; waitedNs: number }>('lock', [
      task,
      task,
      task,
      task,
    ]);
    expect(counter[0]).toBe(4 * rounds);
    expect(shared.every((word, k) => k % LINE_WORDS !== 0 || word === 0)).toBe(true);
    // Whoever waited was counted, and only who was counted waited.
    for (const { contended, waitedNs } of results) expect(contended > 0).toBe(waitedNs > 0);
  });
});

describe('sleeping and waking', () => {
  const ways = [
    { how: 'Atomics.wait', useNative: false, spinMaxMs: 0, threads: 2 },
    { how: 'an eventfd', useNative: true, spinMaxMs: 0, threads: 2 },
    { how: 'an eventfd and spinning', useNative: true, spinMaxMs: 0.02, threads: 2 },
    { how: 'an eventfd, three threads', useNative: true, spinMaxMs: 0, threads: 3 },
  ];
  it.each(matrix(ways, [0, 3]))(
    'loses no wake-up in thousands of turns, with $how',
    async ({ useNative, spinMaxMs, threads }) => {
      const native = useNative ? loadNative() : null;
      if (useNative && native === null) throw new Error('the addon is not built');
      expect(SLEEP_MAX_MS).toBeLessThanOrEqual(250);
      const rounds = WHOLE ? 12_000 : 4000;
      const words = Array.from(
        { length: threads },
        () => new Int32Array(new SharedArrayBuffer(2 * LINE_WORDS * 4)),
      );
      const events = words.map(() => native?.openEvent() ?? -1);
      const turn = new Int32Array(new SharedArrayBuffer(4));
      try {
        const task = { words, events, turn, rounds, useNative, spinMaxMs };
        const results = await runThreads<{ lost: number; woke: number; sleeps: number; woken: number }>(
          'pingPong',
          words.map(() => task),
        );
        expect(results.map(({ lost }) => lost)).toEqual(words.map(() => 0));
        expect(turn[0]).toBe(rounds);
        const sum = (key: 'woke' | 'woken') => results.reduce((total, result) => total + result[key], 0);
        // It did sleep; and every wake-up sent ended a sleep or came before it began.
        expect(sum('woken')).toBeGreaterThan(0);
        expect(sum('woken')).toBeLessThanOrEqual(sum('woke'));
      } finally {
        for (const event of events) if (event >= 0) native?.closeDescriptor(event);
      }
    },
  );
});
