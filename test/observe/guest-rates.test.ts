/** Guests by what they get: fixed room, which a flood of made-up addresses does not take from those with traffic. */
import { describe, expect, it } from 'vitest';
import { GUESTS_MAX, GuestRates } from '#rxsteer/observe/guest-rates.js';

/** Frames from one address to others in a second. */
const second = (rates: GuestRates, row: number, to: readonly (readonly [low: number, frames: number])[]) =>
  rates.turn((visit) => {
    for (const [low, frames] of to) visit(0x0200, low, 0x0200, 0xffff, frames);
  }, row);

describe('guests', () => {
  it('are counted by destination and by source, groups are nobody', () => {
    const rates = new GuestRates();
    rates.turn((visit) => {
      visit(0x0200, 1, 0x0200, 2, 10);
      visit(0x0200, 1, 0x0200, 3, 5);
      visit(0x0200, 2, 0x0200, 1, 7);
      visit(0xffff, -1, 0x0200, 1, 100);
    }, 0);
    const told = rates.list().map(({ mac, toPackets, fromPackets }) => [mac, toPackets, fromPackets]);
    expect(told).toEqual([
      ['02:00:00:00:00:01', 15, 107],
      ['02:00:00:00:00:02', 7, 10],
    ]);
    // A source that nobody sends to is no guest.
    expect(rates.other).toEqual({ toPackets: 0, fromPackets: 5 });
  });

  it('beyond the room are summed up; every frame is told once', () => {
    const rates = new GuestRates();
    let frames = 0;
    for (let row = 0; row < 5; row++) {
      const to = Array.from({ length: 3 * GUESTS_MAX }, (_, low) => [low, low + 1] as const);
      frames += to.reduce((sum, [, n]) => sum + n, 0);
      second(rates, row, to);
    }
    expect(rates.list()).toHaveLength(GUESTS_MAX);
    const told = rates.list().reduce((sum, { toPackets }) => sum + toPackets, 0);
    // What a guest was told of before another took its place is not told any more.
    expect(told + rates.other.toPackets).toBeLessThanOrEqual(frames);
    expect(told + rates.other.toPackets).toBeGreaterThan(frames / 2);
  });

  it('with traffic keep their place in a flood of addresses', () => {
    const rates = new GuestRates();
    const real = Array.from({ length: 8 }, (_, low) => [low, 1000] as const);
    for (let row = 0; row < 20; row++) {
      second(rates, row, [
        ...real,
        ...Array.from({ length: 500 }, (_, i) => [1000 + 500 * row + i, 1] as const),
      ]);
    }
    const low = new Set(rates.list().map((guest) => guest.low));
    expect(real.filter(([one]) => !low.has(one))).toEqual([]);
  });

  it('that come late with traffic get the place of an idle one', () => {
    const rates = new GuestRates();
    second(
      rates,
      0,
      Array.from({ length: GUESTS_MAX }, (_, low) => [low, 5] as const),
    );
    second(rates, 1, [[9999, 100]]);
    const late = rates.list().find(({ low }) => low === 9999);
    expect(late?.toPackets).toBe(100);
    expect(rates.series.column(rates.series.placeOf(late!.mac), 0, 0, 1)).toEqual([0, 100]);
  });
});
