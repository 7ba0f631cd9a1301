import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideSource, placeInTurn } from '#rxsteer/dataplane/ports/memory/mix.js';
import type { MemorySourceOptions } from '#rxsteer/dataplane/ports/memory/options.js';
import {
  makeArrays,
  makePool,
  makeSource,
  makeState,
  sourceOptions as options,
  type SourceKind,
  takeFrames,
} from '../harness.js';

/** Time stamps differ from run to run: words 13 and 14 of a frame, if it is stamped, count as set or not. */
function maskStamp(of: MemorySourceOptions, frame: Uint8Array): string {
  if (of.stamp) {
    const high = Buffer.from(frame).readUInt32LE(56);
    expect(high).toBeGreaterThan(0);
    frame.fill(0, 52, 60);
  }
  return Buffer.from(frame).toString('hex');
}

/** Everything that a source of one queue shows: per call the arrays, the status, the frames, where it is. */
function trace(
  kind: SourceKind,
  of: MemorySourceOptions,
  port: number,
  q: number,
  at: number,
  calls: number[],
) {
  const part = divideSource(of, placeInTurn(of))[q]!;
  // Slots that are fewer than what is asked for, and full of other bytes.
  const pool = makePool(50);
  const arrays = makeArrays();
  const state = makeState();
  state[0] = at | 0;
  state[1] = Math.floor(at / 2 ** 32);
  let source = makeSource(kind, of, pool, arrays, state, port, part);
  const list: unknown[] = [];
  for (const [k, call] of calls.entries()) {
    if (k === 3) source = makeSource(kind, of, pool, arrays, state, port, part);
    const n = source.receive(call);
    const fields = [arrays.id, arrays.off, arrays.len, arrays.flags].map((array) => [
      ...array.subarray(0, n),
    ]);
    const status = [...arrays.status];
    const frames = takeFrames(pool, arrays, n).map((frame) => maskStamp(of, frame));
    list.push([n, fields, status, frames, [...state], source.finished(), pool.available(0)]);
  }
  return list;
}

const mixes = fc.record({
  flows: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 300 })),
  guests: fc.integer({ min: 1, max: 70_000 }).map((guests) => Math.min(guests, 65_536)),
  size: fc.oneof(fc.constant('imix'), fc.constant(60), fc.integer({ min: 60, max: 1984 })),
  packets: fc.constantFrom(0, 40, 2 ** 32 + 90),
  queues: fc.integer({ min: 1, max: 4 }),
  elephant: fc.constantFrom('none', 'flow', 'guest'),
  share: fc.integer({ min: 1, max: 99 }),
  seed: fc.integer({ min: 0, max: 0xffff_ffff }),
  stamp: fc.constantFrom('on', 'off'),
});

describe('the memory source of the addon', () => {
  it('gives what the one in TypeScript gives', () => {
    fc.assert(
      fc.property(
        mixes,
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom(0, 1000, 2 ** 32 - 20, 2 ** 40 + 5),
        fc.array(fc.integer({ min: 0, max: 64 }), { minLength: 1, maxLength: 6 }),
        (mix, port, at, calls) => {
          const of = options(mix);
          const q = port % of.queues;
          expect(trace('native', of, port, q, at, calls)).toEqual(
            trace('typescript', of, port, q, at, calls),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('follows the same clock', () => {
    // 8000 frames every 10 s: what is due in a test's time is the first.
    const of = options({ rate: 800, burst: 8000, stamp: 'on' });
    for (const kind of ['native', 'typescript'] as const) {
      const pool = makePool();
      const arrays = makeArrays();
      const source = makeSource(kind, of, pool, arrays, makeState());
      const before = performance.now();
      for (let given = 0; given < 8000; given += 64) {
        expect(source.receive(64)).toBe(64);
        takeFrames(pool, arrays, 64);
      }
      expect(source.receive(64)).toBe(0);
      const now = performance.now();
      const due = now + source.dueInMs(now);
      expect(due - before).toBeGreaterThanOrEqual(10_000);
      expect(due - before).toBeLessThan(14_000);
    }
  });
});
