/** XDP's cpumap: refusals, bulks, rings, batches. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CpuMap } from '#rxsteer/linux/cpumap.js';

const make = () => new CpuMap<number>({ maxEntries: 8, possibleCpus: 4 });
const send = (map: CpuMap<number>, producer: number, cpu: number, frames: number[]) =>
  frames.map((frame) => map.redirect(producer, cpu, frame));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('cpumap', () => {
  test.each([
    [8, 100, false, 'E2BIG'],
    [1, 16385, false, 'EOVERFLOW'],
    [5, 100, false, 'ENODEV'],
    [0, 100, true, 'EEXIST'],
  ] as const)('CPU %i, qsize %i, new %s: %s', (cpu, qsize, isNew, errno) => {
    const map = make();
    expect(map.update(0, 16384)).toEqual({ ok: true });
    expect(map.update(cpu, qsize, isNew)).toEqual({ ok: false, errno });
    expect(map.cpus).toEqual([0]);
  });

  test('a frame for a CPU without entry is refused; size 0 deletes an entry', () => {
    const map = make();
    expect(map.redirect(0, 1, 7)).toBe(false);
    map.update(1, 10, true);
    expect(map.redirect(0, 1, 7)).toBe(true);
    map.update(1, 0);
    expect(map.redirect(0, 1, 8)).toBe(false);
    // The old thread still delivers what it had.
    expect(map.leaving).toEqual([7]);
  });

  test('a bulk of 8 is sent when the ninth frame comes, the rest at the end of the poll', () => {
    const map = make();
    map.update(1, 100);
    send(map, 0, 1, range(0, 8));
    expect(map.waiting(1)).toBe(0);
    send(map, 0, 1, [8]);
    expect(map.waiting(1)).toBe(8);
    map.flush(2);
    expect(map.waiting(1)).toBe(8);
    map.flush(0);
    expect(map.waiting(1)).toBe(9);
    expect([map.consume(1), map.consume(1), map.consume(1)]).toEqual([range(0, 8), [8], []]);
    expect(map.counters(1)).toEqual({ enqueued: 9, dropped: 0, flushes: 2, delivered: 9 });
  });

  test('a full ring drops what does not fit, frame by frame', () => {
    const map = make();
    map.update(1, 10);
    send(map, 0, 1, range(0, 16));
    map.flush(0);
    expect(map.counters(1)).toMatchObject({ enqueued: 10, dropped: 6 });
    expect([...map.consume(1), ...map.consume(1)]).toEqual(range(0, 10));
  });

  test('frames of one producer to one CPU keep their order, and none is lost or doubled', () => {
    const step = fc.record({
      producer: fc.nat(2),
      cpu: fc.nat(2),
      act: fc.constantFrom('send', 'send', 'flush', 'take'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const map = new CpuMap<{ producer: number; n: number }>({ maxEntries: 3, possibleCpus: 3 });
        for (const cpu of [0, 1, 2]) map.update(cpu, 20);
        const got: { producer: number; n: number }[][] = [[], [], []];
        const sent = [0, 0, 0];
        steps.forEach(({ producer, cpu, act }, n) => {
          if (act === 'send' && map.redirect(producer, cpu, { producer, n })) sent[cpu]!++;
          else if (act === 'flush') map.flush(producer);
          else if (act === 'take') got[cpu]!.push(...map.consume(cpu));
        });
        for (const producer of [0, 1, 2]) map.flush(producer);
        for (const cpu of [0, 1, 2]) {
          while (map.waiting(cpu) > 0) got[cpu]!.push(...map.consume(cpu));
          const { enqueued, dropped, delivered } = map.counters(cpu);
          expect([enqueued + dropped, delivered]).toEqual([sent[cpu], enqueued]);
          expect(got[cpu]).toHaveLength(enqueued);
          for (const producer of [0, 1, 2]) {
            const order = got[cpu]!.filter((frame) => frame.producer === producer).map(({ n }) => n);
            expect(order).toEqual(order.toSorted((a, b) => a - b));
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
