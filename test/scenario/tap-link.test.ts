/** A TAP made by the forwarder is a sound link: the other side's MTU, and the other side's carrier. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { CLI, startForwarder } from '../support/forwarder.js';
import { type Lab, privileged, withLab } from '../support/lab.js';
import { inSoak } from '../support/matrix.js';
import { expectConservation } from '../support/summary.js';
import { generate, ping } from '../support/traffic.js';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-tap-link-'));
afterAll(() => rmSync(folder, { recursive: true }));

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

  inSoak('has the MTU that the port asks for', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const ports = ['--port', 'a=tap:t0,mtu=9000', '--port', 'b=tap:t1'];
      const forwarder = await startForwarder(lab, ns, ...ports);
      expect((await link(lab, ns, 't0')).mtu).toBe(9000);
      expect(forwarder.process.stderr).toContain('MTUs differ (a 9000, b 1500)');
      expectConservation(await forwarder.stop());
    });
  });

  inSoak("goes on working when it is moved into a guest's namespace", async () => {
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
      // Each shows the other's carrier, wherever they are: until both are up, and that was noticed, nothing passes.
      await expect.poll(async () => (await ping(lab, left, '10.0.0.2', { count: 3 })).received).toBe(3);
      for (const [space, name] of [
        [left, 't0'],
        [right, 't1'],
      ] as const) {
        await expect.poll(async () => (await link(lab, space, name)).carrier).toBe(true);
      }
      expectConservation(await forwarder.stop());
    });
  });

  it('is told of when it goes down, is renamed or vanishes in another namespace, and comes back', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const guest = await lab.namespace();
      const ports = ['--port', 'a=tap:t0', '--port', 'b=memory:sink', '--control', join(folder, 'x.sock')];
      const forwarder = await startForwarder(lab, ns, ...ports, '--mode', 'switch');
      const told = (text: string, times = 1) =>
        expect.poll(() => forwarder.process.stderr.split(text).length - 1).toBe(times);
      const away = 't0 (port a, now in another network namespace)';
      await lab.exec(ns, 'ip', 'link', 'set', 'dev', 't0', 'netns', guest);
      await told(`${away} is down: frames to it are dropped as portDown`);
      // Another interface of its name is not taken for it.
      await lab.exec(ns, 'ip', 'link', 'add', 't0', 'type', 'veth', 'peer', 'name', 't9');
      await lab.up(guest, 't0');
      await told(`${away} is up again`);
      // Its MTU is its guest's affair now: a port can still be added.
      await lab.exec(guest, 'ip', 'link', 'set', 'dev', 't0', 'mtu', '1400');
      await lab.exec(ns, 'node', CLI, 'ctl', 'port', 'add', 'c=tap:t2', '--socket', join(folder, 'x.sock'));
      expect(forwarder.process.stderr).toContain('MTUs differ (a 1400, c 1500)');
      await lab.down(guest, 't0');
      await told(`${away} is down`, 2);
      await lab.exec(guest, 'ip', 'link', 'set', 'dev', 't0', 'name', 'eth0');
      await lab.up(guest, 'eth0');
      await told('t0 (port a, now eth0 in another network namespace) is up again');
      await lab.exec(ns, 'ip', 'link', 'del', 't0');
      await lab.exec(guest, 'ip', 'link', 'set', 'dev', 'eth0', 'name', 't0', 'netns', ns);
      await told('t0 (port a) is down');
      await lab.up(ns, 't0');
      await told('t0 (port a) is up again');
      await lab.exec(ns, 'ip', 'link', 'set', 'dev', 't0', 'netns', guest);
      await lab.exec(guest, 'ip', 'link', 'del', 't0');
      await told('t0 (port a) has vanished');
      expectConservation(await forwarder.stop());
    });
  });

  it('has what it dropped counted, also in another namespace', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const guest = await lab.namespace();
      const forwarder = await startForwarder(lab, ns, '--port', 'a=tap:t0', '--port', 'b=memory:sink');
      await lab.exec(ns, 'ip', 'link', 'set', 'dev', 't0', 'netns', guest);
      await lab.up(guest, 't0');
      await forwarder.process.line(/is up again/);
      // It stands still while its TAP's queue (1000 frames) overflows.
      forwarder.process.signal('SIGSTOP');
      const made = await generate(lab, guest, { interface: 't0', duration: 0.5, flows: 10, size: 100 });
      forwarder.process.signal('SIGCONT');
      const summary = await forwarder.stop();
      expectConservation(summary);
      const { packets, kernelDrops } = summary.ports[0]!.rx;
      expect(kernelDrops).toBeGreaterThan(0);
      // What a TAP refuses to the sender it counts as dropped.
      expect(packets + kernelDrops).toBe(made.sent + made.rejected);
    });
  });
});
