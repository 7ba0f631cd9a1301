/** What receive queues may hold of the kernel's memory, shares and sums. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { receiveShare } from '#rxsteer/dataplane/ports/packet/receive-memory.js';
import { DEFAULT_RECEIVE_MIB } from '#rxsteer/dataplane/shared/limits.js';

const MIB = 1 << 20;
/** The kernel doubles what it is asked for. */
const held = ({ slots, bufferBytes }: ReturnType<typeof receiveShare>) => slots * 2048 + 2 * bufferBytes;

it('all queues together hold no more than the total, unless each has the least that works', () => {
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 1 << 16 }), fc.integer({ min: 1, max: 1024 }), (total, queues) => {
      const share = receiveShare(total, queues);
      expect(Math.log2(share.slots) % 1).toBe(0);
      const least = 2 * MIB + 4 * MIB;
      expect(held(share)).toBeLessThanOrEqual(Math.max(least, (total * MIB) / queues));
      expect(held(share)).toBeGreaterThanOrEqual(least);
      // More queues never have more each.
      expect(held(receiveShare(total, queues + 1))).toBeLessThanOrEqual(held(share));
    }),
  );
});

it('a few queues have what one needs, many have less: 64 ports are not 17 GiB', () => {
  expect(receiveShare(DEFAULT_RECEIVE_MIB, 2)).toEqual({ slots: 8192, bufferBytes: 128 * MIB });
  const share = receiveShare(DEFAULT_RECEIVE_MIB, 64);
  expect(share).toEqual({ slots: 4096, bufferBytes: 8 * MIB });
  expect(64 * held(share)).toBeLessThanOrEqual(DEFAULT_RECEIVE_MIB * MIB);
});
