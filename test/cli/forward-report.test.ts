/** The forwarder's summary as text: judged at rest, only shown while workers run. */
import { describe, expect, it } from 'vitest';
import { renderSummary } from '#rxsteer/cli/forward-report.js';
import { startForwarder, summarize } from '#rxsteer/index.js';

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
