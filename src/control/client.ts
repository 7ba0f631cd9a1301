/**
 * The other end of the control socket: requests to a running forwarder.
 *
 * Promise: what the forwarder refuses is thrown with its own line (UserError for a wrong request, Error for what
 * failed there); a socket that cannot be reached is one line too. Waits end with the connection. Nothing is sent before
 * folder, socket and the process behind it are known to be this user's or root's.
 */
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { isErrorCode } from '../error-codes.js';
import { UserError } from '../errors.js';
import { closedDirectories, liveSockets, socketDirectories, socketPid } from './socket.js';
import { isTrustedOwner, peerUser, socketProblem } from './trust.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such socket',
  ECONNREFUSED: 'nobody listens there (a forwarder that is gone)',
  EACCES: 'permission denied',
  ENOTSOCK: 'not a socket',
};

/** Longest silence of a forwarder that is asked for what it knows; a change takes as long as it takes. */
const ANSWER_MS = 10_000;

/** A connection to a process that is to be trusted. */
function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const problem = socketProblem(path);
    if (problem !== null) {
      reject(new UserError(problem, { code: 'RXS_SOCKET' }));
      return;
    }
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      const user = peerUser(socket);
      if (user === null || isTrustedOwner(user)) resolve(socket);
      else {
        socket.destroy();
        reject(
          new UserError(
            `${path}: a process of user ${user} listens there, whom this command does not trust`,
            {
              code: 'RXS_NOT_TRUSTED',
            },
          ),
        );
      }
    });
  });
}

/** What a failed connection or request is to people. */
function told(path: string, error: NodeJS.ErrnoException): Error {
  const reason = REASONS[error.code ?? ''];
  if (error instanceof UserError) return error;
  if (reason !== undefined) return new UserError(`${path}: ${reason}`, { code: 'RXS_SOCKET' });
  return new Error(`${path}: ${error.code === 'ECONNRESET' ? 'the forwarder has ended' : error.message}`);
}

async function open(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  let connection: Socket;
  try {
    connection = await connectTo(socket);
  } catch (error) {
    throw told(socket, error as NodeJS.ErrnoException);
  }
  return new Promise((resolve, reject) => {
    const text = body === undefined ? null : JSON.stringify(body);
    const headers: Record<string, string | number> =
      text === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const sent = request({
      ...{ createConnection: () => connection, method, path, headers },
      ...(signal === undefined ? {} : { signal }),
    });
    sent.once('response', resolve);
    if (method === 'GET' && signal === undefined) {
      sent.setTimeout(ANSWER_MS, () => sent.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    }
    sent.once('error', (error: NodeJS.ErrnoException) => reject(told(socket, error)));
    sent.end(text ?? undefined);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const part of response) text += part;
  return text;
}

/** Throws what the forwarder answered, unless it is a success. */
async function check(socket: string, response: IncomingMessage): Promise<void> {
  const status = response.statusCode ?? 500;
  if (status < 300) return;
  const text = await textOf(response);
  let line = text.split('\n')[0] ?? '';
  let code: unknown;
  try {
    ({ error: line, code } = JSON.parse(text) as { error: string; code?: string });
  } catch {
    // Not ours: shown as it is.
  }
  const coded = isErrorCode(code) ? { code } : {};
  if (status === 400 || status === 403 || status === 404 || status === 413) throw new UserError(line, coded);
  throw Object.assign(new Error(status === 409 ? line : `${socket}: ${line}`), coded);
}

/** One request and its answer. */
export async function ask<T>(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await open(socket, method, path, body);
  await check(socket, response);
  return JSON.parse(await textOf(response)) as T;
}

/** Documents of a stream, one at a time, until the forwarder or `signal` ends it. */
export async function* watch<T>(socket: string, path: string, signal: AbortSignal): AsyncGenerator<T> {
  const response = await open(socket, 'GET', path, undefined, signal);
  await check(socket, response);
  response.setEncoding('utf8');
  let rest = '';
  try {
    for await (const part of response) {
      const lines = (rest + part).split('\n');
      rest = lines.pop()!;
      for (const line of lines) yield JSON.parse(line) as T;
    }
  } catch (error) {
    // The forwarder has stopped, or we were told to.
    const { code, name } = error as NodeJS.ErrnoException;
    if (name !== 'AbortError' && code !== 'ECONNRESET') throw error;
  }
}

/** What several running forwarders are told apart by. */
interface Brief {
  readonly pid: number;
  readonly policy: string;
  readonly ports: readonly { readonly name: string }[];
}

/** The socket of the one running forwarder. @throws UserError where there is none, or more than one: it lists them. */
export async function findSocket(): Promise<string> {
  const sockets = await liveSockets();
  if (sockets.length === 1) return sockets[0]!;
  if (sockets.length === 0) {
    const closed = closedDirectories();
    if (closed.length > 0) {
      throw new UserError(
        `no forwarder of this user is running, and ${closed.join(' and ')} is for its owner only: ask as that user (sudo rxsteer ctl …)`,
        { code: 'RXS_NO_FORWARDER' },
      );
    }
    throw new UserError(
      `no running forwarder found in ${socketDirectories().join(' or ')}: start one, or name its socket with --socket PATH`,
      { code: 'RXS_NO_FORWARDER' },
    );
  }
  const briefs = await Promise.all(
    sockets.map(async (socket) => {
      try {
        const { policy, ports } = await ask<Brief>(socket, 'GET', '/status');
        return `${socket} (${policy}, ports ${ports.map((port) => port.name).join(' ')})`;
      } catch {
        return `${socket} (process ${socketPid(socket) ?? 'unknown'})`;
      }
    }),
  );
  throw new UserError(
    `${sockets.length} forwarders run: choose one with --socket PATH: ${briefs.join(', ')}`,
    { code: 'RXS_SEVERAL_FORWARDERS' },
  );
}
