/**
 * A forwarder between namespaces whose flows follow a task that the scheduler moves from CPU to CPU: real frames, real
 * pinning, and not one out of order.
 */
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { matrix } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS, settle, startScenario } from '../support/scenario.js';
import { SLOW } from '../support/slow.js';
import { generate, startSink } from '../support/traffic.js';

const FLOWS = 20;
const ready = canForward() && availableParallelism() >= 2;

describe.skipIf(!ready)('flows follow their consumer', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it.each(matrix(['rfs:cpus=0', 'mac:assign=follow-cpu'], [1]))(
    '%s: a task that moves between CPUs takes them along, in order',
    async (policy) => {
      await withLab(async (lab) => {
        // Wakes often, so that the scheduler has it where it belongs soon after its affinity changes.
        const task = spawn('sh', ['-c', 'while :; do sleep 0.02; done']);
        const place = (cpu: number) => spawnSync('taskset', ['-pc', `${cpu}`, `${task.pid}`]);
        try {
          place(1);
          const scenario = await startScenario(lab, {
            ports: ['veth', 'veth'],
            addresses: false,
            orderly: true,
            policy,
            workers: 2,
            portOptions: `follow=${task.pid}`,
            flags: ['--cpus', '0-1', '--stats', '0.2'],
          });
          const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
          const sink = await startSink(lab, to, { interface: 'g0' });
          // MAC steering assigns guests that it has seen.
          const first = await generate(lab, to, {
            interface: 'g0',
            packets: 16,
            flows: 8,
            sources: 8,
            'src-mac': '02:00:00:01:00:00',
            'dst-mac': '02:00:00:00:00:01',
          });
          await settle(lab, scenario, 'p0', first.sent);
          const lines = () => scenario.forwarder.process.stderr.match(/ s: p0 rx/g)?.length ?? 0;
          let done = false;
          const traffic = generate(lab, from, {
            interface: 'g0',
            packets: 20_000,
            rate: 12_000,
            flows: FLOWS,
            guests: 8,
            size: 100,
          }).finally(() => {
            done = true;
          });
          // The task moves while frames flow. A line of statistics later the forwarder has looked where it is.
          for (let cpu = 0; !done; cpu = 1 - cpu) {
            place(cpu);
            const before = lines();
            await expect.poll(lines, { timeout: 60_000 * SLOW, interval: 20 }).toBeGreaterThan(before + 1);
          }
          const { sent } = await traffic;
          await settle(lab, scenario, 'p1', sent);
          const summary = await scenario.finish();
          const seen = await sink.stop();
          expect(summary.order).toBe('strict');
          expect(summary.totals.reordered).toBe(0);
          expect(summary.ports[1]!.consumer).toMatchObject({ rule: `follow=${task.pid}` });
          expect(summary.ports[1]!.consumer!.moves).toBeGreaterThanOrEqual(1);
          // All flows went along at least once.
          expect(summary.totals.moves).toBeGreaterThanOrEqual(FLOWS);
          // Both ends agree: not one frame out of order.
          expect(seen.reordered.packets + seen.late).toBe(0);
          expect(seen.flows).toBe(FLOWS);
          expect(seen.checked).toBeGreaterThan(0);
        } finally {
          task.kill();
        }
      });
    },
  );
});
