/**
 * Commands of this program in processes of their own: a forwarder, started inside a network namespace, awaited until
 * `ready`, stopped for its summary; a dashboard.
 *
 * Promise: the child ends when this process does, even when it is killed: the child watches its standard input
 * (`--end-with-stdin`), a pipe that only this process holds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Summary } from '../dataplane/engine/summary.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/** A command of this program in a process of its own. */
export class Child {
  protected stdout = '';
  protected stderr = '';
  protected readonly ended: Promise<number | null>;
  protected readonly process: ChildProcess;

  /** @param namespace null = the namespace of this process */
  constructor(namespace: string | null, args: readonly string[]) {
    const command = [process.execPath, MAIN, ...args, '--json', '--end-with-stdin'];
    const full = namespace === null ? command : ['ip', 'netns', 'exec', namespace, ...command];
    // An interrupt from the terminal reaches it too; who needs its summary must be first to ask.
    this.process = spawn(full[0]!, full.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => {
      this.process.on('error', (error) => {
        this.stderr += error.message;
        resolve(null);
      });
      this.process.on('close', (code) => resolve(code));
    });
  }

  protected problem(): Error {
    const lines = this.stderr.trim().split('\n');
    return new Error(
      lines.find((line) => line.startsWith('rxsteer: ')) ?? lines.at(-1) ?? 'the forwarder ended',
    );
  }

  /** Resolves with what `read` makes of what was said so far, once that is not null; throws what it says when it ends instead. */
  protected async until<T>(read: () => T | null): Promise<T> {
    const { stdout, stderr } = this.process;
    return Promise.race([
      new Promise<T>((resolve) => {
        const look = () => {
          const found = read();
          if (found !== null) resolve(found);
        };
        for (const stream of [stdout!, stderr!]) stream.on('data', look);
        look();
      }),
      this.ended.then(() => {
        throw this.problem();
      }),
    ]);
  }

  /** Resolves when it has ended, however it did. */
  get gone(): Promise<void> {
    return this.ended.then(() => {});
  }

  /** What it said when it ended by itself. */
  get lastWords(): Error {
    return this.problem();
  }

  /** Ends it at once, for clean-up. */
  kill(): void {
    this.process.kill('SIGKILL');
  }
}

/** `rxsteer dashboard`, which gives up all rights that this process may have. */
export class DashboardChild extends Child {
  constructor(socket: string, listen: string) {
    super(null, ['dashboard', '--socket', socket, '--listen', listen]);
  }

  /** The address, with the token. Throws what it says when it ends instead. */
  url(): Promise<string> {
    return this.until(() => /"url": "([^"]+)"/.exec(this.stdout)?.[1] ?? null);
  }
}

export class ForwarderChild extends Child {
  /** @param namespace null = the namespace of this process */
  constructor(namespace: string | null, args: readonly string[]) {
    super(namespace, ['forward', ...args]);
  }

  /** Resolves at `ready`; throws what the forwarder says when it ends instead. */
  async ready(): Promise<void> {
    await this.until(() => (/^ready$/m.test(this.stderr) ? true : null));
  }

  /** Resolves with the summary once the forwarder ends by itself (a finite source, a duration). */
  async summary(): Promise<Summary> {
    const code = await this.ended;
    if (code !== 0) throw this.problem();
    return JSON.parse(this.stdout) as Summary;
  }

  /** Asks the forwarder to drain and end; its summary. */
  async stop(): Promise<Summary> {
    this.process.stdin!.end();
    return await this.summary();
  }
}
