/** Slots that devices have: lent, exchanged by pollers, given back. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LentSlots } from '#rxsteer/dataplane/memory/lent.js';
import type { FramePool } from '#rxsteer/dataplane/memory/pool.js';
import { attachPool, poolMemory } from './shared-kit.js';

const WORKERS = 3;
const SMALL = 8;
const LENT = 12;

/** What a receiver does: a slot that the device had is the worker's, which gives a free one for it. */
function exchange(pool: FramePool, worker: number, tag: number): boolean {
  const { owner, home, tag: minus } = { ...pool.lentView(worker, tag), tag: -tag };
  const taken = owner.findIndex((word, id) => id < pool.smallSlots && word === minus);
  if (taken < 0 || pool.availableSmall(worker) === 0) return false;
  const ids = new Int32Array(1);
  pool.takeSmall(worker, ids, 1);
  home[taken] = worker + 1;
  owner[ids[0]!] = minus;
  // Held, then finished.
  owner[taken] = worker + 1;
  pool.free(worker, taken);
  return true;
}

it('no slot is lost or there twice, whoever polls, dies, and whatever device goes', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('exchange'), worker: fc.nat(WORKERS - 1), device: fc.nat(1) }),
    fc.record({ do: fc.constantFrom('die', 'hold'), worker: fc.nat(WORKERS - 1), device: fc.nat(1) }),
    fc.record({ do: fc.constantFrom('lend', 'close'), worker: fc.constant(0), device: fc.nat(1) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = poolMemory({ workers: WORKERS, smallPerWorker: SMALL, largePerWorker: 2, lent: LENT });
      const pool = attachPool(memory, []);
      pool.initialise();
      const lent = new LentSlots(pool);
      const tags = [lent.newTag(), lent.newTag()];
      for (const { do: what, worker, device } of steps) {
        const tag = tags[device]!;
        if (what === 'exchange') exchange(pool, worker, tag);
        else if (what === 'lend') lent.lend(5, tag);
        else if (what === 'close') lent.takeBack(tag);
        else if (what === 'hold') pool.take(worker, 60);
        else pool.sweep(worker);
        expect(pool.countFree() + pool.countLent() + pool.inFlight()).toBe(pool.slots);
        expect(pool.countLent()).toBe(lent.count(tags[0]!) + lent.count(tags[1]!));
      }
      for (const tag of tags) lent.takeBack(tag);
      for (let w = 0; w < WORKERS; w++) pool.sweep(w);
      expect(lent.left).toBe(LENT);
      // Each worker has as many as at the start, and nobody's are somebody's as well.
      const all: number[] = [];
      for (let w = 0; w < WORKERS; w++) {
        expect(pool.availableSmall(w)).toBe(SMALL);
        for (let id = pool.take(w, 60); id >= 0; id = pool.take(w, 60)) all.push(id);
      }
      expect(new Set(all).size).toBe(WORKERS * SMALL);
    }),
    { numRuns: 60 },
  );
});

it('lends no more than there are', () => {
  const pool = attachPool(
    poolMemory({ workers: 1, smallPerWorker: SMALL, largePerWorker: 1, lent: LENT }),
    [],
  );
  pool.initialise();
  const lent = new LentSlots(pool);
  const tag = lent.newTag();
  expect(lent.lend(LENT + 1, tag)).toBeNull();
  expect(lent.lend(LENT, tag)).toHaveLength(LENT);
  expect(lent.lend(1, tag)).toBeNull();
});
