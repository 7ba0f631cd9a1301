/**
 * Where a queue is: `redis://HOST:PORT[/DB]`, or `rediss://` with TLS.
 *
 * Promise: name and password come from the environment (`RXSTEER_QUEUE_USER`, `RXSTEER_QUEUE_PASSWORD`) and nowhere
 * else: an address that holds them stands in the process list, so it is refused, unsaid. `shown` never has any.
 */
import { UserError } from '../../errors.js';

export interface QueueAddress {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly tls: boolean;
  readonly user: string | null;
  readonly password: string | null;
  /** For people and logs. */
  readonly shown: string;
}

const DEFAULT_PORT = 6379;
export const USER_VARIABLE = 'RXSTEER_QUEUE_USER';
export const PASSWORD_VARIABLE = 'RXSTEER_QUEUE_PASSWORD';

/**
 * Takes the credentials out of the environment, so that nothing that is started from here has them.
 * @throws UserError
 */
export function parseQueueAddress(text: string, environment: NodeJS.ProcessEnv): QueueAddress {
  const { [USER_VARIABLE]: user, [PASSWORD_VARIABLE]: password } = environment;
  delete environment[USER_VARIABLE];
  delete environment[PASSWORD_VARIABLE];
  // Before anything of it is quoted.
  if (text.includes('@')) {
    throw new UserError(
      `--queue: a name or password in the address can be read by everybody in the process list: leave out what stands before the @, and set ${PASSWORD_VARIABLE} (and ${USER_VARIABLE})`,
    );
  }
  const match = /^(rediss?):\/\/(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(\d{1,5}))?(?:\/(\d{1,4}))?\/?$/.exec(text);
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  if (match === null || port < 1 || port > 65_535) {
    throw new UserError(`--queue: "${text}": expected redis://HOST[:PORT][/DB], or rediss:// for TLS`);
  }
  const [, scheme, host, , database] = match as unknown as [string, string, string, string?, string?];
  const db = Number(database ?? 0);
  return {
    ...{ host: host.replace(/^\[|\]$/g, ''), port, db, tls: scheme === 'rediss' },
    ...{ user: user ?? null, password: password ?? null },
    shown: `${scheme}://${host}:${port}/${db}`,
  };
}
