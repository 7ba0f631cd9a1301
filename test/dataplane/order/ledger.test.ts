/** The order ledger: RFC 4737 by hand and by its definitions, no false alarms, slots that change hands. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FLOW_SLOTS,
  MIXED,
  plainFlow,
  QUEUE_SLOTS,
  SLOT_WORDS,
  Slot,
  UNWATCHED,
  WORD_SLOT,
} from '#rxsteer/dataplane/order/flow-slot.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { WHOLE } from '../../support/matrix.js';
import { orderKit, UDP } from './order-kit.js';

const FLOW = 0x1234_5678;
/** Other flows with the same four ways: the slot number is the flow XOR its upper part. */
const rivals = Array.from({ length: 8 }, (_, k) => (FLOW ^ (k + 1) ^ ((k + 1) << 15)) | 0);
const share = (a: number, b: number) => ((a ^ (a >>> 15) ^ (b ^ (b >>> 15))) & (FLOW_SLOTS - 1)) >>> 2 === 0;
const close = rivals
  .filter((flow) => share(flow, FLOW))
  .concat(rivals.map((flow) => flow ^ (1 << 30) ^ (1 << 15)));
const same = close.filter((flow) => share(flow, FLOW)).slice(0, 6);

/**
 * Sends 1 … n in order, each on a worker of its own (so that any order of finishing is possible), finishes them in
 * the order given; which finishes were late, and the figures.
 */
function arrive(order: readonly number[], base = 0) {
  const kit = orderKit({ workers: order.length + 1 });
  const words = new Map<number, number>();
  for (let n = 1; n <= order.length; n++) words.set(n, kit.send(FLOW, (base + n) | 0, n));
  const late = order.filter((n) => kit.finish(words.get(n)!, (base + n) | 0));
  return { late, ...kit.figures() };
}

/** RFC 4737 by its definitions: s is the order of arrival. */
function rfc4737(s: readonly number[]) {
  let next = 0;
  const late: number[] = [];
  const extents: number[] = [];
  const runs: number[] = [];
  s.forEach((n, i) => {
    if (n >= next) {
      next = n + 1;
      return;
    }
    late.push(n);
    // Section 4.2.2: e = i - j for the smallest j with s[j] > s[i].
    extents.push(i - s.findIndex((other) => other > n));
    // Section 5.3: all n packets right before it are later ones.
    let run = 0;
    while (run < i && s[i - run - 1]! > n) run++;
    runs.push(run);
  });
  const beyond = (n: number) => runs.filter((run) => run >= n).length;
  const sum = extents.reduce((a, b) => a + b, 0);
  return { late, sum, max: Math.max(0, ...extents), n: [1, 2, 3].map(beyond) };
}

describe('order ledger', () => {
  it('the tests’ flows do compete for the same ways', () => {
    expect(same.length).toBeGreaterThanOrEqual(5);
    expect(new Set([FLOW, ...same]).size).toBe(same.length + 1);
  });

  it.each([0, 0x7fff_fffb, -6])('counts reordered frames as RFC 4737 does, from sequence %i', (base) => {
    // The example of section 4 (one packet delayed by four), and some more.
    expect(arrive([1, 2, 3, 5, 6, 7, 8, 4, 9, 10], base)).toMatchObject({
      late: [4],
      frames: 10,
      reordered: 1,
      extentMax: 4,
      extentSum: 4,
      n1: 1,
      n2: 1,
      n3: 1,
    });
    expect(arrive([1, 2, 3, 5, 4, 6], base)).toMatchObject({ late: [4], extentMax: 1, n1: 1, n2: 0 });
    expect(arrive([1, 2, 3, 4], base)).toMatchObject({ late: [], frames: 4, reordered: 0, extentMax: 0 });
    // Two late ones; the second is later than the first, but still below the highest.
    expect(arrive([1, 5, 2, 3, 4, 6], base)).toMatchObject({ late: [2, 3, 4], extentMax: 3, n1: 1, n2: 0 });
    expect(arrive([4, 3, 2, 1], base)).toMatchObject({ late: [3, 2, 1], extentMax: 3, n1: 3, n2: 2, n3: 1 });
  });

  it('measures what RFC 4737 defines, for any order of arrival', () => {
    const order = fc.integer({ min: 1, max: 30 }).chain((n) =>
      fc.shuffledSubarray(
        Array.from({ length: n }, (_, i) => i + 1),
        { minLength: n, maxLength: n },
      ),
    );
    fc.assert(
      fc.property(order, fc.integer(), (arrivals, base) => {
        const wanted = rfc4737(arrivals);
        const seen = arrive(arrivals, base);
        expect(seen.late).toEqual(wanted.late);
        expect(seen.extentSum).toBe(wanted.sum);
        expect(seen.extentMax).toBe(wanted.max);
        expect([seen.n1, seen.n2, seen.n3]).toEqual(wanted.n);
      }),
      { numRuns: WHOLE ? 300 : 60, seed: 3 },
    );
  });

  it('does not take loss for reordering, nor a dropped frame for one that arrived', () => {
    const kit = orderKit();
    const pass = (seq: number, worker: number) => kit.finish(kit.send(FLOW, seq, worker), seq);
    expect([1, 2, 7, 9, 100].map((seq) => pass(seq, 0))).toEqual([false, false, false, false, false]);
    const early = kit.send(FLOW, 101, 0);
    const overtaking = kit.send(FLOW, 102, 1);
    // 102 ends first, but nobody ever gets it.
    expect(kit.finish(overtaking, 102, 'dropped')).toBe(false);
    expect(kit.finish(early, 101)).toBe(false);
    expect(kit.figures()).toMatchObject({ frames: 6, reordered: 0 });
  });

  it('a flow that stays on one worker, or moves when that has drained, needs no atomic operation', () => {
    const kit = orderKit();
    expect(kit.send(FLOW, 1, 0) & MIXED).toBe(0);
    expect(kit.send(FLOW, 2, 0) & MIXED).toBe(0);
    kit.done(0, 2);
    expect(kit.send(FLOW, 3, 1) & MIXED).toBe(0);
    // Frame 3 is in flight on worker 1.
    expect(kit.send(FLOW, 4, 2) & MIXED).toBe(MIXED);
    kit.done(1, 1);
    kit.done(2, 1);
    expect(kit.send(FLOW, 5, 2) & MIXED).toBe(MIXED);
  });

  it('gives a slot to another flow only when the frames in it have finished', () => {
    const kit = orderKit();
    const words = [FLOW, ...same.slice(0, 3)].map((flow, k) => kit.send(flow, k + 1, k));
    expect(new Set(words).size).toBe(4);
    // All four ways are busy: not watched.
    expect(kit.send(same[3]!, 5, 0)).toBe(UNWATCHED);
    // The flows themselves find their slots again, wherever they are.
    expect(kit.send(same[1]!, 6, 2)).toBe(words[2]);
    // What was in the second way has finished: a newcomer gets it, and no number of the last owner's matters.
    kit.done(1, 1);
    const taken = kit.send(same[4]!, 7, 3);
    expect(taken & WORD_SLOT).toBe(words[1]! & WORD_SLOT);
    expect(kit.finish(taken, 7)).toBe(false);
  });

  it('a slot whose flow was on several workers is free once its newest frame has arrived', () => {
    const kit = orderKit();
    const a = kit.send(FLOW, 1, 0);
    const b = kit.send(FLOW, 2, 1);
    for (const [k, flow] of same.slice(0, 3).entries()) kit.send(flow, 3 + k, 2);
    expect(kit.send(same[3]!, 6, 3)).toBe(UNWATCHED);
    expect(kit.finish(b, 2)).toBe(false);
    const next = kit.send(same[3]!, 7, 3);
    expect(next & WORD_SLOT).toBe(b & WORD_SLOT);
    // Frame 1 comes late indeed: 2 is through. The new owner of the slot is not disturbed.
    expect(kit.finish(a, 1)).toBe(true);
    expect(kit.finish(next, 7)).toBe(false);
  });

  it('a flow that gets a slot of its own takes over what the shared one has in flight', () => {
    const kit = orderKit();
    for (const [k, flow] of [FLOW, ...same.slice(0, 3)].entries()) kit.send(flow, k + 1, 1);
    expect(kit.send(same[3]!, 5, 2)).toBe(UNWATCHED);
    kit.done(1, 4);
    const s = kit.ledger.slotFor(same[3]!, UDP, 0, 6);
    expect(s / SLOT_WORDS).toBeLessThan(FLOW_SLOTS);
    // Its frame 5 is still on worker 2, and counts.
    expect(kit.ledger.slots[s + Slot.owner]).toBe(3);
    expect(kit.ledger.isDrained(s)).toBe(false);
    kit.done(2, 1);
    expect(kit.ledger.isDrained(s)).toBe(true);
  });

  it('a flow that moved has nothing at its new worker until a frame is accepted there', () => {
    const kit = orderKit({ start: 1000 });
    kit.done(2, -500);
    kit.send(FLOW, 1, 1);
    const s = kit.ledger.slotFor(FLOW, UDP, 0, 2);
    kit.ledger.move(s, 2);
    // Not noted: refused. Worker 2's ring stands elsewhere than worker 1's.
    expect(kit.ledger.isDrained(s)).toBe(true);
  });

  it('a frame that was refused leaves no trace', () => {
    const kit = orderKit();
    const slots = [FLOW, ...same].map((flow, k) => kit.ledger.slotFor(flow, UDP, 0, k));
    // Not noted: dropped at the backlog. The slot is free for others at once.
    expect(slots.every((s) => s / SLOT_WORDS < FLOW_SLOTS)).toBe(true);
  });

  it('never raises a false alarm while flows take over each other’s slots', () => {
    const flows = [FLOW, ...same];
    const event = fc.record({
      flow: fc.nat(flows.length - 1),
      finish: fc.nat(flows.length - 1),
      refused: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 150 }), fc.integer(), (events, base) => {
        // One flow per worker, so that "in order per worker" is "in order per flow".
        const kit = orderKit({ workers: flows.length, start: base });
        const inFlight: { word: number; seq: number }[][] = flows.map(() => []);
        const done = flows.map(() => 0);
        let seq = base;
        for (const { flow, finish, refused } of events) {
          seq = (seq + 1) | 0;
          if (refused) kit.ledger.slotFor(flows[flow]!, UDP, 0, seq);
          else inFlight[flow]!.push({ word: kit.send(flows[flow]!, seq, flow), seq });
          const frame = inFlight[finish]!.shift();
          if (frame === undefined) continue;
          expect(kit.finish(frame.word, frame.seq)).toBe(false);
          kit.done(finish, ++done[finish]!);
        }
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('keeps receive queues apart', () => {
    const kit = orderKit({ queues: 2 });
    const slot = (queue: number) => kit.ledger.slotFor(FLOW, UDP, queue, 1) / SLOT_WORDS;
    expect(Math.floor(slot(0) / QUEUE_SLOTS)).toBe(0);
    expect(Math.floor(slot(1) / QUEUE_SLOTS)).toBe(1);
  });

  it('tells frames that are not IP apart by addresses, ethertype and VLAN', () => {
    const burst = new Burst(new Uint8Array(64));
    const id = (
      change: Partial<Record<'dmacLo' | 'dmacHi' | 'smacLo' | 'smacHi' | 'ethertype' | 'vlan', number>>,
    ) => {
      const fields = { dmacLo: 1, dmacHi: 2, smacLo: 3, smacHi: 4, ethertype: 0x806, vlan: 5, ...change };
      burst.vlan[0] = fields.vlan;
      burst.ethertype[0] = fields.ethertype;
      burst.describe(0, fields.dmacHi, fields.dmacLo, fields.smacHi, fields.smacLo);
      return plainFlow(burst.words, 0);
    };
    const others = [
      { dmacLo: 9 },
      { dmacHi: 9 },
      { smacLo: 9 },
      { smacHi: 9 },
      { ethertype: 0x8035 },
      { vlan: 6 },
      { vlan: -1 },
    ];
    const ids = [id({}), ...others.map(id)];
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).not.toContain(0);
    // Priority bits are no part of the VLAN.
    expect(id({ vlan: 0xe005 })).toBe(id({}));
  });

  it('a queue that is polled again begins without what did not live to be published', () => {
    const kit = orderKit({ start: 100 });
    kit.send(FLOW, 1, 1);
    kit.send(FLOW, 2, 1);
    const s = kit.ledger.slotFor(FLOW, UDP, 0, 3);
    kit.done(1, 1);
    expect(kit.ledger.isDrained(s)).toBe(false);
    // The second frame was never published: the ring stands at 101.
    kit.ledger.resume(0, 3);
    expect(kit.ledger.isDrained(s)).toBe(true);
    expect(kit.finish(kit.send(FLOW, 3, 1), 3)).toBe(false);
  });
});
