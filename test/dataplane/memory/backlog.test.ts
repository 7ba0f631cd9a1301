/** A ring that is full: what finds no room is dropped and counted, what waits is not touched. */
import { describe, expect, it } from 'vitest';
import { startForwarder, summarize } from '#rxsteer/index.js';
import { expectConservation } from '../../support/summary.js';

describe('the backlog between two workers', () => {
  // Bursts of 64 frames are longer than the ring, so that each of them meets its end.
  it.each([1, 16, 33])('of %i frames never holds more, and loses nothing uncounted', async (backlog) => {
    const engine = await startForwarder({
      ports: ['in=memory:source,flows=50,packets=60000', 'out=memory:sink'],
      policy: { policy: 'rss', queues: 2, entries: new Array(128).fill(1) },
      workers: 2,
      backlog,
    });
    await engine.drained;
    await engine.stop();
    const summary = summarize(engine);
    expectConservation(summary as never);
    const { totals, handoffs, workers } = summary;
    const [there] = handoffs.filter(({ packets }) => packets > 0);
    expect(totals).toMatchObject({ received: 60_000, reordered: 0 });
    expect(totals.dropped.backlog).toBeGreaterThan(0);
    expect(there).toMatchObject({ from: 0, to: 1, packets: totals.delivered, drops: totals.dropped.backlog });
    expect(there!.highWater).toBe(backlog);
    expect(workers[1]!.processed).toBe(totals.delivered);
  });
});
