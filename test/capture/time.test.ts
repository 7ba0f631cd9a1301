import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TickClock } from '#rxsteer/capture/time.js';

describe('TickClock', () => {
  it('is exact for every resolution and every count', () => {
    const count = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(
        fc.nat({ max: 255 }),
        count,
        fc.integer({ min: -1000, max: 1000 }),
        (resolution, ticks, offset) => {
          const clock = new TickClock(resolution, offset);
          clock.set(Number(ticks >> 32n), Number(ticks & 0xffff_ffffn));
          const unit = resolution < 128 ? 10n ** BigInt(resolution) : 2n ** BigInt(resolution & 127);
          expect(clock.seconds).toBe(Number(ticks / unit) + offset);
          expect(clock.nanoseconds).toBe(Number(((ticks % unit) * 1_000_000_000n) / unit));
        },
      ),
      { seed: 6, numRuns: 5000 },
    );
  });
});
