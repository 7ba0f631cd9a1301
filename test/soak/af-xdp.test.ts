/** AF_XDP ports beside other kinds, when a process is killed, a worker dies, a device goes and comes back. */
import { describe, expect, it } from 'vitest';
import { detailOf, finishesChecksums, programOn, steersAsThePolicy } from '../support/af-xdp.js';
import { CLI, canForward, startForwarder } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { pingAll, SCENARIO_TIMEOUT_MS, settle, startScenario } from '../support/scenario.js';
import { expectConservation } from '../support/summary.js';
import { generate, startSink } from '../support/traffic.js';

describe.skipIf(!canForward())('af_xdp', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it.each([
    { ports: ['xdp', 'tap', 'veth'] },
    { ports: ['tap', 'xdp', 'veth'] },
    { ports: ['veth', 'xdp', 'tap'] },
  ] as const)('$ports: no checksum is left unfinished', async ({ ports }) => {
    await withLab((lab) => finishesChecksums(lab, ports));
  });

  it.each([
    'rss:queues=2,types=tcp-ipv4+udp-ipv6+ipv4',
    'rps:cpus=0-1,hash=toeplitz',
    'mac-hash:fields=both',
  ])('steer=on, %s: every frame comes to the worker that the policy wants', async (policy) => {
    await withLab((lab) => steersAsThePolicy(lab, policy, 20_000));
  });

  it('SIGKILL leaves no program, and the next one starts at once', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['xdp', 'xdp'] });
      const { ns, forwarder } = scenario;
      expect(await programOn(lab, ns, 'p0')).toBeGreaterThan(0);
      expect(await forwarder.process.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
      await expect.poll(() => programOn(lab, ns, 'p0')).toBe(0);
      const next = await startForwarder(lab, ns, '--port', 'a=af_xdp:p0', '--port', 'b=af_xdp:p1');
      expect(await pingAll(lab, scenario.guests)).toEqual([]);
      expectConservation(await next.stop());
    });
  });

  it('goes on when its interface has vanished and is back, and when it was down', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['xdp', 'xdp'], addresses: false, workers: 2 });
      const { ns, forwarder } = scenario;
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const send = (packets: number) => generate(lab, from, { interface: 'g0', packets, rate: 10_000 });
      await lab.down(ns, 'p1');
      await forwarder.process.line(/\(port p1\) is down/);
      await send(100);
      await settle(lab, scenario, 'p1', 100);
      await lab.up(ns, 'p1');
      await forwarder.process.line(/\(port p1\) is up again/);
      await lab.exec(ns, 'ip', 'link', 'del', 'p1');
      await forwarder.process.line(/\(port p1\) has vanished/);
      await send(100);
      await settle(lab, scenario, 'p0', Number.POSITIVE_INFINITY);
      await lab.veth(ns, 'p1', to, 'g0');
      await forwarder.process.line(/\(port p1\) is back/);
      await expect.poll(() => lab.exec(ns, 'cat', '/sys/class/net/p1/operstate')).toBe('up\n');
      await send(50);
      await settle(lab, scenario, 'p1', 50);
      const summary = await scenario.finish();
      expect(summary.totals).toMatchObject({ received: 250, transmitted: 50 });
      expect(summary.totals.dropped.portDown).toBe(200);
    });
  });

  it('a worker that dies takes no slot with it, and those that come and go neither', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, {
        ...{ ports: ['xdp', 'xdp'], addresses: false, workers: 2, policy: 'rss', mode: 'switch' },
        flags: ['--fault', 'steer@0:40/decide@1:30'],
      });
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const sink = await startSink(lab, to, { interface: 'g0' });
      const sent = generate(lab, from, { interface: 'g0', packets: 20_000, rate: 20_000, flows: 64 });
      const socket = `/run/rxsteer/${scenario.forwarder.process.pid}.sock`;
      const ctl = (...args: string[]) =>
        lab.exec(scenario.ns, 'node', CLI, 'ctl', '--socket', socket, ...args);
      await ctl('worker', 'remove', '1');
      await ctl('worker', 'add');
      const { sent: count } = await sent;
      await settle(lab, scenario, 'p1', count);
      const summary = await scenario.finish();
      await sink.stop();
      const [a] = summary.ports;
      expect(a!.rx.packets + a!.rx.kernelDrops).toBe(count);
      expect(detailOf(summary, 0).lent).toBe(4096 + 64);
    });
  });
});
