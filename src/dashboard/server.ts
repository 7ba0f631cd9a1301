/**
 * The server of the dashboard: a page, a stream, and a few questions to the forwarder.
 *
 * Promise: it holds no more rights than the control socket needs. Nothing that changes anything is reachable without the
 * token, and a policy is applied only where the forwarder was started with `--allow-apply`. Connections, headers, bodies and
 * waits are bounded; whatever a client does ends its connection only.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ask } from '../control/client.js';
import { answerTo, parseJson, RequestError } from '../control/http-errors.js';
import { boundedServer, keepOpen, pathOf } from '../observe/bounded-server.js';
import { type ListenAddress, urlOf } from '../observe/listen.js';
import { makeToken, refusal } from './access.js';
import { Feed, type Told } from './feed.js';
import { dashboardPage } from './page.js';
import { lookAt } from './why.js';

const CONNECTIONS_MAX = 64;
/** Pages that may look at a time. */
const PAGES_MAX = 16;
const BODY_BYTES_MAX = 1 << 16;

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

export interface Dashboard {
  /** With the token: for the one who started it. */
  readonly url: string;
  readonly address: ListenAddress;
  readonly token: string;
  close(): Promise<void>;
}

/** @throws UserError where it cannot listen. */
export async function startDashboard(
  socket: string,
  asked: ListenAddress,
  token: string = makeToken(),
): Promise<Dashboard> {
  const page = dashboardPage();
  const feed = new Feed(socket);
  const actions = actionsOf(socket);
  const answer = async (request: IncomingMessage, response: ServerResponse, at: ListenAddress) => {
    const path = pathOf(request);
    const isPage = path === '/';
    const refused = refusal(request.headers, at, token, !isPage);
    if (refused !== null) throw new RequestError(refused.status, refused.error);
    if (isPage && (request.method === 'GET' || request.method === 'HEAD')) {
      response.writeHead(200, {
        ...HEADERS,
        'content-type': 'text/html; charset=utf-8',
        'content-length': Buffer.byteLength(page.html),
        'content-security-policy': page.policy,
      });
      response.end(request.method === 'HEAD' ? undefined : page.html);
      return;
    }
    if (request.method === 'GET' && path === '/stream') {
      if (feed.watching >= PAGES_MAX) throw new RequestError(503, `${PAGES_MAX} pages look already`);
      response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
      response.flushHeaders();
      // The stream goes on; the feed ends it where nothing is taken.
      keepOpen(request);
      feed.add(response);
      return;
    }
    const action = request.method === 'POST' ? actions.get(path) : undefined;
    if (action === undefined) throw new RequestError(404, 'there is no such thing here');
    const value = await action(await bodyOf(request));
    send(response, 200, value);
  };
  const { address, close } = await boundedServer(asked, {
    flag: '--listen',
    connections: CONNECTIONS_MAX,
    failed: () => {},
    async answer(request, response, at) {
      try {
        await answer(request, response, at);
      } catch (error) {
        if (response.headersSent) throw error;
        const { status, refusal: told } = answerTo(error as Error);
        response.setHeader('connection', 'close');
        send(response, status, told);
      }
    },
  });
  return {
    // Behind the number sign: it is in no request, no log and no referrer.
    url: `${urlOf(address)}#${token}`,
    address,
    token,
    close() {
      feed.close();
      return close();
    },
  };
}

function send(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  const headers = { ...HEADERS, 'content-type': 'application/json; charset=utf-8' };
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    throw new RequestError(415, 'a body must be JSON, with content-type: application/json');
  }
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX)
      throw new RequestError(413, `the body is larger than ${BODY_BYTES_MAX} bytes`);
    parts.push(part);
  }
  const value = parseJson(Buffer.concat(parts).toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestError(400, 'the body must be an object');
  }
  return value as Record<string, unknown>;
}

type Action = (body: Record<string, unknown>) => Promise<unknown>;

/** What a page may ask for, by path. */
function actionsOf(socket: string): ReadonlyMap<string, Action> {
  const permitted = async () => {
    const status = await ask<Told['status']>(socket, 'GET', '/status');
    if (status.allowApply !== true) {
      throw new RequestError(
        403,
        'the forwarder takes no changes from a dashboard: start it with --allow-apply',
      );
    }
  };
  const planned = ({ policy, budget }: Record<string, unknown>) => ({
    policy,
    ...(budget === undefined ? {} : { budget }),
  });
  return new Map<string, Action>([
    ['/plan', (body) => ask(socket, 'POST', '/plan', planned(body))],
    [
      '/apply',
      async (body) => {
        await permitted();
        return ask(socket, 'POST', '/apply', planned(body));
      },
    ],
    [
      '/rollback',
      async () => {
        await permitted();
        return ask(socket, 'POST', '/rollback', {});
      },
    ],
    [
      '/why',
      ({ mac, flow }) => {
        if (mac !== undefined && (typeof mac !== 'string' || !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac))) {
          throw new RequestError(400, 'mac: expected an address such as 02:00:00:00:00:01');
        }
        if (flow !== undefined && typeof flow !== 'string') {
          throw new RequestError(400, 'flow: expected a name from the list of flows');
        }
        const wanted = { ...(mac === undefined ? {} : { mac }), ...(flow === undefined ? {} : { flow }) };
        return lookAt((n, timeoutMs) => ask(socket, 'POST', '/trace', { n, timeoutMs }), wanted);
      },
    ],
  ]);
}
