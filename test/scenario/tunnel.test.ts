/**
 * Guests that build tunnels: a TCP stream inside VXLAN leaves its guest in super-frames whose offload header speaks of
 * the inner packet. The forwarder segments them. What it cannot pass is said at once, by name.
 */
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { installed, type Lab, withLab } from '../support/lab.js';
import { matrix } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS, startScenario } from '../support/scenario.js';
import { iperf } from '../support/traffic.js';

/** A VXLAN device on a guest's interface; false where the kernel has none. */
async function vxlan(lab: Lab, ns: string, local: string, remote: string, address: string): Promise<boolean> {
  try {
    await lab.exec(
      ns,
      ...['ip', 'link', 'add', 'vx0', 'type', 'vxlan', 'id', '42', 'dstport', '4789', 'dev', 'g0'],
      ...['local', local, 'remote', remote],
    );
  } catch (error) {
    if (!/Unknown device type|not supported/.test(String(error))) throw error;
    return false;
  }
  await lab.up(ns, 'vx0');
  await lab.address(ns, 'vx0', `${address}/24`);
  return true;
}

describe.skipIf(!canForward() || !installed('iperf3'))('tunnels', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  const pairs = [
    ['veth', 'veth'],
    ['veth', 'tap'],
  ] as const;
  it.each(matrix(pairs, [1]))('pass a TCP stream inside VXLAN from %s to %s', async (from, to) => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: [from, to], policy: 'rss', workers: 2 });
      const [a, b] = scenario.guests as [(typeof scenario.guests)[0], (typeof scenario.guests)[0]];
      const made = [
        await vxlan(lab, a.ns, a.ipv4, b.ipv4, '10.9.0.1'),
        await vxlan(lab, b.ns, b.ipv4, a.ipv4, '10.9.0.2'),
      ];
      if (made.includes(false)) {
        console.warn('this kernel has no VXLAN: tunnels were not tested');
        return;
      }
      const run = await iperf(lab, a.ns, b.ns, '10.9.0.2', { bytes: '50M' });
      const summary = await scenario.finish();
      const context = JSON.stringify(summary);
      expect(run.bytes).toBeGreaterThan(40e6);
      // They came in super-frames, and were cut.
      expect(summary.totals.segmentCopies, context).toBeGreaterThan(10_000);
      expect(summary.totals.dropped.malformed, context).toBe(0);
      expect(summary.totals.reordered, context).toBe(0);
    });
  });
});
