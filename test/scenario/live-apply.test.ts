/**
 * Half of 10,000 flows change their worker while they pass, by what `rxsteer ctl` asks of the socket: nothing is dropped
 * for it, and nothing is late. How long it takes is measured by `rxsteer bench live`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ask } from '#rxsteer/control/client.js';
import type { ChangeResult } from '#rxsteer/control/controller.js';
import type { Summary as Stats } from '#rxsteer/dataplane/engine/summary.js';
import { tool } from '../../bench/tools/build.mjs';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { inSoak } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS, startScenario } from '../support/scenario.js';
import { SLOW } from '../support/slow.js';
import { expectNoDrops } from '../support/summary.js';
import { startSink } from '../support/traffic.js';

const FLOWS = 10_000;
const POLICIES = [
  'rss:queues=2,weight=1+0',
  'rss:queues=2',
  'rss:queues=2,key=random,seed=7',
  'rps:cpus=0-1',
];

describe.skipIf(!canForward())(
  'an apply that moves half of 10,000 flows',
  { timeout: SCENARIO_TIMEOUT_MS },
  () => {
    inSoak('drops nothing and reorders nothing', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'rxsteer-apply-'));
      const socket = join(folder, 'c.sock');
      try {
        await withLab(async (lab) => {
          const scenario = await startScenario(lab, {
            ports: ['veth', 'veth'],
            addresses: false,
            orderly: true,
            policy: 'rss:queues=2',
            workers: 2,
            // Room for all that a worker can miss while this machine does something else.
            flags: ['--control', socket, '--backlog', '65536', '--frames', '131072'],
          });
          const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
          const sink = await startSink(lab, to, { interface: 'g0', 'max-flows': FLOWS });
          const settings = ['--flows', `${FLOWS}`, '--rate', '15000', '--size', '100', '--duration', '60'];
          const generator = lab.start(from, tool('pktgen'), '--interface', 'g0', ...settings);
          const received = async () => (await ask<Stats>(socket, 'GET', '/stats')).totals.received;
          for (const policy of POLICIES) {
            // All flows are seen, and pass while it is made.
            const before = await received();
            await expect
              .poll(received, { timeout: 60_000 * SLOW, interval: 20 })
              .toBeGreaterThan(before + FLOWS);
            const { plan, applied } = await ask<ChangeResult>(socket, 'POST', '/apply', { policy });
            expect(applied).toBe(true);
            expect(plan!.flows.seen).toBeGreaterThan(FLOWS / 2);
            expect(plan!.flows.moved / plan!.flows.seen).toBeGreaterThan(0.4);
            expect(plan!.flows.moved / plan!.flows.seen).toBeLessThan(0.6);
          }
          const last = await received();
          await expect.poll(received, { timeout: 60_000 * SLOW, interval: 20 }).toBeGreaterThan(last + FLOWS);
          await generator.stop('SIGTERM');
          await generator.expectExit(0);
          const summary = await scenario.finish();
          const seen = await sink.stop();
          const context = JSON.stringify({ summary, seen });
          const kernel = summary.ports.reduce((sum, { rx }) => sum + rx.kernelDrops, 0);
          // By the forwarder nothing at all, unless a worker was without CPU while it held the transmit queue; the kernel's
          // rings may overflow on a busy machine. Both are counted.
          expectNoDrops({ ...summary, ports: [] }, 'txFull');
          const counted = kernel + summary.totals.dropped.txFull + seen.kernelDrops + seen.rxDropped;
          expect(seen.lost, context).toBeLessThanOrEqual(counted);
          expect(seen.reordered.packets + seen.late + summary.totals.reordered, context).toBe(0);
          expect(seen.flows).toBe(FLOWS);
          // Most flows have moved at least once; many several times.
          expect(summary.totals.moves!).toBeGreaterThan(FLOWS);
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  },
);
