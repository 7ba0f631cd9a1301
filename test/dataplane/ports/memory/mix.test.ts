import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  divideSource,
  placeBySteering,
  placeInTurn,
  SHARE_ONE,
} from '#rxsteer/dataplane/ports/memory/mix.js';
import type { MemorySourceOptions } from '#rxsteer/dataplane/ports/memory/options.js';
import { GuestSink, guestQueueBytes } from '#rxsteer/dataplane/ports/memory/sink.js';
import {
  flowFrames,
  STAMP_FLOW_OFFSET,
  STAMP_SEQUENCE_OFFSET,
} from '#rxsteer/dataplane/ports/memory/templates.js';
import { toSteering } from '#rxsteer/policy/experiment.js';
import { WHOLE } from '../../../support/matrix.js';
import {
  makeArrays,
  makePool,
  makeSource,
  makeState,
  sourceOptions as options,
  takeFrames,
} from '../harness.js';

/** Flow id and sequence number of every frame of every queue. */
function frames(of: MemorySourceOptions, queueOf: Int32Array): [number, number][][] {
  return divideSource(of, queueOf).map((part) => {
    const pool = makePool();
    const arrays = makeArrays();
    const source = makeSource('typescript', of, pool, arrays, makeState(), 0, part);
    const list: [number, number][] = [];
    while (!source.finished()) {
      const n = source.receive(64);
      expect(n).toBeGreaterThan(0);
      for (const frame of takeFrames(pool, arrays, n)) {
        const bytes = Buffer.from(frame);
        list.push([bytes.readUInt32BE(STAMP_FLOW_OFFSET), bytes.readUInt32BE(STAMP_SEQUENCE_OFFSET)]);
      }
    }
    return list;
  });
}

const mixes = fc.record({
  flows: fc.integer({ min: 1, max: 40 }),
  guests: fc.integer({ min: 1, max: 9 }),
  packets: fc.integer({ min: 1, max: 600 }),
  queues: fc.integer({ min: 1, max: 5 }),
  elephant: fc.constantFrom('none', 'flow', 'guest'),
  share: fc.integer({ min: 1, max: 99 }),
  seed: fc.integer({ min: 0, max: 1000 }),
});

describe('a memory source with several queues', () => {
  test('gives all frames once, each flow on its queue, numbered without a gap', () => {
    fc.assert(
      fc.property(mixes, (mix) => {
        const of = options(mix);
        const queueOf = placeInTurn(of);
        const queues = frames(of, queueOf);
        expect(queues.reduce((sum, list) => sum + list.length, 0)).toBe(mix.packets);
        queues.forEach((list, q) => {
          const next = new Map<number, number>();
          for (const [flow, sequence] of list) {
            expect(queueOf[flow]).toBe(q);
            expect(sequence).toBe(next.get(flow) ?? 0);
            next.set(flow, sequence + 1);
          }
        });
      }),
      { numRuns: WHOLE ? 200 : 40 },
    );
  });

  test.each([
    ['flow', 8, 70, 0],
    ['guest', 8, 30, 0],
  ])('elephant=%s has its share on any number of queues', (elephant, guests, share) => {
    for (const queues of [1, 2, 4]) {
      const packets = 40_000;
      const of = options({ flows: 64, guests, elephant, share, packets, queues });
      const all = frames(of, placeInTurn(of)).flat();
      const heavy = all.filter(([flow]) => (elephant === 'flow' ? flow === 0 : flow % guests === 0)).length;
      expect(heavy / packets).toBeCloseTo(share / 100, 3);
    }
  });

  test('goes on where it stopped when a new object takes over its state, elephants too', () => {
    const of = options({ flows: 12, guests: 3, elephant: 'guest', share: 37, packets: 500, queues: 2 });
    const part = divideSource(of, placeInTurn(of))[1]!;
    const run = (pieces: number[]) => {
      const state = makeState();
      const list: string[] = [];
      for (const piece of pieces) {
        const pool = makePool();
        const arrays = makeArrays();
        const source = makeSource('typescript', of, pool, arrays, state, 0, part);
        const n = source.receive(piece);
        list.push(...takeFrames(pool, arrays, n).map((frame) => Buffer.from(frame).toString('hex')));
      }
      return list;
    };
    expect(run([7, 1, 13, 20, 23])).toEqual(run([64]));
  });

  test('places flows where the policy says', () => {
    const of = options({ flows: 200, guests: 8, queues: 4 });
    const steering = toSteering('rss:queues=4', { workers: 4 });
    const queueOf = placeBySteering(of, 0, steering, flowFrames(of, 0));
    const frameOf = flowFrames(of, 0);
    for (let flow = 0; flow < 200; flow += 17) {
      const alone = placeBySteering({ ...of, flows: 1 }, 0, steering, () => frameOf(flow));
      expect(queueOf[flow]).toBe(alone[0]);
    }
    expect(new Set(queueOf).size).toBe(4);
    const owners = Array.from({ length: 8 }, (_, g) => ({ mac: `02:00:00:00:00:0${g + 1}`, worker: g % 4 }));
    const mac = toSteering({ policy: 'mac', owners }, { workers: 4 });
    const byGuest = placeBySteering(of, 0, mac, flowFrames(of, 0));
    byGuest.forEach((queue, flow) => {
      expect(queue).toBe((flow % 8) % 4);
    });
  });

  test('in turn every guest has flows on every queue', () => {
    const of = options({ flows: 64, guests: 8, queues: 4 });
    const queueOf = placeInTurn(of);
    for (let g = 0; g < 8; g++) {
      const seen = new Set(Array.from({ length: 8 }, (_, j) => queueOf[g + 8 * j]));
      expect(seen.size).toBe(4);
    }
  });

  test('a queue without flows ends at once, and one with elephants only gives nothing else', () => {
    const of = options({ flows: 2, guests: 2, elephant: 'flow', share: 60, packets: 100, queues: 3 });
    const parts = divideSource(of, Int32Array.of(2, 0));
    expect(parts.map(({ packets }) => packets)).toEqual([40, 0, 60]);
    expect(parts[2]!.heavyShare).toBe(SHARE_ONE);
    expect(frames(of, Int32Array.of(2, 0))[2]!.every(([flow]) => flow === 0)).toBe(true);
  });
});

test('a guest queue holds what workers delivered to it, in order, whoever did', () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(4 * 2048)).map((_, i) => (i * 7) & 255);
  const shared = new SharedArrayBuffer(guestQueueBytes(1));
  const workers = [new GuestSink(bytes, shared, 0), new GuestSink(bytes, shared, 0)];
  const lengths = [60, 1514, 61, 2048];
  for (let k = 0; k < 300; k++) {
    const sink = workers[k % 2]!;
    sink.arrays.off[0] = (k % 4) * 2048;
    sink.arrays.len[0] = lengths[k % 4]!;
    expect(sink.send(0, 1)).toBe(1);
  }
  const words = new Int32Array(shared);
  expect(words[0]).toBe(300 % 256);
  const slot = (s: number) => new Uint8Array(shared, 128 + s * 2048, 2048);
  for (const [at, k] of [
    [255, 255],
    [0, 256],
    [43, 299],
  ] as const) {
    const from = (k % 4) * 2048;
    expect(slot(at).subarray(0, lengths[k % 4])).toEqual(
      new Uint8Array(bytes.subarray(from, from + lengths[k % 4]!)),
    );
  }
});
