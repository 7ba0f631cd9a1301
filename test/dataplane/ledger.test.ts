/** The order ledger: RFC 4737 by hand, no false alarms, and the guard of a moving flow. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocateShared, Carver } from '#rxsteer/dataplane/layout.js';
import { carveLedger, LEDGER_SLOTS, Ledger, UNWATCHED } from '#rxsteer/dataplane/ledger.js';

function makeLedger(queues = 1): Ledger {
  return new Ledger(carveLedger(new Carver(allocateShared((c) => carveLedger(c, queues))), queues));
}

const FLOW = 0x1234_5678;
/** Another flow with the same pair of slots, and a third. */
const TWIN = FLOW ^ LEDGER_SLOTS ^ (LEDGER_SLOTS >>> 15);
const THIRD = FLOW ^ (LEDGER_SLOTS << 1);

/** Sends 1 … n in order, finishes them in the order given; which finishes were late. */
function arrive(order: readonly number[], base = 0): number[] {
  const ledger = makeLedger();
  const slots = new Map<number, number>();
  for (let n = 1; n <= order.length; n++) {
    const seq = (base + n) | 0;
    const slot = ledger.slotFor(FLOW, 0, seq);
    expect(slot).toBeGreaterThanOrEqual(0);
    ledger.note(slot, seq, 0);
    slots.set(n, slot);
  }
  return order.filter((n) => ledger.finish(slots.get(n)!, (base + n) | 0));
}

describe('order ledger', () => {
  it.each([0, 0x7fff_fffb, -6])('counts reordered frames as RFC 4737 does, from sequence %i', (base) => {
    expect(arrive([1, 2, 3, 5, 6, 7, 8, 4, 9, 10], base)).toEqual([4]);
    expect(arrive([1, 2, 3, 5, 4, 6], base)).toEqual([4]);
    expect(arrive([1, 2, 3, 4], base)).toEqual([]);
    // Two late ones; the second is later than the first, but still below the highest.
    expect(arrive([1, 5, 2, 3, 4, 6], base)).toEqual([2, 3, 4]);
    expect(arrive([4, 3, 2, 1], base)).toEqual([3, 2, 1]);
  });

  it('does not take loss for reordering', () => {
    const ledger = makeLedger();
    const finish = (seq: number) => {
      const slot = ledger.slotFor(FLOW, 0, seq);
      ledger.note(slot, seq, 0);
      return ledger.finish(slot, seq);
    };
    expect([1, 2, 7, 9, 100].map(finish)).toEqual([false, false, false, false, false]);
  });

  it('counts the same as NextExp does, for any order of arrival', () => {
    const order = fc.integer({ min: 1, max: 30 }).chain((n) =>
      fc.shuffledSubarray(
        Array.from({ length: n }, (_, i) => i + 1),
        { minLength: n, maxLength: n },
      ),
    );
    fc.assert(
      fc.property(order, fc.integer(), (arrivals, base) => {
        let next = 0;
        const late = arrivals.filter((n) => {
          if (n < next) return true;
          next = n + 1;
          return false;
        });
        expect(arrive(arrivals, base)).toEqual(late);
      }),
      { numRuns: 200, seed: 3 },
    );
  });

  it('gives a slot to another flow only when the newest frame in it has finished', () => {
    const ledger = makeLedger();
    const a = ledger.slotFor(FLOW, 0, 10);
    ledger.note(a, 10, 0);
    const b = ledger.slotFor(TWIN, 0, 11);
    expect(b).not.toBe(a);
    ledger.note(b, 11, 0);
    expect(ledger.slotFor(THIRD, 0, 12)).toBe(UNWATCHED);
    // The flow itself finds its slot again, wherever it is.
    expect(ledger.slotFor(TWIN, 0, 13)).toBe(b);
    expect(ledger.finish(a, 10)).toBe(false);
    const c = ledger.slotFor(THIRD, 0, 14);
    expect(c).toBe(a);
    ledger.note(c, 14, 0);
    // No false alarm, whatever the last owner's sequence numbers were.
    expect(ledger.finish(c, 14)).toBe(false);
    expect(ledger.finish(b, 11)).toBe(false);
  });

  it('a frame that was refused leaves no trace', () => {
    const ledger = makeLedger();
    ledger.note(ledger.slotFor(FLOW, 0, 5), 5, 0);
    ledger.slotFor(TWIN, 0, 6);
    // Not noted: dropped at the backlog. The slot is free for others at once.
    expect(ledger.slotFor(THIRD, 0, 7)).toBeGreaterThanOrEqual(0);
  });

  it('never raises a false alarm while flows take over each other’s slots', () => {
    const flows = [FLOW, TWIN, THIRD, THIRD ^ TWIN ^ FLOW];
    const event = fc.record({ flow: fc.nat(3), finish: fc.nat(3), refused: fc.boolean() });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), fc.integer(), (events, base) => {
        const ledger = makeLedger();
        const inFlight: { slot: number; seq: number }[][] = [[], [], [], []];
        let seq = base;
        for (const { flow, finish, refused } of events) {
          seq = (seq + 1) | 0;
          const slot = ledger.slotFor(flows[flow]!, 0, seq);
          if (slot >= 0 && !refused) {
            ledger.note(slot, seq, 0);
            inFlight[flow]!.push({ slot, seq });
          }
          // Each flow finishes in order, flows in any order among each other.
          const frame = inFlight[finish]!.shift();
          if (frame !== undefined) expect(ledger.finish(frame.slot, frame.seq)).toBe(false);
        }
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('keeps receive queues apart and ignores what is not IP', () => {
    const ledger = makeLedger(2);
    expect(ledger.slotFor(0, 0, 1)).toBe(-1);
    const a = ledger.slotFor(FLOW, 0, 1);
    const b = ledger.slotFor(FLOW, 1, 1);
    expect(Math.floor(a / LEDGER_SLOTS)).toBe(0);
    expect(Math.floor(b / LEDGER_SLOTS)).toBe(1);
  });

  it('holds a flow on its worker until its last frame has finished', () => {
    const ledger = makeLedger();
    const slot = ledger.slotFor(FLOW, 0, 1);
    expect(ledger.guard(slot, 3)).toBe(3);
    ledger.note(slot, 1, 3);
    expect(ledger.guard(slot, 3)).toBe(3);
    expect(ledger.guard(slot, 1)).toBe(3);
    ledger.note(slot, 2, 3);
    ledger.finish(slot, 1);
    expect(ledger.guard(slot, 1)).toBe(3);
    ledger.finish(slot, 2);
    expect(ledger.guard(slot, 1)).toBe(1);
    ledger.note(slot, 3, 1);
    expect(ledger.guard(slot, 2)).toBe(1);
    // Frame 3 died with worker 1: the flow stays there until its next frame has finished.
    ledger.note(slot, 4, ledger.guard(slot, 2));
    ledger.finish(slot, 4);
    expect(ledger.guard(slot, 2)).toBe(2);
  });
});
