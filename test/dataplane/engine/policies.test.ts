/** Every policy over memory ports: every frame arrives once, is accounted for, and keeps its order. */
import { describe, expect, it } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import { ringDrained } from '#rxsteer/dataplane/memory/ring.js';
import { guestMac } from '#rxsteer/dataplane/ports/memory/templates.js';
import { matrix } from '../../support/matrix.js';
import { expectConservation, expectNoDrops } from '../../support/summary.js';
import { engineOptions, ROOMY, runEngine, sum } from './run-engine.js';

const GUESTS = 5;
const owners = (workers: number) =>
  Array.from({ length: GUESTS }, (_, g) => ({ mac: guestMac(g), worker: g % workers }));

const policies: [string, (workers: number) => string | object][] = [
  ['single', () => 'single'],
  ['rss', () => 'rss'],
  ['rps', (n) => `rps:cpus=0-${n - 1}`],
  ['mac', (n) => ({ policy: 'mac', owners: owners(n) })],
  ['mac-hash', () => 'mac-hash:fields=both'],
  ['round-robin', () => 'round-robin'],
];
const cases = policies.flatMap(([name, make]) => [1, 2, 4].map((workers) => ({ name, workers, make })));

describe('engine over memory ports', () => {
  it.each(matrix(cases, [0, 4, 8, 10, 14]))(
    '$name with $workers workers',
    async ({ name, workers, make }) => {
      const packets = 40_000;
      const { summary, warnings, failure } = await runEngine({
        ports: [
          `a=memory:source,packets=${packets},flows=97,guests=${GUESTS},size=imix,seed=5`,
          'b=memory:sink',
        ],
        policy: make(workers),
        workers,
        more: ROOMY,
      });
      expect(failure).toBeNull();
      expect(warnings).toEqual([]);
      expectConservation(summary);
      expectNoDrops(summary);
      const { totals } = summary;
      expect(totals.received).toBe(packets);
      expect(totals.delivered).toBe(packets);
      expect(totals.orderUnwatched).toBe(0);
      if (name === 'round-robin' && workers > 1) expect(totals.reordered).toBeGreaterThan(0);
      else expect(totals.reordered).toBe(0);
      // One source: worker 0 polls it and hands off what others shall process.
      expect(summary.workers[0]!.received).toBe(packets);
      expect(sum(summary.workers.map((w) => w.processed))).toBe(packets);
      expect(summary.handoffs.filter(({ from }) => from !== 0).every((h) => h.packets === 0)).toBe(true);
      const spread = summary.workers.filter((w) => w.processed > 0).length;
      expect(spread).toBe(name === 'single' ? 1 : workers);
      expect(summary.ports[0]!.queues).toEqual([
        { id: 0, worker: 0, packets, bytes: summary.ports[0]!.rx.bytes },
      ]);
      expect(summary.ports[1]!.delivered.packets).toBe(packets);
      expect(summary.ports[1]!.delivered.bytes).toBe(summary.ports[0]!.rx.bytes);
      expect(sum(summary.ports[1]!.txByWorker)).toBe(packets);
      expect(summary.ports[1]!.txByWorker).toEqual(summary.workers.map((w) => w.processed));
    },
  );

  it.each(matrix([2, 4], [1]))(
    'stops in the middle of traffic without losing a frame, with %i workers',
    async (workers) => {
      for (let round = 0; round < 3; round++) {
        const options = { ports: ['a=memory:source', 'b=memory:sink'], policy: 'round-robin', workers };
        const engine = await Engine.start(engineOptions(options));
        await expect.poll(() => summarize(engine).totals.delivered).toBeGreaterThan(10_000);
        await engine.stop();
        const summary = summarize(engine);
        expectConservation(summary);
        expectNoDrops(summary, 'backlog');
        expect(engine.views.rings.every(ringDrained)).toBe(true);
      }
    },
  );

  it('round-robin spreads evenly', async () => {
    const { summary } = await runEngine({
      ports: ['a=memory:source,packets=40000', 'b=memory:sink'],
      policy: 'round-robin',
      workers: 4,
      more: ROOMY,
    });
    expect(summary.workers.map((w) => w.processed)).toEqual([10_000, 10_000, 10_000, 10_000]);
  });

  it('workers that share a transmit queue contend for its lock, and are counted', async () => {
    const { summary } = await runEngine({
      ports: ['a=memory:source,packets=60000', 'b=memory:sink,queues=1'],
      policy: 'rps:cpus=0-3',
      workers: 4,
      more: ROOMY,
    });
    expectConservation(summary);
    // A worker without CPU overflows its backlog, or the queue that it shares: counted.
    expect(summary.totals.received).toBe(60_000);
    expectNoDrops(summary, 'txFull', 'backlog');
    for (const { txLock } of summary.workers) expect(txLock.contended > 0).toBe(txLock.waitedNs > 0);
    const own = await runEngine({
      ports: ['a=memory:source,packets=60000', 'b=memory:sink,queues=4'],
      policy: 'rps:cpus=0-3',
      workers: 4,
    });
    for (const { txLock } of own.summary.workers) expect(txLock).toEqual({ contended: 0, waitedNs: 0 });
  });

  it('counts what a full backlog refuses', async () => {
    const { summary } = await runEngine({
      ports: ['a=memory:source,packets=30000,flows=1', 'b=memory:sink'],
      policy: 'round-robin',
      workers: 2,
      more: { backlog: 1 },
    });
    expectConservation(summary);
    const { totals, handoffs } = summary;
    // At most one frame of a burst fits into the ring.
    expect(totals.dropped.backlog).toBeGreaterThan(10_000);
    expect(totals.received).toBe(30_000);
    expect(totals.delivered).toBe(30_000 - totals.dropped.backlog);
    expect(handoffs.find((h) => h.from === 0 && h.to === 1)).toMatchObject({
      drops: totals.dropped.backlog,
      highWater: 1,
    });
    expectNoDrops(summary, 'backlog');
  });

  it('several sources, each polled by its worker, into one switch', async () => {
    const source = (n: number) => `s${n}=memory:source,packets=8000,flows=20,guests=3,seed=${n}`;
    const fdb = [0, 1, 2].map((g) => ({ mac: guestMac(g), vlan: 0, port: 3 + g }));
    const { summary } = await runEngine({
      ports: [source(0), source(1), source(2), 'x=memory:sink', 'y=memory:sink', 'z=memory:sink'],
      policy: 'rss',
      workers: 2,
      more: { ...ROOMY, switching: { ageingSeconds: 300, learnLimit: 16, fdb } },
    });
    expectConservation(summary);
    expectNoDrops(summary);
    expect(summary.totals.delivered).toBe(24_000);
    expect(summary.totals.reordered).toBe(0);
    // The three queues are dealt to the workers in turn.
    expect(summary.workers.map((w) => w.received)).toEqual([16_000, 8000]);
    // flow f goes to guest f mod 3: 7, 7 and 6 of 20 flows, 400 rounds, three sources.
    expect(summary.ports.slice(3).map((p) => p.delivered.packets)).toEqual([8400, 8400, 7200]);
  });

  it('frames that no port can take are dropped as noRoute', async () => {
    const { summary } = await runEngine({
      ports: ['a=memory:source,packets=1000', 'b=memory:source,packets=500'],
      workers: 2,
    });
    expectConservation(summary);
    expect(summary.totals.dropped.noRoute).toBe(1500);
  });
});
