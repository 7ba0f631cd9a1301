/**
 * What an event costs does not grow with the CPUs of a host: counted, not timed. And what makes it so gives the answers
 * that looking at everything would give.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '#rxsteer/simulate/machine/event-queue.js';
import { cpuBits, LoadBoard } from '#rxsteer/simulate/machine/load-board.js';
import { costsOf } from '#rxsteer/simulate/model/build.js';
import { run } from '#rxsteer/simulate/result/run.js';
import { parseScenario } from '#rxsteer/simulate/scenario/parse.js';

/** As much load for each CPU, whatever the host's size; everything floats. */
function stepsOn(cpus: number, rate: number) {
  const vcpus = Math.min(16, cpus);
  const guests = cpus / vcpus;
  const scenario = parseScenario({
    durationMs: 128 / cpus,
    warmupMs: 0,
    host: {
      cpus: { sockets: cpus >= 32 ? 2 : 1, cores: cpus >= 32 ? cpus / 2 : cpus },
      apps: [{ threads: 2 * cpus, pin: false }],
    },
    nics: { eth0: { queues: Math.max(1, cpus / 8), ring: 2048, irqs: [`0-${Math.max(1, cpus / 8) - 1}`] } },
    guests: {
      vm: {
        ...{ count: guests, vcpus, queues: Math.min(4, vcpus), workers: 'queue', pin: false },
        apps: [{ threads: 2 * vcpus, pin: false }],
      },
    },
    load: [
      { kind: 'open', rate: (rate * cpus) / guests, flows: 256 },
      { kind: 'open', to: 'host', rate: 10_000 * cpus, flows: 256 },
    ],
  });
  const { built, events } = run({
    ...{ scenario, costs: costsOf(scenario), seed: 1, policy: null, captures: new Map() },
  });
  const { world, side, guests: built_ } = built;
  const kernels = [side.host.kernel, ...built_.map(({ kernel }) => kernel)];
  const choosing = kernels.reduce((sum, { board }) => sum + board.steps, 0);
  return { order: world.sim.steps / events, choosing: choosing / events };
}

describe('an event costs as much on 128 CPUs as on 2', () => {
  it.each([20_000, 100_000])('at %i packets a second for each CPU', (rate) => {
    const large = stepsOn(128, rate);
    const small = stepsOn(2, rate);
    expect(small.order).toBeLessThan(1);
    expect(large.order).toBeLessThan(1);
    // It was the CPUs of a node for each wake-up.
    expect(large.choosing).toBeLessThan(1);
  });
});

describe('the calendar of events', () => {
  it('gives the earliest, and of equal times the one that came first, whatever the distances', () => {
    const gap = fc.oneof(
      fc.constantFrom(0, 0, 1, 1000),
      fc.integer({ min: 0, max: 1e6 }),
      fc.integer({ min: 0, max: 1e13 }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ gap, pops: fc.integer({ min: 0, max: 3 }) }), { maxLength: 400 }),
        fc.integer({ min: 1, max: 12 }),
        (steps, copies) => {
          const queue = new EventQueue(4);
          const waiting: { time: number; n: number }[] = [];
          let now = 0;
          let n = 0;
          const pop = () => {
            // A stable sort: equal times stay in the order in which they came.
            waiting.sort((a, b) => a.time - b.time);
            const expected = waiting.shift();
            if (expected === undefined) {
              expect(queue.popUntil(Number.POSITIVE_INFINITY)).toBe(false);
              return;
            }
            // What is later than the limit stays.
            if (expected.time > now) expect(queue.popUntil(expected.time - 1)).toBe(false);
            expect(queue.popUntil(expected.time)).toBe(true);
            expect([queue.time, queue.arg]).toEqual([expected.time, expected.n]);
            now = expected.time;
          };
          for (const step of steps) {
            for (let copy = 0; copy < copies; copy++) {
              const time = now + step.gap;
              queue.push(time, 0, n);
              waiting.push({ time, n: n++ });
            }
            for (let i = 0; i < step.pops; i++) pop();
          }
          while (waiting.length > 0) pop();
        },
      ),
    );
  });

  it('fits itself to events that come closer or go further apart', () => {
    const queue = new EventQueue();
    let seed = 1;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed / 0x80000000;
    };
    for (const mean of [1e3, 1e9, 1e6]) {
      for (let i = 0; i < 500; i++) queue.push(queue.time + Math.round(random() * 500 * mean), 0, i);
      // Until it has fitted itself, then count.
      for (let i = 0; i < 10_000; i++) {
        queue.popUntil(Number.POSITIVE_INFINITY);
        queue.push(queue.time + Math.round(random() * 500 * mean), 0, i);
      }
      const before = queue.steps;
      for (let i = 0; i < 10_000; i++) {
        queue.popUntil(Number.POSITIVE_INFINITY);
        queue.push(queue.time + Math.round(random() * 500 * mean), 0, i);
      }
      expect((queue.steps - before) / 10_000, String(mean)).toBeLessThan(3);
      while (queue.size > 0) queue.popUntil(Number.POSITIVE_INFINITY);
    }
  });
});

describe('the board of loads', () => {
  it('finds the CPU that asking all of them finds', () => {
    const step = fc.record({
      id: fc.nat(69),
      what: fc.constantFrom('more' as const, 'less' as const, 'idle' as const, 'busy' as const),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.array(step, { maxLength: 300 }),
        fc.array(fc.nat(69), { minLength: 1, maxLength: 20 }),
        fc.nat(69),
        fc.integer({ min: 0, max: 40 }),
        (cpus, steps, members, from, crowd) => {
          const distance = (a: number, b: number) => (a === b ? 0 : a >> 3 === b >> 3 ? 2 : 4);
          const board = new LoadBoard(cpus, distance);
          const loads = new Array<number>(cpus).fill(0);
          const idle = new Array<boolean>(cpus).fill(true);
          for (let id = 0; id < cpus; id++) {
            for (let n = 0; n < crowd; n++) board.add(id, 1);
            loads[id] = crowd;
          }
          for (const { id: any, what } of steps) {
            const id = any % cpus;
            if (what === 'more') {
              board.add(id, 1);
              loads[id]!++;
            } else if (what === 'less' && loads[id]! > 0) {
              board.add(id, -1);
              loads[id]!--;
            } else if (what === 'idle' || what === 'busy') {
              board.setIdle(id, what === 'idle');
              idle[id] = what === 'idle';
            }
          }
          const group = [...new Set(members.map((id) => id % cpus))];
          const own = group[0]!;
          const order = [own, ...group.filter((id) => id !== own).sort((a, b) => a - b)];
          const best = (cost: (id: number) => number, among: number[]) =>
            among.reduce((a, b) => (a >= 0 && cost(a) <= cost(b) ? a : b), -1);
          const bits = cpuBits(group, cpus);
          const at = from % cpus;
          expect(board.nearestIdle(at, own, bits)).toBe(
            best(
              (id) => distance(at, id),
              order.filter((id) => idle[id]!),
            ),
          );
          expect(board.leastLoaded(own, bits)).toBe(best((id) => loads[id]!, order));
        },
      ),
    );
  });
});
