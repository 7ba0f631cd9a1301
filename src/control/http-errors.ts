/**
 * What goes wrong with a request before a route of ours has it: peers, HTTP, JSON.
 *
 * Promise: every answer is `{ "error": "…", "code": "RXS_…" }` with one line of ours that says what would be right, whichever layer
 * below found the fault; a body is no deeper than `DEPTH_MAX`, so that nothing that walks it can run out of stack.
 */
import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../error-codes.js';
import { errorCode, printable, UserError } from '../errors.js';
import { ConflictError } from './errors.js';
import { isTrustedPeer } from './trust.js';

/** Bytes of a request's body at most: a table of 65,536 entries fits. */
export const BODY_BYTES_MAX = 1 << 20;
/** Lists and objects inside each other at most. */
export const DEPTH_MAX = 32;

/** A request that HTTP permits and this server does not. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code = 'RXS_REQUEST';
  constructor(
    readonly status: number,
    line: string,
  ) {
    super(line);
  }
}

/** Node's codes, with the status and what we say. */
const TEXTS: Readonly<Record<string, readonly [status: number, text: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the headers of the request are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not come to its end in time'],
};
/** A client that is turned away has so long to go. */
export const REFUSED_MS = 1000;
const NOT_HTTP = 'this is no HTTP request: rxsteer ctl asks this socket';

/** What a refused request is answered with. */
export interface Refusal {
  readonly error: string;
  readonly code: ErrorCode;
}

/** Status and body for an error. */
export function answerTo(error: Error): { readonly status: number; readonly refusal: Refusal } {
  const refusal = { error: printable(error.message.split('\n')[0] || 'failed'), code: errorCode(error) };
  if (error instanceof UserError) return { status: 400, refusal };
  if (error instanceof ConflictError) return { status: 409, refusal };
  return { status: error instanceof RequestError ? error.status : 500, refusal };
}

/** Whether a JSON text nests deeper than so. Brackets inside strings do not count. */
export function isDeeper(text: string, most: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > most) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}

/** The value of a body. @throws UserError */
export function parseJson(text: string): unknown {
  if (text.trim() === '') return undefined;
  if (isDeeper(text, DEPTH_MAX)) {
    throw new UserError(`the body nests deeper than ${DEPTH_MAX} lists and objects`, { code: 'RXS_REQUEST' });
  }
  try {
    // A key of this name would be the object's prototype wherever the object is copied field by field.
    return JSON.parse(text, (key, value: unknown) => {
      if (key === '__proto__')
        throw new UserError('the body has a field "__proto__"', { code: 'RXS_REQUEST' });
      return value;
    });
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`the body is not valid JSON: ${(error as Error).message.split('\n')[0]}`, {
      code: 'RXS_REQUEST',
    });
  }
}

/** One line as a whole HTTP answer, for a connection that no request was made of. */
function refuse(socket: Socket, status: number, line: string, code: ErrorCode = 'RXS_REQUEST'): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({ error: line, code } satisfies Refusal);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** For a server's event `clientError`: what is no HTTP. */
export function refuseClient(error: NodeJS.ErrnoException, socket: Socket): void {
  const [status, line] = TEXTS[error.code ?? ''] ?? [400, NOT_HTTP];
  if (error.code === 'ECONNRESET') socket.destroy();
  else refuse(socket, status, line);
}

/** Turns away connections of other users: the HTTP server never sees them. To be called before it listens. */
export function trustPeers(server: Server): void {
  const accept = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    if (isTrustedPeer(socket)) {
      for (const listener of accept) listener.call(server, socket);
      return;
    }
    // What it sends is thrown away: a connection that is closed with unread bytes loses the answer.
    socket.on('error', () => {}).resume();
    socket.setTimeout(REFUSED_MS, () => socket.destroy());
    refuse(socket, 403, 'only the user of the forwarder and root may ask it', 'RXS_NOT_TRUSTED');
  });
}
