/**
 * A small HTTP server of routes that take and give JSON.
 *
 * Promise: a request is answered once, by its route or with `{ "error": "…", "code": "RXS_…" }` in one line; a body is read only as
 * far as `BODY_BYTES_MAX`, and only where it says that it is JSON. Nothing is printed, nothing is thrown outside of
 * routes, and a client that goes in the middle of something disturbs nobody.
 *
 * Node's own server does all that is HTTP. A framework above it would bring its own answers to what is wrong, which
 * are not ours, and ten times as many packages as all the rest.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { printable } from '../errors.js';
import {
  answerTo,
  BODY_BYTES_MAX,
  parseJson,
  REFUSED_MS,
  RequestError,
  refuseClient,
} from './http-errors.js';

/** Idle connections are kept so long: a client that asks once a minute needs one. */
const KEEP_ALIVE_MS = 72_000;
const JSON_TYPE = 'application/json; charset=utf-8';

/** A request, as a route gets it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** The JSON value of the body; undefined where there is none. */
  readonly body: unknown;
  /** Aborted when the client has gone, or has its answer. */
  readonly gone: AbortSignal;
}

/** Gives the value to answer with, or `ANSWERED`; a `UserError` is the client's fault. */
export type Route = (exchange: Exchange) => unknown;

/** What a route gives that has taken the response over. */
export const ANSWERED = Symbol('answered');

/** Answers with a JSON document; undefined = an empty one. */
function answer(response: ServerResponse, status: number, value: unknown): void {
  if (response.destroyed) return;
  const text = value === undefined ? '' : JSON.stringify(value);
  response.writeHead(status, { 'content-type': JSON_TYPE, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** Whether the request says that it has a body. An empty one need not say of what type it is. */
function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return (
    headers['transfer-encoding'] !== undefined ||
    headers['content-type'] !== undefined ||
    (length !== undefined && length !== '0')
  );
}

/** Reads the body of a request. @throws RequestError, UserError */
async function readBody(request: IncomingMessage): Promise<unknown> {
  if (!hasBody(request)) return undefined;
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new RequestError(415, 'a body must be JSON, with content-type: application/json');
  }
  const tooLarge = () => new RequestError(413, `the body is larger than ${BODY_BYTES_MAX} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  const parts: Buffer[] = [];
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= BODY_BYTES_MAX) parts.push(part);
      else reject(tooLarge());
    });
    request.once('end', resolve).once('error', reject);
  });
  return parseJson(Buffer.concat(parts).toString('utf8'));
}

/**
 * Lets the rest of a body go by that was refused, for some time: a client that is cut off while it sends may never see
 * the answer.
 */
function forgetBody(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, REFUSED_MS);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    request.removeAllListeners('data').once('end', end).once('close', end).resume();
  });
}

/** Path and query of a request. @throws RequestError */
function target(request: IncomingMessage): { readonly path: string; readonly query: URLSearchParams } {
  const [path, ...query] = request.url!.split('?');
  try {
    return { path: decodeURIComponent(path!), query: new URLSearchParams(query.join('?')) };
  } catch {
    throw new RequestError(400, 'the path of the request is not valid');
  }
}

/** What the routes are, for people: "GET a, b; POST c". */
function listed(routes: ReadonlyMap<string, Route>): string {
  const names = new Map<string, string[]>();
  for (const key of routes.keys()) {
    const [method, path] = key.split(' /') as [string, string];
    names.set(method, [...(names.get(method) ?? []), path]);
  }
  return [...names].map(([method, paths]) => `${method} ${paths.join(', ')}`).join('; ');
}

async function run(routes: ReadonlyMap<string, Route>, request: IncomingMessage, response: ServerResponse) {
  const { path, query } = target(request);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const route = routes.get(`${method} ${path}`);
  if (route === undefined) {
    const asked = printable(`${request.method} ${request.url}`, 200);
    throw new RequestError(404, `${asked}: no such route; there are ${listed(routes)}`);
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const body = method === 'GET' ? undefined : await readBody(request);
  return route({ request, response, query, body, gone: gone.signal });
}

/**
 * A server that answers as promised above, not listening yet.
 * @param routes by method and path, as "POST /plan"; `HEAD` is that of `GET`
 */
export function jsonServer(routes: ReadonlyMap<string, Route>): Server {
  // A socket in the file system is one host; Node's own answer to a request without that header is empty.
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    // Clients that go are noticed by what waits for them.
    for (const end of [request, response]) end.on('error', () => {});
    run(routes, request, response).then(
      (value) => value === ANSWERED || answer(response, 200, value),
      async (error: Error) => {
        if (!request.complete) await forgetBody(request);
        // It ended in the middle of its body: there is nobody to answer.
        if (request.errored !== null) return;
        const { status, refusal } = answerTo(error);
        if (!request.complete) response.setHeader('connection', 'close');
        answer(response, status, refusal);
      },
    );
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on('clientError', refuseClient);
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    response.setHeader('connection', 'close');
    answer(response, 417, { error: 'expect: only 100-continue is understood' });
  });
  return server;
}

/** Ends all connections and stops listening. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // It may not listen yet, or not any more.
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
