/**
 * A worker that stands still stops nobody, with jumbo frames on real links: the pool has a thousand slots for them, and
 * what is meant for that worker would fill it. Batches that fit into anybody's share are counted at the far end, so that
 * no other worker's want of CPU time matters.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { inSoak } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS } from '../support/scenario.js';
import { SLOW } from '../support/slow.js';
import { expectConservation, type Summary } from '../support/summary.js';
import { generate, type Settings } from '../support/traffic.js';

const DRIVER = fileURLToPath(new URL('../support/stuck-driver.mjs', import.meta.url));
const WORKERS = 4;
const FLOWS = 64;
/** Bytes of a frame on a link with an MTU of 9000. */
const JUMBO = 9014;
/** A quarter of them is for each worker: more than the polling one's share of the pool (1024 large slots in all). */
const FILL = 2048;
/** Frames of a batch: fewer for each worker than its ring may have in any case. */
const BATCH = 16;
const BATCHES = 15;

describe.skipIf(!canForward())('a worker that stands still', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  inSoak('costs the others none of their jumbo frames', async () => {
    await withLab(async (lab) => {
      const [from, ns, to] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
      await lab.veth(from, 'g0', ns, 'p0', { mtu: 9000 });
      await lab.veth(ns, 'p1', to, 's0', { mtu: 9000 });
      const ports = ['a=af_packet:p0', 'b=af_packet:p1'];
      const driver = lab.start(ns, 'node', DRIVER, JSON.stringify({ ports, workers: WORKERS }));
      await driver.line(/^ready$/m);
      let asked = 0;
      const ask = async () => {
        driver.signal('SIGUSR1');
        const [, answer] = await driver.line(new RegExp(`^now ${++asked} (.*)$`, 'm'));
        return JSON.parse(answer!) as Summary;
      };
      const patience = { timeout: 60_000 * SLOW, interval: 20 };
      let sent = 0;
      const send = async (packets: number, more: Settings) => {
        const flows = { interface: 'g0', flows: FLOWS, size: JUMBO, time: 'off' };
        await generate(lab, from, { ...flows, packets, ...more });
        sent += packets;
        // What is in flight is that worker's.
        await expect
          .poll(async () => {
            const { totals, handoffs } = await ask();
            return [totals.received, totals.inFlight - toStuck(handoffs).packets];
          }, patience)
          .toEqual([sent, 0]);
        return await ask();
      };

      // It gets more than its ring may hold.
      let before = await send(FILL, { rate: 4000 });
      await driver.line(/^stuck$/m);
      const full = toStuck(before.handoffs);
      expect(full.drops).toBeGreaterThan(0);
      const arrived = () => lab.statistic(to, 's0', 'rx_packets');
      for (let batch = 0; batch < BATCHES; batch++) {
        const came = await arrived();
        const now = await send(BATCH, { 'first-flow': batch * BATCH });
        const context = JSON.stringify({ batch, before, now });
        const its = toStuck(now.handoffs).drops - toStuck(before.handoffs).drops;
        // All others' frames of the batch are at the far end, by the kernel's own count there.
        expect((await arrived()) - came, context).toBe(BATCH - its);
        expect(toStuck(now.handoffs).packets, context).toBe(full.packets);
        expect(now.ports[0]!.rx.kernelDrops, context).toBe(0);
        before = now;
      }
      // Each batch had some for it, so that this is about something.
      expect(toStuck(before.handoffs).drops - full.drops).toBeGreaterThan(BATCHES);

      await driver.stop('SIGINT');
      await driver.expectExit(0);
      const summary = JSON.parse(driver.stdout.match(/^end (.*)$/m)![1]!) as Summary;
      expectConservation(summary);
      // What it held leaves, too, when it goes on.
      expect(summary.totals.transmitted - before.totals.transmitted).toBe(full.packets);
      expect(summary.totals.reordered).toBe(0);
    });
  });
});

function toStuck(handoffs: Summary['handoffs']): Summary['handoffs'][number] {
  return handoffs.find(({ from, to }) => from === 0 && to === 1)!;
}
