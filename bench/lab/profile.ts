/**
 * Where the forwarder's thread spends its CPU time, by kind of code.
 *
 * Method: perf samples the thread by its CPU clock and names the file that each sampled instruction belongs to.
 * Kernel, our addon, the C library and the vdso are what they are; everything else in user space (code that V8 made,
 * which belongs to no file, and Node itself: builtins, garbage collection, the entry into the addon) counts as
 * JavaScript. So the share includes what calling the addon costs, and is an upper bound.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from './process.js';

export interface CpuShares {
  readonly samples: number;
  readonly kernel: number;
  readonly addon: number;
  readonly library: number;
  readonly javascript: number;
}

/** Samples a second: enough for a share to half a percent in two seconds, and not in step with timers. */
const FREQUENCY = 1997;

export async function cpuShares(thread: number, seconds: number): Promise<CpuShares> {
  const directory = mkdtempSync(join(tmpdir(), 'rxsteer-perf-'));
  try {
    const data = join(directory, 'perf.data');
    const record = ['perf', 'record', '-q', '-e', 'cpu-clock', '-F', String(FREQUENCY), '-t', String(thread)];
    await runChild('perf record', [...record, '-o', data, '--', 'sleep', String(seconds)]);
    const text = await runChild('perf script', ['perf', 'script', '-i', data, '-F', 'ip,sym,dso']);
    return countSamples(text);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Counts the lines `IP SYMBOL (FILE)` of perf script. */
export function countSamples(text: string): CpuShares {
  const count = { kernel: 0, addon: 0, library: 0, javascript: 0 };
  let samples = 0;
  for (const line of text.split('\n')) {
    const file = /\(([^()]*)\)\s*$/.exec(line)?.[1];
    if (file === undefined) continue;
    samples++;
    // In brackets: the kernel, its modules and its BPF programs, but for these two.
    if (/^\[(?!vdso\]|unknown\])|^bpf_prog/.test(file)) count.kernel++;
    else if (/rxsteer\.node$/.test(file)) count.addon++;
    else if (/\/lib[\w+-]*[.-][^/]*\.so|\/libc[.-]|\/ld-|^\[vdso\]$/.test(file)) count.library++;
    else count.javascript++;
  }
  const share = (n: number) => (samples === 0 ? Number.NaN : n / samples);
  return {
    samples,
    kernel: share(count.kernel),
    addon: share(count.addon),
    library: share(count.library),
    javascript: share(count.javascript),
  };
}
