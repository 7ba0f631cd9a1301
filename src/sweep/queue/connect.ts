/**
 * BullMQ and its client: loaded when a queue is asked for, and connected.
 *
 * Promise: the packages are no dependencies; where they are missing that is one line with the command that brings them.
 * What is wrong with the address, the password or the server is one line too; a connection that is lost later comes
 * back by itself. Nothing that is printed holds the password.
 */
import { fileURLToPath } from 'node:url';
import type { ConnectionOptions } from 'bullmq';
import type { Redis, RedisOptions } from 'ioredis';
import { UserError } from '../../errors.js';
import { PASSWORD_VARIABLE, type QueueAddress } from './address.js';

/** What both ends need. */
export interface Connected {
  readonly bullmq: typeof import('bullmq');
  /** Options of every connection. */
  readonly options: ConnectionOptions;
  /** For commands. */
  readonly redis: Redis;
  /** Ends it at once, also while it tries to connect. */
  close(): void;
}

/** Name of the queue for a version: results of another one might differ. */
export const queueName = (version: string) => `sweep-${version}`;
/** Begins every key in Redis. */
export const PREFIX = 'rxsteer';

const CONNECT_MS = 10_000;
const RETRY_MOST_MS = 2000;

function problem(address: QueueAddress, text: string): UserError {
  return new UserError(`--queue ${address.shown}: ${text}`, { code: 'RXS_QUEUE' });
}

async function load() {
  try {
    const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { bullmq, Redis: ioredis.Redis };
  } catch (error) {
    if (!/MODULE_NOT_FOUND/.test(String((error as NodeJS.ErrnoException).code))) throw error;
    const isGlobal = /\/lib\/node_modules\/rxsteer\//.test(fileURLToPath(import.meta.url));
    throw new UserError(
      `--queue needs the packages bullmq and ioredis, which are not here: npm install ${isGlobal ? '-g ' : ''}bullmq ioredis`,
      { code: 'RXS_NO_PACKAGE' },
    );
  }
}

/** Why the first connection failed, in words. */
function reason({ message }: Error, last: Error | null): string {
  const text = (last ?? { message }).message.split('\n')[0]!;
  if (/NOAUTH/.test(text)) return `it asks for a password: set ${PASSWORD_VARIABLE}`;
  if (/WRONGPASS|invalid password/.test(text)) return `it does not take the password of ${PASSWORD_VARIABLE}`;
  if (/no password is set/.test(text)) return `it has no password: unset ${PASSWORD_VARIABLE}`;
  return text;
}

/** @throws UserError where there is no such server */
export async function connectQueue(address: QueueAddress): Promise<Connected> {
  const { bullmq, Redis } = await load();
  const { host, port, db, tls, user, password } = address;
  const common: RedisOptions = {
    ...{ host, port, db, connectTimeout: CONNECT_MS },
    ...(tls ? { tls: {} } : {}),
    ...(user === null ? {} : { username: user }),
    ...(password === null ? {} : { password }),
  };
  const first = new Redis({
    ...common,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let last: Error | null = null;
  first.on('error', (error) => {
    last = error;
  });
  try {
    await first.connect();
    await first.ping();
  } catch (error) {
    throw problem(address, reason(error as Error, last));
  } finally {
    first.disconnect();
  }
  const options: RedisOptions = {
    ...common,
    // A server that is restarted is waited for.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(100 * times, RETRY_MOST_MS),
  };
  const redis = new Redis(options);
  const close = () => {
    // Where it has ended, ioredis would wait two seconds more for a socket to close that has closed.
    if (redis.status !== 'end') redis.disconnect();
  };
  return { bullmq, options: options as ConnectionOptions, redis, close };
}

/** Tells troubles of a connection once, and their end. */
export class Troubles {
  #told: string | null = null;

  constructor(
    readonly address: QueueAddress,
    private readonly note: (text: string) => void,
  ) {}

  /** Something that will be tried again failed. */
  add(error: unknown): void {
    const text = (error as Error)?.message?.split('\n')[0] ?? String(error);
    const what = /\bOOM\b/.test(text)
      ? 'Redis is full (maxmemory): waiting for room'
      : /LOADING/.test(text)
        ? 'Redis loads its data: waiting'
        : /ECONN|EPIPE|closed|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|READONLY/.test(text)
          ? 'the connection is lost: waiting for it'
          : `${text}: trying again`;
    if (what === this.#told) return;
    this.#told = what;
    this.note(`${this.address.shown}: ${what}`);
  }

  /** Something succeeded. */
  clear(): void {
    if (this.#told === null) return;
    this.#told = null;
    this.note(`${this.address.shown}: goes on`);
  }
}

const RETRY_MS = 500;

/** Tries until it succeeds, or until nobody wants it any more: null then. `isFinal` errors are thrown. */
export async function persist<T>(
  call: () => Promise<T>,
  troubles: Troubles,
  isStopped: () => boolean,
  isFinal: (error: unknown) => boolean = () => false,
): Promise<T | null> {
  while (!isStopped()) {
    try {
      const value = await call();
      troubles.clear();
      return value;
    } catch (error) {
      if (isFinal(error)) throw error;
      if (isStopped()) return null;
      troubles.add(error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  return null;
}
