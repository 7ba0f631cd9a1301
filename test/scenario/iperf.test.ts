/**
 * iperf3 through the forwarder: TCP and UDP over IPv4, IPv6 and a VLAN, AF_PACKET and TAP, offloads on and off, 1, 2 and
 * 4 workers. How fast it is decides nothing here; that all of it arrives in order and is accounted for does.
 */
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { installed, withLab } from '../support/lab.js';
import { inSoak, matrix } from '../support/matrix.js';
import {
  describeScenario,
  SCENARIO_TIMEOUT_MS,
  type ScenarioOptions,
  startScenario,
} from '../support/scenario.js';
import { iperf } from '../support/traffic.js';

const scenarios: ScenarioOptions[] = [
  { ports: ['veth', 'veth'], workers: 1, offload: 'on', policy: 'rss' },
  { ports: ['veth', 'veth'], workers: 2, offload: 'off', policy: 'rss' },
  { ports: ['veth', 'tap'], workers: 2, offload: 'on', policy: 'rps:cpus=0-1' },
  { ports: ['tap', 'veth'], workers: 1, offload: 'off', policy: 'single' },
  { ports: ['tap', 'tap'], workers: 2, offload: 'on', policy: 'mac' },
  { ports: ['veth', 'tap', 'veth'], workers: 2, offload: 'on', policy: 'mac' },
  { ports: ['veth', 'veth', 'tap', 'tap'], workers: 4, offload: 'on', policy: 'mac-hash' },
];

describe.skipIf(!canForward() || !installed('iperf3'))('iperf3', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it.each(matrix(scenarios, []).map((options) => [describeScenario(options), options] as const))(
    '%s',
    async (_, options) => {
      await withLab(async (lab) => {
        const scenario = await startScenario(lab, { ...options, orderly: true, ipv6: true, vlan: 42 });
        const first = scenario.guests[0]!;
        const last = scenario.guests.at(-1)!;
        for (const target of [last.ipv4, last.ipv6, last.tagged]) {
          const tcp = await iperf(lab, first.ns, last.ns, target, { bytes: '8M' });
          expect(tcp.bytes).toBeGreaterThan(100_000);
          const udp = await iperf(lab, first.ns, last.ns, target, { udp: true, rate: '20M', bytes: '600K' });
          expect(udp.packets).toBeGreaterThan(100);
          expect(udp.lost).toBeLessThan(udp.packets);
          expect(udp.outOfOrder).toBe(0);
        }
        // The other way round: the far guest sends.
        const back = await iperf(lab, first.ns, last.ns, last.ipv4, { bytes: '8M', reverse: true });
        expect(back.bytes).toBeGreaterThan(100_000);

        const { totals } = await scenario.finish();
        expect(totals.reordered).toBe(0);
        const { backlog, txFull, filtered, ...others } = totals.dropped;
        expect(
          Object.values(others).every((count) => count === 0),
          JSON.stringify(totals),
        ).toBe(true);
      });
    },
  );

  inSoak('carries several streams at once in both directions', async () => {
    await withLab(async (lab) => {
      const options: ScenarioOptions = { ports: ['veth', 'veth'], workers: 2, policy: 'rss', orderly: true };
      const scenario = await startScenario(lab, options);
      const [a, b] = [scenario.guests[0]!, scenario.guests[1]!];
      const runs = await Promise.all([
        iperf(lab, a.ns, b.ns, b.ipv4, { seconds: 1, parallel: 4, port: 5201 }),
        iperf(lab, a.ns, b.ns, b.ipv4, { seconds: 1, parallel: 2, reverse: true, port: 5202 }),
        iperf(lab, b.ns, a.ns, a.ipv4, { seconds: 1, udp: true, length: 400, port: 5203 }),
      ]);
      for (const run of runs) expect(run.bytes).toBeGreaterThan(100_000);
      expect(runs[2].outOfOrder).toBe(0);
      expect((await scenario.finish()).totals.reordered).toBe(0);
    });
  });
});
