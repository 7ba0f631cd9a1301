/** Where consumers run, and who goes after them. */
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ConsumerWatch, taskCpu, workerOn } from '#rxsteer/dataplane/engine/consumers.js';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import type { EnginePlan } from '#rxsteer/dataplane/shared/plan.js';
import { parseMac } from '#rxsteer/mac/address.js';
import { compilePolicy, policyBytes } from '#rxsteer/policy/compile.js';
import type { MacSteering } from '#rxsteer/policy/mac.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { SLOW } from '../../support/slow.js';
import { expectConservation } from '../../support/summary.js';
import { engineOptions } from './run-engine.js';

const PATIENCE = { timeout: 60_000 * SLOW, interval: 5 };

describe('where a task runs', () => {
  it('is what the scheduler says, for processes and threads, whatever they are called', async () => {
    expect(taskCpu(process.pid)).toBeLessThan(availableParallelism());
    expect(taskCpu(4_000_000)).toBeNull();
    // A name with what confuses parsers of /proc/PID/stat.
    const child = spawn('sh', ['-c', 'printf ") 1 (x" > /proc/self/comm; while :; do sleep 0.01; done']);
    try {
      for (const cpu of [...Array(Math.min(2, availableParallelism())).keys()]) {
        spawnSync('taskset', ['-pc', `${cpu}`, `${child.pid}`]);
        await expect.poll(() => taskCpu(child.pid!), PATIENCE).toBe(cpu);
      }
    } finally {
      child.kill();
    }
  });

  it('stands for the worker pinned there, or of that number', () => {
    expect(workerOn({ active: 2, cpus: [3, 1] }, 1)).toBe(1);
    expect(workerOn({ active: 2, cpus: [3, 1] }, 3)).toBe(0);
    expect(workerOn({ active: 2, cpus: [3, 1] }, 0)).toBe(-1);
    expect(workerOn({ active: 2, cpus: [-1, -1] }, 1)).toBe(1);
    expect(workerOn({ active: 2, cpus: [-1, -1] }, 2)).toBe(-1);
  });

  it('is asked for a port with cpu= or follow=, one of them, that something is delivered to', () => {
    expect(parsePort('b=memory:sink,cpu=3').consumer).toEqual({ kind: 'cpu', worker: 3 });
    expect(parsePort('b=af_packet:eth0,follow=77').consumer).toEqual({ kind: 'follow', task: 77 });
    expect(parsePort('b=tap:t0').consumer).toBeNull();
    expect(parsePort('b=vhost-user:vm.sock,follow=guest').consumer).toEqual({ kind: 'guest' });
    expect(() => parsePort('b=tap:t0,follow=guest')).toThrow(
      '--port b: follow=guest: a tap port does not know its guest: give follow=PID',
    );
    expect(() => parsePort('b=vhost-user:vm.sock,cpu=1,follow=guest')).toThrow(
      '--port b: cpu=1 and follow=guest: a port has one consumer, give one',
    );
    expect(() => parsePort('b=memory:sink,cpu=1,follow=2')).toThrow(
      '--port b: cpu=1 and follow=2: a port has one consumer, give one',
    );
    expect(() => parsePort('b=pcap:in.pcap,cpu=1')).toThrow('nothing is delivered to this port');
    expect(() => parsePort('b=memory:source,cpu=1')).toThrow('nothing is delivered to this port');
    expect(() => parsePort('b=memory:sink,follow=0')).toThrow('from 1 to 4194304');
  });
});

describe('policies that follow consumers', () => {
  it('mac: the port’s guests follow its consumer; configured owners and other ports’ guests stay', () => {
    const spec = parsePolicy({
      policy: 'mac',
      assign: 'follow-cpu',
      owners: [{ mac: '02:00:00:00:00:09', worker: 0 }],
    });
    const shared = new SharedArrayBuffer(policyBytes(spec));
    const ports = ['a', 'b'].map((name) => ({ name }));
    const mac = compilePolicy(spec, { workers: 3, ports, shared }) as MacSteering;
    const { high, low } = parseMac('02:00:00:00:00:00', '');
    for (const [guest, port] of [
      [1, 0],
      [2, 1],
      [3, 1],
    ] as const)
      mac.owners.learn(0, high, low + guest, port, mac.owners.portOwner(port));
    const warnings: string[] = [];
    const plan = { active: 3, cpus: [-1, -1, -1] } as unknown as EnginePlan;
    const words = new Int32Array(new SharedArrayBuffer(8));
    const watch = new ConsumerWatch(
      () => plan,
      [parsePort('a=tap:a'), parsePort('b=tap:b,cpu=2')],
      words,
      (line) => warnings.push(line),
    );
    watch.adopt(mac);
    expect([1, 2, 3, 9].map((guest) => mac.owners.find(0, high, low + guest))).toEqual([0, 2, 2, 0]);
    expect([mac.owners.load(0), mac.owners.load(1), mac.owners.load(2)]).toEqual([2, 0, 2]);
    // A guest that comes later, too.
    mac.owners.learn(0, high, low + 4, 1, mac.owners.portOwner(1));
    expect(mac.owners.find(0, high, low + 4)).toBe(2);
    expect([...words]).toEqual([0, 3]);
    expect(watch.summary(1)).toEqual({ rule: 'cpu=2', worker: 2, moves: 0 });
    expect(watch.summary(0)).toBeNull();
    expect(warnings).toEqual([]);
  });

  it('rfs: what is delivered to a port records its flow there, strictly in order', async () => {
    const engine = await Engine.start(
      engineOptions({
        ports: ['a=memory:source,flows=50,rate=100000', 'b=memory:sink,cpu=2'],
        policy: 'rfs:cpus=0-1',
        workers: 3,
        more: { smallFrames: 12_000 },
      }),
    );
    let before = [0, 0, 0];
    /** Frames that each worker has processed since the last look. */
    const processed = () => {
      const now = summarize(engine).workers.map((worker) => worker.processed);
      const done = now.map((n, w) => n - before[w]!);
      before = now;
      return done;
    };
    try {
      // The policy's own CPUs have the flows until each has been recorded; from then on they get nothing.
      await expect
        .poll(() => {
          const [first, second, consumer] = processed();
          return first! + second! === 0 && consumer! > 50;
        }, PATIENCE)
        .toBe(true);
    } finally {
      await engine.stop();
    }
    const { totals, ports } = summarize(engine);
    expectConservation(summarize(engine));
    expect(totals.reordered).toBe(0);
    // A flow whose frames have all left is not always known any more when it goes on elsewhere: no move, then.
    expect(totals.moves).toBeGreaterThan(0);
    expect(totals.moves).toBeLessThanOrEqual(50);
    expect(before.slice(0, 2).every((n) => n > 0)).toBe(true);
    expect(ports[1]!.consumer).toEqual({ rule: 'cpu=2', worker: 2, moves: 0 });
  });

  it('others say that they do not', async () => {
    const warnings: string[] = [];
    const engine = await Engine.start(
      engineOptions({ ports: ['a=memory:source,packets=1', 'b=memory:sink,cpu=0'], policy: 'rss' }, warnings),
    );
    try {
      expect(warnings).toEqual([
        'port b: cpu=0 has no effect under policy rss: rfs and mac:assign=follow-cpu follow consumers',
      ]);
      expect(() => engine.recordFlow(1, 0)).toThrow('recordFlow: policy rss follows no flows: rfs does');
    } finally {
      await engine.stop();
    }
  });

  it('a worker that does not exist is refused by name', async () => {
    const bad = engineOptions({
      ports: ['a=memory:source', 'b=memory:sink,cpu=2'],
      policy: 'rss',
      workers: 2,
    });
    await expect(Engine.start(bad)).rejects.toThrow('--port b: cpu=2: there are workers 0 to 1');
    const engine = await Engine.start(
      engineOptions({ ports: ['a=memory:source,packets=1', 'b=memory:sink'], policy: 'rfs:cpus=0' }),
    );
    try {
      expect(() => engine.recordFlow(1, 1)).toThrow('recordFlow: worker 1 does not exist; workers: 0 to 0');
    } finally {
      await engine.stop();
    }
  });
});
