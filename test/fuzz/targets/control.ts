/**
 * Requests to the control socket: bytes that are no HTTP, HTTP that is no request of ours, bodies that are no JSON or
 * not what a route wants.
 *
 * Promises: whatever comes is answered in one line that says what is wrong, or the connection is closed; never with a
 * fault of the server (5xx), and the next request is answered as ever. A body that passes has the types that its route
 * relies on, and names no file by a relative path.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseJson, trustPeers } from '#rxsteer/control/http-errors.js';
import { closeServer, jsonServer, type Route } from '#rxsteer/control/http-server.js';
import { absolutePolicy, absolutePort, checkPolicyPaths, checkPortPath } from '#rxsteer/control/paths.js';
import { type BodyName, bodies, parseBody } from '#rxsteer/control/requests.js';
import type { FuzzTarget } from '../driver.js';
import { must, refusedOr } from '../promise.js';

const ROUTES = Object.keys(bodies) as BodyName[];
const BODIES: readonly [BodyName, object][] = [
  ['plan', { policy: 'rss:queues=4', budget: 64, freeze: ['3', '02:00:00:00:00:01'] }],
  ['apply', { policy: { policy: 'mac', owners: [{ mac: '02:00:00:00:00:01', worker: 1 }] }, dryRun: true }],
  ['apply', { policy: 'js:/x/y.mjs,limit=1' }],
  ['owner', { mac: '02:00:00:00:00:01', vlan: null, worker: 1 }],
  ['worker', { action: 'remove', id: 1 }],
  ['port', { action: 'add', port: 'c=pcap:/x.pcap,mode=write' }],
  ['port', { action: 'remove', name: 'c' }],
  ['rebalance', { mode: 'auto', threshold: 1.5, moves: 4, freeze: '1,2' }],
  ['trace', { n: 10, timeoutMs: 100 }],
  ['rollback', {}],
];

/** A body by itself: the first byte says for which route. */
function checkBody(route: BodyName, text: string): void {
  refusedOr(() => {
    const body = parseBody(route, parseJson(text));
    if ('policy' in body && body.policy !== undefined) {
      const { policy } = body;
      refusedOr(() => checkPolicyPaths(absolutePolicy(policy)));
    }
    if ('port' in body && typeof body.port === 'string') {
      const { port } = body;
      refusedOr(() => checkPortPath(absolutePort(port)));
    }
  });
}

/** A server as the forwarder's is made, with the routes' own checks and nothing behind them. */
class Server {
  #server: HttpServer | null = null;
  #folder = '';

  async path(): Promise<string> {
    const path = () => join(this.#folder, 's');
    if (this.#server === null) {
      this.#folder = mkdtempSync(join(tmpdir(), `rxsteer-test-${process.pid}-`));
      const routes = ROUTES.map((route): [string, Route] => [
        `POST /${route}`,
        ({ body }) => ({ body: parseBody(route, body) }),
      ]);
      const server = jsonServer(new Map(routes));
      trustPeers(server);
      await new Promise<void>((resolve) => server.listen(path(), resolve));
      this.#server = server;
    }
    return path();
  }

  async close(): Promise<void> {
    if (this.#server !== null) await closeServer(this.#server);
    this.#server = null;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const server = new Server();

/** All that a connection brings, after these bytes and their end. */
async function exchange(bytes: Uint8Array): Promise<string> {
  const path = await server.path();
  return new Promise((resolve) => {
    let got = '';
    const socket = connect(path, () => socket.end(bytes));
    socket.setEncoding('latin1').on('data', (part) => {
      got += part;
    });
    socket.on('error', () => {}).on('close', () => resolve(got));
  });
}

/** Every answer in it is one of ours. */
function checkAnswers(text: string): void {
  for (const answer of text.split(/(?=HTTP\/1\.1 \d{3} )/)) {
    if (answer === '' || /^HTTP\/1\.1 100 /.test(answer)) continue;
    const [, status, body] = /^HTTP\/1\.1 (\d{3}) [\s\S]*?\r\n\r\n([\s\S]*)$/.exec(answer) ?? [];
    must(status !== undefined, `no HTTP answer: ${JSON.stringify(answer.slice(0, 80))}`);
    must(Number(status) < 500, `status ${status}`);
    if (status === '200' || body === '') continue;
    const said = (JSON.parse(body!) as { error?: unknown }).error;
    must(typeof said === 'string' && said !== '' && !said.includes('\n'), `an error ${JSON.stringify(said)}`);
  }
}

const request = (route: string, body: string, more = '') =>
  `R${`POST /${route} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`}`;

export const control: FuzzTarget = {
  name: 'control',
  covers: /\/dist\/control\/|node_modules\/zod\//,
  maxBytes: 1500,
  tokens: [
    ...[
      'HTTP/1.1',
      '\r\n',
      '\r\n\r\n',
      'GET ',
      'POST ',
      'Content-Length: ',
      'Transfer-Encoding: chunked\r\n',
      '%00',
      '0\r\n',
    ],
    ...[
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '"policy"',
      '"__proto__"',
      '"constructor"',
      'null',
      '1e999',
      '\\u0000',
      '[['.repeat(40),
    ],
  ],
  seeds: () => [
    ...BODIES.map(([route, body]) => `${ROUTES.indexOf(route)}${JSON.stringify(body)}`),
    ...BODIES.slice(0, 3).map(([route, body]) => request(route, JSON.stringify(body))),
    request('trace', '{"n": 1}', 'Expect: 100-continue\r\n'),
    'RGET /status?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n',
    'RPOST /plan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  ],
  async check(input) {
    if (input[0] === 0x52) {
      checkAnswers(await exchange(input.subarray(1)));
      return;
    }
    const route = ROUTES[(input[0] ?? 0) % ROUTES.length]!;
    checkBody(route, Buffer.from(input.subarray(1)).toString());
  },
  async close() {
    const answer = await exchange(Buffer.from(request('rollback', '{}').slice(1)));
    await server.close();
    must(answer.startsWith('HTTP/1.1 200 '), `a good request is answered ${answer.slice(0, 40)}`);
  },
};
