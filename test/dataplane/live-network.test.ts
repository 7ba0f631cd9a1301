/**
 * A forwarder between real interfaces that is changed all the time while sequence-numbered flows pass:
 *
 *   generator ── p0 (4 receive queues) ── switch ── p1 ── sink, and a TAP that comes and goes
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { expectConservation, type Summary } from '../support/summary.js';
import { generate, startSink } from '../support/traffic.js';
import { sum } from './run-engine.js';

const DRIVER = fileURLToPath(new URL('../support/live-driver.mjs', import.meta.url));
const PACKETS = 20_000;

interface Outcome {
  summary: Summary & { ports: { removed?: boolean }[] };
  changes: Record<string, number>;
  refused: string[];
}

describe.skipIf(!canForward())('a forwarder whose configuration never rests', () => {
  it('reorders nothing, and loses nothing uncounted', async () => {
    await withLab(async (lab) => {
      const [from, ns, to] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
      await lab.veth(from, 'g0', ns, 'p0');
      await lab.veth(ns, 'p1', to, 's0');
      const options = {
        ports: ['a=af_packet:p0,queues=4', 'b=af_packet:p1'],
        extra: 'x=tap:x0,queues=2',
        workers: 2,
        maxWorkers: 4,
        seed: 20_261,
      };
      const driver = lab.start(ns, 'node', DRIVER, JSON.stringify(options));
      await driver.line(/^ready$/m);
      const sink = await startSink(lab, to, { interface: 's0', packets: PACKETS, 'idle-ms': 3000 });
      const settings = { interface: 'g0', packets: PACKETS, flows: 200, guests: 8, rate: 8000 };
      expect(await generate(lab, from, settings)).toMatchObject({ sent: PACKETS, txDropped: 0 });
      const sunk = await sink.finish();
      await driver.stop('SIGINT');
      await driver.expectExit(0);
      const outcome = JSON.parse(driver.stdout.replace(/^ready\n/, '')) as Outcome;
      const { summary, changes } = outcome;
      const context = JSON.stringify({ ...outcome, sunk });
      expectConservation(summary);
      expect(summary.totals.reordered, context).toBe(0);
      expect(sunk.reordered.packets, context).toBe(0);
      expect(sunk.duplicates, context).toBe(0);
      // A busy machine may drop in the kernel, or find a device full: counted, every frame.
      const dropped =
        sum(Object.values(summary.totals.dropped)) + sum(summary.ports.map(({ rx }) => rx.kernelDrops));
      expect(sunk.lost, context).toBeLessThanOrEqual(dropped + sunk.kernelDrops + sunk.rxDropped);
      // Every kind of change was made while the frames passed.
      for (const kind of ['policy', 'table', 'workers', 'ports', 'rollback']) {
        expect(changes[kind] ?? 0, context).toBeGreaterThan(0);
      }
    });
  });
});
