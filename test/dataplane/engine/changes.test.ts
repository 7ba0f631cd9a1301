/** Changes to a running engine lose no frame and reorder none; what is refused leaves everything as it was. */
import { describe, expect, it } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { UserError } from '#rxsteer/errors.js';
import { matrix } from '../../support/matrix.js';
import { SLOW } from '../../support/slow.js';
import { expectPaused, policy, whileRunning } from './live-kit.js';
import { engineOptions, ROOMY, sum } from './run-engine.js';

const SOURCE = 'a=memory:source,flows=500,guests=8,rate=20000';
const SINK = 'b=memory:sink';

describe('a policy', () => {
  it('is replaced under load, again and again, behind a pause of each worker', async () => {
    const summary = await whileRunning({ ports: [SOURCE, SINK], policy: 'rss' }, async ({ engine, flow }) => {
      let epoch = 0;
      for (const text of [
        'rps:cpus=0-1',
        'mac',
        'rss:key=random,seed=7',
        'rss:table=512',
        'single',
        'rfs:cpus=0-1',
        'mac-hash',
        'rps:cpus=1',
        'rss',
      ]) {
        const report = await engine.applyPolicy(policy(text));
        expectPaused(report, 0, 1);
        expect(report).toMatchObject({ kind: 'policy', text: expect.stringContaining(`-> ${text}`) });
        expect(report.epoch).toBeGreaterThan(epoch);
        epoch = report.epoch;
        expect(engine.plan.policyText).toBe(text);
        await flow();
      }
    });
    expect(summary.policy).toBe('rss');
    expect(summary.totals.moves).toBeGreaterThan(0);
  });

  it('that does not fit is refused, and nothing has happened', async () => {
    await whileRunning({ ports: [SOURCE, SINK], policy: 'rss' }, async ({ engine, flow }) => {
      const before = [engine.plan, engine.table(), engine.history()];
      await expect(engine.applyPolicy(policy('rps:cpus=0-3', 4))).rejects.toThrow(UserError);
      await expect(engine.applyPolicy(policy('mac:uplink=up'))).rejects.toThrow('there is no port "up"');
      await flow();
      expect([engine.plan, engine.table(), engine.history()]).toEqual(before);
      await expect(engine.rollback()).rejects.toThrow('there is no change to roll back');
    });
  });

  it('comes back with rollback, change by change', async () => {
    await whileRunning({ ports: [SOURCE, SINK], policy: 'rss' }, async ({ engine, flow }) => {
      const table = engine.table();
      await engine.setTable([{ bucket: 0, queue: 1 }]);
      await engine.applyPolicy(policy('mac'));
      await engine.applyPolicy(policy('rps:cpus=1'));
      expect(engine.history()).toEqual([
        'table: 1 of 128 buckets',
        'policy rss -> mac',
        'policy mac -> rps:cpus=1',
      ]);
      expect((await engine.rollback()).text).toBe('policy rps:cpus=1 -> mac');
      await flow();
      await engine.rollback();
      expect(engine.table()![0]).toBe(1);
      await flow();
      await engine.rollback();
      expect(engine.table()).toEqual(table);
      expect(engine.history()).toEqual([]);
    });
  });

  it('may keep another order: none guards no flow, strict does again', async () => {
    const ports = [SOURCE, SINK];
    const engine = await Engine.start(engineOptions({ ports, workers: 2, more: ROOMY }));
    try {
      await engine.applyPolicy(policy('round-robin'));
      await expect
        .poll(() => summarize(engine).totals.reordered, { timeout: 60_000 * SLOW })
        .toBeGreaterThan(0);
      expect(engine.plan.order).toBe('none');
      await engine.applyPolicy(policy('rss'));
      expect(engine.plan.order).toBe('strict');
      const { reordered, received } = summarize(engine).totals;
      await expect.poll(() => summarize(engine).totals.received).toBeGreaterThan(received + 5000);
      for (let i = 0; i < 10; i++) await engine.setTable([{ bucket: i, queue: 1 - (i % 2) }]);
      expect(summarize(engine).totals.reordered).toBe(reordered);
    } finally {
      await engine.stop();
    }
  });
});

describe('the indirection table', () => {
  it('changes without a pause, and frames follow', async () => {
    await whileRunning({ ports: [SOURCE, SINK], policy: 'rss' }, async ({ engine, flow, processed }) => {
      const all = Array.from({ length: 128 }, (_, bucket) => ({ bucket, queue: 1 }));
      const report = await engine.setTable(all);
      expectPaused(report);
      expect(report.text).toBe('table: 64 of 128 buckets');
      expect(engine.table()).toEqual(all.map(({ queue }) => queue));
      await flow(3000);
      const before = processed();
      await flow();
      await expect.poll(() => processed()[1], { timeout: 60_000 * SLOW }).toBeGreaterThan(before[1]!);
      expect(processed()[0]).toBe(before[0]);
    });
  });

  it('moves half of 10,000 flows back and forth, and drops nothing', async () => {
    const source = 'a=memory:source,flows=10000,guests=64,rate=40000';
    const summary = await whileRunning({ ports: [source, SINK], policy: 'rss' }, async ({ engine, flow }) => {
      await flow(20_000);
      for (let round = 0; round < 4; round++) {
        const queue = (bucket: number) => (bucket + round) % 2;
        const report = await engine.setTable(
          Array.from({ length: 64 }, (_, k) => ({ bucket: 2 * k, queue: 1 - queue(2 * k) })),
        );
        expect(report.pending).toEqual([]);
        await flow(12_000);
      }
    });
    expect(summary.totals.moves).toBeGreaterThan(5000);
  });

  it('is changed within a budget', async () => {
    await whileRunning({ ports: [SOURCE, SINK], policy: 'rss' }, async ({ engine }) => {
      const { epoch } = await engine.setTable([{ bucket: 0, queue: 0 }]);
      const moves = Array.from({ length: 8 }, (_, bucket) => ({ bucket, queue: 1 - (bucket % 2) }));
      const start = performance.now();
      const report = await engine.setTable(moves, { perSecond: 40 });
      // The first at once, the others a 40th of a second apart: never faster than asked for.
      expect(performance.now() - start).toBeGreaterThanOrEqual(7 * 25 - 1);
      expect(report.epoch - epoch).toBeGreaterThan(2);
      expect(engine.table()!.slice(0, 8)).toEqual(moves.map(({ queue }) => queue));
    });
  });

  it('refuses what is not there', async () => {
    await whileRunning({ ports: [SOURCE, SINK], policy: 'rss' }, async ({ engine }) => {
      const before = engine.table();
      const good = { bucket: 5, queue: 0 };
      for (const bad of [
        { bucket: 128, queue: 0 },
        { bucket: 0, queue: 2 },
      ]) {
        await expect(engine.setTable([good, bad])).rejects.toThrow(UserError);
      }
      await expect(engine.setTable([good], { perSecond: 0 })).rejects.toThrow('above 0');
      expect(engine.table()).toEqual(before);
      await engine.applyPolicy(policy('mac'));
      expect(engine.table()).toBeNull();
      await expect(engine.setTable([good])).rejects.toThrow('only rss has one');
    });
  });
});

describe('owners', () => {
  const guest = (n: number) => `02:00:00:00:00:0${n}`;

  it('are given, frames follow, and carry over to the next mac policy', async () => {
    await whileRunning(
      { ports: ['a=memory:source,flows=64,guests=4,rate=10000', SINK], policy: 'mac' },
      async ({ engine, flow, processed }) => {
        for (const n of [1, 2, 3, 4]) expectPaused(await engine.setOwner(guest(n), null, 1));
        await flow(3000);
        const before = processed();
        await flow();
        expect(processed()[0]).toBe(before[0]);
        await engine.applyPolicy(policy({ policy: 'mac', assign: 'static', owners: { [guest(4)]: 0 } }));
        const owners = engine.owners()!;
        expect(owners.filter(({ port }) => port === null)).toEqual(
          expect.arrayContaining(
            [1, 2, 3].map((n) => ({ mac: guest(n), vlan: null, worker: 1, port: null })),
          ),
        );
        expect(owners).toContainEqual({ mac: guest(4), vlan: null, worker: 0, port: null });
        await engine.rollback();
        expect(engine.owners()).toContainEqual({ mac: guest(4), vlan: null, worker: 1, port: null });
        await engine.rollback();
      },
    );
  });

  it('of another policy, worker or table are refused', async () => {
    await whileRunning({ ports: [SOURCE, SINK], policy: 'mac:guests=1' }, async ({ engine }) => {
      await expect(engine.setOwner(guest(1), null, 2)).rejects.toThrow('expected 0 to 1');
      await expect(engine.setOwner('guest', null, 0)).rejects.toThrow('is not a MAC address');
      await expect(engine.setOwner(guest(1), 4095, 0)).rejects.toThrow('VLAN 4095: expected 0 to 4094');
      await expect.poll(() => engine.owners()!.length).toBe(1);
      await expect(engine.setOwner(guest(1), null, 0)).rejects.toThrow('the table is full (guests=1)');
      await engine.applyPolicy(policy('rss'));
      expect(engine.owners()).toBeNull();
      await expect(engine.setOwner(guest(1), null, 0)).rejects.toThrow('only mac has them');
    });
  });
});

describe('workers', () => {
  it('join and leave under load', async () => {
    const summary = await whileRunning(
      { ports: [SOURCE, SINK], policy: 'rss' },
      async ({ engine, flow, processed }) => {
        expectPaused(await engine.addWorker(), 0, 1, 2);
        expectPaused(await engine.addWorker(), 0, 1, 2, 3);
        await flow(2000);
        expect(Math.min(...processed())).toBeGreaterThan(0);
        expect(engine.plan.active).toBe(4);
        await expect(engine.addWorker()).rejects.toThrow('laid out for 4 workers (--max-workers)');
        await expect(engine.removeWorker(1)).rejects.toThrow('only the highest one, worker 3');
        expectPaused(await engine.removeWorker(3), 0, 1, 2, 3);
        const gone = processed()[3];
        await flow(2000);
        expect(processed()[3]).toBe(gone);
        await engine.addWorker();
        await flow(2000);
        expect(processed()[3]).toBeGreaterThan(gone!);
        for (const id of [3, 2, 1]) await engine.removeWorker(id);
        await expect(engine.removeWorker(0)).rejects.toThrow('the only one');
        await flow();
      },
    );
    expect(summary.workers).toHaveLength(4);
    expect(summary.ports[1]!.delivered.packets).toBe(summary.totals.received);
  });

  it('that the policy names stay', async () => {
    await whileRunning({ ports: [SOURCE, SINK], policy: 'rps:cpus=0-1' }, async ({ engine, flow }) => {
      const before = engine.plan;
      await expect(engine.removeWorker(1)).rejects.toThrow('CPU 1 is no worker');
      expect(engine.plan).toBe(before);
      await flow();
      // One more does not change what a CPU list says.
      await engine.addWorker();
      await flow();
    });
  });

  it('that leave take their guests nowhere: others own them', async () => {
    await whileRunning(
      { ports: ['a=memory:source,flows=64,guests=4,rate=10000', SINK], policy: 'mac' },
      async ({ engine, flow }) => {
        await engine.setOwner('02:00:00:00:00:01', null, 1);
        await engine.removeWorker(1);
        expect(new Set(engine.owners()!.map(({ worker }) => worker))).toEqual(new Set([0]));
        await flow();
      },
    );
  });
});

describe('ports', () => {
  const switching = { mode: 'switch' as const };

  it('come and go under load, and their counters stay', async () => {
    const summary = await whileRunning(
      { ports: [SOURCE, SINK, 'c=memory:sink'], policy: 'rss', more: switching },
      async ({ engine, flow }) => {
        await flow();
        expectPaused(await engine.addPort(parsePort('d=memory:source,flows=50,rate=10000')), 0, 1);
        await expect
          .poll(() => engine.portSummaries().find(({ name }) => name === 'd')!.rx.packets)
          .toBeGreaterThan(500);
        expectPaused(await engine.removePort('c'), 0, 1);
        expectPaused(await engine.removePort('d'), 0, 1);
        const [c, d] = ['c', 'd'].map((name) => engine.portSummaries().find((port) => port.name === name)!);
        await engine.addPort(parsePort('e=memory:sink'));
        await engine.addPort(parsePort('f=memory:source,flows=5,rate=20000'));
        expect(engine.plan.ports.map(({ name }) => name)).toEqual(['a', 'b', 'e', 'f']);
        await flow(3000);
        const ports = engine.portSummaries();
        expect(ports.filter(({ removed }) => removed)).toEqual([c, d]);
        expect(ports.find(({ name }) => name === 'e')!.delivered.packets).toBeGreaterThan(0);
      },
    );
    expect(summary.ports.map(({ name }) => name)).toEqual(['a', 'b', 'e', 'f', 'c', 'd']);
    const received = sum(summary.ports.map(({ rx }) => rx.packets));
    expect(received).toBe(summary.totals.received);
    const delivered = sum(summary.ports.map((port) => port.delivered.packets));
    expect(delivered).toBe(summary.totals.delivered + summary.totals.deliveredCopies);
  });

  it('are shared out among the workers, also when some of either have come or gone', async () => {
    const source = (n: number) => `s${n}=memory:source,flows=8,rate=20000`;
    const ports = [0, 1, 2, 3].map(source);
    const polled = (engine: Engine) => {
      const queues = summarize(engine).ports.flatMap((port) => (port.removed ? [] : port.queues));
      return [0, 1].map((worker) => queues.filter((queue) => queue.worker === worker).length);
    };
    await whileRunning(
      {
        ports: [...ports, SINK],
        policy: 'rss',
        workers: 1,
        more: { maxWorkers: 2, switching: { ageingSeconds: 300, learnLimit: 16, fdb: [] } },
      },
      async ({ engine, flow }) => {
        expect(polled(engine)).toEqual([4, 0]);
        await engine.addWorker();
        expect(polled(engine)).toEqual([2, 2]);
        const received = () => summarize(engine).workers.map((worker) => worker.received);
        const [first, second] = received();
        await expect.poll(() => received()[0], { timeout: 60_000 * SLOW }).toBeGreaterThan(first!);
        await expect.poll(() => received()[1], { timeout: 60_000 * SLOW }).toBeGreaterThan(second!);
        await engine.removePort('s0');
        await engine.removePort('s1');
        expect(polled(engine)).toEqual([1, 1]);
        await engine.addPort(parsePort(source(9)));
        await engine.addPort(parsePort(source(10)));
        expect(polled(engine)).toEqual([2, 2]);
        await flow(2000);
        await engine.removeWorker(1);
        expect(polled(engine)).toEqual([4, 0]);
        await flow(1000);
      },
      'noRoute',
      'portDown',
    );
  });

  it('are refused where they cannot be', async () => {
    await whileRunning(
      { ports: [SOURCE, SINK], policy: 'mac:uplink=b', more: switching },
      async ({ engine }) => {
        const before = engine.plan;
        await expect(engine.addPort(parsePort('b=memory:sink'))).rejects.toThrow('given twice');
        await expect(engine.addPort(parsePort('x=pcap:/nowhere/x.pcap'))).rejects.toThrow('--port x');
        await expect(engine.removePort('x')).rejects.toThrow('there is none; ports: a, b');
        await expect(engine.removePort('b')).rejects.toThrow('there is no port "b"; ports: a');
        expect(engine.plan).toBe(before);
        await engine.removePort('a');
        await expect(engine.removePort('b')).rejects.toThrow('is the only one');
      },
    );
    await whileRunning({ ports: [SOURCE, SINK] }, async ({ engine }) => {
      await expect(engine.addPort(parsePort('c=memory:sink'))).rejects.toThrow('--mode switch only');
      await expect(engine.removePort('b')).rejects.toThrow('--mode switch only');
    });
  });
});

describe('a worker that dies during changes', () => {
  it.each(matrix(['receive', 'transmit', 'complete'], [1]))('at %s costs what it held', async (stage) => {
    const fault = `${stage}@0:200`;
    const summary = await whileRunning(
      { ports: [SOURCE, SINK], policy: 'rss', more: { fault } },
      async ({ engine, flow }) => {
        for (let round = 0; summarize(engine).workers[0]!.deaths === 0 || round < 4; round++) {
          const { pending } = await engine.applyPolicy(policy(round % 2 === 0 ? 'rps:cpus=0-1' : 'mac'));
          expect(pending).toEqual([]);
          if (round === 1) await engine.addWorker();
          await flow(100);
        }
      },
      'workerDied',
    );
    expect(summary.workers[0]!.deaths).toBe(1);
  });
});

it('changes nothing any more once the engine stops', async () => {
  const engine = await Engine.start(engineOptions({ ports: [SOURCE, SINK] }));
  const last = engine.applyPolicy(policy('mac', 1));
  const stop = engine.stop();
  await expect(engine.addWorker()).rejects.toThrow('the engine stops');
  await Promise.allSettled([last]);
  await stop;
  expect(summarize(engine).totals.inFlight).toBe(0);
});
