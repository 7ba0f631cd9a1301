/** The table of destinations that a worker has sent to, as anybody can fill it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocateShared, Carver } from '#rxsteer/dataplane/memory/layout.js';
import { carveGuests, GuestTable, mergeGuests } from '#rxsteer/dataplane/order/guest-sharing.js';

function makeTable(): Int32Array {
  const carve = (carver: Carver) => carveGuests(carver);
  return carve(new Carver(allocateShared(carve)));
}

/** Words of the table that are read while `run` runs. */
function reads(run: (counted: Int32Array) => void, words: Int32Array): number {
  let count = 0;
  const counted = new Proxy(words, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) count++;
      return Reflect.get(target, key);
    },
    set: (target, key, value) => Reflect.set(target, key, value),
  });
  const { store } = Atomics;
  Atomics.store = ((_: Int32Array, at: number, value: number) => store(words, at, value)) as typeof store;
  try {
    run(counted);
  } finally {
    Atomics.store = store;
  }
  return count;
}

describe('destinations of a worker', () => {
  it('are each told once, by how many workers have sent to them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2), fc.nat(3), fc.integer({ min: -40, max: 40 })), { maxLength: 300 }),
        (frames) => {
          const tables = [makeTable(), makeTable(), makeTable()];
          const touches = tables.map((words) => new GuestTable(words));
          const model = new Map<string, Set<number>>();
          for (const [worker, high, low] of frames) {
            touches[worker]!.note(high, low);
            const key = `${high} ${low}`;
            model.set(key, (model.get(key) ?? new Set()).add(worker));
          }
          const { guests, full } = mergeGuests(tables);
          expect(full).toBe(false);
          expect(new Map(guests.map(({ high, low, workers }) => [`${high} ${low}`, workers]))).toEqual(
            new Map([...model].map(([key, workers]) => [key, workers.size])),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  it('are found again by the one that follows a dead worker', () => {
    const words = makeTable();
    const first = new GuestTable(words);
    for (let low = 0; low < 100; low++) first.note(0x5254, low);
    const next = new GuestTable(words);
    for (let low = 50; low < 150; low++) next.note(0x5254, low);
    expect(mergeGuests([words]).guests.map(({ workers }) => workers)).toEqual(Array(150).fill(1));
  });

  it('that are numbered through find room, whatever the secret', () => {
    for (let run = 0; run < 300; run++) {
      const words = makeTable();
      const touch = new GuestTable(words);
      for (let low = 0; low < 1000; low++) touch.note(0x5254, low + (run << 16));
      // One that chance puts into a crowd may be left out.
      expect(mergeGuests([words]).guests.length).toBeGreaterThanOrEqual(995);
    }
  });

  it('that are made to meet do not make the search for others longer', () => {
    // Places by the hash that was once used: all in one run.
    const factor = 0x9e3779b1;
    let inverse = factor;
    for (let i = 0; i < 5; i++) inverse = Math.imul(inverse, 2 - Math.imul(factor, inverse));
    const words = makeTable();
    const touch = new GuestTable(words);
    for (let k = 0; k < 4096; k++) touch.note(0x0200, Math.imul(inverse, k) ^ 0x0200);
    // The same by pairs of high and low words that used to cancel out.
    for (let k = 0; k < 2000; k++) touch.note(k, k ^ 0x1234);
    let most = 0;
    for (let k = 0; k < 200; k++) {
      const low = Math.imul(k + 1, 0x01000193) | 0;
      most = Math.max(
        most,
        reads((counted) => new GuestTable(counted).note(0x0266, low), words),
      );
    }
    // Two words for each of eight places, and the header's.
    expect(most).toBeLessThan(30);
  });

  it('beyond the room are left out and said to be, until those that are not sent to any more make room', () => {
    const words = makeTable();
    const touch = new GuestTable(words);
    touch.tick(60);
    for (let low = 0; low < 100_000; low++) touch.note(2, low);
    const before = mergeGuests([words]);
    expect(before.full).toBe(true);
    expect(before.guests.length).toBeGreaterThan(4096);
    expect(before.guests.length).toBeLessThanOrEqual(8192);
    const isTold = (low: number) => mergeGuests([words]).guests.some((g) => g.high === 3 && g.low === low);
    const late = Array.from({ length: 20 }, (_, low) => low);
    touch.tick(4 * 60);
    for (const low of late) touch.note(3, low);
    touch.tick(6 * 60);
    for (const low of late) touch.note(3, low);
    expect(late.every(isTold)).toBe(true);
  });
});
