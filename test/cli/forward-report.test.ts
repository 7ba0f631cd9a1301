/** The forwarder's summary as text: judged at rest, only shown while workers run. */
import { describe, expect, it } from 'vitest';
import { renderRates, renderSummary } from '#rxsteer/cli/forward-report.js';
import { type Summary, startForwarder, summarize } from '#rxsteer/index.js';

describe('the line of rates', () => {
  it('says how busy each worker was since the previous one, not since the start', async () => {
    const engine = await startForwarder({
      ports: ['a=memory:source,packets=500', 'b=memory:sink'],
      policy: 'rps:cpus=0-1',
    });
    await engine.drained;
    await engine.stop();
    const summary = summarize(engine);
    for (const worker of summary.workers) {
      expect(worker.busyMs).toBeGreaterThan(0);
      expect(worker.busyMs).toBeLessThan(summary.durationMs + 1000);
    }
    const at = (durationMs: number, busy: readonly number[]): Summary => ({
      ...summary,
      durationMs,
      workers: busy.map((busyMs, i) => ({ ...summary.workers[i % 2]!, id: i, busyMs, busyRatio: 0.5 })),
    });
    // Idle for ten minutes, then one worker has all to do; the third one joins.
    const line = renderRates(at(600_000, [5000, 600_000]), at(601_000, [5900, 600_000, 250]));
    expect(line).toContain('; busy 90.0 % 0.0 % 25.0 %;');
    // A restarted worker begins at 0, and nobody is busier than the time there was.
    expect(renderRates(at(1000, [900]), at(2000, [300]))).toContain('; busy 30.0 %;');
    expect(renderRates(at(1000, [900]), at(2000, [1901]))).toContain('; busy 100.0 %;');
    expect(renderRates(at(1000, [900]), at(1000, [900]))).toContain('; busy 0.0 %;');
  });
});

describe('the summary as text', () => {
  it('says when frames are unaccounted for at rest, and judges no sum of a live reading', async () => {
    const engine = await startForwarder({
      ports: ['a=memory:source,packets=500', 'b=memory:sink'],
      policy: 'single',
    });
    await engine.drained;
    await engine.stop();
    const summary = summarize(engine);
    expect(renderSummary(summary)).not.toMatch(/accounting|in flight/);
    const skewed = { ...summary, totals: { ...summary.totals, received: summary.totals.received - 4 } };
    expect(renderSummary(skewed)).toMatch(/accounting is off: -4 frames unaccounted for, 0 leaked/);
    const live = renderSummary(skewed, { live: true });
    expect(live).toMatch(/^in flight +0$/m);
    expect(live).not.toMatch(/accounting/);
  });
});
