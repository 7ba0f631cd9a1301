/** A worker that dies at any stage of its loop costs the frames that it held, and nothing else. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import { STAGES } from '#rxsteer/dataplane/shared/faults.js';
import { matrix } from '../../support/matrix.js';
import { expectConservation, expectNoDrops } from '../../support/summary.js';
import { readCapture } from './captures.js';
import { engineOptions, ROOMY, runEngine, sum } from './run-engine.js';

const PACKETS = 20_000;
const cases = STAGES.flatMap((stage) => [0, 1].map((worker) => ({ stage, worker })));
/** Stages that only a worker with a receive queue reaches. */
const polling = ['receive', 'steer', 'dispatch'];

describe('worker death', () => {
  it.each(matrix(cases, [0, 3, 8, 11]))('at $stage in worker $worker', async ({ stage, worker }) => {
    const reached = worker === 0 || !polling.includes(stage);
    const { summary, warnings, failure } = await runEngine({
      ports: [`a=memory:source,packets=${PACKETS},flows=50`, 'b=memory:sink,queues=1'],
      policy: 'rps:cpus=0-1',
      workers: 2,
      more: { fault: `${stage}@${worker}:20`, ...ROOMY },
    });
    expect(failure).toBeNull();
    expectConservation(summary);
    expectNoDrops(summary, 'workerDied');
    const { totals, workers } = summary;
    expect(totals.received).toBe(PACKETS);
    expect(totals.reordered).toBe(0);
    expect(workers.map((w) => w.deaths)).toEqual([0, 1].map((w) => (reached && w === worker ? 1 : 0)));
    // It holds four bursts at most; nothing once they are complete or before any is received.
    expect(totals.dropped.workerDied).toBeLessThanOrEqual(256);
    expect(totals.dropped.workerDied > 0).toBe(reached && stage !== 'complete');
    expect(totals.delivered).toBe(PACKETS - totals.dropped.workerDied);
    if (!reached) {
      expect(warnings).toEqual([]);
      return;
    }
    expect(warnings).toEqual([
      `worker ${worker} died (injected fault at ${stage}): ${totals.dropped.workerDied} frame(s) dropped as workerDied, starting it again`,
    ]);
  });

  it('a capture goes on with the packet after the last one that was taken', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-death-'));
    try {
      const input = join(folder, 'in.pcap');
      const output = join(folder, 'out.pcap');
      await runEngine({ ports: ['s=memory:source,packets=5000,size=imix', `o=pcap:${input},mode=write`] });
      const { summary } = await runEngine({
        ports: [`i=pcap:${input}`, `o=pcap:${output},mode=write`],
        more: { fault: 'transmit@0:10' },
      });
      expectConservation(summary);
      expect(summary.workers[0]!.deaths).toBe(1);
      const lost = summary.totals.dropped.workerDied;
      expect(lost).toBeGreaterThan(0);
      const before = readCapture(input);
      const after = readCapture(output);
      expect(after.length).toBe(5000 - lost);
      // One gap, as long as what was lost.
      let gap = 0;
      while (gap < after.length && after[gap] === before[gap]) gap++;
      expect(after.slice(gap)).toEqual(before.slice(gap + lost));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('a switch goes on with the addresses it knew', async () => {
    const { summary } = await runEngine({
      ports: ['a=memory:source,packets=9000,guests=2', 'b=memory:sink', 'c=memory:sink'],
      policy: 'rps:cpus=0-1',
      workers: 2,
      more: { fault: 'decide@1:5' },
    });
    expectConservation(summary);
    expect(summary.workers[1]!.deaths).toBe(1);
    // Guests never speak: all is flooded to both sinks.
    expect(summary.totals.deliveredCopies).toBe(summary.totals.delivered);
    expect(sum(summary.ports.map((p) => p.delivered.packets))).toBe(2 * summary.totals.delivered);
  });
});

describe('a worker that cannot be started', () => {
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const threads = () => readdirSync('/proc/self/task').length;

  it('ends the start with its reason and leaves nothing behind', async () => {
    const options = engineOptions({ ports: ['a=memory:source', 'b=memory:sink'], workers: 2 });
    // What Node opens once for all time (worker threads' own loops) is open after one round.
    const attempt = async () => {
      // The policy names a worker that is not there: the worker's own check refuses it.
      const bad = { ...options, policy: { ...options.policy, policy: 'rps', cpus: [7] } };
      return await Engine.start(bad as unknown as typeof options).catch((error: Error) => error);
    };
    await attempt();
    const before = [descriptors(), threads()];
    const error = await attempt();
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(/worker/);
    expect([descriptors(), threads()]).toEqual(before);
  });

  it('keeps no worker that dies again and again', async () => {
    const warnings: string[] = [];
    const options = engineOptions(
      {
        ports: ['a=memory:source,flows=10', 'b=memory:sink'],
        workers: 2,
        policy: 'rps:cpus=0-1',
        // Each life is long enough for the start to see the worker run.
        more: { fault: 'drain@1:200+' },
      },
      warnings,
    );
    const engine = await Engine.start(options);
    await engine.failed;
    await engine.stop();
    expect(engine.failure?.message).toBe('worker 1 keeps dying: injected fault at drain');
    const summary = summarize(engine);
    expect(summary.workers[1]!.deaths).toBe(11);
    expect(summary.workers[0]!.deaths).toBe(0);
    const { totals } = summary;
    expect(totals.framesLeaked).toBe(0);
    expect(totals.received).toBe(totals.delivered + totals.inFlight + sum(Object.values(totals.dropped)));
  });
});
