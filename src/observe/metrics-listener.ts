/**
 * `GET /metrics` over TCP, for Prometheus.
 *
 * Promise: nothing else is reachable there and nothing can be changed. Whoever connects is heard for some seconds and
 * gets one answer a connection; connections, headers and waits are bounded, and however often it is asked, the counters
 * are read ten times a second at most. What goes wrong with a client ends its connection only. Main thread.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isExpectedHost, type ListenAddress, listenOn, urlOf } from './listen.js';
import { METRICS_TYPE } from './scrape.js';

const CONNECTIONS_MAX = 32;
const HEADER_BYTES_MAX = 8192;
/** A client gets so long for its request, and for its answer to move on. */
const PATIENCE_MS = 10_000;
/** An answer is good for so long. */
const FRESH_MS = 100;

/** A listener that answers from now on. */
export interface MetricsListener {
  readonly url: string;
  /** Tells what to answer with; until then it is "not yet". */
  serve(read: () => string): void;
  close(): Promise<void>;
}

/** @param failed gets what goes wrong with the listener itself. @throws UserError */
export async function listenForMetrics(
  asked: ListenAddress,
  failed: (error: Error) => void,
): Promise<MetricsListener> {
  let read: (() => string) | null = null;
  let text = '';
  let readAt = Number.NEGATIVE_INFINITY;
  let address = asked;
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const say = (status: number, body: string, type = 'text/plain; charset=utf-8') => {
      response.writeHead(status, {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        // A client that sends a hundred requests at once gets one answer.
        connection: 'close',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (!isExpectedHost(address, request.headers.host))
      return say(403, 'the host of the request is not this one\n');
    if (request.url !== '/metrics') return say(404, 'there is only /metrics\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') return say(405, 'there is only GET\n');
    if (read === null) return say(503, 'not ready yet\n');
    const now = performance.now();
    if (now - readAt > FRESH_MS) {
      text = read();
      readAt = now;
    }
    say(200, text, METRICS_TYPE);
  };
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: PATIENCE_MS,
      requestTimeout: PATIENCE_MS,
      connectionsCheckingInterval: 1000,
      requireHostHeader: false,
    },
    (request, response) => {
      for (const end of [request, response]) end.on('error', () => {});
      request.resume();
      try {
        answer(request, response);
      } catch (error) {
        failed(error as Error);
        response.destroy();
      }
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(PATIENCE_MS, (socket) => socket.destroy());
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    else socket.destroy();
  });
  server.on('upgrade', (_request, socket) => socket.destroy());
  server.on('connect', (_request, socket) => socket.destroy());
  address = await listenOn('--metrics', server, asked);
  server.on('error', failed);
  return {
    url: urlOf(address, '/metrics'),
    serve(reader) {
      read = reader;
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
