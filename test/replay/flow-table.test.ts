import { describe, expect, it } from 'vitest';
import { BURST_MAX, Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { FlowTable, FlowView } from '#rxsteer/replay/flow-table.js';
import { INTERVALS, LoadSeries } from '#rxsteer/replay/load-series.js';
import { MacSet } from '#rxsteer/replay/mac-set.js';
import { Places, queueOf, workerOf } from '#rxsteer/replay/places.js';
import { mixedPackets } from './traffic.js';

describe('the flow table', () => {
  it('numbers 5-tuples exactly, through several growths', () => {
    const packets = mixedPackets(40_000, 30_000, 3);
    const table = new FlowTable();
    const numbers = new Map<string, number>();
    const counts = new Map<number, [packets: number, bytes: number]>();
    for (let from = 0; from < packets.length; from += BURST_MAX) {
      const part = packets.slice(from, from + BURST_MAX);
      const burst = new Burst(Buffer.concat(part.map(({ frame }) => frame)));
      let off = 0;
      for (const { frame } of part) {
        burst.add(off, frame.length);
        off += frame.length;
      }
      dissectBurst(burst);
      const flow = new Int32Array(part.length + 2).fill(-9);
      const wire = Float64Array.from([0, 0, ...part.map(({ frame }) => frame.length)]);
      table.countBurst(burst, flow, wire, 2);
      part.forEach((known, i) => {
        if (known.flow === null) {
          expect(flow[i + 2]).toBe(-1);
          return;
        }
        if (!numbers.has(known.flow)) numbers.set(known.flow, numbers.size);
        const number = numbers.get(known.flow)!;
        if (flow[i + 2] !== number) throw new Error(`packet ${from + i}: flow ${flow[i + 2]}, not ${number}`);
        const [p, b] = counts.get(number) ?? [0, 0];
        counts.set(number, [p + 1, b + known.frame.length]);
      });
    }
    expect(table.count).toBe(numbers.size);
    expect(numbers.size).toBeGreaterThan(16_384);
    const view = new FlowView(table.records());
    for (const [number, expected] of counts) {
      const own = [view.packets(number), view.bytes(number)];
      if (own[0] !== expected[0] || own[1] !== expected[1])
        throw new Error(`flow ${number}: ${own}, not ${expected}`);
    }
    const above = [...counts.values()].filter(([p]) => p > 3).length;
    expect(view.above(3)).toBe(above);
  });
});

describe('places of flows', () => {
  it('count each flow once a worker and queue', () => {
    const places = new Places(70, 3);
    places.reserve(10_000);
    places.change(9999, 69, 2);
    places.change(5, 1, 0);
    places.change(5, 64, 0);
    places.change(5, 1, 1);
    places.change(5, 64, 0);
    expect([places.workerFlows[1], places.workerFlows[64], places.workerFlows[69]]).toEqual([1, 1, 1]);
    expect(Array.from(places.queueFlows)).toEqual([1, 1, 1]);
    expect(places.moves).toBe(3);
    expect([workerOf(places.words[10]!), queueOf(places.words[10]!)]).toEqual([64, 0]);
    expect([workerOf(places.words[19_998]!), queueOf(places.words[19_998]!)]).toEqual([69, 2]);
  });
});

describe('load over time', () => {
  it('keeps every packet while the intervals double', () => {
    const series = new LoadSeries(2);
    const time = Float64Array.from({ length: 64 }, (_, i) => i * 1e7);
    series.addBurst(
      Int32Array.from({ length: 65 }, (_, i) => i & 1),
      1,
      64,
      time,
      0,
    );
    const rows = series.rows();
    expect(rows.length).toBeLessThanOrEqual(INTERVALS);
    expect(rows.length).toBe(Math.floor(63e7 / series.intervalNs) + 1);
    expect(rows.flat().reduce((a, b) => a + b, 0)).toBe(64);
    rows.forEach((row, i) => {
      const inside = Array.from(time).filter((t) => Math.floor(t / series.intervalNs) === i);
      expect(row.reduce((a, b) => a + b, 0)).toBe(inside.length);
    });
  });
});

describe('the set of MAC addresses', () => {
  it('counts each once, and not the zero address', () => {
    const set = new MacSet();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 9000; i++) set.add(i & 0xfe, Math.imul(i, 0x9e3779b1));
      set.add(0, 0);
    }
    // i = 0 is the zero address.
    expect(set.size).toBe(8999);
  });
});
