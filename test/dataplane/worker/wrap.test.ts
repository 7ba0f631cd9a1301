/**
 * Numbers that count modulo 2^32: nothing is late, unwatched or in flight because 2^31 or 2^32 frames have passed,
 * however long a flow rests, wherever the numbers begin, and whoever polls the queue.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import { Slot, UNWATCHED } from '#rxsteer/dataplane/order/flow-slot.js';
import { SLOW } from '../../support/slow.js';
import { expectConservation, expectNoDrops } from '../../support/summary.js';
import { engineOptions, ROOMY } from '../engine/run-engine.js';
import { orderKit, UDP } from '../order/order-kit.js';

const FLOW = 0x1234_5678;
/** Near the numbers at which something could turn over, and anywhere. */
const near = (n: number) => fc.integer({ min: -70, max: 70 }).map((k) => n + k);
const begin = fc.oneof(near(0), near(2 ** 31), near(2 ** 32), fc.nat(2 ** 32 - 1)).map((n) => n | 0);
const rest = fc.oneof(
  ...[2 ** 30, 2 ** 31, 3 * 2 ** 30, 2 ** 32, 2 ** 33].map(near),
  fc.double({ min: 1, max: 2 ** 33, noNaN: true }).map(Math.floor),
);

describe('a flow that rests', () => {
  it('for any number of frames comes back in order, and is watched', () => {
    fc.assert(
      fc.property(begin, begin, rest, fc.nat(3), fc.boolean(), (seq, start, frames, w, moves) => {
        const kit = orderKit({ start });
        let next = seq;
        const word = kit.send(FLOW, next, 1);
        expect(kit.finish(word, next)).toBe(false);
        kit.doneAll(1);
        kit.pass(w, next + 1, frames);
        next = (next + 1 + frames) | 0;
        const s = kit.ledger.slotFor(FLOW, UDP, 0, next);
        expect(kit.ledger.isDrained(s)).toBe(true);
        for (let k = 0; k < 3; k++) {
          const again = kit.send(FLOW, next, moves ? 2 : 1);
          expect(again).toBeGreaterThanOrEqual(0);
          expect(kit.finish(again, next)).toBe(false);
          kit.doneAll(moves ? 2 : 1);
          next = (next + 1) | 0;
        }
        // What is late then is late still.
        const [a, b] = [kit.send(FLOW, next, 1), kit.send(FLOW, next + 1, 1)];
        expect(kit.finish(b, (next + 1) | 0)).toBe(false);
        expect(kit.finish(a, next)).toBe(true);
      }),
      { numRuns: 80, seed: 21 },
    );
  });

  it('while it has frames on a worker that stands still is not watched until they have ended, then again', () => {
    fc.assert(
      fc.property(begin, begin, rest, (seq, start, frames) => {
        const kit = orderKit({ start });
        const first = kit.send(FLOW, seq, 1);
        kit.pass(2, seq + 1, frames);
        let next = (seq + 1 + frames) | 0;
        const second = kit.send(FLOW, next, 1);
        // Old ones and new ones behind them, in order.
        expect(kit.finish(first, seq)).toBe(false);
        if (second !== UNWATCHED) expect(kit.finish(second, next)).toBe(false);
        else expect(frames).toBeGreaterThan(2 ** 28);
        kit.doneAll(1);
        for (let k = 0; k < 3; k++) {
          next = (next + 1) | 0;
          const word = kit.send(FLOW, next, 1);
          expect(word).not.toBe(UNWATCHED);
          expect(kit.finish(word, next)).toBe(false);
          kit.doneAll(1);
        }
      }),
      { numRuns: 60, seed: 22 },
    );
  });

  it('leaves its slot to others, however long ago it ended', () => {
    for (const frames of [
      2 ** 31 - 5000,
      2 ** 31,
      2 ** 31 + 5000,
      3 * 2 ** 30,
      2 ** 32 - 5000,
      2 ** 32 + 5000,
    ]) {
      const kit = orderKit();
      const flow = (k: number) => Math.imul(k, 0x9e37_79b1);
      for (let k = 1; k <= 16_384; k++) kit.send(flow(k), k, 1);
      kit.doneAll(1);
      kit.pass(1, 16_385, frames);
      let unwatched = 0;
      for (let k = 1; k <= 2000; k++) {
        if (kit.send(flow(k + 1_000_000), (16_385 + frames + k) | 0, 1) === UNWATCHED) unwatched++;
      }
      // Some places are taken by four of these themselves.
      expect(unwatched).toBeLessThan(5);
    }
  });
});

describe('a queue', () => {
  it('that changes its poller, and comes back, calls nothing late or in flight', () => {
    fc.assert(
      fc.property(begin, begin, rest, fc.boolean(), (seq, start, frames, between) => {
        const kit = orderKit({ start, queues: 2 });
        const word = kit.send(FLOW, seq, 1);
        expect(kit.finish(word, seq)).toBe(false);
        kit.doneAll(1);
        kit.ledger.leave(0);
        // Meanwhile this worker's rings carry other queues' frames; another one may poll the queue.
        kit.pass(1, 5, frames, 1);
        const next = (seq + 1 + (between ? frames : 0)) | 0;
        if (between) kit.ledger.forget(0);
        else kit.ledger.resume(0, next);
        const s = kit.ledger.slotFor(FLOW, UDP, 0, next);
        expect(kit.ledger.isDrained(s)).toBe(true);
        const again = kit.send(FLOW, next, 2);
        expect(again).toBeGreaterThanOrEqual(0);
        expect(kit.finish(again, next)).toBe(false);
      }),
      { numRuns: 60, seed: 23 },
    );
  });
});

describe('a flow on two workers', () => {
  it('whose newest frame is dropped, or dies, does not keep its slot', () => {
    const kit = orderKit();
    let unwatched = 0;
    for (let f = 1; f <= 40_000; f++) {
      const flow = Math.imul(f, 0x9e37_79b1);
      const [a, b] = [kit.send(flow, 2 * f, 1), kit.send(flow, 2 * f + 1, 2)];
      if (a < 0 || b < 0) unwatched++;
      if (a >= 0) expect(kit.finish(a, 2 * f)).toBe(false);
      if (b >= 0 && f % 2 === 0) kit.finish(b, 2 * f + 1, 'dropped');
      kit.doneAll(1);
      kit.doneAll(2);
    }
    expect(unwatched).toBe(0);
  });

  it.each([0, 2 ** 31, -5])('keeps it as long as a frame of it is in flight anywhere (%i)', (from) => {
    const kit = orderKit({ start: from });
    const at = (n: number) => (from + n) | 0;
    const a = kit.send(FLOW, at(1), 1);
    const b = kit.send(FLOW, at(2), 2);
    kit.finish(b, at(2), 'dropped');
    kit.doneAll(2);
    const s = kit.ledger.slotFor(FLOW, UDP, 0, at(3));
    // Others want its place, four at a time.
    const rivals = Array.from({ length: 200 }, (_, k) => (FLOW ^ ((k + 1) << 17)) | 0);
    for (const [k, flow] of rivals.entries()) {
      kit.send(flow, at(10 + k), 3);
      if (k > 20) expect(kit.ledger.slots[s + Slot.tag]).toBe(FLOW);
    }
    expect(kit.finish(a, at(1))).toBe(false);
  });

  it.each([0, 2 ** 30 - 3, 2 ** 31 - 3, -3])('measures extents after %i completions', (completions) => {
    const kit = orderKit({ workers: 6, completions });
    const words = [1, 2, 3, 4, 5].map((seq) => kit.send(FLOW, seq, seq));
    for (const seq of [2, 3, 4, 5, 1]) kit.finish(words[seq - 1]!, seq);
    expect(kit.figures()).toMatchObject({ reordered: 1, extentMax: 4, n1: 1, n2: 1, n3: 1 });
  });
});

describe('a running engine', () => {
  it.each([2 ** 31, 2 ** 32])('goes on over number %i as before', async (turn) => {
    const engine = await Engine.start(
      engineOptions({
        ports: ['a=memory:source,flows=200,rate=200000', 'b=memory:sink'],
        policy: 'rss',
        workers: 2,
        more: { ...ROOMY, firstNumber: (turn - 4000) | 0 },
      }),
    );
    try {
      const received = () => summarize(engine).totals.received;
      for (let k = 0; k < 20; k++) {
        await engine.setTable([0, 1, 2, 3].map((n) => ({ bucket: (4 * k + n) % 128, queue: k % 2 })));
        const before = received();
        await expect.poll(received, { timeout: 60_000 * SLOW, interval: 1 }).toBeGreaterThan(before + 400);
      }
    } finally {
      await engine.stop();
    }
    const summary = summarize(engine);
    expectConservation(summary);
    expectNoDrops(summary);
    expect(summary.totals).toMatchObject({ reordered: 0, orderUnwatched: 0 });
    expect(summary.totals.moves).toBeGreaterThan(0);
  });
});
