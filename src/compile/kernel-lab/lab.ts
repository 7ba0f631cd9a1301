/**
 * Asks the running kernel: a TAP in a network namespace of its own is set up as a policy's commands say, frames are written
 * into it, and a program notes where each was processed.
 *
 * Promise: the host's own devices and settings are not touched; the namespace ends with the process that made it. What is
 * one for the whole machine (`rps_sock_flow_entries`) is not set there.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { loadNative, nativeProblem } from '../../addon/native.js';
import type { Target } from '../back-end.js';
import { Uncheckable } from '../back-end.js';
import type { CorpusOptions } from '../corpus.js';
import type { Landing } from './recorder.js';

/** What is tried. */
export interface LabOrder {
  readonly device: string;
  readonly queues: number;
  /** For a shell, with `DEV` set. */
  readonly commands: readonly string[];
  readonly frames: number;
  readonly corpus: CorpusOptions;
  /** An XDP program for the device: a policy and its number of workers. */
  readonly xdp?: { readonly policy: string; readonly workers: number };
}

const MINUTE = 60_000;

/** Runs it; one landing a frame. @throws Uncheckable */
export function runLab(target: Target, order: LabOrder): Promise<Landing[]> {
  if (loadNative() === null) throw new Uncheckable(target, `the native addon is needed: ${nativeProblem()}`);
  if (process.getuid?.() !== 0) throw new Uncheckable(target, 'a network namespace of its own needs root');
  const child = fileURLToPath(new URL('./child.js', import.meta.url));
  const inside = 'mount -t sysfs sysfs /sys && exec "$0" "$@"';
  const words = ['-n', '-m', 'sh', '-c', inside, process.execPath, child];
  return new Promise((resolve, reject) => {
    const started = execFile(
      'unshare',
      words,
      { maxBuffer: 1 << 28, timeout: 10 * MINUTE, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error === null) resolve(JSON.parse(stdout) as Landing[]);
        else reject(new Uncheckable(target, stderr.trim().split('\n').at(-1) || error.message));
      },
    );
    started.stdin!.on('error', () => {
      // The child has ended: the callback says why.
    });
    started.stdin!.end(JSON.stringify(order));
  });
}
