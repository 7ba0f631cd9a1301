/**
 * `GET /metrics` over TCP, for Prometheus.
 *
 * Promise: nothing else is reachable there and nothing can be changed. Whoever connects gets one answer a connection, and
 * however often it is asked, the counters are read ten times a second at most. What goes wrong with a client ends its
 * connection only. Main thread.
 */
import { boundedServer, pathOf } from './bounded-server.js';
import { isExpectedHost, type ListenAddress, urlOf } from './listen.js';
import { METRICS_TYPE } from './scrape.js';

const CONNECTIONS_MAX = 32;
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
  const { address, close } = await boundedServer(asked, {
    flag: '--metrics',
    connections: CONNECTIONS_MAX,
    failed,
    answer(request, response, at) {
      request.resume();
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
      if (!isExpectedHost(at, request.headers.host))
        return say(403, 'the host of the request is not this one\n');
      // Prometheus may be told to send parameters; they mean nothing here.
      if (pathOf(request) !== '/metrics') return say(404, 'there is only /metrics\n');
      if (request.method !== 'GET' && request.method !== 'HEAD') return say(405, 'there is only GET\n');
      if (read === null) return say(503, 'not ready yet\n');
      const now = performance.now();
      if (now - readAt > FRESH_MS) {
        text = read();
        readAt = now;
      }
      say(200, text, METRICS_TYPE);
    },
  });
  return {
    url: urlOf(address, '/metrics'),
    serve(reader) {
      read = reader;
    },
    close,
  };
}
