/** The latency histogram, and stamps from a source to a sink through a running engine. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import {
  bucketOf,
  bucketValue,
  LatencyCounts,
  latencyBytes,
  latencyPercentile,
  readLatency,
  readLatencySlices,
  SLICE_NS,
  STAMP_HIGH_WORD,
  STAMP_LOW_WORD,
  stampHigh,
  stampLow,
} from '#rxsteer/dataplane/memory/latency.js';
import type { MemoryData } from '#rxsteer/dataplane/ports/memory/data.js';
import { engineOptions, ROOMY } from '../engine/run-engine.js';

describe('latency buckets', () => {
  it('are ordered, and tell a value to better than 1 %', () => {
    const value = fc.integer({ min: 0, max: 0x7fff_ffff });
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(Math.abs(bucketValue(bucketOf(a)) - a)).toBeLessThanOrEqual(Math.max(0.5, a / 128));
        expect(Math.sign(bucketOf(a) - bucketOf(b)) * Math.sign(a - b)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('take what is out of range as the nearest that is in it', () => {
    expect(bucketOf(-5)).toBe(0);
    expect(bucketOf(1e12)).toBe(bucketOf(0x7fff_ffff));
  });
});

describe('latency counts', () => {
  const frame = (words: Int32Array, at: number, ns: number) => {
    words[at / 4 + STAMP_LOW_WORD] = stampLow(ns);
    words[at / 4 + STAMP_HIGH_WORD] = stampHigh(ns);
  };

  it('are the ages of stamped frames, over a carry of the low half too', () => {
    const shared = new SharedArrayBuffer(latencyBytes(2));
    const words = new Int32Array(64);
    const stamped = 7 * 2 ** 32 - 60;
    frame(words, 0, stamped);
    frame(words, 64, stamped - 40);
    const counts = new LatencyCounts(shared, 1);
    counts.record(words, Int32Array.of(0, 64, 128), 0, 3, Float64Array.of(0, stamped + 60, 0));
    const sums = readLatency(shared);
    expect(sums[bucketOf(60)]).toBe(1);
    expect(sums[bucketOf(100)]).toBe(1);
    expect(sums.reduce((a, b) => a + b)).toBe(2);
    expect(readLatency(shared, sums).every((count) => count === 0)).toBe(true);
    expect(latencyPercentile(sums, 0.5)).toBe(60);
    expect(latencyPercentile(sums, 0.99)).toBe(100);
    expect(latencyPercentile(readLatency(shared, sums), 0.5)).toBeNaN();
  });

  it('keep slices of 5 ms apart, all senders together, and forget them after 64', () => {
    const shared = new SharedArrayBuffer(latencyBytes(2));
    const words = new Int32Array(64);
    const senders = [new LatencyCounts(shared, 0), new LatencyCounts(shared, 1)];
    const start = 1000 * SLICE_NS;
    const at = (slice: number) => start + (slice + 0.5) * SLICE_NS;
    const send = (sender: number, slice: number, age: number) => {
      frame(words, 0, at(slice) - age);
      senders[sender]!.record(words, Int32Array.of(0), 0, 1, Float64Array.of(0, at(slice), 0));
    };
    const medians = (from: number, to: number) =>
      readLatencySlices(shared, from, to).map((counts) => latencyPercentile(counts, 0.5));
    send(0, 0, 10);
    send(0, 1, 20);
    send(1, 1, 30);
    send(1, 1, 30);
    send(0, 3, 40);
    // Slices that are not over, or had begun before, are none.
    expect(medians(start, start + 4 * SLICE_NS)).toEqual([10, 30, Number.NaN, 40]);
    expect(medians(start + 1, start + 4 * SLICE_NS - 1)).toEqual([30, Number.NaN]);
    send(0, 64, 50);
    const later = medians(start, start + 65 * SLICE_NS);
    expect(later).toHaveLength(63);
    expect(later.filter((value) => !Number.isNaN(value))).toEqual([40, 50]);
    expect(readLatency(shared).reduce((a, b) => a + b)).toBe(6);
  });
});

describe('an engine', () => {
  it('measures every frame from a stamping source to a measuring sink', async () => {
    const ports = ['a=memory:source,packets=2000,stamp=on,flows=50', 'b=memory:sink,latency=on'];
    const engine = await Engine.start(engineOptions({ ports, workers: 2, more: ROOMY }));
    await engine.drained;
    await engine.stop();
    const { latency: shared } = engine.plan.ports[1]!.data as MemoryData;
    const sums = readLatency(shared!);
    expect(sums.reduce((a, b) => a + b)).toBe(2000);
    expect(latencyPercentile(sums, 0.5)).toBeGreaterThan(0);
    // No frame can be older than the run.
    expect(latencyPercentile(sums, 1)).toBeLessThan((engine.stoppedAt - engine.startedAt + 10_000) * 1e6);
  });
});
