/** A server of JSON routes over a real socket: what it reads, what it answers, whom it forgets. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConflictError } from '#rxsteer/control/errors.js';
import { BODY_BYTES_MAX } from '#rxsteer/control/http-errors.js';
import { ANSWERED, closeServer, jsonServer, type Route } from '#rxsteer/control/http-server.js';
import { UserError } from '#rxsteer/errors.js';

let folder: string;
let server: Server;
/** Requests that a route was called for. */
let calls: string[];
let aborted: Promise<void>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-http-'));
  calls = [];
  let told: () => void;
  aborted = new Promise((resolve) => {
    told = resolve;
  });
  const routes: Record<string, Route> = {
    'GET /value': ({ query }) => ({ value: query.get('a') }),
    'GET /nothing': () => undefined,
    'GET /own': ({ response }) => {
      response.end('own');
      return ANSWERED;
    },
    'POST /echo': ({ body }) => ({ body }),
    'POST /wrong': () => {
      throw new UserError('that is wrong');
    },
    'POST /later': async () => {
      throw new ConflictError('later');
    },
    'POST /broken': () => {
      throw new TypeError('broken\nbeyond doubt');
    },
    'POST /wait': ({ gone }) =>
      new Promise((resolve) => {
        gone.addEventListener('abort', () => {
          told();
          resolve('nobody hears it');
        });
      }),
  };
  const noted = Object.entries(routes).map(([key, route]): [string, Route] => [
    key,
    (exchange) => {
      calls.push(key);
      return route(exchange);
    },
  ]);
  server = jsonServer(new Map(noted));
  server.listen(join(folder, 's'));
  await once(server, 'listening');
});

afterEach(async () => {
  await closeServer(server);
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function ask(
  method: string,
  path: string,
  { body, headers = {}, agent }: { body?: string | string[]; headers?: object; agent?: Agent } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: join(folder, 's'), method, path, headers: { ...headers }, agent };
    const request = httpRequest(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    });
    request.on('error', reject);
    for (const part of [body ?? []].flat()) request.write(part);
    request.end();
  });
}

const JSON_BODY = { 'content-type': 'application/json' };

describe('a server of JSON routes', () => {
  it('answers with what the route gives', async () => {
    const value = await ask('GET', '/v%61lue?a=1%202');
    expect(value).toMatchObject({ status: 200, text: '{"value":"1 2"}' });
    expect(value.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': '15',
    });
    expect(await ask('HEAD', '/value')).toMatchObject({ status: 200, text: '' });
    expect(await ask('GET', '/nothing')).toMatchObject({ status: 200, text: '' });
    expect(await ask('GET', '/own')).toMatchObject({ status: 200, text: 'own' });
  });

  it('gives what a route throws one line and a status', async () => {
    expect(await ask('POST', '/wrong')).toMatchObject({
      status: 400,
      text: '{"error":"that is wrong","code":"RXS_USAGE"}',
    });
    expect(await ask('POST', '/later')).toMatchObject({
      status: 409,
      text: '{"error":"later","code":"RXS_CONFLICT"}',
    });
    expect(await ask('POST', '/broken')).toMatchObject({
      status: 500,
      text: '{"error":"broken","code":"RXS_FAILED"}',
    });
    const line = 'no such route; there are GET value, nothing, own; POST echo, wrong, later, broken, wait';
    expect(await ask('POST', '/value')).toMatchObject({
      status: 404,
      text: JSON.stringify({ error: `POST /value: ${line}`, code: 'RXS_REQUEST' }),
    });
  });

  it('reads bodies that say that they are JSON, in whatever pieces', async () => {
    const body = ['{"a":', '[1, "ä"', ']}'];
    for (const type of ['application/json', 'Application/JSON; charset=utf-8']) {
      expect(await ask('POST', '/echo', { body, headers: { 'content-type': type } })).toMatchObject({
        text: '{"body":{"a":[1,"ä"]}}',
      });
    }
    expect((await ask('POST', '/echo')).text).toBe('{}');
    expect((await ask('POST', '/echo', { headers: JSON_BODY })).text).toBe('{}');
    calls = [];
    for (const headers of [{}, { 'content-type': 'text/plain' }, { 'content-type': 'application/jsonp' }]) {
      expect(await ask('POST', '/echo', { body: '{}', headers })).toMatchObject({ status: 415 });
    }
    expect(calls).toEqual([]);
  });

  it('reads no more of a body than is permitted, whether its length is told or not', async () => {
    const text = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2));
    const fits = await ask('POST', '/echo', { body: text(BODY_BYTES_MAX), headers: JSON_BODY });
    expect(fits.status).toBe(200);
    calls = [];
    const body = text(BODY_BYTES_MAX + 1);
    for (const more of [{}, { 'content-length': body.length }]) {
      const refused = await ask('POST', '/echo', { body, headers: { ...JSON_BODY, ...more } });
      expect(refused.status).toBe(413);
    }
    // Whoever sends for ever is not read for ever.
    const endless = connect(join(folder, 's'));
    endless.on('error', () => {});
    endless.write(
      'POST /echo HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const more = () => {
      while (!endless.destroyed && endless.write(chunk));
    };
    endless.on('drain', more);
    more();
    await new Promise((resolve) => endless.once('close', resolve));
    expect(calls).toEqual([]);
  });

  it('tells a route that its client has gone, and goes on', async () => {
    const client = connect(join(folder, 's'));
    client.write('POST /wait HTTP/1.1\r\n\r\n');
    await expect.poll(() => calls).toEqual(['POST /wait']);
    client.destroy();
    await aborted;
    // One that goes in the middle of its body never comes as far as a route.
    const half = connect(join(folder, 's'));
    half.write('POST /echo HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"a');
    await once(server, 'request');
    half.destroy();
    await once(half, 'close');
    expect((await ask('GET', '/value')).status).toBe(200);
    expect(calls).toEqual(['POST /wait', 'GET /value']);
  });

  it('keeps a connection for the next request, and ends it when it closes', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let connections = 0;
    server.on('connection', () => connections++);
    for (let i = 0; i < 3; i++) await ask('POST', '/echo', { body: '{}', headers: JSON_BODY, agent });
    expect(connections).toBe(1);
    await closeServer(server);
    await expect(ask('GET', '/value', { agent })).rejects.toThrow();
    agent.destroy();
    // Closing what is closed is no fault.
    await closeServer(server);
  });
});
