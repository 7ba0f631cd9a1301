/** A TAP made by the forwarder is a sound link: the other side's MTU, and the other side's carrier. */
import { describe, expect, it, vi } from 'vitest';
import { startForwarder } from '../support/forwarder.js';
import { type Lab, privileged, withLab } from '../support/lab.js';
import { expectConservation } from '../support/summary.js';

async function link(lab: Lab, ns: string, name: string): Promise<{ mtu: number; carrier: boolean }> {
  const text = await lab.exec(ns, 'ip', '-j', 'link', 'show', 'dev', name);
  const [info] = JSON.parse(text) as { mtu: number; flags: string[] }[];
  return { mtu: info!.mtu, carrier: !info!.flags.includes('NO-CARRIER') };
}

describe.skipIf(!privileged())('the link of a TAP', () => {
  it('has the MTU of the interface it is wired to, and follows its carrier', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const far = await lab.namespace();
      await lab.veth(ns, 'p0', far, 'g0');
      await lab.exec(ns, 'ip', 'link', 'set', 'dev', 'p0', 'mtu', '1400');
      const forwarder = await startForwarder(lab, ns, '--port', 'a=af_packet:p0', '--port', 'b=tap:t0');
      expect(await link(lab, ns, 't0')).toEqual({ mtu: 1400, carrier: true });
      for (const state of ['down', 'up'] as const) {
        await lab.exec(far, 'ip', 'link', 'set', 'dev', 'g0', state);
        await vi.waitUntil(async () => (await link(lab, ns, 't0')).carrier === (state === 'up'), 10_000);
      }
      expectConservation(await forwarder.stop());
      // It was made by the forwarder, so it is gone.
      await expect(link(lab, ns, 't0')).rejects.toThrow();
    });
  });

  it('has the MTU that the port asks for', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const ports = ['--port', 'a=tap:t0,mtu=9000', '--port', 'b=tap:t1'];
      const forwarder = await startForwarder(lab, ns, ...ports);
      expect((await link(lab, ns, 't0')).mtu).toBe(9000);
      expect(forwarder.process.stderr).toContain('MTUs differ (a 9000, b 1500)');
      expectConservation(await forwarder.stop());
    });
  });
});
