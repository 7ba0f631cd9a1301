import { describe, expect, it } from 'vitest';
import { releaseLocksOf, SharedLock } from '#rxsteer/sync/shared-lock.js';

describe('a lock that tells its holder', () => {
  const make = () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    return [0, 1, 2].map((user) => new SharedLock(words, 3, user)) as [SharedLock, SharedLock, SharedLock];
  };

  it('has one holder, whom all see', () => {
    const [a, b] = make();
    expect(a.holder).toBe(-1);
    expect([a.tryTake(), b.tryTake(), b.take(), b.takeWithin(0), b.holder]).toEqual([
      ...[true, false, false, false],
      0,
    ]);
    a.release();
    expect([b.take(), a.tryTake(), a.holder]).toEqual([true, false, 1]);
  });

  it('is not taken from a live holder, however long it has it; from a dead one at once', () => {
    const [a, b, main] = make();
    a.take();
    expect(main.takeWithin(5)).toBe(false);
    expect(main.takeFrom(1)).toBe(false);
    expect(main.holder).toBe(0);
    expect(main.takeFrom(0)).toBe(true);
    expect([main.holder, b.tryTake()]).toEqual([2, false]);
    main.release();
    expect(b.tryTake()).toBe(true);
  });
});

describe('waiting for a lock', () => {
  const WAIT_MS = 20;
  const make = () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    return [0, 1, 2].map((user) => new SharedLock(words, 4, user)) as [SharedLock, SharedLock, SharedLock];
  };

  it('ends, and is counted', () => {
    const [a, b] = make();
    let yields = 0;
    expect(a.takeUnlessStuck(WAIT_MS)).toBe(true);
    expect([a.contended, a.waitedNs]).toEqual([0, 0]);
    expect(b.takeUnlessStuck(WAIT_MS, () => yields++)).toBe(false);
    expect(b.contended).toBe(1);
    expect(b.waitedNs).toBeGreaterThan(WAIT_MS * 1e6);
    expect(yields).toBeGreaterThan(0);
    a.release();
    expect(b.takeUnlessStuck(WAIT_MS)).toBe(true);
  });

  it('lasts once for a holder that stands still, and begins anew when that has let go', () => {
    const [dead, holder, waiter] = make();
    let looks = 0;
    const take = () => waiter.takeUnlessStuck(WAIT_MS, () => looks++);
    holder.tryTake();
    expect(take()).toBe(false);
    const waited = waiter.waitedNs;
    looks = 0;
    // It is refused at once: hundreds of tries take less than the one wait.
    for (let k = 0; k < 100; k++) expect(take()).toBe(false);
    expect(looks).toBe(0);
    expect(waiter.waitedNs - waited).toBeLessThan(waited);
    expect(waiter.waitedNs).toBeGreaterThan(waited);
    expect(waiter.contended).toBe(101);
    // The same user holds it again: that is another hold, and the first look finds it let go.
    holder.release();
    holder.tryTake();
    expect(waiter.takeUnlessStuck(WAIT_MS, () => holder.release())).toBe(true);
    waiter.release();
    // So is the one after a holder that died.
    dead.tryTake();
    expect(take()).toBe(false);
    expect(waiter.takeFrom(0)).toBe(true);
    waiter.release();
    dead.tryTake();
    expect(waiter.takeUnlessStuck(WAIT_MS, () => dead.release())).toBe(true);
  });

  it('who asks to wait waits, whatever was before', () => {
    const [holder, , waiter] = make();
    holder.tryTake();
    expect(waiter.takeUnlessStuck(WAIT_MS)).toBe(false);
    const waited = waiter.waitedNs;
    expect(waiter.takeWithin(WAIT_MS)).toBe(false);
    expect(waiter.waitedNs - waited).toBeGreaterThan(WAIT_MS * 1e6);
  });

  it('lets the holder run meanwhile', () => {
    const [holder, waiter] = make();
    holder.tryTake();
    // The holder's turn comes when the waiter yields.
    expect(waiter.takeWithin(WAIT_MS, () => holder.release())).toBe(true);
    expect(waiter.contended).toBe(1);
    expect(waiter.waitedNs).toBeGreaterThan(0);
  });
});

it('of many locks, those of a dead user are let go and nothing else; that is the end of its hold', () => {
  const STEP = 8;
  const words = new Int32Array(new SharedArrayBuffer(3 * STEP * 4));
  const locks = (user: number) => [0, 1, 2].map((k) => new SharedLock(words, k * STEP, user));
  for (const [k, user] of [0, 3, 0].entries()) locks(user)[k]!.tryTake();
  const waiter = locks(5)[2]!;
  expect(waiter.takeUnlessStuck(0)).toBe(false);
  releaseLocksOf(words, STEP, 0);
  expect(locks(1).map(({ holder }) => holder)).toEqual([-1, 3, -1]);
  locks(0)[2]!.tryTake();
  expect(waiter.takeUnlessStuck(5, () => locks(0)[2]!.release())).toBe(true);
});
