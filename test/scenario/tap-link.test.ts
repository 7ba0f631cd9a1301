/** A TAP made by the forwarder is a sound link: the other side's MTU, and the other side's carrier. */
import { describe, expect, it, vi } from 'vitest';
import { startForwarder } from '../support/forwarder.js';
import { type Lab, privileged, withLab } from '../support/lab.js';
import { expectConservation } from '../support/summary.js';
import { ping } from '../support/traffic.js';

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
        await vi.waitUntil(async () => (await link(lab, ns, 't0')).carrier === (state === 'up'), 60_000);
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

  it("goes on working when it is moved into a guest's namespace", async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const [left, right] = [await lab.namespace(), await lab.namespace()];
      const forwarder = await startForwarder(lab, ns, '--port', 'a=tap:t0', '--port', 'b=tap:t1');
      for (const [name, space, address] of [
        ['t0', left, '10.0.0.1/24'],
        ['t1', right, '10.0.0.2/24'],
      ] as const) {
        await lab.exec(ns, 'ip', 'link', 'set', 'dev', name, 'netns', space);
        await lab.up(space, name);
        await lab.address(space, name, address);
      }
      const { received } = await ping(lab, left, '10.0.0.2', { count: 3 });
      expect(received).toBe(3);
      const summary = await forwarder.stop();
      expectConservation(summary);
      expect(summary.totals.dropped.portDown).toBe(0);
    });
  });
});
