/**
 * What is lost up to the last moment is in the summary: frames that a full TAP queue or receive ring refused, and those
 * that lay there when the forwarder stopped. The meter is the generator's own count.
 */
import { describe, expect, it } from 'vitest';
import { canForward, startForwarder } from '../../support/forwarder.js';
import { withLab } from '../../support/lab.js';
import { expectConservation } from '../../support/summary.js';
import { generate } from '../../support/traffic.js';

const PACKETS = 6000;

describe.skipIf(!canForward())('frames that no worker has taken', () => {
  it('are counted as kernel drops: sent = received + kernelDrops', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const far = await lab.namespace();
      await lab.veth(ns, 'p0', far, 'p1');
      const { process, stop } = await startForwarder(
        lab,
        ns,
        ...['--mode', 'switch', '--workers', '2', '--policy', 'rss:queues=2'],
        ...['--port', 't=tap:t0', '--port', 'p=af_packet:p0,ring=4096', '--port', 's=memory:sink'],
      );
      // Nobody reads any more: what is sent now fills the queues.
      process.signal('SIGSTOP');
      const [intoTap, intoVeth] = [
        await generate(lab, ns, { interface: 't0', duration: 0.5, flows: 50, size: 100 }),
        await generate(lab, far, { interface: 'p1', packets: PACKETS, flows: 50, size: 100 }),
      ];
      // It wakes up with the interrupt: workers read on until they hear of it.
      const stopping = stop();
      process.signal('SIGCONT');
      const summary = await stopping;
      expectConservation(summary);
      const [tap, veth] = summary.ports.map(({ rx }) => rx as typeof rx & { unread: number });
      for (const [sent, rx] of [[intoTap, tap!] as const, [intoVeth, veth!] as const]) {
        // What a TAP refuses to the sender it counts as dropped.
        expect(rx.packets + rx.kernelDrops).toBe(sent.sent + sent.rejected);
        expect(rx.kernelDrops).toBeGreaterThan(0);
        expect(rx.unread).toBeLessThanOrEqual(rx.kernelDrops);
      }
    });
  });
});
