import { describe, expect, it } from 'vitest';
import { SharedLock } from '#rxsteer/mac/shared-lock.js';

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
