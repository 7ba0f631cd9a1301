/** The built command line as a user calls it. */
import { spawn } from 'node:child_process';
import { CLI } from '../support/forwarder.js';
import { Process } from '../support/processes.js';

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  /** Put in front of the call, e.g. `setpriv …`. */
  readonly before?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}

/** Runs `rxsteer …` to its end. */
export async function rxsteer(args: readonly string[], options: CallOptions = {}): Promise<Result> {
  const process = start(args, options);
  const { code } = await process.finish(60_000).catch((error) => {
    process.kill();
    throw error;
  });
  return { code, stdout: process.stdout, stderr: process.stderr };
}

/** Starts `rxsteer …`. */
export function start(args: readonly string[], { before = [], environment }: CallOptions = {}): Process {
  const started = new Process([...before, process.execPath, CLI, ...args], environment);
  running.add(started);
  void started.ended.then(() => running.delete(started));
  return started;
}

const running = new Set<Process>();

/** Ends what a failed test left running; for `afterEach`. */
export async function endAll(): Promise<void> {
  await Promise.all(
    [...running].map((started) => {
      started.kill();
      return started.ended;
    }),
  );
}

/** Starts `rxsteer …` with a standard input that stays open until it is ended. */
export function startWithStdin(args: readonly string[]) {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (/^ready$/m.test(stderr)) resolve();
    });
    child.on('close', () => reject(new Error(`ended: ${stderr}`)));
  });
  const ended = new Promise<Result>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ready, ended };
}

/** Runs without any privilege, as an id that owns nothing. */
export const UNPRIVILEGED = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
