/**
 * An HTTP server for whoever reaches an address: what a client may cost.
 *
 * Promise: connections, headers, bodies and waits are bounded, here and nowhere else; what is no HTTP gets one answer, and
 * whatever a client does ends its connection only. What to answer, and to whom, is the caller's. Main thread.
 *
 * The control socket is not one of these: only its owner reaches it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ListenAddress, listenOn } from './listen.js';

/** Bytes of a request's line and headers. */
const HEADER_BYTES_MAX = 8192;
/** Header fields of a request. */
const HEADERS_MAX = 64;
/** A client gets so long for its request, and an answer to move on. */
const PATIENCE_MS = 10_000;
/** A client that was answered may ask again for so long. */
const KEEP_ALIVE_MS = 5000;

const NO_HTTP = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n';
const TOO_LONG = NO_HTTP.replace('400 Bad Request', '431 Request Header Fields Too Large');

/** What a server is for. */
export interface BoundedOptions {
  /** The option that asked for it, for messages. */
  readonly flag: string;
  readonly connections: number;
  /** Answers; `at` is where it listens. What it throws, or rejects with, goes to `failed`, and the connection ends. */
  readonly answer: (
    request: IncomingMessage,
    response: ServerResponse,
    at: ListenAddress,
  ) => void | Promise<void>;
  /** Gets what goes wrong with the server itself, or with `answer`. */
  readonly failed: (error: Error) => void;
}

export interface BoundedServer {
  /** With the port that it got. */
  readonly address: ListenAddress;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** The path of a request, without its query; '' where it has none that is ours. */
export function pathOf({ url = '' }: IncomingMessage): string {
  const end = url.indexOf('?');
  return url.startsWith('/') ? url.slice(0, end < 0 ? undefined : end) : '';
}

/** The connection of a request stays although nothing moves on it: an answer that goes on for ever. */
export function keepOpen(request: IncomingMessage): void {
  request.socket.setTimeout(0);
}

/** Listens. @throws UserError where it cannot. */
export async function boundedServer(
  asked: ListenAddress,
  { flag, connections, answer, failed }: BoundedOptions,
): Promise<BoundedServer> {
  let address = asked;
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: PATIENCE_MS,
      requestTimeout: PATIENCE_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1000,
      requireHostHeader: false,
    },
    async (request, response) => {
      for (const end of [request, response]) end.on('error', () => {});
      try {
        await answer(request, response, address);
      } catch (error) {
        failed(error as Error);
        response.destroy();
      }
    },
  );
  server.maxHeadersCount = HEADERS_MAX;
  server.maxConnections = connections;
  server.setTimeout(PATIENCE_MS, (socket) => socket.destroy());
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (!socket.writable || error.code === 'ECONNRESET') socket.destroy();
    else {
      // A client that takes no answer is not waited for.
      (socket as Socket).setTimeout(PATIENCE_MS, () => socket.destroy());
      socket.end(error.code === 'HPE_HEADER_OVERFLOW' ? TOO_LONG : NO_HTTP);
    }
  });
  server.on('upgrade', (_request, socket) => socket.destroy());
  server.on('connect', (_request, socket) => socket.destroy());
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    response.writeHead(417, { connection: 'close', 'content-length': 0 }).end();
  });
  address = await listenOn(flag, server, asked);
  server.on('error', failed);
  return {
    address,
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
