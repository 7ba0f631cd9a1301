/** A Redis of the test's own: on loopback, in its own folder, with the append-only file on and without eviction. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { open, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { CLI } from './forwarder.js';
import { Process } from './processes.js';

/** Why there is none, or null. */
export function redisMissing(): string | null {
  const { error } = spawnSync('redis-server', ['--version']);
  return error === undefined ? null : 'redis-server is not installed: apt-get install redis-server';
}

/** A CA of the test's own in a folder (`ca.pem`), and a key and certificate of it for 127.0.0.1. */
export function makeCertificates(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    name,
  ];
  openssl('req', '-x509', ...key('ca.key'), '-out', 'ca.pem', '-days', '2', '-subj', '/CN=A test');
  openssl('req', ...key('redis.key'), '-out', 'redis.csr', '-subj', '/CN=redis');
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1');
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names', '-days', '2'];
  openssl('x509', '-req', '-in', 'redis.csr', ...signed, '-out', 'redis.pem');
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export class Redis {
  #process: Process | null = null;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly options: readonly string[],
    private readonly certificates: string | null,
  ) {}

  /**
   * @param options of redis-server, behind those of every test
   * @param certificates a folder of `makeCertificates`: it speaks TLS, and nothing else
   */
  static async start(
    folder: string,
    options: readonly string[] = [],
    certificates: string | null = null,
  ): Promise<Redis> {
    mkdirSync(folder, { recursive: true });
    const redis = new Redis(await freePort(), folder, options, certificates);
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis${this.certificates === null ? '' : 's'}://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const fixed = ['--bind', '127.0.0.1', '--save', '', '--maxmemory-policy', 'noeviction'];
    const { certificates: held } = this;
    const port = ['--port', held === null ? `${this.port}` : '0'];
    if (held !== null) {
      port.push(
        '--tls-port',
        `${this.port}`,
        '--tls-auth-clients',
        'no',
        '--tls-ca-cert-file',
        join(held, 'ca.pem'),
      );
      port.push('--tls-cert-file', join(held, 'redis.pem'), '--tls-key-file', join(held, 'redis.key'));
    }
    const own = [...port, '--dir', this.folder, ...fixed, '--appendonly', 'yes'];
    this.#process = new Process(['redis-server', ...own, ...this.options]);
    await this.#process.line(/Ready to accept connections/);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#process?.stop(signal);
    this.#process = null;
  }

  cli(...args: readonly string[]): string {
    return execFileSync('redis-cli', ['-p', String(this.port), ...args], { encoding: 'utf8' }).trim();
  }
}

/** A policy that waits in the middle of its first cell, in the process whose GATE names this gate. */
export class Gate {
  readonly environment: NodeJS.ProcessEnv;

  private constructor(private readonly path: string) {
    this.environment = { ...process.env, GATE: path };
  }

  static async make(path: string): Promise<Gate> {
    execFileSync('mkfifo', [`${path}.in`, `${path}.out`]);
    await writeFile(path, '');
    return new Gate(path);
  }

  /** Resolves when the process is in the middle of a cell. */
  async reached(): Promise<void> {
    await (await open(`${this.path}.in`, 'r')).close();
  }

  /** Lets it go on. */
  async open(): Promise<void> {
    await (await open(`${this.path}.out`, 'w')).close();
    await unlink(`${this.path}.out`);
  }
}

/** The module of a policy that heeds gates; what it decides does not depend on them. */
export const GATED = `import { closeSync, openSync, rmSync, statSync } from 'node:fs';
const gate = process.env.GATE;
export default ({ workers }) => {
  let isNew = true;
  return {
    steer({ n, worker }) {
      if (isNew && gate !== undefined && statSync(gate, { throwIfNoEntry: false }) !== undefined) {
        rmSync(gate);
        closeSync(openSync(gate + '.in', 'w'));
        closeSync(openSync(gate + '.out', 'r'));
      }
      isNew = false;
      for (let i = 0; i < n; i++) worker[i] = i % workers;
    },
  };
};
`;

/** Starts `rxsteer …`. */
export const rxsteerProcess = (args: readonly string[], environment = process.env) =>
  new Process([process.execPath, CLI, ...args], environment);
