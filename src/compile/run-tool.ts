/**
 * Runs a tool that a check asks.
 *
 * Promise: what a tool prints, or `Uncheckable` with its last line; a tool that is not installed is named. It ends with the
 * call, or after two minutes.
 */
import { spawn } from 'node:child_process';
import { type Target, Uncheckable } from './back-end.js';

const PATIENCE_MS = 120_000;

/** How it is run. */
export interface ToolOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A package that brings it. */
  readonly from: string;
  /** Exit codes that are fine. Default 0 only. */
  readonly codes?: readonly number[];
}

/** Standard output. @throws Uncheckable */
export function runTool(target: Target, words: readonly string[], options: ToolOptions): Promise<string> {
  const { input = '', env = {}, cwd, from, codes = [0] } = options;
  const [program, ...args] = words;
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, {
      env: { ...process.env, ...env },
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
      ...(cwd === undefined ? {} : { cwd }),
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.stdin.on('error', () => {
      // It reads no more: its exit code says why.
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? `${program} is needed (package ${from})` : error.message;
      reject(new Uncheckable(target, why));
    });
    child.on('close', (code) => {
      if (code !== null && codes.includes(code)) resolve(out);
      else {
        const said = (err.trim() || out.trim()).split('\n').at(-1) || `exit code ${code}`;
        reject(new Uncheckable(target, `${program}: ${said}`));
      }
    });
    child.stdin.end(input);
  });
}
