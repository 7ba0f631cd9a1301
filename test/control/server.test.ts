/** The control server over a real socket, with a real engine on memory ports. */

import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, watch } from '#rxsteer/control/client.js';
import type { ChangeResult, PolicyState, Status } from '#rxsteer/control/controller.js';
import { BODY_BYTES_MAX, type ControlServer, startControl } from '#rxsteer/control/server.js';
import type { RebalanceState } from '#rxsteer/control/watcher.js';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { type Summary, summarize } from '#rxsteer/dataplane/engine/summary.js';
import type { History } from '#rxsteer/observe/history.js';
import type { ChangePlan } from '#rxsteer/policy/change-plan.js';
import { engineOptions, ROOMY, type RunOptions } from '../dataplane/engine/run-engine.js';
import { expectConservation } from '../support/summary.js';

let folder: string;
let engine: Engine;
let server: ControlServer | null = null;
const lines: string[] = [];

/** Ends what `start` began. */
async function end(): Promise<void> {
  await server?.close();
  server = null;
  // Some tests have stopped it, to look at the end.
  if (engine.stoppedAt === 0) await engine.stop();
  rmSync(folder, { recursive: true, force: true });
}

const SOURCE = 'a=memory:source,flows=64,guests=4,rate=20000';

/** A running engine and its control; the path of the socket. */
async function start(run: Partial<RunOptions> = {}): Promise<string> {
  lines.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-server-'));
  const more = { ...ROOMY, ...run.more };
  engine = await Engine.start(engineOptions({ ports: [SOURCE, 'b=memory:sink'], workers: 2, ...run, more }));
  server = await startControl(engine, {
    path: join(folder, 'c.sock'),
    version: '1.2.3',
    rebalance: 'dry',
    say: (line) => lines.push(line),
  });
  return server.path;
}

const get = <T>(path: string, route: string) => ask<T>(path, 'GET', route);
const post = <T>(path: string, route: string, body: unknown = {}) => ask<T>(path, 'POST', route, body);

/** Until the census has seen traffic of this window. */
async function untilSeen(flows = 1): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (engine.census().flows.length < flows) {
    if (performance.now() > deadline) throw new Error('no flow is seen');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Stops the engine; nothing may be lost or late. */
async function finish(): Promise<Summary> {
  await server?.close();
  await engine.stop();
  const summary = summarize(engine);
  expectConservation(summary as never);
  expect(summary.totals.reordered).toBe(0);
  expect(Object.values(summary.totals.dropped).reduce((a, b) => a + b, 0)).toBe(0);
  return summary;
}

describe('the socket', () => {
  afterEach(end);

  it('is for its owner only, and gone after the end', async () => {
    const path = await start();
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    // The mask was for that file alone.
    expect(process.umask()).not.toBe(0o177);
    // Where there is no directory: one line.
    const absent = join(folder, 'absent', 'c.sock');
    const options = { path: absent, version: '', rebalance: 'off' as const, say: () => {} };
    await expect(startControl(engine, options)).rejects.toThrow(`control socket ${absent}: `);
    // A stream ends with the server.
    let count = 0;
    const ended = (async () => {
      for await (const _ of watch<Summary>(path, '/stats?watch=3600', new AbortController().signal)) count++;
    })();
    while (count < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    await server!.close();
    await ended;
    expect(existsSync(path)).toBe(false);
  });
});

describe('without a change', () => {
  let path: string;
  beforeAll(async () => {
    path = await start({ policy: 'rss:queues=4' });
  });
  afterAll(end);

  it('tells the history, and what is new of it', async () => {
    await expect
      .poll(async () => (await get<History>(path, '/history')).next, { timeout: 25_000 })
      .toBeGreaterThan(1);
    const all = await get<History>(path, '/history');
    expect(all.rows.at).toHaveLength(all.next);
    const rest = await get<History>(path, `/history?since=${all.next - 1}&events=${all.nextEvent}`);
    expect(rest.rows.first).toBe(all.next - 1);
    expect(rest.events).toEqual([]);
    await expect(get(path, '/history?since=-1')).rejects.toThrow('history since=-1: expected a whole number');
  }, 60_000);

  it('tells status, statistics and the policy', async () => {
    const status = await get<Status>(path, '/status');
    expect(status).toMatchObject({
      pid: process.pid,
      version: '1.2.3',
      policy: 'rss:queues=4',
      mode: 'wire',
      order: 'strict',
      workers: 2,
      ports: [
        { name: 'a', kind: 'memory' },
        { name: 'b', kind: 'memory' },
      ],
      reordered: 0,
      changing: null,
      rebalance: 'dry',
    });
    const stats = await get<Summary>(path, '/stats');
    expect(stats.totals.received).toBeGreaterThanOrEqual(status.received);
    const policy = await get<PolicyState>(path, '/policy');
    expect(policy.table).toEqual(Array.from({ length: 128 }, (_, bucket) => bucket % 4));
    expect(policy).toMatchObject({ policy: 'rss:queues=4', changedEntries: 0, owners: null, history: [] });
  });

  it('streams statistics, one document a line, until the client goes', async () => {
    const stop = new AbortController();
    let last = -1;
    let count = 0;
    for await (const stats of watch<Summary>(path, '/stats?watch=0.05', stop.signal)) {
      expect(stats.totals.received).toBeGreaterThanOrEqual(last);
      last = stats.totals.received;
      if (++count === 3) stop.abort();
    }
    expect(count).toBe(3);
  });

  const REFUSED = [
    ['GET', '/nothing', undefined, 'GET /nothing: no such route; there are GET status, stats'],
    ['POST', '/plan', {}, 'plan policy: expected a policy: a string or an object'],
    ['POST', '/plan', { policy: 'rsss' }, 'unknown policy "rsss": did you mean rss or rps'],
    ['POST', '/plan', { policy: 'rss', budged: 3 }, 'unknown field of plan "budged": did you mean budget?'],
    ['POST', '/plan', { policy: 'rss:ethtool=-' }, 'policy rss: ethtool=-: a running forwarder reads no'],
    [
      'POST',
      '/plan',
      { policy: 'rss:ethtool=x' },
      'policy: x: a running forwarder takes absolute paths only',
    ],
    ['POST', '/plan', { policy: '@/x.yaml' }, 'policy: @FILE is read by who asks'],
    ['POST', '/apply', { policy: 'js:/x.mjs' }, 'policy js: /x.mjs: this forwarder takes no modules'],
    ['POST', '/apply', { policy: { policy: 'js', file: '/x' } }, 'this forwarder takes no modules'],
    ['POST', '/apply', { policy: 'rss', budget: 0 }, 'apply budget: expected a whole number from 1'],
    ['POST', '/apply', { policy: 'rss', freeze: 'x' }, 'freeze: "x" is neither a bucket'],
    ['POST', '/apply', { policy: 'rps:cpus=7' }, 'CPU 7 is no worker; workers: 0 to 1'],
    ['POST', '/rollback', {}, 'there is no change to roll back'],
    ['POST', '/owner', { mac: '02:00:00:00:00:01', worker: 0 }, 'policy rss:queues=4 has no owners'],
    ['POST', '/worker', { action: 'jump' }, 'worker action: expected action add, or action remove with id'],
    ['POST', '/worker', { action: 'remove' }, 'worker id: expected a whole number from 0'],
    ['POST', '/port', { action: 'add', port: 'zzz' }, '--port zzz: expected NAME=KIND:TARGET'],
    ['POST', '/port', { action: 'add', port: 'c=pcap:x' }, '--port c: x: a running forwarder takes absolute'],
    ['POST', '/rebalance', { mode: 'maybe' }, 'rebalance mode: expected off, dry or auto'],
    ['POST', '/rebalance', { bound: 9 }, 'rebalance bound=9: expected at most the threshold, 1.25'],
    ['POST', '/trace', { n: 0 }, 'trace n: expected a whole number from 1 to 10000'],
    ['GET', '/stats?watch=0', undefined, 'stats watch=0: expected seconds from 0.05 to 3600'],
  ] as const;

  it('refuses each wrong request with one line, and nothing changes', async () => {
    const before = await get<PolicyState>(path, '/policy');
    for (const [method, route, body, message] of REFUSED) {
      const answer = await ask(path, method, route, body).then(
        () => 'not refused',
        (error: Error) => error.message,
      );
      expect(answer, `${route} ${JSON.stringify(body)}`).toContain(message);
      expect(answer).not.toContain('\n');
    }
    expect(await get<PolicyState>(path, '/policy')).toEqual(before);
  });

  it('refuses bodies that are too large, no JSON or no HTTP, and goes on', async () => {
    const huge = post(path, '/plan', { policy: 'x'.repeat(BODY_BYTES_MAX) });
    await expect(huge).rejects.toThrow(/larger than 1048576 bytes|EPIPE|ended/);
    const head = 'POST /plan HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
    const json = `${head}Content-Type: application/json\r\n`;
    const nested = `{"policy":${'['.repeat(150_000)}${']'.repeat(150_000)}}`;
    for (const [text, status, line] of [
      ['POST /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n', 404, 'no such route'],
      [`${head}Expect: more\r\n\r\n`, 417, 'expect: only 100-continue is understood'],
      ['nonsense\r\n\r\n', 400, 'this is no HTTP request: rxsteer ctl asks this socket'],
      [
        '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
        400,
        'this is no HTTP request: rxsteer ctl asks this socket',
      ],
      [
        `GET / HTTP/1.1\r\nHost: ${'x'.repeat(40_000)}\r\n\r\n`,
        431,
        'the headers of the request are too long',
      ],
      [
        `GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        400,
        'the path of the request is not valid',
      ],
      [
        `${head}Content-Length: 3\r\n\r\n{"a`,
        415,
        'a body must be JSON, with content-type: application/json',
      ],
      [`${json}Content-Length: 3\r\n\r\n{"a`, 400, 'the body is not valid JSON: '],
      [
        `${json}Content-Length: ${nested.length}\r\n\r\n${nested}`,
        400,
        'the body nests deeper than 32 lists and objects',
      ],
    ] as const) {
      const answer = await new Promise<string>((resolve) => {
        let got = '';
        const socket = connect(path, () => socket.write(text, 'latin1'));
        socket.setEncoding('utf8').on('data', (part) => {
          got += part;
        });
        socket.on('close', () => resolve(got)).on('error', () => resolve(got));
      });
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      const said = (
        JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as { error: string }
      ).error;
      expect(said).toContain(line);
      expect(said).not.toContain('\n');
    }
    expect((await get<Status>(path, '/status')).pid).toBe(process.pid);
  });
});

describe('changes', () => {
  afterEach(end);

  it('plans, applies at a budget and rolls back a table; planning again moves nothing', async () => {
    const path = await start({ policy: 'rss:queues=2' });
    await untilSeen(32);
    const to = { policy: { policy: 'rss', queues: 2, weight: [3, 1] } };
    const plan = await post<ChangePlan>(path, '/plan', { ...to, budget: 1000 });
    expect(plan).toMatchObject({ method: 'table', cost: { quiesce: false, budget: 1000 } });
    expect(plan.flows.seen).toBeGreaterThan(0);
    expect((await get<PolicyState>(path, '/policy')).changedEntries).toBe(0);
    const dry = await post<ChangeResult>(path, '/apply', { ...to, dryRun: true });
    expect(dry).toMatchObject({ applied: false, changes: [] });
    const result = await post<ChangeResult>(path, '/apply', { ...to, budget: 1000, freeze: ['0-3'] });
    expect(result.applied).toBe(true);
    expect(result.changes).toHaveLength(1);
    const after = await get<PolicyState>(path, '/policy');
    expect(after.table!.slice(0, 4)).toEqual([0, 1, 0, 1]);
    expect(after.table!.slice(4, 96).every((queue) => queue === 0)).toBe(true);
    expect(after.changedEntries).toBe(result.plan!.buckets!.moves.length);
    const again = await post<ChangePlan>(path, '/plan', { ...to, freeze: ['0-3'] });
    expect(again).toMatchObject({ method: 'none', flows: { moved: 0 } });
    await post<ChangeResult>(path, '/rollback');
    expect((await get<PolicyState>(path, '/policy')).changedEntries).toBe(0);
    const summary = await finish();
    expect(summary.totals.received).toBeGreaterThan(0);
  });

  it('goes from policy to policy and back, and tells the pauses', async () => {
    const path = await start({ policy: 'rss:queues=2' });
    await untilSeen();
    const result = await post<ChangeResult>(path, '/apply', { policy: 'mac' });
    expect(result.plan).toMatchObject({ method: 'policy', cost: { quiesce: true } });
    expect(result.changes[0]!.pending).toEqual([]);
    expect(await get<Status>(path, '/status')).toMatchObject({ policy: 'mac', rollbacks: 1 });
    const same = await post<ChangeResult>(path, '/apply', { policy: 'mac' });
    expect(same).toMatchObject({ applied: false, plan: { method: 'none' } });
    await post<ChangeResult>(path, '/rollback');
    expect(await get<Status>(path, '/status')).toMatchObject({ policy: 'rss:queues=2', rollbacks: 0 });
    await finish();
  });

  it('moves guests of a mac policy one by one, and undoes them as one change', async () => {
    const path = await start({ policy: 'mac' });
    await untilSeen();
    const guest = (n: number) => `02:00:00:00:00:0${n}`;
    await post(path, '/owner', { mac: guest(1), worker: 0 });
    const owners = { [guest(1)]: 1, [guest(2)]: 1, [guest(3)]: 0 };
    const result = await post<ChangeResult>(path, '/apply', {
      policy: { policy: 'mac', owners },
      budget: 100,
    });
    expect(result.plan).toMatchObject({ method: 'owners', cost: { quiesce: false } });
    const of = async (mac: string) =>
      (await get<PolicyState>(path, '/policy')).owners!.find((one) => one.mac === mac && one.vlan === null)
        ?.worker;
    expect([await of(guest(1)), await of(guest(2)), await of(guest(3))]).toEqual([1, 1, 0]);
    expect(await post<ChangePlan>(path, '/plan', { policy: { policy: 'mac', owners } })).toMatchObject({
      method: 'none',
    });
    await post(path, '/rollback');
    expect((await get<Status>(path, '/status')).rollbacks).toBe(1);
    expect(await of(guest(1))).toBe(0);
    await finish();
  });

  it('adds and removes workers and ports', async () => {
    const path = await start({
      ports: [SOURCE, 'b=memory:sink', 'c=memory:sink'],
      policy: 'rss',
      more: { maxWorkers: 3 },
    });
    await post(path, '/worker', { action: 'add' });
    expect(await get<Status>(path, '/status')).toMatchObject({ workers: 3, maxWorkers: 3 });
    await expect(post(path, '/worker', { action: 'add' })).rejects.toThrow(/3/);
    await post(path, '/port', { action: 'add', port: 'd=memory:sink' });
    expect((await get<Status>(path, '/status')).ports.map((port) => port.name)).toEqual(['a', 'b', 'c', 'd']);
    await post(path, '/port', { action: 'remove', name: 'd' });
    await post(path, '/worker', { action: 'remove', id: 2 });
    const status = await get<Status>(path, '/status');
    expect([status.workers, status.ports.map((port) => port.name)]).toEqual([2, ['a', 'b', 'c']]);
  });

  it('one at a time: another one is refused meanwhile, reads are not', async () => {
    const path = await start({ policy: 'rss:queues=2' });
    const slow = post<ChangeResult>(path, '/apply', {
      policy: { policy: 'rss', queues: 2, equal: 1 },
      budget: 64,
    });
    while ((await get<Status>(path, '/status')).changing === null) await new Promise((r) => setTimeout(r, 2));
    await expect(post(path, '/apply', { policy: 'single' })).rejects.toThrow(
      'a change is being made (apply): try again when it is done',
    );
    expect((await slow).applied).toBe(true);
    expect((await get<PolicyState>(path, '/policy')).table!.every((queue) => queue === 0)).toBe(true);
  });

  it('traces live decisions with their reasons', async () => {
    const path = await start({ policy: 'rss:queues=2' });
    const entries = await post<{ reason: string; frame: string; worker: number; port: string }[]>(
      path,
      '/trace',
      { n: 8 },
    );
    expect(entries).toHaveLength(8);
    for (const entry of entries) {
      expect(entry.port).toBe('a');
      expect(entry.reason).toMatch(/bucket \d+ -> queue \d/);
      expect(entry.frame).toMatch(/^(02|[0-9a-f]{2})[0-9a-f]{26,}$/);
    }
  });

  it('ends a trace when its client goes', async () => {
    const path = await start({ ports: ['a=memory:source,rate=1,burst=1', 'b=memory:sink'] });
    const client = connect(path);
    const body = JSON.stringify({ n: 1000, timeoutMs: 600_000 });
    client.write(
      `POST /trace HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const trace = () => post(path, '/trace', { n: 1, timeoutMs: 1 }).then(String, (error) => error.message);
    await expect.poll(trace, { timeout: 60_000 }).toContain('another trace is running');
    client.destroy();
    await expect.poll(trace, { timeout: 60_000 }).not.toContain('another trace is running');
  });

  it('refuses ports that may keep it waiting for ever', async () => {
    const path = await start({ ports: [SOURCE, 'b=memory:sink', 'c=memory:sink'] });
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const add = (port: string) => post(path, '/port', { action: 'add', port });
    await expect(add('x=pcap:-')).rejects.toThrow(
      '--port x: - is standard input: a running forwarder reads regular files only',
    );
    for (const [target, does] of [
      [fifo, 'reads'],
      [`${fifo},mode=write`, 'writes'],
      ['/dev/zero', 'reads'],
      [folder, 'reads'],
    ] as const) {
      await expect(add(`x=pcap:${target}`)).rejects.toThrow(
        `--port x: ${target.split(',')[0]} is no regular file: a running forwarder ${does} regular files only`,
      );
    }
    // The next change is not kept waiting.
    await post(path, '/port', { action: 'add', port: 'y=memory:sink' });
  });
});

describe('the rebalancer', () => {
  afterEach(end);

  /** All buckets at one worker. */
  const skewed = { policy: 'rss', queues: 2, equal: 1 };

  it('only says what it would do by default', async () => {
    const path = await start({ policy: skewed });
    await post(path, '/rebalance', { intervals: 1, least: 10 });
    for (;;) {
      const state = await get<RebalanceState>(path, '/rebalance');
      if (state.due > 0) {
        expect(state).toMatchObject({ mode: 'dry', acted: 0, moved: 0 });
        expect(state.last!.moves.length).toBeGreaterThan(0);
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^rebalance: would move bucket \d+ 0->1.*worker 0 has 2\.00 times its fair share/,
    );
    expect((await get<PolicyState>(path, '/policy')).changedEntries).toBe(0);
    expect((await post<RebalanceState>(path, '/rebalance', { mode: 'off' })).last).toBeNull();
  });

  it('moves guests of a mac policy', async () => {
    const guest = (n: number) => `02:00:00:00:00:0${n}`;
    const owners = { [guest(1)]: 0, [guest(2)]: 0, [guest(3)]: 0, [guest(4)]: 0 };
    const path = await start({ policy: { policy: 'mac', owners } });
    await post(path, '/rebalance', { mode: 'auto', intervals: 1, least: 10, freeze: guest(2) });
    while ((await get<RebalanceState>(path, '/rebalance')).acted === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const now = (await get<PolicyState>(path, '/policy')).owners!;
    const of = (n: number) => now.find((one) => one.mac === guest(n))!.worker;
    expect([1, 2, 3, 4].reduce((sum, n) => sum + of(n), 0)).toBe(2);
    expect(of(2)).toBe(0);
    await finish();
  });

  it('evens the workers out when told to, within its budget, without touching frozen buckets', async () => {
    const path = await start({ policy: skewed });
    await post(path, '/rebalance', { mode: 'auto', intervals: 1, least: 10, moves: 64, freeze: '0-9' });
    for (;;) {
      if ((await get<RebalanceState>(path, '/rebalance')).acted > 0) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { table } = await get<PolicyState>(path, '/policy');
    expect(table!.filter((queue) => queue === 1).length).toBeGreaterThan(5);
    expect(table!.slice(0, 10).every((queue) => queue === 0)).toBe(true);
    expect(lines[0]).toMatch(/^rebalance: moved bucket/);
    const { workers } = await finish();
    expect(workers[1]!.processed).toBeGreaterThan(0);
  });
});
