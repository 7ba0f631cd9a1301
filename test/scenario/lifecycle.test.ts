/** Beginning and end: what is left behind (nothing), links that go and come back, and what bad input gets. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CLI, canForward, startForwarder } from '../support/forwarder.js';
import { type Lab, withLab } from '../support/lab.js';
import { inSoak, matrix } from '../support/matrix.js';
import { pingAll, SCENARIO_TIMEOUT_MS, settle, startScenario } from '../support/scenario.js';
import { expectConservation } from '../support/summary.js';
import { generate } from '../support/traffic.js';

async function promiscuity(lab: Lab, ns: string, link: string): Promise<number> {
  const shown = await lab.exec(ns, 'ip', '-d', '-j', 'link', 'show', 'dev', link);
  return (JSON.parse(shown) as { promiscuity: number }[])[0]!.promiscuity;
}

/** Packet sockets of a namespace. */
async function packetSockets(lab: Lab, ns: string): Promise<number> {
  return (await lab.exec(ns, 'cat', '/proc/net/packet')).trim().split('\n').length - 1;
}

describe.skipIf(!canForward())('forward', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it.each(matrix(['SIGINT', 'SIGTERM', 'SIGKILL'] as const, [2]))(
    'leaves nothing behind on %s',
    async (signal) => {
      await withLab(async (lab) => {
        const scenario = await startScenario(lab, { ports: ['veth', 'tap'], workers: 2 });
        const { ns, forwarder } = scenario;
        expect(await pingAll(lab, scenario.guests)).toEqual([]);
        expect(await lab.links(ns)).toEqual(['lo', 'p0', 'p1']);
        expect(await promiscuity(lab, ns, 'p0')).toBeGreaterThan(0);
        const { pid } = forwarder.process;
        if (signal === 'SIGKILL') {
          expect(await forwarder.process.stop(signal)).toEqual({ code: null, signal });
        } else {
          expectConservation(await forwarder.stop(signal));
        }
        // The kernel takes a dead process's descriptors back on its own time.
        await expect.poll(() => lab.links(ns)).toEqual(['lo', 'p0']);
        await expect.poll(() => packetSockets(lab, ns)).toBe(0);
        await expect.poll(() => promiscuity(lab, ns, 'p0')).toBe(0);
        if (signal !== 'SIGKILL') expect(existsSync(`/run/rxsteer/${pid}.sock`)).toBe(false);
        // And the next one starts.
        const next = await startForwarder(lab, ns, '--port', 'a=af_packet:p0', '--port', 'b=tap:p1');
        expectConservation(await next.stop());
        if (signal === 'SIGKILL') expect(existsSync(`/run/rxsteer/${pid}.sock`)).toBe(false);
      });
    },
  );

  inSoak('ends by itself after --duration', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['veth', 'veth'], flags: ['--duration', '0.2'] });
      const summary = await scenario.forwarder.finish();
      expect(summary.durationMs).toBeGreaterThanOrEqual(200);
      expectConservation(summary);
    });
  });

  inSoak('drops and counts what is for a port that is down, and goes on when it is up again', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['veth', 'veth'], addresses: false });
      const { ns, forwarder } = scenario;
      const from = scenario.guests[0]!.ns;
      const send = (packets: number) => generate(lab, from, { interface: 'g0', packets, rate: 10_000 });
      await lab.down(ns, 'p1');
      await forwarder.process.line(/\(port p1\) is down/);
      expect((await send(100)).txDropped).toBe(0);
      await settle(lab, scenario, 'p1', 100);
      await lab.up(ns, 'p1');
      await forwarder.process.line(/\(port p1\) is up again/);
      await send(50);
      await settle(lab, scenario, 'p1', 50);
      const summary = await scenario.finish();
      expect(summary.totals).toMatchObject({ received: 150, transmitted: 50 });
      expect(summary.totals.dropped.portDown).toBe(100);
    });
  });

  inSoak('picks up an interface that vanished when it is back', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['veth', 'veth'], addresses: false });
      const { ns, forwarder } = scenario;
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const send = (packets: number) => generate(lab, from, { interface: 'g0', packets, rate: 10_000 });
      await lab.exec(ns, 'ip', 'link', 'del', 'p1');
      await forwarder.process.line(/\(port p1\) has vanished/);
      await send(100);
      await settle(lab, scenario, 'p0', Number.POSITIVE_INFINITY);
      await lab.veth(ns, 'p1', to, 'g0');
      await forwarder.process.line(/\(port p1\) is back/);
      // The kernel takes up to a second to let frames out of a link whose carrier has come.
      await expect.poll(() => lab.exec(ns, 'cat', '/sys/class/net/p1/operstate')).toBe('up\n');
      await send(50);
      await settle(lab, scenario, 'p1', 50);
      const summary = await scenario.finish();
      expect(summary.totals).toMatchObject({ received: 150, transmitted: 50 });
      expect(summary.totals.dropped.portDown).toBe(100);
    });
  });
});

describe.skipIf(!canForward())('forward refuses', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  /** Runs `forward` where p0 and p1 are up, p2 is down; expects exit 2 and one line that matches. */
  async function refused(args: string[], line: RegExp, ...before: string[]) {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await lab.veth(ns, 'p0', ns, 'p1');
      await lab.veth(ns, 'p2', ns, 'p3');
      await lab.down(ns, 'p2');
      const process = lab.start(ns, ...before, 'node', CLI, 'forward', '--json', ...args);
      await process.expectExit(2);
      // The one document of --json: what was wrong, and its code (docs/errors.md).
      const { error, code } = JSON.parse(process.stdout) as { error: string; code: string };
      expect(error).toMatch(line);
      expect(code).toMatch(/^RXS_[A-Z_]+$/);
      expect(process.stderr.trim()).toMatch(line);
      expect(process.stderr.trim().split('\n')).toHaveLength(1);
      expect(await packetSockets(lab, ns)).toBe(0);
    });
  }
  const port = (text: string) => ['--port', text];
  const good = port('a=af_packet:p0');

  const wrong: [string, string[], RegExp][] = [
    ['an interface that is not there', [...good, ...port('b=af_packet:nope')], /nope/],
    ['an interface that is down', [...good, ...port('b=af_packet:p2')], /p2.*down/],
    ['a name that is too long', [...good, ...port('b=tap:abcdefghijklmnop')], /abcdefghijklmnop.*15/],
    ['a port named twice', [...good, ...port('a=af_packet:p1')], /"?a"?.*twice/],
    ['no worker', [...good, ...port('b=af_packet:p1'), '--workers', '0'], /--workers 0/],
    [
      'wire with three ports',
      [...good, ...port('b=af_packet:p1'), ...port('c=tap:t0'), '--mode', 'wire'],
      /wire/,
    ],
    ['a single port', good, /two ports/],
    ['an unreadable capture', [...good, ...port('b=pcap:/nonexistent.pcap')], /nonexistent\.pcap/],
    ['a policy that is not known', [...good, ...port('b=af_packet:p1'), '--policy', 'rsss'], /rsss.*rss/],
  ];
  // test/cli/forward-input.test.ts has them in one process, every day.
  it.each(matrix(wrong, [1]))('%s', async (_, args, line) => {
    await refused(args, line);
  });

  it('missing privilege, and names the capability', async () => {
    await refused(
      [...good, ...port('b=af_packet:p1')],
      /CAP_NET_(RAW|ADMIN)/,
      ...['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'],
    );
  });
});
