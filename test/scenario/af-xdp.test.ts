/**
 * AF_XDP ports between namespaces: every frame is accounted for, and nothing arrives with a checksum that was never
 * completed. What devices do meanwhile, deaths and other kinds of ports: test/soak/af-xdp.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { detailOf, finishesChecksums, programOn, steersAsThePolicy } from '../support/af-xdp.js';
import { CLI, canForward, startForwarder } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { inSoak } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS, settle, startScenario } from '../support/scenario.js';
import { expectConservation } from '../support/summary.js';
import { generate, startSink } from '../support/traffic.js';

describe.skipIf(!canForward())('af_xdp', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it('passes frames from ring to ring where they lie, and every one is accounted for', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, {
        ...{ ports: ['xdp', 'xdp'], addresses: false, orderly: true, workers: 2, policy: 'rss' },
      });
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const sink = await startSink(lab, to, { interface: 'g0' });
      const sent = await generate(lab, from, { interface: 'g0', packets: 6000, rate: 40_000, flows: 64 });
      await settle(lab, scenario, 'p1', sent.sent);
      const summary = await scenario.finish();
      const seen = await sink.stop();
      const [a, b] = [summary.ports[0]!, summary.ports[1]!];
      expect(a.rx.packets + a.rx.kernelDrops).toBe(sent.sent);
      expect(b.tx.packets).toBe(seen.checked + seen.kernelDrops);
      expect({ duplicates: seen.duplicates, other: seen.other }).toEqual({ duplicates: 0, other: 0 });
      expect(seen.reordered.packets).toBe(0);
      expect(detailOf(summary, 0)).toMatchObject({ xdp: 'driver', mode: 'copy', sendsInPlace: true });
      expect(summary.handoffs.length).toBeGreaterThan(0);
    });
  });

  it('leaves no checksum unfinished', async () => {
    await withLab((lab) => finishesChecksums(lab, ['xdp', 'xdp']));
  });

  it('steer=on: every frame comes to the worker that the policy wants, whatever it is', async () => {
    await withLab((lab) => steersAsThePolicy(lab, 'rss:queues=2', 3000));
  });

  inSoak('names a program that somebody else has attached, and leaves it alone', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await lab.veth(ns, 'p0', ns, 'q0');
      await lab.veth(ns, 'p1', ns, 'q1');
      const first = await startForwarder(lab, ns, '--port', 'a=af_xdp:p0', '--port', 'b=memory:sink');
      const attached = await programOn(lab, ns, 'p0');
      expect(attached).toBeGreaterThan(0);
      const ports = ['--port', 'a=af_xdp:p0', '--port', 'b=memory:sink'];
      const second = lab.start(ns, 'node', CLI, 'forward', '--json', ...ports);
      await second.expectExit(2);
      expect(JSON.parse(second.stdout).error).toMatch(
        /has an XDP program already \("rxsteer_xsk", number \d+\)/,
      );
      expect(await programOn(lab, ns, 'p0')).toBe(attached);
      expectConservation(await first.stop());
      await expect.poll(() => programOn(lab, ns, 'p0')).toBe(0);
    });
  });
});
