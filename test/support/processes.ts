/**
 * Processes of a test: started by this process, ended by their PID, never by name.
 *
 * Promise: output is collected and can be awaited line by line; `stop` sends a signal and awaits the end, with
 * SIGKILL when it does not come. No time-out decides a test: the limits here only turn a hang into an error that
 * shows the output.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { SLOW } from './slow.js';

/** Longest time to wait for an expected line or for the end of a stopped process. */
const PATIENCE_MS = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Process {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;
  private end: Ended | null = null;
  private readonly child: ChildProcess;
  private readonly watchers = new Set<() => void>();

  constructor(
    readonly command: readonly string[],
    environment: NodeJS.ProcessEnv = process.env,
  ) {
    this.child = spawn(command[0]!, command.slice(1), {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.notify();
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.notify();
    });
    this.ended = new Promise((resolve) => {
      const finish = (end: Ended) => {
        this.end = end;
        resolve(end);
        this.notify();
      };
      // 'close' comes after all output has been read, 'error' when it could not be started.
      this.child.on('close', (code, signal) => finish({ code, signal }));
      this.child.on('error', (error) => {
        this.stderr += String(error);
        finish({ code: 127, signal: null });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get running(): boolean {
    return this.end === null;
  }

  private notify() {
    for (const watcher of this.watchers) watcher();
  }

  private report(what: string): Error {
    const command = this.command.join(' ');
    const threads = this.running ? `\nthreads: ${this.threads()}` : '';
    return new Error(`${command}: ${what}\nstdout: ${this.stdout}\nstderr: ${this.stderr}${threads}`);
  }

  /** State, clock ticks used and where it sleeps, of each thread: what a hang looks like. */
  private threads(): string {
    try {
      const tasks = `/proc/${this.pid}/task`;
      return readdirSync(tasks)
        .map((tid) => {
          const fields = readFileSync(`${tasks}/${tid}/stat`, 'utf8').split(') ')[1]!.split(' ');
          const [state, user, system] = [fields[0], fields[11], fields[12]];
          return `${tid} ${state} ${user}+${system} ${readFileSync(`${tasks}/${tid}/wchan`, 'utf8')}`;
        })
        .join('; ');
    } catch (error) {
      return String(error);
    }
  }

  /** Resolves with the match once standard output or error has it; rejects when the process ends without it. */
  async line(pattern: RegExp, patienceMs = PATIENCE_MS): Promise<RegExpMatchArray> {
    let timer: NodeJS.Timeout | undefined;
    let watcher = () => {};
    try {
      return await new Promise((resolve, reject) => {
        watcher = () => {
          const match = this.stdout.match(pattern) ?? this.stderr.match(pattern);
          if (match) resolve(match);
          else if (this.end) reject(this.report(`ended (${JSON.stringify(this.end)}) before ${pattern}`));
        };
        this.watchers.add(watcher);
        const limit = patienceMs * SLOW;
        timer = setTimeout(() => reject(this.report(`no ${pattern} within ${limit} ms`)), limit);
        watcher();
      });
    } finally {
      clearTimeout(timer);
      this.watchers.delete(watcher);
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.child.kill(signal);
  }

  /** Awaits the end; rejects when it does not come. */
  async finish(patienceMs = PATIENCE_MS): Promise<Ended> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const limit = patienceMs * SLOW;
      timer = setTimeout(() => reject(this.report(`still running after ${limit} ms`)), limit);
    });
    try {
      return await Promise.race([this.ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks it to end and awaits that; kills it, and rejects, when it does not. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMs = PATIENCE_MS): Promise<Ended> {
    this.signal(signal);
    try {
      return await this.finish(patienceMs);
    } catch (error) {
      this.kill();
      await this.ended;
      throw error;
    }
  }

  /** At once, without waiting (exit hooks). */
  kill(): void {
    if (this.running) this.child.kill('SIGKILL');
  }

  /** Throws unless it ended with that exit code. */
  async expectExit(code: number): Promise<this> {
    const end = await this.finish();
    if (end.code !== code) throw this.report(`exit ${JSON.stringify(end)} instead of ${code}`);
    return this;
  }
}
