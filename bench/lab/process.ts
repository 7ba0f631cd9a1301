/**
 * Child processes of a measurement.
 *
 * Promise: a child ends when this process does, however that ends (PR_SET_PDEATHSIG by setpriv), and `end` ends
 * exactly the process that was started here. Output is kept, bounded.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** Characters of output kept of each stream. */
const OUTPUT_MAX = 1 << 20;

export interface ChildOptions {
  /** Network namespace; absent = this one. */
  readonly namespace?: string;
  /** CPUs that it may use, e.g. `0`. */
  readonly cpus?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class Child {
  stdout = '';
  stderr = '';
  /** Exit code, or null for a signal; undefined while it runs. */
  code: number | null | undefined;
  readonly ended: Promise<number | null>;
  private readonly process: ChildProcess;
  private readonly listeners = new Set<() => void>();

  constructor(
    readonly name: string,
    command: readonly string[],
    options: ChildOptions = {},
  ) {
    const full = ['setpriv', '--pdeathsig', 'KILL'];
    if (options.namespace !== undefined) full.push('ip', 'netns', 'exec', options.namespace);
    if (options.cpus !== undefined) full.push('taskset', '-c', options.cpus);
    // Each of these replaces itself by the next: the process id is the command's own.
    full.push(...command);
    this.process = spawn(full[0]!, full.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', ...options.env },
    });
    const keep = (stream: 'stdout' | 'stderr') => (text: string) => {
      if (this[stream].length < OUTPUT_MAX) this[stream] += text;
      for (const listener of this.listeners) listener();
    };
    this.process.stdout!.setEncoding('utf8').on('data', keep('stdout'));
    this.process.stderr!.setEncoding('utf8').on('data', keep('stderr'));
    this.process.stdin!.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.process.on('error', (error) => {
        this.stderr += error.message;
        this.code = null;
        resolve(null);
      });
      this.process.on('close', (code) => {
        this.code = code;
        resolve(code);
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.process.stdin!.write(text);
  }

  /** The line of its output that says most, for error messages. */
  gist(): string {
    const lines = `${this.stdout}\n${this.stderr}`.split('\n').filter((line) => line.trim() !== '');
    const telling = /^rxsteer: |Cause:|\berror\b|is not compatible|cannot allocate/i;
    return (lines.find((line) => telling.test(line)) ?? lines.at(-1) ?? 'no output').trim();
  }

  /** Waits until its output matches; throws when it ends before, or after `timeoutMs`. */
  async until(pattern: RegExp, timeoutMs = 10_000): Promise<void> {
    const matches = () => pattern.test(this.stdout) || pattern.test(this.stderr);
    if (matches()) return;
    let timer: NodeJS.Timeout | undefined;
    let look: () => void = () => {};
    try {
      await Promise.race([
        new Promise<void>((resolve) => {
          look = () => {
            if (matches()) resolve();
          };
          this.listeners.add(look);
        }),
        this.ended.then(() => {
          if (!matches()) throw new Error(`${this.name}: ${this.gist()}`);
        }),
        new Promise<never>((_, reject) => {
          const late = () =>
            reject(new Error(`${this.name}: not ready after ${timeoutMs} ms: ${this.gist()}`));
          timer = setTimeout(late, timeoutMs);
        }),
      ]);
    } finally {
      clearTimeout(timer);
      this.listeners.delete(look);
    }
  }

  /** Waits for its end; throws when its exit code is not 0. */
  async done(): Promise<string> {
    const code = await this.ended;
    if (code !== 0) throw new Error(`${this.name}: ${this.gist()}`);
    return this.stdout;
  }

  /** Closes its standard input and sends a signal; kills it when that does not end it within `graceMs`. */
  async end(signal: NodeJS.Signals | null = 'SIGTERM', graceMs = 3000): Promise<void> {
    if (this.code !== undefined) return;
    this.process.stdin!.end();
    if (signal !== null) this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** At once and without waiting, for clean-up. */
  kill(): void {
    if (this.code === undefined) this.process.kill('SIGKILL');
  }
}

/** Runs a command to its end; its standard output. */
export async function runChild(
  name: string,
  command: readonly string[],
  options: ChildOptions = {},
): Promise<string> {
  const child = new Child(name, command, options);
  try {
    return await child.done();
  } finally {
    child.kill();
  }
}
