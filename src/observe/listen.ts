/**
 * TCP listeners that show something: where they listen, and who may be meant by a request.
 *
 * Promise: without an address they listen on loopback. There a request must name loopback as its host: a page in a browser
 * whose name was made to mean 127.0.0.1 (DNS rebinding) names itself, and gets nothing.
 */
import type { Server } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { UserError } from '../errors.js';

/** Where to listen. Port 0: one that is free. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * `PORT`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; names other than localhost are none, since they may mean many addresses.
 * @throws UserError
 */
export function parseListen(flag: string, text: string): ListenAddress {
  const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '127.0.0.1';
  const port = Number(match?.[3] ?? Number.NaN);
  if (!(port <= 65_535) || (isIP(host) === 0 && host !== 'localhost')) {
    throw new UserError(
      `${flag} ${text}: expected PORT, ADDRESS:PORT or [ADDRESS]:PORT, e.g. 127.0.0.1:9464`,
    );
  }
  return { host: host === 'localhost' ? '127.0.0.1' : host, port };
}

/** An address as `parseListen` takes it. */
export function listenText({ host, port }: ListenAddress): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** Addresses of this machine only, however they are written. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
LOOPBACK.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** Whether an address is this machine only. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  return version !== 0 && LOOPBACK.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

/** The address for a browser or a scraper. */
export function urlOf({ host, port }: ListenAddress, path = '/'): string {
  return `http://${listenText({ host, port })}${path}`;
}

/** Whether a request's `Host` may be meant for a listener: on loopback it must be loopback's, elsewhere it may be any. */
export function isExpectedHost({ host }: ListenAddress, header: string | undefined): boolean {
  if (!isLoopback(host)) return true;
  const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(header ?? '');
  const given = (name?.[1] ?? name?.[2] ?? '').toLowerCase();
  return given === 'localhost' || isLoopback(given);
}

/** Why it cannot be listened on an address, by Node's code. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not listen there: ports below 1024 need CAP_NET_BIND_SERVICE',
};

/** Listens; the address with the port that it got. @throws UserError */
export async function listenOn(
  flag: string,
  server: Server,
  { host, port }: ListenAddress,
): Promise<ListenAddress> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = REASONS[error.code ?? ''] ?? error.code ?? error.message;
      reject(new UserError(`${flag} ${urlOf({ host, port }, '')}: ${reason}`, { code: 'RXS_LISTEN' }));
    });
    server.listen({ host, port, exclusive: true }, resolve);
  });
  server.removeAllListeners('error');
  const address = server.address();
  return { host, port: typeof address === 'object' && address !== null ? address.port : port };
}
