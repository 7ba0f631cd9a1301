/** Hundreds of TAPs on one worker: each is served at once, and those that are idle cost nothing. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { canForward, type RunningForwarder, startForwarder } from '../support/forwarder.js';
import { type Lab, withLab } from '../support/lab.js';
import { generate } from '../support/traffic.js';

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

async function withTaps(lab: Lab, count: number): Promise<{ ns: string; forwarder: RunningForwarder }> {
  const ns = await lab.namespace();
  const taps = Array.from({ length: count }, (_, i) => ['--port', `p${i}=tap:t${i}`]).flat();
  const common = ['--workers', '1', '--policy', 'rss', '--mode', 'switch', '--no-control'];
  const forwarder = await startForwarder(lab, ns, ...common, '--port', 'out=memory:sink', ...taps);
  return { ns, forwarder };
}

describe.skipIf(!canForward())('many TAPs on one worker', () => {
  it('are answered as soon from the last as from the first', async () => {
    await withLab(async (lab) => {
      const { ns, forwarder } = await withTaps(lab, 300);
      // A frame for all, into one TAP; what comes out at the first one tells how long it took.
      const latency = async (tap: number) => {
        const sink = `t${tap === 0 ? 1 : 0}`;
        const before = await lab.statistic(ns, sink, 'rx_packets');
        const start = performance.now();
        await generate(lab, ns, { interface: `t${tap}`, packets: 1, 'dst-mac': 'ff:ff:ff:ff:ff:ff' });
        while ((await lab.statistic(ns, sink, 'rx_packets')) === before);
        return performance.now() - start;
      };
      const [first, last]: [number[], number[]] = [[], []];
      for (let round = 0; round < 25; round++) {
        first.push(await latency(round));
        last.push(await latency(299 - round));
      }
      // Those that were not watched were looked at four times a second: a median of 125 ms more.
      expect(median(last) - median(first)).toBeLessThan(50);
      await forwarder.stop();
    });
  });

  it('cost nothing while they are idle', async () => {
    await withLab(async (lab) => {
      const grounds = [await withTaps(lab, 1), await withTaps(lab, 65)];
      const costs: number[][] = [[], []];
      for (let round = 0; round < 5; round++) {
        for (const [k, { ns, forwarder }] of grounds.entries()) {
          const before = cpuTicks(forwarder.process.pid);
          // Filtered by the switch: only receiving costs.
          const run = { interface: 't0', rate: 20_000, duration: 2, 'dst-mac': '01:80:c2:00:00:01' };
          const { sent } = await generate(lab, ns, run);
          costs[k]!.push((cpuTicks(forwarder.process.pid) - before) / sent);
        }
      }
      // Asking 64 idle TAPs in each pass doubled it.
      expect(median(costs[1]!) / median(costs[0]!)).toBeLessThan(1.5);
      for (const { forwarder } of grounds) await forwarder.stop();
    });
  });
});

/** CPU time of a process, in clock ticks. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
