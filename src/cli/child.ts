/**
 * A forwarder in a process of its own: started inside a network namespace, awaited until `ready`, stopped for its
 * summary.
 *
 * Promise: the child ends when this process does, even when it is killed: the child watches its standard input
 * (`--end-with-stdin`), a pipe that only this process holds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Summary } from '../dataplane/engine/summary.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

export class ForwarderChild {
  private stdout = '';
  private stderr = '';
  private readonly ended: Promise<number | null>;
  private readonly process: ChildProcess;

  /** @param namespace null = the namespace of this process */
  constructor(namespace: string | null, args: readonly string[]) {
    const command = [process.execPath, MAIN, 'forward', ...args, '--json', '--end-with-stdin'];
    const full = namespace === null ? command : ['ip', 'netns', 'exec', namespace, ...command];
    this.process = spawn(full[0]!, full.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    // An interrupt from the terminal reaches the child too; it must not end before it is asked to.
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

  private problem(): Error {
    const lines = this.stderr.trim().split('\n');
    return new Error(
      lines.find((line) => line.startsWith('rxsteer: ')) ?? lines.at(-1) ?? 'the forwarder ended',
    );
  }

  /** Resolves at `ready`; throws what the forwarder says when it ends instead. */
  async ready(): Promise<void> {
    await Promise.race([
      new Promise<void>((resolve) => {
        const look = () => {
          if (/^ready$/m.test(this.stderr)) resolve();
        };
        this.process.stderr!.on('data', look);
        look();
      }),
      this.ended.then(() => {
        throw this.problem();
      }),
    ]);
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
