/** The dashboard's server: who gets what, what is refused, and that the forwarder goes on whatever clients do. */
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '#rxsteer/control/client.js';
import type { HeavyFlows } from '#rxsteer/control/flows.js';
import { type ControlServer, startControl } from '#rxsteer/control/server.js';
import { type Dashboard, startDashboard } from '#rxsteer/dashboard/server.js';
import { lookAt, type WhyAnswer, whyOf } from '#rxsteer/dashboard/why.js';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { engineOptions, ROOMY } from '../dataplane/engine/run-engine.js';

let folder: string;
let engine: Engine;
const controls: ControlServer[] = [];
const dashboards: Dashboard[] = [];
let shows: Dashboard;
let changes: Dashboard;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-dashboard-'));
  const ports = ['a=memory:source,flows=64,guests=4,rate=5000', 'b=memory:sink'];
  engine = await Engine.start(engineOptions({ ports, workers: 2, policy: 'rss:queues=2', more: ROOMY }));
  for (const allowApply of [false, true]) {
    const path = join(folder, `${allowApply}.sock`);
    const options = { path, version: '1', rebalance: 'off' as const, say: () => {}, allowApply };
    controls.push(await startControl(engine, options));
    dashboards.push(await startDashboard(path, { host: '127.0.0.1', port: 0 }));
  }
  [shows, changes] = dashboards as [Dashboard, Dashboard];
}, 60_000);

afterAll(async () => {
  for (const dashboard of dashboards) await dashboard.close();
  for (const control of controls) await control.close();
  await engine.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
}

/** A request with exactly these headers. */
function send(
  { address, token }: Dashboard,
  method: string,
  path: string,
  {
    headers = {},
    body,
    bare = false,
  }: { headers?: Record<string, string>; body?: unknown; bare?: boolean } = {},
): Promise<Answer> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const all = {
    host: `127.0.0.1:${address.port}`,
    ...(bare ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port: address.port, method, path, headers: all },
      (response) => {
        let got = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          got += part;
          if (response.headers['content-type'] === 'text/event-stream' && got.includes('\n\n'))
            sent.destroy();
        });
        const end = () => resolve({ status: response.statusCode!, headers: response.headers, text: got });
        response.on('end', end).on('close', end).on('error', end);
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

describe('the page', () => {
  it('is for everybody, says nothing, and permits nothing but itself', async () => {
    const { status, headers, text } = await send(shows, 'GET', '/', { bare: true });
    expect(status).toBe(200);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(policy).toContain("frame-ancestors 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(text).not.toMatch(/(src|href)="https?:/);
    expect(text).not.toContain(shows.token);
    expect(shows.url).toBe(`http://127.0.0.1:${shows.address.port}/#${shows.token}`);
  });

  it('gets everything by the stream, which needs the token', async () => {
    expect((await send(shows, 'GET', '/stream', { bare: true })).status).toBe(401);
    const { status, text } = await send(shows, 'GET', '/stream');
    expect(status).toBe(200);
    expect(text).toMatch(/^event: told\ndata: /);
    const told = JSON.parse(/^data: (.*)$/m.exec(text)![1]!);
    expect(told.status.policy).toBe('rss:queues=2');
    expect(told.history.workers).toHaveLength(told.history.next > 0 ? 2 : 0);
    expect(told.flows.flows.length).toBeLessThanOrEqual(20);
  });
});

describe('a request', () => {
  const paths = ['/plan', '/apply', '/rollback', '/why'];

  it.each(paths)('to %s needs the token', async (path) => {
    for (const headers of [{}, { authorization: 'Bearer x' }, { authorization: `Basic ${changes.token}` }]) {
      const { status } = await send(changes, 'POST', path, { headers, body: {}, bare: true });
      expect(status).toBe(401);
    }
  });

  it('from another page, or by another name, is refused with the token, too', async () => {
    const host = `127.0.0.1:${changes.address.port}`;
    const wrong: Record<string, string>[] = [
      { host: 'evil.example' },
      { host: `evil.example:${changes.address.port}`, origin: `http://evil.example:${changes.address.port}` },
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: `http://localhost:${changes.address.port}` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of wrong) {
      const { status } = await send(changes, 'POST', '/apply', { headers, body: { policy: 'single' } });
      expect(status, JSON.stringify(headers)).toBe(403);
    }
    expect(engine.plan.policyText).toBe('rss:queues=2');
    const own = { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' };
    expect((await send(changes, 'POST', '/plan', { headers: own, body: { policy: 'single' } })).status).toBe(
      200,
    );
  });

  it('for a change is refused unless the forwarder permits it', async () => {
    const refused = await send(shows, 'POST', '/apply', { body: { policy: 'single' } });
    expect([refused.status, refused.text]).toEqual([
      403,
      expect.stringContaining('takes no changes from a dashboard: start it with --allow-apply'),
    ]);
    expect((await send(shows, 'POST', '/rollback', { body: {} })).status).toBe(403);
    expect(engine.plan.policyText).toBe('rss:queues=2');
    // To plan changes nothing.
    expect((await send(shows, 'POST', '/plan', { body: { policy: 'single' } })).status).toBe(200);
    const applied = await send(changes, 'POST', '/apply', { body: { policy: 'single' } });
    expect([applied.status, engine.plan.policyText]).toEqual([200, 'single']);
    await send(changes, 'POST', '/rollback', { body: {} });
    expect(engine.plan.policyText).toBe('rss:queues=2');
  }, 60_000);

  it('for why tells decisions of that guest only', async () => {
    const { status, text } = await send(shows, 'POST', '/why', { body: { mac: '02:00:00:00:00:02' } });
    expect(status).toBe(200);
    const { flows } = JSON.parse(text);
    expect(flows.length).toBeGreaterThan(0);
    for (const flow of flows) {
      expect(flow.packet).toMatch(/^udp \S+ > 11\.0\.0\.2:\d+$/);
      expect(flow.why).toContain('hashed');
    }
    expect((await send(shows, 'POST', '/why', { body: { mac: 'x' } })).status).toBe(400);
    expect((await send(shows, 'POST', '/why', { body: { flow: 1 } })).status).toBe(400);
  }, 60_000);

  it('for why of one of the heaviest flows tells its decisions, wherever it is listed', async () => {
    const list = () => ask<HeavyFlows>(join(folder, 'false.sock'), 'GET', '/flows?n=3');
    await expect.poll(async () => (await list()).flows.length, { timeout: 25_000 }).toBe(3);
    const { seen, packets, flows, windowMs } = await list();
    expect(seen).toBe(64);
    expect(windowMs).toBeGreaterThan(0);
    expect(packets).toBeGreaterThan(flows.reduce((sum, one) => sum + one.packets, 0));
    const [heaviest] = flows;
    expect(flows.every((flow) => flow.packets <= heaviest!.packets)).toBe(true);
    expect(heaviest).toMatchObject({ port: 'a', queue: 0, vlan: 0, shared: false });
    const { text } = await send(shows, 'POST', '/why', { body: { flow: heaviest!.flow } });
    const answer = JSON.parse(text) as WhyAnswer;
    expect(answer.flows.map(({ packet, to }) => [packet, to])).toEqual([[heaviest!.flow, heaviest!.worker]]);
    const refused = ask(join(folder, 'false.sock'), 'GET', '/flows?n=0');
    await expect(refused).rejects.toThrow('flows n=0: expected 1 to 1000');
  }, 60_000);

  it('looks on where a full look was of others, until the time is over', async () => {
    const entry = (sport: number) => ({
      ...{ frame: '020000000001', port: 'a', rxQueue: 0, by: 0, to: 1, bucket: 7, hash: null, reason: 'so' },
      packet: { src: '10.0.0.1', dst: '10.0.0.2', protocol: 17, sport, dport: 53, ethertype: '0x0800' },
    });
    let looks = 0;
    const trace = async (n: number) =>
      Array.from({ length: n }, (_, i) => entry(++looks === 1000 ? 9 : 1000 + i)) as never;
    const answer = await lookAt(trace, { flow: 'udp 10.0.0.1:9 > 10.0.0.2:53' });
    expect(answer).toMatchObject({ looked: 1200, seen: 1, flows: [{ to: 1, bucket: 7, why: 'so' }] });
    const never = await lookAt(trace, { mac: '02:00:00:00:00:09' });
    expect(never.flows).toEqual([]);
    expect(whyOf([], {})).toEqual({ looked: 0, seen: 0, flows: [] });
  });

  it('that is wrong gets one line', async () => {
    const wrong: [string, string, object, number][] = [
      ['GET', '/apply', {}, 404],
      ['DELETE', '/', {}, 404],
      ['POST', '/stats', { body: {} }, 404],
      ['POST', '/plan', { body: [] }, 400],
      ['POST', '/plan', { body: { policy: 'rsss' } }, 400],
      ['POST', '/plan', { body: { policy: 'js:/etc/passwd' } }, 400],
      ['POST', '/plan', { body: { policy: 'x'.repeat(1 << 17) } }, 413],
      ['POST', '/plan', {}, 415],
    ];
    for (const [method, path, options, status] of wrong) {
      const answer = await send(shows, method, path, options);
      expect(answer.status, `${method} ${path}`).toBe(status);
      expect(JSON.parse(answer.text).error).toMatch(/^[^\n]+$/);
    }
  });

  it('is answered while others say garbage, or nothing', async () => {
    const port = shows.address.port;
    const open: Socket[] = Array.from({ length: 80 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    for (const bytes of [
      '\0\0\0\0',
      'GET / HTTP/1.1\r\nx: ',
      `GET /${'a'.repeat(1 << 16)} HTTP/1.1\r\n\r\n`,
      '\r\n\r\n',
    ]) {
      connect(port, '127.0.0.1')
        .on('error', () => {})
        .end(bytes);
    }
    await new Promise((resolve) => setImmediate(resolve));
    for (const socket of open) socket.destroy();
    await expect
      .poll(async () => (await send(shows, 'GET', '/').catch(() => null))?.status, { timeout: 25_000 })
      .toBe(200);
    expect(engine.failure).toBeNull();
  }, 60_000);
});
