/** Everyone reaches everyone: ping over IPv4, IPv6 and a VLAN, through wire and switch, over 2, 3 and 4 ports. */
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { matrix } from '../support/matrix.js';
import {
  describeScenario,
  pingAll,
  SCENARIO_TIMEOUT_MS,
  type ScenarioOptions,
  startScenario,
} from '../support/scenario.js';
import { expectNoDrops } from '../support/summary.js';

const scenarios: ScenarioOptions[] = [
  { ports: ['veth', 'veth'], workers: 1 },
  { ports: ['veth', 'tap'], workers: 2, offload: 'off' },
  { ports: ['tap', 'tap'], mode: 'switch', workers: 2, policy: 'rss' },
  { ports: ['veth', 'tap', 'veth'], workers: 4, policy: 'rps:cpus=0-3' },
  { ports: ['veth', 'veth', 'veth'], workers: 1, policy: 'single', offload: 'off' },
  { ports: ['veth', 'tap', 'veth', 'tap'], workers: 2, policy: 'mac' },
];

describe.skipIf(!canForward())('reach', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it.each(matrix(scenarios, [5]).map((options) => [describeScenario(options), options] as const))(
    '%s',
    async (_, options) => {
      await withLab(async (lab) => {
        const scenario = await startScenario(lab, { ...options, ipv6: true, vlan: 42 });
        expect(await pingAll(lab, scenario.guests)).toEqual([]);
        const summary = await scenario.finish();
        expect(summary.mode).toBe(options.mode ?? (options.ports.length === 2 ? 'wire' : 'switch'));
        expect(summary.workers.length).toBe(options.workers);
        expectNoDrops({ ...summary, ports: [] }, 'filtered');
        // Guests talk by themselves (neighbour discovery), also when the forwarder has just stopped to take in.
        for (const { rx } of summary.ports) expect(rx.kernelDrops).toBeLessThanOrEqual(2);
        expect(summary.totals.reordered).toBe(0);
        // Only a switch with more than two ports floods copies.
        expect(summary.totals.floodedCopies > 0).toBe(options.ports.length > 2);
      });
    },
  );
});
