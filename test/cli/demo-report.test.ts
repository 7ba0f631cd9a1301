/** What the demo prints of its runs. */
import { describe, expect, it } from 'vitest';
import { reached, renderComparison } from '#rxsteer/cli/demo-report.js';
import { guestMac } from '#rxsteer/dataplane/ports/memory/templates.js';
import { engineDefaults, startForwarder, summarize } from '#rxsteer/index.js';

const GUESTS = 3;
const PACKETS = 600;

/** A switch of memory ports; the guests that are unknown get their frames by flooding. */
async function run(known: number) {
  const engine = await startForwarder({
    ports: [
      `up=memory:source,packets=${PACKETS},guests=${GUESTS},flows=${GUESTS}`,
      ...Array.from({ length: GUESTS }, (_, g) => `g${g}=memory:sink`),
    ],
    mode: 'switch',
    policy: 'single',
    switching: {
      ...engineDefaults.switching,
      fdb: Array.from({ length: known }, (_, g) => ({ mac: guestMac(g), vlan: 0, port: g + 1 })),
    },
  });
  await engine.drained;
  await engine.stop();
  return summarize(engine);
}

describe('the comparison', () => {
  it('counts each frame of the generator once, however many copies a flood makes', async () => {
    const summary = await run(1);
    const copies = summary.ports.slice(1).reduce((sum, port) => sum + port.delivered.packets, 0);
    expect(copies).toBeGreaterThan(PACKETS);
    expect(reached(summary)).toBe(PACKETS);
    expect(reached(await run(GUESTS))).toBe(PACKETS);
  });

  it('names the drops that its table counts, and says nothing of drops where there are none', async () => {
    const summary = await run(GUESTS);
    const text = renderComparison([{ policy: 'rss', sent: PACKETS, summary }], false);
    expect(text).not.toContain('dropped 0');
    expect(text).toContain('Every frame received is accounted for');
    const dropped = { ...summary.totals.dropped, backlog: 41, txFull: 2 };
    const totals = { ...summary.totals, dropped, delivered: summary.totals.delivered - 43 };
    const lossy = renderComparison(
      [{ policy: 'rss', sent: PACKETS, summary: { ...summary, totals } }],
      false,
    );
    expect(lossy).toContain('- rss dropped 43 frames: backlog 41, txFull 2. ');
    expect(lossy).toMatch(/^rss +600 +600 +43 /m);
  });
});
